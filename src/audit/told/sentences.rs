//! One sentence for an event, whoever was its subject named by whoever shows it.

use super::access::access;
use super::{Part, Phrase, applications, counted, number};
use crate::audit::describe::group_name;
use crate::domain::access::{RequiredScope, ScopeGroup, Target};
use crate::domain::conditions::Conditions;
use crate::domain::event::{Cause, Event, Header, Outcome, Route, TokenUsed};
use crate::domain::ids::TextNumber;
use crate::domain::review::{ReviewRow, ReviewVerdict};
use crate::domain::table::Table;
use crate::domain::time::Timestamp;
use crate::domain::token::Secret;

/// Tokens named of one total; of more, their number is.
const TOKENS_TOLD: usize = 8;

type Groups = Table<ScopeGroup>;

/// What happened; none of what this knows no sentence for.
pub fn tell(groups: &Groups, header: &Header, event: &Event) -> Option<Phrase> {
    of_account(groups, event)
        .or_else(|| of_token(groups, header, event))
        .or_else(|| of_requests(groups, header, event))
        .or_else(|| of_reviews(event))
        .or_else(|| applications::tell(groups, header, event))
}

fn of_account(groups: &Groups, event: &Event) -> Option<Phrase> {
    let user = |user| Phrase::new().part(Part::User(user));
    Some(match event {
        Event::AccountCreated(e) => {
            let limit = counted(e.hourly_limit, "request");
            Phrase::of("account ").text(e.name).words(format!(" opened: plan {}, {limit} an hour", e.plan.name()))
        }
        Event::AccountRenamed(e) => {
            Phrase::of("account is called ").text(e.name).words(" now, its contact address is ").text(e.email)
        }
        Event::PlanChanged(e) => Phrase::of(format!("plan was {}, now {}", e.from.name(), e.to.name())),
        Event::HourlyLimitChanged(e) => {
            Phrase::of(format!("hourly limit was {}, now {}", number(e.from), number(e.to)))
        }
        Event::ResearchActivated(e) => match e.monthly_cap {
            Some(cap) => Phrase::of(format!("Domain Research active, at most {} a month", counted(cap, "check"))),
            None => Phrase::of("Domain Research active, without a cap"),
        },
        Event::ResearchDeactivated(_) => Phrase::of("Domain Research ended"),
        Event::MemberAdded(e) => user(e.user).words(" became a member: ").then(access(groups, &e.access)),
        Event::MemberAccessChanged(e) => user(e.user).words(" may now: ").then(access(groups, &e.access)),
        Event::MemberRemoved(e) => user(e.user).words(" is no member any more"),
        Event::ResourceAdded(e) => Phrase::of(format!("{} ", e.facts.kind().name())).text(e.name).words(" added"),
        Event::ResourceRemoved(e) => Phrase::new().part(Part::Resource(e.resource)).words(" removed"),
        Event::PersonalDataErased(e) => {
            let count = e.texts.iter().map(|(first, last)| last.0.saturating_sub(first.0) + 1).sum();
            Phrase::of(format!("{} erased", counted(count, "personal text")))
        }
        Event::TextSeen(e) => {
            Phrase::of(format!("{} number {} noted: ", e.kind.name().replace('_', " "), e.number)).text(e.number)
        }
        Event::IdempotencyKeyKept(e) => Phrase::of(format!("answer {} kept for a repeated request", e.status)),
        _ => return None,
    })
}

fn of_token(groups: &Groups, header: &Header, event: &Event) -> Option<Phrase> {
    let token = Phrase::new().part(Part::Token(header.token));
    Some(match event {
        Event::TokenCreated(e) => {
            let token = token.words(" created: ").then(access(groups, &e.access));
            token.then(expiring(e.expires_at))
        }
        Event::TokenImported(e) => {
            let token = token.words(" taken over from another system: ").then(access(groups, &e.access));
            token.then(expiring(e.expires_at))
        }
        Event::TokenRenamed(e) => token.words(" is called ").text(e.name).words(" now"),
        Event::TokenAccessChanged(e) => token.words(" may now: ").then(access(groups, &e.access)),
        Event::TokenExpiryChanged(e) => token.words(" ").then(expiry(e.expires_at)),
        Event::TokenRotated(e) => token.words(" got ").then(rotated(&e.secret, e.ends, e.ends_at, header.recorded_at)),
        Event::TokenDeleted(e) => token.words(" deleted").words(applications::ended(e.reason)),
        Event::TokenConditionsChanged(e) => token.words(" ").then(conditions(&e.conditions)),
        _ => return None,
    })
}

