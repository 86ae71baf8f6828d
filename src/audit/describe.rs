//! Events in words and numbers that a person can read: numbers of texts are replaced by the texts, or by null where
//! a text was erased.

use crate::domain::access::{Access, Coverage, GroupNumber, RequiredScope, ScopeGroup, Target};
use crate::domain::directory::ResourceFacts;
use crate::domain::event::{AccessSource, By, Event, Header, Route};
use crate::domain::gateway::GatewayReach;
use crate::domain::history_read::HistoryQuery;
use crate::domain::idempotency::AnswerSubject;
use crate::domain::ids::TextNumber;
use crate::domain::oauth::Authorized;
use crate::domain::review::ReviewRow;
use crate::domain::table::Table;
use crate::domain::text::Subject;
use crate::domain::time::Timestamp;
use crate::domain::token::{Authority, Owner, Principal, Secret};
use crate::log::personal::TextReader;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What it takes to put events into words.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Texts by number.
    pub texts: &'a TextReader,
    /// Scope groups by number.
    pub groups: &'a Table<ScopeGroup>,
}

/// The name of a scope group; of one that is not defined its number.
pub fn group_name(groups: &Table<ScopeGroup>, number: GroupNumber) -> Cow<'_, str> {
    match groups.get(u64::from(number)) {
        Some(group) => Cow::Borrowed(group.name.as_str()),
        None => Cow::Owned(format!("#{number}")),
    }
}

/// Who acted.
pub fn principal(principal: Principal) -> Value {
    match principal {
        Principal::Service => json!({ "kind": "service" }),
        Principal::Account(account) => json!({ "kind": "account", "id": account.0 }),
        Principal::User(user) => json!({ "kind": "user", "id": user.0 }),
        Principal::Staff(token) => json!({ "kind": "staff", "id": token.0 }),
        Principal::Local(uid) => json!({ "kind": "local", "id": uid }),
        Principal::Application(application) => json!({ "kind": "application", "id": application.0 }),
    }
}

/// By what right.
pub fn authority(authority: Authority) -> Value {
    match authority {
        Authority::Init => json!({ "kind": "init" }),
        Authority::Local => json!({ "kind": "local" }),
        Authority::Operator(version) => json!({ "kind": "operator", "version": version.0 }),
        Authority::Membership(version) => json!({ "kind": "membership", "version": version.0 }),
        Authority::Gateway(version) => json!({ "kind": "gateway", "version": version.0 }),
        Authority::Auditor(version) => json!({ "kind": "auditor", "version": version.0 }),
        Authority::SignInLink(link) => json!({ "kind": "sign_in_link", "id": link }),
        Authority::Own => json!({ "kind": "own" }),
        Authority::Application(version) => json!({ "kind": "application", "version": version.0 }),
    }
}

fn source(source: AccessSource) -> Value {
    match source {
        AccessSource::Token(version) => json!({ "kind": "token", "version": version.0 }),
        AccessSource::Membership(version) => json!({ "kind": "membership", "version": version.0 }),
        AccessSource::Identity(version) => json!({ "kind": "identity", "version": version.0 }),
        AccessSource::Authorization(version, membership) => {
            json!({ "kind": "authorization", "version": version.0, "membership_version": membership.0 })
        }
    }
}

/// Whose a token is.
pub fn owner(owner: Owner) -> Value {
    match owner {
        Owner::Service => json!({ "kind": "service" }),
        Owner::Account(account) => json!({ "kind": "account", "id": account.0 }),
        Owner::User(user) => json!({ "kind": "user", "id": user.0 }),
    }
}

fn subject(subject: Subject) -> Value {
    match subject {
        Subject::Service => json!({ "kind": "service" }),
        Subject::Account(account) => json!({ "kind": "account", "id": account.0 }),
        Subject::User(user) => json!({ "kind": "user", "id": user.0 }),
    }
}

