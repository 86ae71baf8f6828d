//! What an authorization request asks (RFC 6749 section 4.1.1, RFC 7636 section 4.3), as DNSimple reads it.
//!
//! In two steps: the client and where it is answered, of which a fault is told to the person; then the rest, of which a
//! fault is told to the client.

use crate::domain::access::{Level, ScopeGroup};
use crate::domain::command::{AccessRequest, CoverageRequest, GrantRequest};
use crate::domain::ids::AccountId;
use crate::domain::oauth::{ClientId, ClientKind};
use crate::domain::redirect_uri::is_under;
use crate::domain::table::Table;
use crate::domain::text::PersonalText;
use crate::http::entry::Asked;
use crate::http::pages::words;
use crate::http::path;
use crate::http::problem::Problem;
use crate::ledger::View;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smol_str::SmolStr;

/// Longest `state`, in bytes.
const STATE_BYTES_MAX: usize = 2_000;

/// Who asks, and where the answer goes.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// Its public name.
    pub client: ClientId,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// What it calls itself.
    pub name: SmolStr,
    /// The account that registered it.
    pub developer: SmolStr,
    /// Where the browser goes afterwards.
    pub redirect_uri: String,
    /// The registered URI that this is, or is below.
    pub registered_uri: String,
    /// Whether the client said where.
    pub redirect_uri_sent: bool,
}

/// What it asks for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    /// What the client wants back.
    pub state: String,
    /// The account that it means.
    pub account: Option<AccountId>,
    /// What it may then.
    pub access: AccessRequest,
    /// The same, line by line.
    pub lines: Vec<String>,
    /// Its PKCE challenge.
    pub challenge: Option<[u8; 32]>,
}

/// A fault that the client is told: the code, and what to say of it.
pub(super) type Fault = (&'static str, String);

/// A parameter; none where it is absent or empty. Twice is a fault.
fn one<'a>(asked: &'a Asked, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = asked.query.iter().flatten().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(format!("{name} is given twice")),
        (value, None) => Ok(value.filter(|value| !value.is_empty())),
    }
}

fn wrong(detail: impl Into<String>) -> Box<Problem> {
    Box::new(Problem::malformed(detail))
}

/// Reads the first step. What is wrong here must send nobody anywhere.
pub(super) fn asker(view: &View<'_>, asked: &Asked) -> Result<Asker, Box<Problem>> {
    let state = &view.projections.state;
    let client = one(asked, "client_id").map_err(wrong)?.ok_or_else(|| wrong("The link has no client_id."))?;
    let application = ClientId::parse(client).and_then(|client| state.application_of(client));
    let application = application.ok_or_else(|| wrong("No application has the client_id of this link."))?;
    let registered: Vec<SmolStr> = application.redirect_uris.iter().map(|&uri| words::text(view, uri)).collect();
    // An official client misspells it.
    let sent = match one(asked, "redirect_uri").map_err(wrong)? {
        None => one(asked, "redirect_url").map_err(wrong)?,
        sent => sent,
    };
    let under = match (sent, &registered[..]) {
        (Some(sent), _) => registered.iter().find(|uri| is_under(sent, uri)),
        (None, [only]) => Some(only),
        (None, _) => {
            return Err(wrong("The link does not say where to go back to, and the application has several places."));
        }
    };
    let Some(registered_uri) = under else {
        return Err(wrong("The link would lead back to somewhere that the application has not registered."));
    };
    Ok(Asker {
        client: application.client,
        kind: application.kind,
        name: words::text(view, application.name),
        developer: state
            .account(application.account)
            .map_or_else(|| "".into(), |account| words::text(view, account.name)),
        redirect_uri: sent.unwrap_or(registered_uri).to_owned(),
        registered_uri: registered_uri.to_string(),
        redirect_uri_sent: sent.is_some(),
    })
}

/// The client's `state`, to be sent along with any answer.
pub(super) fn state(asked: &Asked) -> Option<&str> {
    one(asked, "state").ok().flatten().filter(|state| state.len() <= STATE_BYTES_MAX)
}

