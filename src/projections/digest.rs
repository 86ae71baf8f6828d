//! Digests of projections: two processes that folded the same log to the same position must agree on each.

use super::Projections;
use crate::domain::idempotency::KeyHash;
use crate::log::codec::{self, CodecError};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The projections that are compared, each by itself so that a difference says where to look.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ProjectionName {
    /// Origin, counters, idempotency keys and scope groups.
    Service,
    /// Accounts with their members, windows and resource names.
    Accounts,
    /// Users.
    Users,
    /// Resources.
    Resources,
    /// Tokens.
    Tokens,
    /// Uses of tokens.
    LastUsed,
    /// Uses of tokens by group and name.
    GrantUse,
    /// Last windows by token.
    Usage,
    /// Where access was changed.
    Changes,
}

/// All of them.
pub const PROJECTIONS: [ProjectionName; 9] = [
    ProjectionName::Service,
    ProjectionName::Accounts,
    ProjectionName::Users,
    ProjectionName::Resources,
    ProjectionName::Tokens,
    ProjectionName::LastUsed,
    ProjectionName::GrantUse,
    ProjectionName::Usage,
    ProjectionName::Changes,
];

impl ProjectionName {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Accounts => "accounts",
            Self::Users => "users",
            Self::Resources => "resources",
            Self::Tokens => "tokens",
            Self::LastUsed => "last_used",
            Self::GrantUse => "grant_use",
            Self::Usage => "usage",
            Self::Changes => "changes",
        }
    }

    /// Reads the spelling of answers.
    pub fn parse(text: &str) -> Option<Self> {
        PROJECTIONS.into_iter().find(|projection| projection.name() == text)
    }
}

/// Visits the entries of one projection in their one order, as key and bytes.
pub fn entries(
    projections: &Projections,
    name: ProjectionName,
    visit: &mut dyn FnMut(String, &[u8]),
) -> Result<(), CodecError> {
    let state = &projections.state;
    let mut put = |key: String, value: Result<Vec<u8>, CodecError>| -> Result<(), CodecError> {
        visit(key, &value?);
        Ok(())
    };
    match name {
        ProjectionName::Service => {
            put("origin".to_owned(), bytes(&(&state.origin, &state.log_vkey, &state.log_keys)))?;
            put(
                "counters".to_owned(),
                bytes(&(state.head, state.last_text, state.last_recorded_at, state.stopped_cleanly, state.last_seal)),
            )?;
            put("service tokens".to_owned(), bytes(&state.service_tokens))?;
            put("looks at history".to_owned(), bytes(&state.history_reads))?;
            put("access reviews".to_owned(), bytes(&state.reviews))?;
            put("sign-ins".to_owned(), bytes(&state.sign_ins))?;
            let number = |key: &KeyHash| u128::from_be_bytes(key.0);
            state
                .kept_keys
                .iter()
                .try_for_each(|(key, kept)| put(format!("idempotency key {:032x}", number(key)), bytes(kept)))?;
            state.reports.rows().enumerate().try_for_each(|(place, row)| {
                put(format!("lines reported by token {} ({place})", row.0), bytes(&row))
            })?;
            state.groups.iter().try_for_each(|row| put(format!("scope group {}", row.name), bytes(row)))
        }
        ProjectionName::Accounts => {
            state.accounts.iter().try_for_each(|row| put(format!("account {}", row.id), bytes(row)))
        }
        ProjectionName::Users => state.users.iter().try_for_each(|row| put(format!("user {}", row.id), bytes(row))),
        ProjectionName::Resources => {
            state.resources.iter().try_for_each(|row| put(format!("resource {}", row.id), bytes(row)))
        }
        ProjectionName::Tokens => state.tokens.iter().try_for_each(|row| put(format!("token {}", row.id), bytes(row))),
        ProjectionName::LastUsed => {
            projections.last_used.tokens().try_for_each(|(id, uses)| put(format!("token {id}"), bytes(uses)))?;
            let reported = projections.last_used.reported();
            reported.into_iter().try_for_each(|(id, row)| put(format!("token {id}, reported"), bytes(row)))
        }
        ProjectionName::GrantUse => projections.last_used.grants().try_for_each(|((token, account, scope), uses)| {
            put(format!("token {token}, account {account}, {scope:?}"), bytes(uses))
        }),
        ProjectionName::Usage => projections.usage.windows().try_for_each(|((account, user), window)| {
            put(format!("window of account {account}, user {user}"), bytes(window))
        }),
        ProjectionName::Changes => {
            let changes = &projections.changes;
            let tokens = (1u64..).zip(changes.tokens.iter());
            tokens.into_iter().try_for_each(|(id, row)| put(format!("token {id}"), bytes(row)))?;
            let accounts = (1u64..).zip(changes.accounts.iter());
            accounts.into_iter().try_for_each(|(id, row)| put(format!("account {id}"), bytes(row)))?;
            let removed = (1u64..).zip(changes.removed.iter()).filter(|(_, position)| !position.is_none());
            removed.into_iter().try_for_each(|(id, row)| put(format!("resource {id}"), bytes(row)))
        }
    }
}

fn bytes(value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    codec::to_bytes(value)
}

/// Digest of one projection: SHA-256 over its entries, each key and value preceded by its length.
pub fn digest(projections: &Projections, name: ProjectionName) -> Result<[u8; 32], CodecError> {
    let mut hash = Sha256::new();
    entries(projections, name, &mut |key, value| {
        for part in [key.as_bytes(), value] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    })?;
    Ok(hash.finalize().into())
}

/// Digests of all projections, in the order of [`PROJECTIONS`].
pub fn digests(projections: &Projections) -> Result<Vec<(ProjectionName, [u8; 32])>, CodecError> {
    PROJECTIONS.into_iter().map(|name| Ok((name, digest(projections, name)?))).collect()
}

/// Key and digest of each entry, to name the one that differs.
pub fn entry_digests(projections: &Projections, name: ProjectionName) -> Result<Vec<(String, [u8; 32])>, CodecError> {
    let mut digests = Vec::new();
    entries(projections, name, &mut |key, value| digests.push((key, Sha256::digest(value).into())))?;
    Ok(digests)
}