fn of_requests(groups: &Groups, header: &Header, event: &Event) -> Option<Phrase> {
    let token = Phrase::new().part(Part::Token(header.token));
    Some(match event {
        Event::TokenUsed(e) => token
            .words(" used for ")
            .then(what(groups, e.scope, e.route))
            .then(from(e.address, e.agent))
            .words(ended(e)),
        Event::TokenUseRefused(e) => {
            let line = token.words(" refused ").then(what(groups, e.scope, e.route)).then(from(e.address, e.agent));
            line.words(": ").words(cause(e.cause))
        }
        Event::RefusalsSummed(e) => {
            let sum = e.counts.iter().map(|(_, count)| count).sum();
            let causes: Vec<String> =
                e.counts.iter().map(|(of, count)| format!("{} {}", number(*count), cause(*of))).collect();
            let line = token.words(format!(" refused {} more, from ", times(sum))).part(Part::Time(e.first));
            line.words(" to ").part(Part::Time(e.last)).words(format!(": {}", causes.join("; ")))
        }
        Event::QuotaRefusalsTotalled(e) => totalled(e.window_opened_at, &e.counts),
        Event::ManagementRefused(e) => {
            let what = format!(" refused to {}", e.operation.name().replace('_', " "));
            token.words(what).then(from(e.address, e.agent)).words(": ").words(cause(e.cause))
        }
        Event::UseReported(e) => {
            let scope = e.scope.map_or_else(|| Phrase::of("a request"), |of| scope(groups, of));
            let line =
                token.words(" reported by a gateway for ").then(scope).words(" at ").part(Part::Time(e.occurred_at));
            let flags: Vec<String> = e.flags.iter().map(|flag| flag.name().replace('_', " ")).collect();
            let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
            line.then(from(e.address, TextNumber::NONE)).words(flags)
        }
        _ => return None,
    })
}

fn of_reviews(event: &Event) -> Option<Phrase> {
    Some(match event {
        Event::AccessReviewOpened(e) => {
            let line = Phrase::of(format!("access review {} opened over {}, as of ", e.review, counted(e.rows, "row")));
            line.part(Part::Record(e.position))
        }
        Event::AccessReviewDecided(e) => {
            let line = Phrase::of(format!("access review {}: ", e.review)).then(row(e.row));
            let line = line.words(" ").words(verdict(e.verdict));
            if e.note.is_none() { line } else { line.words(": ").text(e.note) }
        }
        Event::AccessReviewClosed(e) => Phrase::of(format!(
            "access review {} closed: {} kept, {} to narrow, {} to delete, {} undecided",
            e.review, e.counts.kept, e.counts.narrowed, e.counts.deleted, e.counts.undecided
        )),
        _ => return None,
    })
}

fn row(row: ReviewRow) -> Phrase {
    match row {
        ReviewRow::Token(token) => Phrase::new().part(Part::Token(token)),
        ReviewRow::Member(user) => Phrase::new().part(Part::User(user)),
    }
}

/// What was decided of a row, as said of it.
pub fn verdict(verdict: ReviewVerdict) -> &'static str {
    match verdict {
        ReviewVerdict::Keep => "is to stay as it is",
        ReviewVerdict::Narrow => "is to get less",
        ReviewVerdict::Delete => "is to end",
    }
}

fn times(count: u64) -> String {
    counted(count, "request")
}

/// A scope as it is written, its name a part: `zones:` example.com `:read`.
pub fn scope(groups: &Groups, scope: RequiredScope) -> Phrase {
    let group = group_name(groups, scope.group);
    let begin = Phrase::of(format!("{group}:"));
    let target = match scope.target {
        Target::List | Target::All => begin.words("*"),
        // A name that was never seen has no number: it is told as the scope's own form has it.
        Target::Name(TextNumber::NONE) => begin.words("?"),
        Target::Name(name) => begin.text(name),
        Target::Number(number) => begin.words(number.to_string()),
    };
    target.words(format!(":{}", scope.verb.name()))
}

