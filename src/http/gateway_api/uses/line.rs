//! From the text of a line to the use that it says.

use super::super::questions::{question_of, scope};
use super::member::{Member, Members};
use crate::domain::access::{GroupNumber, Verb};
use crate::domain::command::AskedTarget;
use crate::domain::event::MappedRoute;
use crate::domain::idempotency::KeyHash;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::report::LINE_KEY_CHARS_MAX;
use crate::domain::reported_use::{ReportedToken, ReportedUse};
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::Principal;
use crate::domain::token_text::TokenDigest;
use crate::http::App;
use crate::http::gateway::map_in_force::MapInForce;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::net::IpAddr;

/// Why the text of a line is no use that could be recorded.
#[derive(Debug)]
pub(super) enum Unrecordable {
    /// It is not one JSON object with each member once.
    Malformed,
    /// Members are not as they must be: a sentence each.
    Invalid(Vec<String>),
    /// The scope map does not say what method and path need.
    Undecidable(String),
}

/// Reads the lines of one reporter.
pub(super) struct Reader<'a> {
    app: &'a App,
    map: &'a MapInForce,
    reporter: TokenId,
}

/// What was needed.
struct Needed {
    account: Option<AccountId>,
    scope: Option<(GroupNumber, Verb)>,
    target: AskedTarget,
    mapped: Option<MappedRoute>,
}

