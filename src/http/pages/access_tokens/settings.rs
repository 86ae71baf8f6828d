//! The form of a token's settings, of a new one and of one that is there: name, permissions, and when and where it works.

use super::permissions::Permissions;
use crate::domain::command::AccessRequest;
use crate::domain::conditions::{AddressRange, ConditionsEdit};
use crate::domain::directory::Account;
use crate::domain::rejection::FieldFault;
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use crate::http::pages::form::{Faults, Form, time, time_value};
use crate::http::pages::words;
use crate::http::problem::Problem;
use crate::ledger::View;

/// What the form shows.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Name.
    pub name: String,
    /// Permissions; none on a plan where access is always full.
    pub permissions: Option<Permissions>,
    /// Expiry, as the form has it.
    pub expires_at: String,
    /// Beginning, as the form has it.
    pub not_before: String,
    /// Address ranges, one a line.
    pub addresses: String,
    /// What is wrong, by field.
    pub faults: Faults,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Name.
    pub name: PersonalText,
    /// Access.
    pub access: AccessRequest,
    /// Expiry.
    pub expires_at: Option<Timestamp>,
    /// Beginning and address ranges.
    pub conditions: ConditionsEdit,
}

impl Settings {
    /// Of a new token.
    pub fn new(view: &View<'_>, account: &Account) -> Self {
        let permissions = account.plan.has_grants().then(|| Permissions::nothing(view, account));
        Self { permissions, ..Self::default() }
    }

    /// Of one that is there.
    pub fn of(view: &View<'_>, account: &Account, token: &Token) -> Self {
        let conditions = token.conditions();
        Self {
            name: words::text(view, token.name).to_string(),
            permissions: account.plan.has_grants().then(|| Permissions::of(view, account, &token.access)),
            expires_at: time_value(token.expires_at),
            not_before: time_value(conditions.not_before),
            addresses: conditions.ranges_in_words().unwrap_or_default().join("\n"),
            faults: Faults::default(),
        }
    }

    /// As it was sent, and what it asks for, if it can be read.
    pub fn read(view: &View<'_>, account: &Account, mut form: Form) -> Result<(Self, Option<Wish>), Box<Problem>> {
        let permissions = match account.plan.has_grants() {
            true => Some(Permissions::read(view, account, &mut form)?),
            false => None,
        };
        let mut settings = Self {
            name: form.text("name")?,
            permissions,
            expires_at: form.text("expires_at")?,
            not_before: form.text("not_before")?,
            addresses: form.text("addresses")?,
            faults: Faults::default(),
        };
        form.finish()?;
        settings.faults = std::mem::take(&mut form.faults);
        let wish = settings.wish();
        Ok((settings, wish))
    }

    fn wish(&mut self) -> Option<Wish> {
        if self.name.trim().is_empty() {
            self.faults.note("name", "can't be blank");
        }
        let mut faults = std::mem::take(&mut self.faults);
        let access = self.permissions.as_ref().map_or(AccessRequest::Full, |chosen| chosen.request(&mut faults));
        let mut read_time = |field: &str, text: &str| match time(text) {
            None if !text.trim().is_empty() => {
                faults.note(field, "must be a date and time such as 2026-03-01 12:00");
                None
            }
            read => read,
        };
        let (expires_at, not_before) =
            (read_time("expires_at", &self.expires_at), read_time("not_before", &self.not_before));
        let mut ranges = Vec::new();
        for text in self.addresses.split([',', ' ', '\n', '\t']).filter(|text| !text.is_empty()) {
            match AddressRange::parse(text) {
                Ok(range) => ranges.push(range),
                Err(fault) => faults.note("addresses", format!("{text} {fault}")),
            }
        }
        self.faults = faults;
        let conditions = ConditionsEdit { not_before: Some(not_before), allowed_addresses: Some(ranges) };
        let name = PersonalText::new(self.name.clone());
        self.faults.is_empty().then_some(Wish { name, access, expires_at, conditions })
    }

    /// Notes what whoever decides found wrong, beside the fields of this form.
    pub fn note(&mut self, faults: &[FieldFault]) {
        for fault in faults {
            let field = self.field_of(&fault.field);
            self.faults.note(&field, fault.fault.clone());
        }
    }

    /// Whose fault it is: a grant is known by its place among those asked for.
    fn field_of(&self, field: &str) -> String {
        if field.starts_with("allowed_addresses") {
            return "addresses".to_owned();
        }
        let Some(rest) = field.strip_prefix("access.grants[") else { return field.to_owned() };
        let place = rest.split(']').next().and_then(|place| place.parse::<usize>().ok());
        let granted = self.permissions.as_ref().map(Permissions::granted).unwrap_or_default();
        place.and_then(|place| granted.get(place)).map_or("access".to_owned(), |group| format!("names.{group}"))
    }

    /// What is wrong with a field.
    pub fn fault(&self, field: &str) -> Option<String> {
        self.faults.of(field)
    }

    /// What is wrong with the permissions of a group.
    pub fn fault_of_group(&self, group: &str) -> Option<String> {
        self.faults.of(&format!("names.{group}"))
    }

    /// Whether anything is said of when and where it works.
    pub fn has_conditions(&self) -> bool {
        [&self.expires_at, &self.not_before, &self.addresses].iter().any(|text| !text.is_empty())
    }

    /// Every field of the form as it stands, to be sent once more from a page without it.
    pub fn fields(&self) -> Vec<(String, String)> {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut fields = vec![
            field("name", &self.name),
            field("expires_at", &self.expires_at),
            field("not_before", &self.not_before),
            field("addresses", &self.addresses),
        ];
        let Some(permissions) = &self.permissions else { return fields };
        fields.push(field("access", if permissions.is_full { "full" } else { "granted" }));
        for group in &permissions.groups {
            let name = &group.name;
            let level = group.level.map_or("none", crate::domain::access::Level::name);
            fields.push((format!("level.{name}"), level.to_owned()));
            if group.restrictable {
                let cover = if group.is_named { "named" } else { "all" };
                fields.push((format!("cover.{name}"), cover.to_owned()));
                fields.push((format!("more.{name}"), group.more.clone()));
            }
            let ticked = group.names.iter().filter(|name| name.is_ticked);
            fields.extend(ticked.map(|ticked| (format!("names.{name}"), ticked.name.clone())));
        }
        fields
    }
}
