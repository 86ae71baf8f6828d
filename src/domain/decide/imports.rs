//! Rules of taking over tokens of another system: all or none, and every fault told at once.

use super::access;
use super::conditions;
use super::directory::account_of;
use super::draft::Draft;
use super::management::{Deciding, Done, Ruled, Subject};
use super::tokens::{check_expiry, check_room};
use crate::domain::command::{AccessRequest, ImportLine, NewImport};
use crate::domain::conditions::Conditions;
use crate::domain::directory::Account;
use crate::domain::event::TokenImported;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::names::check_name;
use crate::domain::rejection::{Conflict, FieldFault, Holder, LineFaults, Rejection, TakenDigest};
use crate::domain::text::{Subject as TextSubject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Secret, TokenKind};
use crate::domain::token_text::TokenDigest;
use std::collections::HashMap;

/// Tokens that one import takes over: it is one transaction, and whoever comes behind it waits.
pub const IMPORT_LINES_MAX: usize = 5_000;

/// A line that is good, with its access brought into its one form.
struct Checked<'a> {
    import: &'a NewImport,
    access: AccessRequest,
}

pub(super) fn rule(deciding: &Deciding<'_>, texts: &mut dyn Texts, account: AccountId, lines: &[ImportLine]) -> Ruled {
    let account = account_of(deciding, account)?;
    if lines.is_empty() {
        return Err(Rejection::field("lines", "can't be blank"));
    }
    if lines.len() > IMPORT_LINES_MAX {
        return Err(Rejection::LimitReached("an import has at most 5000 lines"));
    }
    let checked = check_lines(deciding, account, lines)?;
    check_room(deciding, Owner::Account(account.id), checked.len())?;
    let first = TokenId(deciding.state.tokens.next_number());
    let mut draft = deciding.draft(texts, account.id, first);
    for (token, line) in (first.0..).map(TokenId).zip(&checked) {
        draft.turn_to(token);
        import(deciding, &mut draft, account.id, line);
    }
    let subject = Subject::Tokens(first, checked.len() as u64);
    Ok((draft.finish(), Done { subject, created: true }))
}

fn check_lines<'a>(
    deciding: &Deciding<'_>,
    account: &Account,
    lines: &'a [ImportLine],
) -> Result<Vec<Checked<'a>>, Rejection> {
    let mut checked = Vec::with_capacity(lines.len());
    let mut faulty: Vec<LineFaults> = Vec::new();
    for ImportLine { line, token } in lines {
        let result = match token {
            Ok(import) => check_line(deciding, account, import, lines.len() == 1)?,
            Err(faults) => Err(faults.clone()),
        };
        match result {
            Ok(line) => checked.push(line),
            Err(faults) => faulty.push(LineFaults { line: *line, faults }),
        }
    }
    let taken = taken_digests(deciding, lines);
    match (faulty.is_empty(), taken.is_empty()) {
        (true, true) => Ok(checked),
        (true, false) => Err(Rejection::Conflict(Conflict::DigestsTaken(taken))),
        (false, _) => Err(Rejection::InvalidLines(with_taken(faulty, &taken))),
    }
}

/// What is wrong with one line. A token by itself is refused for the plan as its creation would be.
fn check_line<'a>(
    deciding: &Deciding<'_>,
    account: &Account,
    import: &'a NewImport,
    is_alone: bool,
) -> Result<Result<Checked<'a>, Vec<FieldFault>>, Rejection> {
    let mut faults = Vec::new();
    let mut check = |field: &str, result: Result<(), &'static str>| {
        faults.extend(result.err().map(|fault| FieldFault::new(field, fault)));
    };
    let now = deciding.context.now;
    check("name", check_name(import.name.as_str()));
    check("created_at", check_creation(import.created_at, now));
    check("expires_at", check_expiry(import.expires_at, now));
    for (field, result) in conditions::faults_of_new(&import.conditions, import.expires_at) {
        check(field, result);
    }
    match access::check(deciding.state, account, &import.access) {
        Ok(access) if faults.is_empty() => return Ok(Ok(Checked { import, access })),
        Ok(_) => {}
        Err(Rejection::Invalid(more)) => faults.extend(more),
        Err(Rejection::PlanRequired) if !is_alone => {
            faults.push(FieldFault::new("access", "has grants, which the solo plan has not"));
        }
        Err(other) => return Err(other),
    }
    Ok(Err(faults))
}

fn check_creation(created_at: Option<Timestamp>, now: Timestamp) -> Result<(), &'static str> {
    match created_at {
        Some(at) if at > now => Err("must not be in the future"),
        _ => Ok(()),
    }
}

/// Digests that a token has already, or an earlier line.
fn taken_digests(deciding: &Deciding<'_>, lines: &[ImportLine]) -> Vec<TakenDigest> {
    let mut seen: HashMap<TokenDigest, u64> = HashMap::with_capacity(lines.len());
    let mut taken = Vec::new();
    for ImportLine { line, token } in lines {
        let Ok(import) = token else { continue };
        let digest = import.secret.digest;
        if let Some((token, _)) = deciding.digests.find(&deciding.state.tokens, &digest) {
            taken.push(TakenDigest { line: *line, by: Holder::Token(token.id) });
        } else if let Some(&first) = seen.get(&digest) {
            taken.push(TakenDigest { line: *line, by: Holder::Line(first) });
        } else {
            seen.insert(digest, *line);
        }
    }
    taken
}

/// The faults of all lines, taken digests among them, in the order of lines.
fn with_taken(mut faulty: Vec<LineFaults>, taken: &[TakenDigest]) -> Vec<LineFaults> {
    for TakenDigest { line, by } in taken {
        let fault = match by {
            Holder::Token(token) => format!("belongs to token {token} already"),
            Holder::Line(first) => format!("is that of line {first}"),
        };
        let fault = FieldFault::new("digest", fault);
        match faulty.binary_search_by_key(line, |faults| faults.line) {
            Ok(at) => faulty[at].faults.push(fault),
            Err(at) => faulty.insert(at, LineFaults { line: *line, faults: vec![fault] }),
        }
    }
    faulty
}

fn import(deciding: &Deciding<'_>, draft: &mut Draft<'_>, account: AccountId, line: &Checked<'_>) {
    let NewImport { name, secret, created_at, expires_at, conditions, .. } = line.import;
    let name = draft.intern(TextSubject::Account(account), TextKind::TokenName, name.as_str());
    let access = access::write(draft, account, &line.access);
    let by = deciding.by(draft);
    draft.record(TokenImported {
        kind: TokenKind::Account,
        owner: Owner::Account(account),
        name,
        access,
        secret: Secret { number: 1, digest: secret.digest, hint: secret.hint, not_after: None },
        created_at: *created_at,
        expires_at: *expires_at,
        by,
    });
    conditions::set(deciding, draft, &Conditions::default(), conditions.clone());
}