/// Faults of a line's members.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, name: &str, fault: &str) {
        self.0.push(format!("{name} {fault}"));
    }

    /// A member that must be there.
    fn required<T>(
        &mut self,
        name: &str,
        member: &Member<'_>,
        wanted: &str,
        read: impl FnOnce(&Member<'_>) -> Option<T>,
    ) -> Option<T> {
        if matches!(member, Member::Absent) {
            self.add(name, "can't be blank");
            return None;
        }
        self.optional(name, member, wanted, read)
    }

    /// A member that need not be there.
    fn optional<T>(
        &mut self,
        name: &str,
        member: &Member<'_>,
        wanted: &str,
        read: impl FnOnce(&Member<'_>) -> Option<T>,
    ) -> Option<T> {
        if matches!(member, Member::Absent) {
            return None;
        }
        let value = read(member);
        if value.is_none() {
            self.0.push(format!("{name} must be {wanted}"));
        }
        value
    }
}

fn text<'m>(member: &'m Member<'_>) -> Option<&'m str> {
    match member {
        Member::Text(text) => Some(text),
        _ => None,
    }
}

fn number(member: &Member<'_>) -> Option<u64> {
    match member {
        Member::Number(number) if *number > 0 => Some(*number),
        _ => None,
    }
}

fn sent(member: &Member<'_>) -> bool {
    !matches!(member, Member::Absent)
}

impl<'a> Reader<'a> {
    pub fn new(app: &'a App, map: &'a MapInForce, reporter: TokenId) -> Self {
        Self { app, map, reporter }
    }

    /// The key of a line, as far as it has one, and what it says.
    pub fn read<'l>(&mut self, line: &'l [u8]) -> (Option<Cow<'l, str>>, Result<ReportedUse, Unrecordable>) {
        let Some(mut members) = Members::read(line) else { return (None, Err(Unrecordable::Malformed)) };
        let reported = self.reported(&members);
        let key = match std::mem::take(&mut members.key) {
            Member::Text(key) => Some(key).filter(|key| is_key(key)),
            _ => None,
        };
        (key, reported)
    }

    fn reported(&self, members: &Members<'_>) -> Result<ReportedUse, Unrecordable> {
        let mut faults = Faults::default();
        let key = faults.required("key", &members.key, "a text of 1 to 64 characters", |member| {
            text(member).filter(|key| is_key(key)).map(str::to_owned)
        });
        let token = read_token(members, &mut faults);
        let account = faults.optional("account_id", &members.account_id, "a number from 1 on", number);
        let occurred_at =
            faults.required("occurred_at", &members.occurred_at, "a time such as 2026-03-01T12:00:00Z", |member| {
                Timestamp::parse(text(member)?)
            });
        let known = faults.required("known_position", &members.known_position, "a number from 1 on", number);
        let status = faults.optional("status", &members.status, "an HTTP status from 100 to 599", |member| {
            number(member).filter(|status| (100..=599).contains(status)).and_then(|status| u16::try_from(status).ok())
        });
        let address = faults.optional("address", &members.address, "an IP address", |member| {
            Some(text(member)?.parse::<IpAddr>().ok()?.to_canonical().to_string())
        });
        let needed = self.needed(members, account.map(AccountId), &mut faults);
        if members.has_unknown {
            faults.0.push("a member is there that no line has".to_owned());
        }
        let (Some(key), Some(token), Some(occurred_at), Some(known), true) =
            (key, token, occurred_at, known, faults.0.is_empty())
        else {
            return Err(Unrecordable::Invalid(faults.0));
        };
        let facts = facts(token, account, occurred_at, known, status);
        let part = |member| text(member).unwrap_or_default().as_bytes();
        let content = self.app.ledger.digest_report(
            &facts,
            part(&members.required_scope),
            part(&members.method),
            part(&members.path),
            address.as_deref().unwrap_or_default().as_bytes(),
        );
        let Needed { account, scope, target, mapped } = needed?;
        Ok(ReportedUse {
            key: KeyHash::of(Principal::Staff(self.reporter), &PersonalText::new(key)),
            content,
            token,
            account,
            occurred_at,
            known_position: Position(known),
            scope,
            target,
            mapped,
            status: status.unwrap_or_default(),
            address: address.map(PersonalText::new),
        })
    }

    /// By a scope, or by method and path; one of the two.
    fn needed(
        &self,
        members: &Members<'_>,
        account: Option<AccountId>,
        faults: &mut Faults,
    ) -> Result<Needed, Unrecordable> {
        let by_path = sent(&members.method) || sent(&members.path);
        if by_path == sent(&members.required_scope) {
            faults.0.push("either required_scope or method and path must be there".to_owned());
        }
        if by_path {
            let read = |member: &Member<'_>| text(member).map(str::to_owned);
            let method = faults.required("method", &members.method, "a text", read);
            let path = faults.required("path", &members.path, "a text", read);
            return self.by_path(&method.unwrap_or_default(), &path.unwrap_or_default(), account);
        }
        let wanted = "a scope such as zones:example.com:read, of a known group";
        let read = |member: &Member<'_>| scope(text(member)?, self.map);
        let scope = faults.optional("required_scope", &members.required_scope, wanted, read);
        let (scope, target) = match scope {
            Some(scope) => (Some((scope.group, scope.verb)), scope.target),
            None => (None, AskedTarget::None),
        };
        Ok(Needed { account, scope, target, mapped: None })
    }

    fn by_path(&self, method: &str, path: &str, account: Option<AccountId>) -> Result<Needed, Unrecordable> {
        let required = self.map.map.find(method, path);
        let question = question_of(self.map, &required.map_err(|why| Unrecordable::Undecidable(why.to_string()))?);
        if let (Some(sent), Some(in_path)) = (account, question.account)
            && sent != in_path
        {
            return Err(Unrecordable::Invalid(vec!["account_id is not the account of the path".to_owned()]));
        }
        let account = account.or(question.account);
        Ok(Needed { account, scope: question.scope, target: question.target, mapped: question.mapped })
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= LINE_KEY_CHARS_MAX
}

fn read_token(members: &Members<'_>, faults: &mut Faults) -> Option<ReportedToken> {
    if sent(&members.token_id) == sent(&members.hashed_token) {
        faults.0.push("either token_id or hashed_token must be there".to_owned());
        return None;
    }
    let by_number = faults.optional("token_id", &members.token_id, "a number from 1 on", number);
    let wanted = "the SHA-256 of a token's text in standard base64 (44 characters)";
    let by_digest = faults.optional("hashed_token", &members.hashed_token, wanted, |member| {
        STANDARD.decode(text(member)?).ok()?.try_into().ok().map(TokenDigest)
    });
    by_number.map(|id| ReportedToken::Number(TokenId(id))).or(by_digest.map(ReportedToken::Digest))
}

/// What a line says in numbers, at fixed places. Other spellings of one time are one time.
fn facts(
    token: ReportedToken,
    account: Option<u64>,
    occurred_at: Timestamp,
    known: u64,
    status: Option<u16>,
) -> [u8; 65] {
    let mut facts = [0; 65];
    let (tag, rest) = facts.split_at_mut(1);
    let (token_bytes, numbers) = rest.split_at_mut(32);
    match token {
        ReportedToken::Number(id) => token_bytes[..8].copy_from_slice(&id.0.to_le_bytes()),
        ReportedToken::Digest(digest) => {
            tag[0] = 1;
            token_bytes.copy_from_slice(&digest.0);
        }
    }
    let all = [account.unwrap_or(0), occurred_at.0, known, u64::from(status.unwrap_or(0))];
    for (place, number) in numbers.chunks_exact_mut(8).zip(all) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    facts
}