/// What was asked for: the scope, or the route where none was needed.
fn what(groups: &Groups, of: Option<RequiredScope>, route: Route) -> Phrase {
    match of {
        Some(of) => scope(groups, of),
        None => match route {
            Route::Mapped(_) | Route::Asked(_) => Phrase::of("a gateway's question"),
            route => Phrase::of(route.template()),
        },
    }
}

fn from(address: TextNumber, agent: TextNumber) -> Phrase {
    let line = if address.is_none() { Phrase::new() } else { Phrase::of(" from ").text(address) };
    if agent.is_none() { line } else { line.words(" with ").text(agent) }
}

fn ended(used: &TokenUsed) -> &'static str {
    match used.outcome {
        Outcome::Ok => "",
        Outcome::NotFound => ": nothing was there",
        Outcome::Invalid => ": the question was not valid",
        Outcome::UnknownUpstream => ": allowed, the answer behind the gateway is not known",
    }
}

fn totalled(opened_at: u64, counts: &[(crate::domain::ids::TokenId, u64)]) -> Phrase {
    let sum = counts.iter().map(|(_, count)| count).sum();
    let line = Phrase::of(format!("{} refused for the hourly limit in the window of ", times(sum)));
    let mut line = line.part(Part::Time(Timestamp::from_seconds(opened_at)));
    for (index, &(token, count)) in counts.iter().take(TOKENS_TOLD).enumerate() {
        let begin = if index == 0 { ": " } else { ", " };
        line = line.words(format!("{begin}{} of ", number(count))).part(Part::Token(token));
    }
    match counts.len().saturating_sub(TOKENS_TOLD) {
        0 => line,
        more => line.words(format!(" and of {}", counted(more as u64, "other token"))),
    }
}

fn expiring(at: Option<Timestamp>) -> Phrase {
    match at {
        Some(at) => Phrase::of(", expires ").part(Part::Time(at)),
        None => Phrase::new(),
    }
}

/// When it stops working by itself.
pub(super) fn expiry(at: Option<Timestamp>) -> Phrase {
    match at {
        Some(at) => Phrase::of("expires ").part(Part::Time(at)),
        None => Phrase::of("does not expire by itself"),
    }
}

/// Under which conditions it works.
pub(super) fn conditions(conditions: &Conditions) -> Phrase {
    let line = match conditions.not_before {
        Some(at) => Phrase::of("works from ").part(Part::Time(at)).words(" on"),
        None => Phrase::of("works at once"),
    };
    match conditions.ranges_in_words() {
        Some(ranges) => line.words(format!(", from {} only", ranges.join(", "))),
        None => line.words(", from any address"),
    }
}

/// A new secret, and until when the one before works.
pub(super) fn rotated(secret: &Secret, ends: u32, ends_at: Timestamp, at: Timestamp) -> Phrase {
    let hint = String::from_utf8_lossy(&secret.hint).into_owned();
    let line = Phrase::of(format!("secret {} (…{hint}); secret {ends} ", secret.number));
    if ends_at <= at { line.words("ended at once") } else { line.words("works until ").part(Part::Time(ends_at)) }
}

