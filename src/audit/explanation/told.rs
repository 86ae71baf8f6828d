//! An explanation as members of an answer: to the token's holder what it may know, to an auditor all of it.

use super::{Explanation, Limit, Pointed};
use crate::audit::describe::{Words, header_members};
use crate::domain::event::Cause;
use serde_json::{Map, Value, json};

/// Who is told.
#[derive(Clone, Copy, Debug)]
pub enum Audience<'a> {
    /// Whoever showed the token's secret, perhaps by way of a gateway: that its access was changed, where and when, and
    /// of its own requests. Not by whom, with which credential, from where, nor what the change said; no scope, since the
    /// name of what a number in the path meant may not be theirs to know; and whoever shows a secret that was rotated
    /// out, perhaps because it leaked, not when the token is used by its new one.
    Holder,
    /// An auditor or operator: who made the change, with what, and what it said.
    Auditor(Words<'a>),
}

impl Explanation {
    /// The members. What is not known is left out.
    pub fn members(&self, audience: Audience<'_>) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("decision_id", Some(self.refusal.position.0.into()));
        put("cause", Some(self.refusal.cause.name().into()));
        if let (Audience::Auditor(words), Some(scope)) = (audience, self.refusal.scope) {
            put("required_scopes", Some(json!([words.scope(scope)])));
        }
        put("taken_away_by", self.taken_away_by.as_ref().map(|by| point_at(by, audience)));
        put("ended_at", self.ended_at.map(|at| at.to_micros_text().into()));
        let is_hidden = matches!(audience, Audience::Holder) && self.refusal.cause == Cause::SecretEnded;
        let success = self.last_success.filter(|_| !is_hidden);
        put("last_success", success.map(|(position, at)| json!({ "position": position.0, "at": at.to_micros_text() })));
        if let Some(limit) = &self.limit {
            self.put_limit(limit, audience, &mut put);
        }
        put("not_searched", (!self.not_searched.is_empty()).then(|| json!(self.not_searched)));
        members
    }

    fn put_limit(&self, limit: &Limit, audience: Audience<'_>, put: &mut impl FnMut(&str, Option<Value>)) {
        let opened = if self.refusal.cause == Cause::MonthlyCapReached { "month_began_at" } else { "window_opened_at" };
        put("limit", limit.limit.map(Value::from));
        put(opened, Some(limit.opened_at.to_seconds_text().into()));
        put("resets_at", Some(limit.resets_at.to_seconds_text().into()));
        put("limit_set_by", limit.set_by.as_ref().map(|by| point_at(by, audience)));
    }
}

fn point_at(pointed: &Pointed, audience: Audience<'_>) -> Value {
    let mut members = Map::new();
    members.insert("position".to_owned(), pointed.position.0.into());
    members.insert("type".to_owned(), pointed.event.type_name().into());
    members.insert("at".to_owned(), pointed.header.recorded_at.to_micros_text().into());
    if let Audience::Auditor(words) = audience {
        let who =
            header_members(&pointed.header).into_iter().filter(|(name, _)| matches!(*name, "principal" | "credential"));
        members.extend(who.map(|(name, value)| (name.to_owned(), value)));
        members.insert("data".to_owned(), words.data(&pointed.event));
    }
    Value::Object(members)
}
