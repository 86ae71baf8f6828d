//! An access as a question is told it: `full`, or the JSON of `{"grants":[…]}` that bodies have.

use super::archive::Archive;
use super::questions::AuditError;
use crate::domain::access::{Access, Level};
use crate::domain::command::{AccessRequest, CoverageRequest, GrantRequest};
use crate::domain::decide::understood;
use crate::domain::directory::Account;
use crate::domain::rejection::{FieldFault, Rejection};
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Subject, TextKind};
use crate::log::LogError;
use serde_json::Value;

/// Reads it as a change of this account's tokens or members would be.
pub fn read(archive: &Archive, state: &State, account: &Account, text: &str) -> Result<Access, AuditError> {
    let request =
        request(text).ok_or_else(|| AuditError::malformed("access", "must be full, or an object with grants"))?;
    let mut failure: Option<LogError> = None;
    let find = |name: &str| {
        let found = archive.texts().find(Subject::Account(account.id), TextKind::ResourceName, name);
        found.unwrap_or_else(|error| {
            failure = Some(error);
            None
        })
    };
    let understood = understood(state, account, &request, find);
    match (failure, understood) {
        (Some(error), _) => Err(error.into()),
        (None, Ok(access)) => Ok(access),
        (None, Err(Rejection::Invalid(faults))) => Err(invalid(&faults)),
        (None, Err(_)) => Err(AuditError::malformed("access", "must be full: the account's plan has no grants")),
    }
}

fn invalid(faults: &[FieldFault]) -> AuditError {
    match faults.first() {
        Some(fault) => AuditError::malformed(&fault.field, fault.fault.clone()),
        None => AuditError::malformed("access", "is not valid"),
    }
}

fn request(text: &str) -> Option<AccessRequest> {
    if text == "full" {
        return Some(AccessRequest::Full);
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let grants = object.get("grants")?.as_array()?;
    grants.iter().map(grant).collect::<Option<_>>().map(AccessRequest::Granted)
}

fn grant(value: &Value) -> Option<GrantRequest> {
    let object = value.as_object().filter(|object| object.len() == 3)?;
    let level = match object.get("level")?.as_str()? {
        "read_only" => Level::ReadOnly,
        "full_access" => Level::FullAccess,
        _ => return None,
    };
    let coverage = match object.get("resources")? {
        Value::String(all) if all == "all" => CoverageRequest::All,
        Value::Array(names) => {
            let names = names.iter().map(|name| name.as_str().map(PersonalText::new));
            CoverageRequest::Named(names.collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some(GrantRequest { group: object.get("group")?.as_str()?.to_owned(), level, coverage })
}