/// Why a request was refused, for people.
pub fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::TokenDeleted => "the token was deleted",
        Cause::TokenExpired => "the token had expired",
        Cause::SecretEnded => "a rotation had ended its secret",
        Cause::WrongKind => "tokens of this kind do not call this",
        Cause::ForeignAccount => "the path names another account",
        Cause::MissingScope => "its access does not cover it",
        Cause::MissingFeature => "the account lacks the feature",
        Cause::QuotaExceeded => "the hourly limit was used up",
        Cause::MonthlyCapReached => "the month's cap was reached",
        Cause::NoAccount => "no account was named",
        Cause::NotYetValid => "the token did not work yet",
        Cause::AddressNotAllowed => "the address is not one of the token's",
        Cause::MissingRight => "the gateway token lacks the right",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{groups, header, plain};
    use super::*;
    use crate::domain::access::group::ZONES;
    use crate::domain::access::{Access, Coverage, Grant, Level, Verb};
    use crate::domain::event::{
        AccessSource, By, QuotaRefusalsTotalled, RefusalsSummed, TokenAccessChanged, TokenRotated, TokenUseRefused,
    };
    use crate::domain::ids::{AccountId, ResourceId, TokenId, Version};
    use crate::domain::token::Authority;
    use crate::domain::token_text::TokenDigest;

    const BY: By = By { authority: Authority::Local, secret: 0, address: TextNumber::NONE, agent: TextNumber::NONE };

    fn zone(name: u64) -> Option<RequiredScope> {
        Some(RequiredScope { group: ZONES, verb: Verb::Read, target: Target::Name(TextNumber(name)) })
    }

    #[test]
    fn events_are_told_in_one_sentence() {
        let used = |scope, outcome| TokenUsed {
            secret: 1,
            source: AccessSource::Token(Version(1)),
            scope,
            route: Route::Zone,
            resource: ResourceId(9),
            address: TextNumber(4),
            agent: TextNumber(5),
            general: 1,
            research: 0,
            outcome,
        };
        let refused = TokenUseRefused {
            secret: 1,
            source: AccessSource::Token(Version(1)),
            scope: zone(6),
            route: Route::Zone,
            asked_account: AccountId(1),
            address: TextNumber(4),
            agent: TextNumber::NONE,
            cause: Cause::MissingScope,
        };
        let counts = (1..=10).map(|token| (TokenId(token), 5)).collect();
        let secret = Secret { number: 2, digest: TokenDigest([0; 32]), hint: *b"abcd", not_after: None };
        let at = |seconds: u64| Timestamp::from_seconds(1_772_366_400 + seconds);
        let rotated = |ends_at| TokenRotated { secret, ends: 1, ends_at, by: BY };
        let grants = vec![Grant { group: ZONES, level: Level::ReadOnly, coverage: Coverage::All }];
        let rows: [(Event, &str); 9] = [
            (used(zone(6), Outcome::Ok).into(), "token 2 used for zones:t6:read from t4 with t5"),
            (
                used(zone(0), Outcome::NotFound).into(),
                "token 2 used for zones:?:read from t4 with t5: nothing was there",
            ),
            (
                TokenUsed { route: Route::Whoami, ..used(None, Outcome::Ok) }.into(),
                "token 2 used for /v2/whoami from t4 with t5",
            ),
            (refused.into(), "token 2 refused zones:t6:read from t4: its access does not cover it"),
            (
                RefusalsSummed {
                    counts: vec![(Cause::TokenExpired, 1_200), (Cause::MissingScope, 1)],
                    first: at(0),
                    last: at(59),
                    addresses: vec![],
                }
                .into(),
                "token 2 refused 1,201 requests more, from 2026-03-01T12:00:00Z to 2026-03-01T12:00:59Z: \
                 1,200 the token had expired; 1 its access does not cover it",
            ),
            (
                QuotaRefusalsTotalled { user: Default::default(), window_opened_at: 1_772_366_400, counts }.into(),
                "50 requests refused for the hourly limit in the window of 2026-03-01T12:00:00Z: 5 of token 1, \
                 5 of token 2, 5 of token 3, 5 of token 4, 5 of token 5, 5 of token 6, 5 of token 7, 5 of token 8 \
                 and of 2 other tokens",
            ),
            (
                TokenAccessChanged { access: Access::Granted(grants), by: BY }.into(),
                "token 2 may now: zones: read only on all",
            ),
            (rotated(at(0)).into(), "token 2 got secret 2 (…abcd); secret 1 ended at once"),
            (rotated(at(60)).into(), "token 2 got secret 2 (…abcd); secret 1 works until 2026-03-01T12:01:00Z"),
        ];
        for (event, expected) in rows {
            let told = tell(&groups(), &header(), &event).map(|phrase| plain(&phrase));
            assert_eq!(told.as_deref(), Some(expected));
        }
    }
}