/// Reads the second step.
pub(super) fn wish(groups: &Table<ScopeGroup>, asked: &Asked, kind: ClientKind) -> Result<Wish, Fault> {
    let invalid = |detail: String| ("invalid_request", detail);
    let one = |name: &str| one(asked, name).map_err(invalid);
    match one("response_type")? {
        Some("code") => {}
        Some(_) => return Err(("unsupported_response_type", "response_type must be code".to_owned())),
        None => return Err(invalid("response_type is missing".to_owned())),
    }
    let state = one("state")?.ok_or_else(|| invalid("state is missing".to_owned()))?;
    if state.len() > STATE_BYTES_MAX {
        return Err(invalid("state is longer than 2000 bytes".to_owned()));
    }
    let account = match one("account_id")? {
        None => None,
        Some(number) => {
            let number = path::number(number).map_err(|_| invalid("account_id is not a number".to_owned()))?;
            Some(AccountId(number))
        }
    };
    let challenge = challenge(one("code_challenge")?, one("code_challenge_method")?, kind)?;
    let (access, lines) = scope(groups, one("scope")?).map_err(|detail| ("invalid_scope", detail))?;
    Ok(Wish { state: state.to_owned(), account, access, lines, challenge })
}

fn challenge(challenge: Option<&str>, method: Option<&str>, kind: ClientKind) -> Result<Option<[u8; 32]>, Fault> {
    let invalid = |detail: &str| ("invalid_request", detail.to_owned());
    let Some(challenge) = challenge else {
        return match (kind, method) {
            (ClientKind::Public, _) => Err(invalid("code_challenge is required of a public client")),
            (_, Some(_)) => Err(invalid("code_challenge_method without a code_challenge")),
            (ClientKind::Confidential, None) => Ok(None),
        };
    };
    // Without a method it would be `plain` (RFC 7636 section 4.3), which protects nothing.
    if method != Some("S256") {
        return Err(invalid("code_challenge_method must be S256"));
    }
    let bytes = URL_SAFE_NO_PAD.decode(challenge).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Some).ok_or_else(|| invalid("code_challenge is not the SHA-256 of a verifier in base64url"))
}

/// Scopes as everywhere, `group:resource:verb`, separated by spaces. Without any, as DNSimple's clients ask: full access.
fn scope(groups: &Table<ScopeGroup>, scopes: Option<&str>) -> Result<(AccessRequest, Vec<String>), String> {
    let Some(scopes) = scopes.filter(|scopes| !scopes.trim().is_empty()) else {
        let line = "Everything that you may do on the account, now and later".to_owned();
        return Ok((AccessRequest::Full, vec![line]));
    };
    let mut grants: Vec<GrantRequest> = Vec::new();
    for scope in scopes.split(' ').filter(|scope| !scope.is_empty()) {
        let (group, name, level) = one_scope(groups, scope).ok_or_else(|| format!("{scope} is not a scope"))?;
        match grants.iter_mut().find(|grant| grant.group == group) {
            None => {
                let coverage = match name {
                    None => CoverageRequest::All,
                    Some(name) => CoverageRequest::Named(vec![name]),
                };
                grants.push(GrantRequest { group: group.to_owned(), level, coverage });
            }
            Some(grant) if grant.level != level => return Err(format!("{group} is asked for at two levels")),
            Some(grant) => match (&mut grant.coverage, name) {
                (CoverageRequest::Named(names), Some(name)) => names.push(name),
                (coverage, None) => *coverage = CoverageRequest::All,
                (CoverageRequest::All, Some(_)) => {}
            },
        }
    }
    let lines = grants.iter().map(line).collect();
    Ok((AccessRequest::Granted(grants), lines))
}

fn one_scope<'a>(groups: &Table<ScopeGroup>, scope: &'a str) -> Option<(&'a str, Option<PersonalText>, Level)> {
    let (group, rest) = scope.split_once(':')?;
    let (name, verb) = rest.rsplit_once(':')?;
    groups.iter().find(|known| known.name == group)?;
    let level = match verb {
        "read" => Level::ReadOnly,
        "write" => Level::FullAccess,
        _ => return None,
    };
    (!name.is_empty()).then(|| (group, (name != "*").then(|| PersonalText::new(name)), level))
}

fn line(grant: &GrantRequest) -> String {
    let on = match &grant.coverage {
        CoverageRequest::All => " on all, ones added later included".to_owned(),
        CoverageRequest::Named(names) => {
            format!(" on {}", names.iter().map(PersonalText::as_str).collect::<Vec<_>>().join(", "))
        }
    };
    format!("{}: {}{on}", words::group_label(&grant.group), words::level_label(grant.level))
}