fn answer_subject(subject: AnswerSubject) -> Value {
    match subject {
        AnswerSubject::Service => json!({ "kind": "service" }),
        AnswerSubject::Account(account) => json!({ "kind": "account", "id": account.0 }),
        AnswerSubject::User(user) => json!({ "kind": "user", "id": user.0 }),
        AnswerSubject::Member(account, user) => {
            json!({ "kind": "member", "account_id": account.0, "user_id": user.0 })
        }
        AnswerSubject::Resource(resource) => json!({ "kind": "resource", "id": resource.0 }),
        AnswerSubject::Token(token) => json!({ "kind": "token", "id": token.0 }),
        AnswerSubject::Review(review) => json!({ "kind": "review", "id": review }),
        AnswerSubject::SignInLink(link) => json!({ "kind": "sign_in_link", "id": link }),
        AnswerSubject::Application(application) => json!({ "kind": "application", "id": application.0 }),
        AnswerSubject::Tokens(first, count) => json!({ "kind": "tokens", "id": first.0, "count": count }),
    }
}

fn review_row(row: ReviewRow) -> Value {
    match row {
        ReviewRow::Token(token) => json!({ "kind": "token", "id": token.0 }),
        ReviewRow::Member(user) => json!({ "kind": "membership", "id": user.0 }),
    }
}

/// What was asked of history: what it did not name is left out.
fn history_query(asked: &HistoryQuery) -> Value {
    let HistoryQuery { shape, from, to, after, through } = asked;
    let mut members = Map::new();
    members.insert("question".to_owned(), shape.question.clone().into());
    let numbers = [
        ("account_id", shape.account.0),
        ("token_id", shape.token.0),
        ("user_id", shape.user.0),
        ("resource_id", shape.resource.0),
        ("after", after.0),
        ("through", through.0),
    ];
    members.extend(
        numbers.iter().filter(|(_, number)| *number > 0).map(|&(name, number)| (name.to_owned(), number.into())),
    );
    let times = [("from", *from), ("to", *to)];
    members.extend(times.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at?.to_micros_text().into()))));
    Value::Object(members)
}

fn time_or_null(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_micros_text)
}

fn secret(secret: &Secret) -> Value {
    json!({
        "number": secret.number,
        "hashed_token": STANDARD.encode(secret.digest.0),
        "hint": String::from_utf8_lossy(&secret.hint),
        "not_after": time_or_null(secret.not_after),
    })
}

/// By whose word an OAuth token was made.
fn authorized(authorized: &Authorized) -> Value {
    json!({
        "authorization_id": authorized.authorization.0, "application_id": authorized.application.0,
        "user_id": authorized.user.0, "membership_version": authorized.membership.0,
        "hashed_code": STANDARD.encode(authorized.code.0),
    })
}

/// Rights and accounts of a gateway token.
pub fn gateway(reach: &GatewayReach) -> Value {
    let rights: Vec<&str> = reach.rights.iter().map(|right| right.name()).collect();
    let accounts: Vec<u64> = reach.accounts.iter().map(|account| account.0).collect();
    json!({ "rights": rights, "accounts": accounts })
}

