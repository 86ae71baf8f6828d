//! A token's text may be in other hands since an instant: what was done with it, from where, what it reached, and what it
//! could have reached.

mod reach;
mod seen;

use super::{Asked, AuditError, Kind, Question, optional, required};
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::{Archive, Range};
use crate::audit::describe;
use crate::audit::gaps::gaps;
use crate::audit::stretches::{Period, Place};
use crate::domain::event::{EVENT_TYPES, Event, Header};
use crate::domain::ids::{Position, TokenId};
use crate::domain::state::by_of;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Secret};
use crate::domain::token_text::TokenDigest;
use crate::projections::keys::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seen::Seen;
use serde_json::json;
use std::ops::ControlFlow;

/// Name of the parameter that takes a digest.
pub const HASHED_TOKEN: &str = "hashed_token";

pub(super) const LEAK: Question = Question {
    name: "leak",
    about: "A token may have leaked: uses, new addresses, resources reached and not reached since then",
    example: "audit leak --token 2 --since 2026-03-01T00:00:00Z",
    parameters: &[
        optional("token", Kind::Number, "The token; or hashed_token"),
        optional(
            HASHED_TOKEN,
            Kind::Text,
            "SHA-256 of the token's text in base64; on the command line `-` reads the text from standard input",
        ),
        required("since", Kind::Point, "When it may have leaked"),
    ],
    answer,
};

/// The token as its own records tell.
struct Subject {
    id: TokenId,
    owner: Owner,
    created: Position,
    is_imported: bool,
    name: crate::domain::ids::TextNumber,
    /// Secrets with the position that made each; `not_after` as later rotations left it.
    secrets: Vec<(Position, Secret)>,
    deleted: Option<(Position, Timestamp)>,
    expires_at: Option<Timestamp>,
}

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let id = which(archive, asked)?;
    let subject = subject(archive, id)?;
    let since = asked.moment(archive, "since")?;
    let range = (since.position, archive.head());
    let seen = Seen::of(archive, &subject, range)?;
    let mut answer = Answer::new(LEAK.name, Basis::new(archive, archive.head(), archive.now())?);
    say(archive, &mut answer, &subject, since.position);
    answer.say("uses_since", seen.uses);
    answer.say("refusals_since", seen.refusals);
    answer.say("first_use_since", seen.first.map(Timestamp::to_micros_text));
    answer.say("last_use_since", seen.last.map(Timestamp::to_micros_text));
    answer.say("new_addresses", seen.addresses.new_ones());
    answer.say("new_agents", seen.agents.new_ones());
    let from = Place { at: since.at, position: since.position.next() };
    let period = Period { from, through: archive.head(), until: Timestamp(archive.now().0 + 1) };
    let reached = reach::tables(archive, &subject, &period, &seen, &mut answer)?;
    let changes = changes(archive, id, range)?;
    answer.say("changes_made_with_it", changes.rows.len());
    let others = seen.others(archive, id, range)?;
    answer.say("other_tokens_from_the_same_addresses", others.rows.len());
    let addresses = seen.addresses.table(archive, "addresses", "Addresses since then");
    let agents = seen.agents.table(archive, "agents", "Agents since then");
    answer.tables.extend([addresses, agents]);
    answer.tables.extend(reached);
    answer.tables.extend([changes, secrets(&subject, &seen), others, seen.list]);
    answer.gaps.extend(gaps(archive, range)?);
    if seen.summed > 0 {
        answer.gaps.push(format!("{} further refusals were only counted: where they aimed is not known", seen.summed));
    }
    if subject.is_imported {
        answer
            .gaps
            .push("the token came from another system: from where it was used before that is not known".to_owned());
    }
    answer.gaps.push(
        "addresses are kept by account and by person: tokens of others that were used from the same addresses are not found"
            .to_owned(),
    );
    Ok(answer)
}

fn which(archive: &Archive, asked: &Asked) -> Result<TokenId, AuditError> {
    match (asked.number("token"), asked.text(HASHED_TOKEN)) {
        (Some(token), None) => Ok(TokenId(token)),
        (None, Some(text)) => {
            let digest = digest_of(text).ok_or_else(|| {
                AuditError::malformed(
                    HASHED_TOKEN,
                    "must be the SHA-256 of a token's text in standard base64 (44 characters)",
                )
            })?;
            token_of(archive, digest)?.ok_or_else(|| AuditError::NotFound("no token has this digest".to_owned()))
        }
        _ => Err(AuditError::malformed("token", "or hashed_token must be given, and not both")),
    }
}

fn digest_of(text: &str) -> Option<TokenDigest> {
    STANDARD.decode(text).ok()?.try_into().ok().map(TokenDigest)
}

/// How a digest is written.
pub fn hashed(digest: TokenDigest) -> String {
    STANDARD.encode(digest.0)
}

fn types(names: &[&str]) -> Vec<Key> {
    let named = EVENT_TYPES.iter().filter(|(_, _, name)| names.contains(name));
    named.map(|(number, _, _)| Key::Type(*number)).collect()
}

