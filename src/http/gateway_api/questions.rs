//! The body of `POST /v1/authorize`: a token, and what is asked about it.

use crate::domain::access::Verb;
use crate::domain::command::{AskedTarget, Client, Question};
use crate::domain::ids::AccountId;
use crate::domain::names::normalize_domain_name;
use crate::domain::scope_map::Required;
use crate::domain::text::PersonalText;
use crate::domain::token_text::TokenDigest;
use crate::http::bearer;
use crate::http::entry::AGENT_BYTES_MAX;
use crate::http::fields::Fields;
use crate::http::gateway::map_in_force::MapInForce;
use crate::http::problem::Problem;
use std::net::IpAddr;

/// Most questions of a call.
pub const QUESTIONS_MAX: usize = 100;
/// Longest body of a call: a list of a thousand names, or a hundred long paths.
pub const BODY_BYTES_MAX: usize = 512 * 1024;

/// A call as it was sent.
pub(super) struct Sent {
    /// Digest of the token asked about; none of a text that can be no token.
    pub shown: Option<TokenDigest>,
    pub client: Client,
    pub dry_run: bool,
    pub asked: Vec<Asking>,
}

/// One question, with what its answer says beside the verdict.
pub(super) struct Asking {
    pub question: Question,
    /// The scope it needs, as far as that could be read; none where a token that works will do.
    pub required_scope: Option<String>,
    /// Why it cannot be decided.
    pub undecidable: Option<String>,
    /// Names to be filtered.
    pub candidates: Option<Vec<String>>,
}

/// Reads a body. Whatever is wrong with it is told at once.
pub(super) fn read(body: &[u8], map: &MapInForce) -> Result<Sent, Box<Problem>> {
    let mut fields = Fields::parse(body)?;
    let token = fields.required("token", Fields::string);
    let address = address(&mut fields);
    let agent = fields.string("user_agent").filter(|agent| !agent.is_empty() && agent.len() <= AGENT_BYTES_MAX);
    let dry_run = fields.boolean("dry_run").unwrap_or(false);
    let asked =
        fields.required("questions", |fields, name| fields.objects(name, QUESTIONS_MAX, |one| asking(one, map)));
    fields.finish()?;
    let (Some(token), Some(asked)) = (token, asked) else {
        return Err(Box::new(Problem::malformed("a required field is missing")));
    };
    let client = Client { address, agent: agent.map(PersonalText::new) };
    Ok(Sent { shown: bearer::digest_of(&token), client, dry_run, asked })
}

/// In the one form that addresses are recorded and judged in.
fn address(fields: &mut Fields) -> Option<IpAddr> {
    let parse = |text: &str| text.parse::<IpAddr>().ok();
    fields.word("address", "an IP address", parse).map(|address| address.to_canonical())
}

/// One question, of one of three kinds: by method and path, by scope, or a list to be filtered.
fn asking(fields: &mut Fields, map: &MapInForce) -> Option<Asking> {
    if fields.has("method") || fields.has("path") {
        let (method, path) = (fields.required("method", Fields::string), fields.required("path", Fields::string));
        return Some(by_path(map, &method?, &path?));
    }
    let account = fields.required("account_id", account_id);
    if fields.has("candidates") {
        let group = fields.required("group", |fields, name| group(fields, name, map));
        let verb = fields.word("verb", "read or write", verb).or((!fields.has("verb")).then_some(Verb::Read));
        let candidates = fields.required("candidates", Fields::texts)?;
        let ((group, number), verb) = (group?, verb?);
        let question = Question { account, target: AskedTarget::List, scope: Some((number, verb)), mapped: None };
        account?;
        return Some(Asking {
            question,
            required_scope: Some(format!("{group}:*:{}", verb.name())),
            undecidable: None,
            candidates: Some(candidates.iter().map(|name| name.as_str().to_owned()).collect()),
        });
    }
    let scope = fields.required("required_scope", |fields, name| {
        fields.word(name, "a scope such as zones:example.com:read, of a known group", |text| scope(text, map))
    });
    by_scope(account?, scope?)
}

fn account_id(fields: &mut Fields, name: &str) -> Option<AccountId> {
    let number = fields.number(name)?;
    if number == 0 {
        fields.fault(name, "must be a number from 1 on");
        return None;
    }
    Some(AccountId(number))
}

fn group(fields: &mut Fields, name: &str, map: &MapInForce) -> Option<(String, u16)> {
    fields.word(name, "a known scope group", |text| {
        let number = map.group(text);
        (number > 0).then(|| (text.to_owned(), number))
    })
}

fn verb(word: &str) -> Option<Verb> {
    match word {
        "read" => Some(Verb::Read),
        "write" => Some(Verb::Write),
        _ => None,
    }
}

/// A scope as maps say it: `*` needs the whole group, `listed` any grant in it, a name that name.
pub(super) struct Scope {
    text: String,
    pub group: u16,
    pub target: AskedTarget,
    pub verb: Verb,
}

pub(super) fn scope(text: &str, map: &MapInForce) -> Option<Scope> {
    let mut parts = text.split(':');
    let (group, resource, word) = (parts.next()?, parts.next()?, parts.next()?);
    let (number, verb) = (map.group(group), verb(word)?);
    if parts.next().is_some() || number == 0 {
        return None;
    }
    let (name, target) = match resource {
        "*" => ("*".to_owned(), AskedTarget::All),
        "listed" => ("*".to_owned(), AskedTarget::List),
        name => {
            let sent = name;
            let name = normalize_domain_name(sent).ok()?;
            if map.map.is_own(group) && name != sent {
                return None;
            }
            (name.clone(), AskedTarget::Name(PersonalText::new(name)))
        }
    };
    Some(Scope { text: format!("{group}:{name}:{}", verb.name()), group: number, target, verb })
}

fn by_scope(account: AccountId, scope: Scope) -> Option<Asking> {
    let Scope { text, group, target, verb } = scope;
    let question = Question { account: Some(account), target, scope: Some((group, verb)), mapped: None };
    Some(Asking { question, required_scope: Some(text), undecidable: None, candidates: None })
}

/// Judged by the scope map, as forward authentication does. What the map does not say is asked all the same, as
/// something unreadable: a token that works no more is refused as such first.
fn by_path(map: &MapInForce, method: &str, path: &str) -> Asking {
    match map.map.find(method, path) {
        Ok(required) => Asking {
            question: question_of(map, &required),
            required_scope: required.scope(),
            undecidable: None,
            candidates: None,
        },
        Err(why) => Asking {
            question: Question { account: None, target: AskedTarget::Unreadable, scope: None, mapped: None },
            required_scope: None,
            undecidable: Some(why.to_string()),
            candidates: None,
        },
    }
}

/// What a route of the map asks.
pub(super) fn question_of(map: &MapInForce, required: &Required<'_>) -> Question {
    let (target, scope) = map.asked(required);
    let mapped = Some(map.place(required));
    Question { account: required.account, target, scope, mapped }
}