impl Words<'_> {
    /// A text by its number.
    pub fn text(&self, number: TextNumber) -> Option<String> {
        self.texts.text(number).ok().flatten().map(|text| text.to_string())
    }

    fn group(&self, number: GroupNumber) -> Option<&str> {
        self.groups.get(u64::from(number)).map(|group| group.name.as_str())
    }

    /// A scope as it is written: `zones:example.com:read`. An erased name is shown as its number, and so is a group that is not
    /// defined: two of them are two.
    pub fn scope(&self, scope: RequiredScope) -> String {
        let name = match scope.target {
            Target::List | Target::All => "*".to_owned(),
            Target::Name(number) => self.text(number).unwrap_or_else(|| format!("#{number}")),
            Target::Number(number) => number.to_string(),
        };
        format!("{}:{name}:{}", group_name(self.groups, scope.group), scope.verb.name())
    }

    /// Access, in the form it is given in.
    pub fn access(&self, access: &Access) -> Value {
        let Access::Granted(grants) = access else { return json!("full") };
        let grants: Vec<Value> = grants
            .iter()
            .map(|grant| {
                let resources = match &grant.coverage {
                    Coverage::All => json!("all"),
                    Coverage::Named(names) => names.iter().map(|&name| self.text(name)).collect(),
                };
                json!({ "group": self.group(grant.group), "level": grant.level.name(), "resources": resources })
            })
            .collect();
        json!({ "grants": grants })
    }

    fn by(&self, by: &By) -> Value {
        json!({
            "authority": authority(by.authority), "secret": (by.secret != 0).then_some(by.secret),
            "address": self.text(by.address), "agent": self.text(by.agent),
        })
    }

    fn facts(&self, facts: &ResourceFacts) -> Value {
        match facts {
            ResourceFacts::Domain(facts) => json!({
                "registrant_id": facts.registrant_id, "state": facts.state.name(), "auto_renew": facts.auto_renew,
                "private_whois": facts.private_whois, "trustee": facts.trustee,
                "expires_at": time_or_null(facts.expires_at),
            }),
            ResourceFacts::Zone(facts) => json!({
                "reverse": facts.reverse, "secondary": facts.secondary, "active": facts.active,
                "last_transferred_at": time_or_null(facts.last_transferred_at),
            }),
            ResourceFacts::Certificate(facts) => json!({
                "common_name": self.text(facts.common_name), "years": facts.years, "issued": facts.issued,
                "alternate_names": facts.alternate_names.iter().map(|&name| self.text(name)).collect::<Vec<_>>(),
                "contact_id": facts.contact_id, "csr": self.text(facts.signing_request),
                "auto_renew": facts.auto_renew, "lets_encrypt": facts.lets_encrypt,
                "expires_at": time_or_null(facts.expires_at),
            }),
        }
    }

    /// The members of `data` of an event's answer.
    pub fn data(&self, event: &Event) -> Value {
        match event {
            Event::TokenUsed(e) => json!({
                "secret": e.secret, "source": source(e.source), "scope": e.scope.map(|scope| self.scope(scope)),
                "route": route(e.route), "resource_id": (!e.resource.is_none()).then_some(e.resource.0),
                "address": self.text(e.address), "agent": self.text(e.agent),
                "drawn": { "general": e.general, "research": e.research }, "outcome": e.outcome.name(),
            }),
            Event::TokenUseRefused(e) => json!({
                "secret": e.secret, "source": source(e.source), "scope": e.scope.map(|scope| self.scope(scope)),
                "route": route(e.route),
                "asked_account_id": (!e.asked_account.is_none()).then_some(e.asked_account.0),
                "address": self.text(e.address), "agent": self.text(e.agent),
                "cause": e.cause.name(),
            }),
            Event::RefusalsSummed(e) => json!({
                "counts": e.counts.iter().map(|(cause, count)| json!({ "cause": cause.name(), "count": count }))
                    .collect::<Vec<_>>(),
                "first": e.first.to_micros_text(), "last": e.last.to_micros_text(),
                "addresses": e.addresses.iter().map(|&address| self.text(address)).collect::<Vec<_>>(),
            }),
            Event::QuotaRefusalsTotalled(e) => json!({
                "user_id": (!e.user.is_none()).then_some(e.user.0),
                "window_opened_at": Timestamp::from_seconds(e.window_opened_at).to_seconds_text(),
                "counts": e.counts.iter().map(|(token, count)| json!({ "token_id": token.0, "count": count }))
                    .collect::<Vec<_>>(),
            }),
            Event::PersonalDataErased(e) => json!({
                "subject": subject(e.subject),
                "texts": e.texts.iter().map(|(first, last)| json!({ "first": first.0, "last": last.0 })).collect::<Vec<_>>(),
                "by": self.by(&e.by),
            }),
            Event::ManagementRefused(e) => json!({
                "operation": e.operation.name(), "secret": e.secret, "address": self.text(e.address),
                "agent": self.text(e.agent), "cause": e.cause.name(),
            }),
            Event::UseReported(e) => json!({
                "key_hash": STANDARD.encode(e.key.0), "content_digest": STANDARD.encode(e.content.0),
                "occurred_at": e.occurred_at.to_micros_text(), "known_position": e.known_position.0,
                "secret": (e.secret != 0).then_some(e.secret), "scope": e.scope.map(|scope| self.scope(scope)),
                "route": e.mapped.map(|mapped| route(Route::Mapped(mapped))),
                "status": (e.status != 0).then_some(e.status), "address": self.text(e.address),
                "flags": e.flags.iter().map(|flag| flag.name()).collect::<Vec<_>>(), "by": self.by(&e.by),
            }),
            Event::HistoryRead(e) => json!({
                "asked": history_query(&e.asked), "by": self.by(&e.by),
                "counted": e.counted.map(|counted| json!({
                    "reads": counted.reads, "first": counted.first.to_micros_text(),
                    "last": counted.last.to_micros_text(),
                })),
            }),
            Event::HistoryStreamOpened(e) => json!({ "asked": history_query(&e.asked), "by": self.by(&e.by) }),
            Event::HistoryStreamClosed(e) => json!({
                "opened": e.opened.0, "through": e.through.0, "sent": e.sent, "end": e.end.name(),
            }),
            Event::AccessReviewOpened(e) => json!({
                "review": e.review, "position": e.position.0, "root_hash": STANDARD.encode(e.root),
                "time": e.at.to_micros_text(), "rows": e.rows, "by": self.by(&e.by),
            }),
            Event::AccessReviewDecided(e) => json!({
                "review": e.review, "position": e.position.0, "root_hash": STANDARD.encode(e.root),
                "row": review_row(e.row), "verdict": e.verdict.name(), "note": self.text(e.note), "by": self.by(&e.by),
            }),
            Event::AccessReviewClosed(e) => json!({
                "review": e.review, "position": e.position.0, "root_hash": STANDARD.encode(e.root),
                "kept": e.counts.kept, "narrowed": e.counts.narrowed, "deleted": e.counts.deleted,
                "undecided": e.counts.undecided, "by": self.by(&e.by),
            }),
            Event::SignInLinkCreated(e) => json!({
                "link": e.link, "who": principal(e.who), "hashed_link": STANDARD.encode(e.digest.0),
                "expires_at": e.expires_at.to_micros_text(), "by": self.by(&e.by),
            }),
            Event::SignInLinkUsed(e) => json!({ "link": e.link, "by": self.by(&e.by) }),
            Event::SignInRefused(e) => json!({
                "link": e.link, "address": self.text(e.address), "agent": self.text(e.agent), "cause": e.cause.name(),
            }),
            Event::IdempotencyKeyKept(e) => json!({
                "key_hash": STANDARD.encode(e.key.0), "request_digest": STANDARD.encode(e.request.0),
                "status": e.status, "subject": answer_subject(e.subject),
            }),
            Event::LedgerInitialized(_)
            | Event::ScopeGroupDefined(_)
            | Event::ScopeMapDefined(_)
            | Event::ScopeMapRejected(_)
            | Event::TextSeen(_)
            | Event::RecordingStarted(_)
            | Event::RecordingStopped(_)
            | Event::RecordingResumed(_)
            | Event::ClockStepped(_)
            | Event::StateSealed(_)
            | Event::LogContinued(_)
            | Event::LogKeyRotated(_) => self.service_data(event),
            Event::TokenCreated(_)
            | Event::TokenRenamed(_)
            | Event::TokenAccessChanged(_)
            | Event::TokenExpiryChanged(_)
            | Event::TokenRotated(_)
            | Event::TokenDeleted(_)
            | Event::TokenImported(_)
            | Event::TokenConditionsChanged(_)
            | Event::GatewayRightsChanged(_) => self.token_data(event),
            Event::ApplicationRegistered(_)
            | Event::ApplicationChanged(_)
            | Event::ApplicationSecretRotated(_)
            | Event::ApplicationDeleted(_)
            | Event::AuthorizationGranted(_)
            | Event::AuthorizationCodeIssued(_)
            | Event::CodeExchangeRefused(_)
            | Event::AuthorizationRevoked(_) => self.oauth_data(event),
            _ => self.directory_data(event),
        }
    }

    fn service_data(&self, event: &Event) -> Value {
        match event {
            Event::LedgerInitialized(e) => json!({ "origin": e.origin, "log_vkey": e.log_vkey }),
            Event::ScopeGroupDefined(e) => json!({
                "group": e.group, "name": e.name, "restrictable": e.restrictable, "has_write": e.has_write,
                "needs_research": e.needs_research,
            }),
            Event::ScopeMapDefined(e) => json!({
                "map": e.map, "name": e.name, "hash": STANDARD.encode(e.hash), "routes": e.routes,
            }),
            Event::ScopeMapRejected(e) => json!({
                "hash": e.hash.map(|hash| STANDARD.encode(hash)), "cause": e.cause.name(), "faults": e.faults,
                "line": (e.line > 0).then_some(e.line), "kept": (e.kept > 0).then_some(e.kept),
            }),
            Event::TextSeen(e) => json!({
                "number": e.number.0, "subject": subject(e.subject), "kind": e.kind.name(),
                "commitment": STANDARD.encode(e.commitment), "text": self.text(e.number),
            }),
            Event::RecordingStarted(e) => json!({ "after_clean_stop": e.after_clean_stop }),
            Event::RecordingStopped(e) => json!({ "appended": e.appended }),
            Event::RecordingResumed(e) => json!({
                "since": e.since.to_micros_text(), "cause": e.cause.name(), "turned_away": e.turned_away,
            }),
            Event::StateSealed(e) => json!({
                "at_position": e.at_position.0, "seal_version": e.seal_version,
                "streams_root": STANDARD.encode(e.streams_root), "state_root": STANDARD.encode(e.state_root),
            }),
            Event::ClockStepped(e) => json!({
                "seen_at": e.seen_at.to_micros_text(), "kept": e.kept.to_micros_text(),
                "wall": e.wall.to_micros_text(), "step_microseconds": e.wall.micros_since(e.kept),
                "followed": e.followed, "by": e.by.as_ref().map(|by| self.by(by)),
            }),
            Event::LogKeyRotated(e) => json!({
                "old_vkey": e.old_vkey, "log_vkey": e.log_vkey, "signs_until": e.signs_until.to_micros_text(),
                "by": self.by(&e.by),
            }),
            Event::LogContinued(e) => json!({
                "old_origin": e.old_origin, "old_vkey": e.old_vkey, "last_checkpoint": e.last_checkpoint,
                "lost_through": (!e.lost_through.is_none()).then_some(e.lost_through.0), "origin": e.origin,
                "log_vkey": e.log_vkey,
            }),
            _ => Value::Null,
        }
    }

    fn token_data(&self, event: &Event) -> Value {
        match event {
            Event::TokenCreated(e) => json!({
                "kind": e.kind.name(), "owner": owner(e.owner), "name": self.text(e.name),
                "access": self.access(&e.access), "gateway": e.gateway.as_ref().map(gateway),
                "authorized": e.authorized.as_ref().map(authorized), "secret": secret(&e.secret),
                "expires_at": time_or_null(e.expires_at), "by": self.by(&e.by),
            }),
            Event::TokenImported(e) => json!({
                "kind": e.kind.name(), "owner": owner(e.owner), "name": self.text(e.name),
                "access": self.access(&e.access), "secret": secret(&e.secret),
                "created_at": time_or_null(e.created_at),
                "expires_at": time_or_null(e.expires_at), "by": self.by(&e.by),
            }),
            Event::TokenConditionsChanged(e) => json!({
                "not_before": time_or_null(e.conditions.not_before),
                "allowed_addresses": e.conditions.ranges_in_words(), "by": self.by(&e.by),
            }),
            Event::GatewayRightsChanged(e) => json!({ "gateway": gateway(&e.gateway), "by": self.by(&e.by) }),
            Event::TokenRenamed(e) => json!({ "name": self.text(e.name), "by": self.by(&e.by) }),
            Event::TokenAccessChanged(e) => {
                json!({ "access": self.access(&e.access), "by": self.by(&e.by) })
            }
            Event::TokenExpiryChanged(e) => {
                json!({ "expires_at": time_or_null(e.expires_at), "by": self.by(&e.by) })
            }
            Event::TokenRotated(e) => json!({
                "secret": secret(&e.secret), "ends": e.ends, "ends_at": e.ends_at.to_micros_text(),
                "by": self.by(&e.by),
            }),
            Event::TokenDeleted(e) => json!({ "reason": e.reason.name(), "by": self.by(&e.by) }),
            _ => Value::Null,
        }
    }

    fn oauth_data(&self, event: &Event) -> Value {
        let uris = |numbers: &[TextNumber]| numbers.iter().map(|&uri| self.text(uri)).collect::<Vec<_>>();
        match event {
            Event::ApplicationRegistered(e) => json!({
                "application_id": e.application.0, "client_id": e.client.to_string(), "name": self.text(e.name),
                "redirect_uris": uris(&e.redirect_uris), "client_kind": e.kind.name(),
                "secret": e.secret.as_ref().map(secret), "by": self.by(&e.by),
            }),
            Event::ApplicationChanged(e) => json!({
                "application_id": e.application.0, "name": self.text(e.name),
                "redirect_uris": uris(&e.redirect_uris), "by": self.by(&e.by),
            }),
            Event::ApplicationSecretRotated(e) => json!({
                "application_id": e.application.0, "secret": secret(&e.secret), "ends": e.ends,
                "ends_at": e.ends_at.to_micros_text(), "by": self.by(&e.by),
            }),
            Event::ApplicationDeleted(e) => json!({ "application_id": e.application.0, "by": self.by(&e.by) }),
            Event::AuthorizationGranted(e) => json!({
                "authorization_id": e.authorization.0, "application_id": e.application.0, "user_id": e.user.0,
                "membership_version": e.membership.0, "access": self.access(&e.access), "by": self.by(&e.by),
            }),
            Event::AuthorizationCodeIssued(e) => json!({
                "authorization_id": e.authorization.0, "hashed_code": STANDARD.encode(e.code.0),
                "expires_at": e.expires_at.to_micros_text(), "redirect_uri": self.text(e.redirect_uri),
                "redirect_uri_sent": e.bindings.redirect_uri_sent, "pkce": e.bindings.challenge.is_some(),
                "by": self.by(&e.by),
            }),
            Event::CodeExchangeRefused(e) => json!({
                "authorization_id": e.authorization.0, "hashed_code": STANDARD.encode(e.code.0),
                "cause": e.cause.name(), "by": self.by(&e.by),
            }),
            Event::AuthorizationRevoked(e) => json!({
                "authorization_id": e.authorization.0, "application_id": e.application.0, "user_id": e.user.0,
                "reason": e.reason.name(), "by": self.by(&e.by),
            }),
            _ => Value::Null,
        }
    }

    fn directory_data(&self, event: &Event) -> Value {
        match event {
            Event::UserCreated(e) => json!({
                "user_id": e.user.0, "email": self.text(e.email), "name": self.text(e.name),
                "hourly_limit": e.hourly_limit,
                "by": self.by(&e.by),
            }),
            Event::AccountCreated(e) => json!({
                "name": self.text(e.name), "email": self.text(e.email), "plan": e.plan.name(),
                "hourly_limit": e.hourly_limit, "by": self.by(&e.by),
            }),
            Event::AccountRenamed(e) => json!({
                "name": self.text(e.name), "email": self.text(e.email), "by": self.by(&e.by),
            }),
            Event::PlanChanged(e) => {
                json!({ "from": e.from.name(), "to": e.to.name(), "by": self.by(&e.by) })
            }
            Event::HourlyLimitChanged(e) => {
                json!({ "from": e.from, "to": e.to, "by": self.by(&e.by) })
            }
            Event::ResearchActivated(e) => {
                json!({ "monthly_cap": e.monthly_cap, "by": self.by(&e.by) })
            }
            Event::ResearchDeactivated(e) => json!({ "by": self.by(&e.by) }),
            Event::MemberAdded(e) => json!({
                "user_id": e.user.0, "access": self.access(&e.access), "by": self.by(&e.by),
            }),
            Event::MemberAccessChanged(e) => json!({
                "user_id": e.user.0, "access": self.access(&e.access), "by": self.by(&e.by),
            }),
            Event::MemberRemoved(e) => json!({ "user_id": e.user.0, "by": self.by(&e.by) }),
            Event::ResourceAdded(e) => json!({
                "resource_id": e.resource.0, "kind": e.facts.kind().name(), "name": self.text(e.name),
                "facts": self.facts(&e.facts), "by": self.by(&e.by),
            }),
            Event::ResourceRemoved(e) => {
                json!({ "resource_id": e.resource.0, "by": self.by(&e.by) })
            }
            _ => Value::Null,
        }
    }
}

/// The header's members of an event's answer.
pub fn header_members(header: &Header) -> Vec<(&'static str, Value)> {
    let number = |number: u64| if number == 0 { Value::Null } else { json!(number) };
    vec![
        ("recorded_at", json!(header.recorded_at.to_micros_text())),
        ("account_id", number(header.account.0)),
        ("account_number", number(header.account_number)),
        ("token_id", number(header.token.0)),
        ("token_number", number(header.token_number)),
        ("principal", principal(header.principal)),
        ("credential", number(header.credential.0)),
        ("request_id", json!(header.request.to_string())),
    ]
}

/// A route as its template, or by its place in a scope map.
fn route(route: Route) -> Value {
    match route {
        Route::Mapped(mapped) => json!({ "map": mapped.map, "line": mapped.line }),
        Route::Asked(asked) => json!({
            "gateway_token_id": asked.gateway.0,
            "gateway_secret": asked.secret,
            "map": asked.mapped.map(|mapped| mapped.map),
            "line": asked.mapped.map(|mapped| mapped.line),
        }),
        route => json!(route.template()),
    }
}
