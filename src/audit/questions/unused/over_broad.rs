//! Access that is not exercised: of tokens that were used in the period, what they may do and did not.
//!
//! Of an account's token its own access, of an OAuth token what it may by its authorization and its member, of a member its
//! membership's, exercised by all of the user's tokens. What was not
//! used at all is another table's. A list exercises all that it showed. Uses that gateways decided and reported count.

use super::{DAY_SECONDS, Looking};
use crate::audit::answer::Table;
use crate::domain::access::{Access, Coverage, Grant, GroupNumber, Level, RequiredScope, Target, Verb};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, Position, TextNumber, TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Token, TokenKind};
use crate::log::LogError;
use crate::projections::keys::Key;
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// Records that are looked at for one answer.
const RECORDS_MAX: u64 = 1_000_000;
/// Names that one finding lists.
const NAMES_TOLD_MAX: usize = 20;

/// What was asked for in one group.
#[derive(Clone, Debug, Default)]
struct Exercised {
    wrote: bool,
    /// All of what there is, by a list or at once.
    whole: bool,
    names: BTreeSet<TextNumber>,
}

/// An access with those who exercise it.
struct Bearer<'a> {
    account: AccountId,
    access: Cow<'a, Access>,
    token: Option<&'a Token>,
    user: Option<UserId>,
    tokens: Vec<TokenId>,
}

/// The table, and what could not be looked at.
pub(super) fn table(looking: &Looking<'_>, tokens: &[&Token]) -> Result<(Table, Option<String>), LogError> {
    let columns = &["account_id", "token_id", "token_name", "user_id", "group", "finding", "resources"];
    let mut table = Table::new("over_broad", "More than is used", columns);
    let mut budget = RECORDS_MAX;
    let mut skipped = 0_u64;
    for bearer in bearers(looking, tokens) {
        match exercised(looking, &bearer, &mut budget)? {
            Some(exercised) if !exercised.is_empty() => tell(looking, &mut table, &bearer, &exercised),
            Some(_) => {}
            None => skipped += 1,
        }
    }
    let gap = (skipped > 0).then(|| {
        format!("of {skipped} accesses it is not known whether they are exercised: more than {RECORDS_MAX} records had to be looked at")
    });
    Ok((table, gap))
}