fn secret_of(event: &Event) -> Option<Secret> {
    match event {
        Event::TokenCreated(created) => Some(created.secret),
        Event::TokenImported(imported) => Some(imported.secret),
        Event::TokenRotated(rotated) => Some(rotated.secret),
        _ => None,
    }
}

/// The token that ever had a secret of this digest.
fn token_of(archive: &Archive, digest: TokenDigest) -> Result<Option<TokenId>, AuditError> {
    let keys = types(&["TokenCreated", "TokenImported", "TokenRotated"]);
    let has_it = &mut |_: &Header, event: &Event| secret_of(event).is_some_and(|secret| secret.digest == digest);
    Ok(archive.last(&keys, (Position::NONE, archive.head()), has_it)?.map(|(_, header, _)| header.token))
}

fn subject(archive: &Archive, id: TokenId) -> Result<Subject, AuditError> {
    let mut found: Option<Subject> = None;
    archive.visit(&[Key::TokenChanges(id)], (Position::NONE, archive.head()), &mut |position, header, event| {
        let begun = match event {
            Event::TokenCreated(created) => Some((created.owner, created.name, created.expires_at, false)),
            Event::TokenImported(imported) => Some((imported.owner, imported.name, imported.expires_at, true)),
            _ => None,
        };
        if let Some((owner, name, expires_at, is_imported)) = begun {
            let (created, secrets) = (position, Vec::new());
            found = Some(Subject { id, owner, created, is_imported, name, secrets, deleted: None, expires_at });
        }
        if let Some(subject) = &mut found {
            take_in(subject, position, header, event);
        }
        ControlFlow::Continue(())
    })?;
    found.ok_or_else(|| AuditError::NotFound(format!("there was never a token {id}")))
}

fn take_in(subject: &mut Subject, position: Position, header: &Header, event: &Event) {
    if let Event::TokenRotated(rotated) = event {
        for (_, secret) in &mut subject.secrets {
            let latest = if secret.number == rotated.ends { rotated.ends_at } else { header.recorded_at };
            secret.not_after = Some(secret.not_after.map_or(latest, |end| end.min(latest)));
        }
    }
    subject.secrets.extend(secret_of(event).map(|secret| (position, secret)));
    match event {
        Event::TokenRenamed(renamed) => subject.name = renamed.name,
        Event::TokenExpiryChanged(changed) => subject.expires_at = changed.expires_at,
        Event::TokenDeleted(_) => subject.deleted = Some((position, header.recorded_at)),
        _ => {}
    }
}

fn say(archive: &Archive, answer: &mut Answer, subject: &Subject, since: Position) {
    let now = archive.now();
    let state = match (subject.deleted, subject.expires_at) {
        (Some((_, at)), _) => format!("deleted {}", at.to_seconds_text()),
        (None, Some(end)) if end <= now => format!("expired {}", end.to_seconds_text()),
        _ => "works".to_owned(),
    };
    answer.say("token", subject.id.0);
    answer.say("name", archive.words().text(subject.name));
    answer.say("owner", describe::owner(subject.owner));
    answer.say("state_now", state);
    answer.say("created_at_position", subject.created.0);
    answer.say("since_position", since.0);
}

/// What was changed or looked at with it as the credential.
fn changes(archive: &Archive, id: TokenId, range: Range) -> Result<Table, AuditError> {
    let mut table = Table::new(
        "changes",
        "Changes made, and history looked at, with it",
        &["position", "recorded_at", "type", "account_id", "token_id", "secret", "address", "agent"],
    );
    let words = archive.words();
    archive.visit(&[Key::Credential(id), Key::TokenChanges(id)], range, &mut |position, header, event| {
        if let Some(by) = by_of(event).filter(|_| header.credential == id) {
            table.add(vec![
                json!(position.0),
                json!(header.recorded_at.to_micros_text()),
                json!(event.type_name()),
                json!((!header.account.is_none()).then_some(header.account.0)),
                json!((!header.token.is_none()).then_some(header.token.0)),
                json!(by.secret),
                json!(words.text(by.address)),
                json!(words.text(by.agent)),
            ]);
        }
        ControlFlow::Continue(())
    })?;
    Ok(table)
}

fn secrets(subject: &Subject, seen: &Seen) -> Table {
    let columns = &["secret", "hint", "hashed_token", "made_at_position", "not_after", "uses_since", "refusals_since"];
    let mut table = Table::new("secrets", "Its secrets: each of them may be the one", columns);
    for (position, secret) in &subject.secrets {
        let (uses, refusals) = seen.by_secret.get(&secret.number).copied().unwrap_or_default();
        table.add(vec![
            json!(secret.number),
            json!(String::from_utf8_lossy(&secret.hint)),
            json!(hashed(secret.digest)),
            json!(position.0),
            json!(secret.not_after.map(|at| at.to_micros_text())),
            json!(uses),
            json!(refusals),
        ]);
    }
    table
}