fn bearers<'a>(looking: &Looking<'a>, tokens: &[&'a Token]) -> Vec<Bearer<'a>> {
    let mut bearers = Vec::new();
    let mut of_users: BTreeMap<UserId, Vec<TokenId>> = BTreeMap::new();
    let working = tokens
        .iter()
        .filter(|token| token.works().is_some_and(|works| works.until.is_none_or(|end| end > looking.moment.at)));
    for &token in working {
        match (token.kind, token.owner) {
            (TokenKind::Account, Owner::Account(account)) => {
                let (access, tokens) = (Cow::Borrowed(&token.access), vec![token.id]);
                bearers.push(Bearer { account, access, token: Some(token), user: None, tokens });
            }
            (TokenKind::OAuth, Owner::Account(account)) => {
                let Some((_, access, _)) = looking.state.access_on(token, account) else { continue };
                let (user, tokens) = (token.follows(), vec![token.id]);
                bearers.push(Bearer { account, access, token: Some(token), user, tokens });
            }
            (TokenKind::User, Owner::User(user)) => of_users.entry(user).or_default().push(token.id),
            _ => {}
        }
    }
    let accounts = looking.state.accounts.iter().filter(|account| !account.id.is_none());
    for account in accounts.filter(|account| looking.account.is_none_or(|only| only == account.id)) {
        for (user, member) in account.members.iter() {
            if let Some(tokens) = of_users.get(user) {
                let (user, tokens) = (Some(*user), tokens.clone());
                let access = Cow::Borrowed(&member.access);
                bearers.push(Bearer { account: account.id, access, token: None, user, tokens });
            }
        }
    }
    bearers
}

/// What was exercised in the period; none if that would take too many records.
fn exercised(
    looking: &Looking<'_>,
    bearer: &Bearer<'_>,
    budget: &mut u64,
) -> Result<Option<BTreeMap<GroupNumber, Exercised>>, LogError> {
    let micros = looking.days.saturating_mul(DAY_SECONDS).saturating_mul(1_000_000);
    let begin = Timestamp(looking.moment.at.0.saturating_sub(micros));
    let (after, _) = looking.archive.range(Some(begin), None)?;
    let keys: Vec<Key> = bearer.tokens.iter().copied().map(Key::TokenTraffic).collect();
    let (mut groups, mut is_whole) = (BTreeMap::<GroupNumber, Exercised>::new(), true);
    looking.archive.visit(&keys, (after, looking.moment.position), &mut |_: Position, header, event| {
        if *budget == 0 {
            is_whole = false;
            return ControlFlow::Break(());
        }
        *budget -= 1;
        if header.account == bearer.account
            && let Some(scope) = scope_of_use(event)
        {
            note(groups.entry(scope.group).or_default(), scope);
        }
        ControlFlow::Continue(())
    })?;
    Ok(is_whole.then_some(groups))
}

fn scope_of_use(event: &Event) -> Option<RequiredScope> {
    match event {
        Event::TokenUsed(used) => used.scope,
        Event::UseReported(reported) => reported.scope,
        _ => None,
    }
}

fn note(exercised: &mut Exercised, scope: RequiredScope) {
    exercised.wrote |= scope.verb == Verb::Write;
    match scope.target {
        Target::List | Target::All => exercised.whole = true,
        Target::Name(name) => {
            exercised.names.insert(name);
        }
        Target::Number(_) => {}
    }
}

fn tell(looking: &Looking<'_>, table: &mut Table, bearer: &Bearer<'_>, exercised: &BTreeMap<GroupNumber, Exercised>) {
    let words = looking.archive.words();
    let group_name = |group: GroupNumber| looking.state.groups.get(u64::from(group)).map(|group| group.name.clone());
    let mut add = |group: Option<GroupNumber>, finding: &str, names: &[TextNumber]| {
        let told: Vec<String> = names
            .iter()
            .take(NAMES_TOLD_MAX)
            .map(|&name| words.text(name).unwrap_or_else(|| format!("#{name}")))
            .chain((names.len() > NAMES_TOLD_MAX).then(|| format!("and {} more", names.len() - NAMES_TOLD_MAX)))
            .collect();
        table.add(vec![
            json!(bearer.account.0),
            json!(bearer.token.map(|token| token.id.0)),
            json!(bearer.token.and_then(|token| words.text(token.name))),
            json!(bearer.user.map(|user| user.0)),
            json!(group.and_then(group_name)),
            json!(finding),
            json!((!told.is_empty()).then_some(told)),
        ]);
    };
    match &*bearer.access {
        Access::Full => {
            let wrote = exercised.values().any(|group| group.wrote);
            if let (1, Some((group, _))) = (exercised.len(), exercised.first_key_value()) {
                add(Some(*group), "full access, and only one group was used", &[]);
            }
            if !wrote {
                add(None, "full access, and nothing was written", &[]);
            }
        }
        Access::Granted(grants) => {
            for grant in grants {
                for (finding, names) in findings(grant, exercised.get(&grant.group)) {
                    add(Some(grant.group), finding, &names);
                }
            }
        }
    }
}

/// What of a grant was not exercised.
fn findings(grant: &Grant, exercised: Option<&Exercised>) -> Vec<(&'static str, Vec<TextNumber>)> {
    let Some(exercised) = exercised else { return vec![("the grant was not used", Vec::new())] };
    let mut findings = Vec::new();
    if grant.level == Level::FullAccess && !exercised.wrote {
        findings.push(("full_access, and nothing was written", Vec::new()));
    }
    if exercised.whole {
        return findings;
    }
    match &grant.coverage {
        Coverage::All => {
            findings.push(("all resources, and only these were used", exercised.names.iter().copied().collect()));
        }
        Coverage::Named(names) => {
            let idle: Vec<TextNumber> = names.iter().copied().filter(|name| !exercised.names.contains(name)).collect();
            if !idle.is_empty() {
                findings.push(("these were not used", idle));
            }
        }
    }
    findings
}
