//! Who could, who did: which tokens could touch a resource in a period, when, by which events, and which of them did.
//!
//! A token could, as long as it worked and its access covered the scope, and the account had the feature that the group
//! needs. What "could" means where the resource was not there: full access and grants of all cover what there is, so from
//! the event that added it to the one that removed it; a grant that names it covers the name always, which the answer
//! tells apart (`resource_there`). Of a resource that the account never had the ledger knows nothing: there every access
//! counts by the name alone, as a gateway would be let through. A number means that one resource, so only while it was
//! there. From which addresses a token worked is told, not judged. Tokens of staff and gateways do not call the guarded
//! API and are not among them.

mod by_index;
mod could;
mod did;
mod wanted;

use self::could::{Could, Coulds};
use self::did::{Did, RECORDS_MAX};
use self::wanted::{SCOPE, Wanted};
use super::{Asked, AuditError, FROM, Kind, Parameter, Question, TO, optional, required};
use crate::audit::access_over_time::AccessOverTime;
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::Archive;
use crate::audit::biography::{Biography, Placed};
use crate::audit::describe;
use crate::audit::stretches::{Edge, Period, Turn};
use crate::domain::access::{Target, Verb};
use crate::domain::event::Event;
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::state::{State, authority_of};
use crate::domain::token::Token;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const VERB: Parameter = optional(
    "verb",
    Kind::Word(&["read", "write"]),
    "read, which whoever writes does too (the default), or write alone",
);

/// The question.
pub(super) const WHO_COULD: Question = Question {
    name: "who-could",
    about: "Which tokens could touch a resource in a period, when, by which grants; which did, and which did not",
    example: "audit who-could --account 1 --scope zones:example.com --from 2026-03-01T00:00:00Z",
    parameters: &[
        required("account", Kind::Number, "The account"),
        required(SCOPE, Kind::Text, "The resource, as in zones:example.com or billing:*, or its number"),
        VERB,
        FROM,
        TO,
    ],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = AccountId(asked.number("account").unwrap_or_default());
    let verb = asked.text(VERB.name).map(|verb| if verb == "write" { Verb::Write } else { Verb::Read });
    let period = Period::of(archive, asked)?;
    let biography = Biography::of_account(archive, account, period.through)?;
    let over_time = AccessOverTime::of_account(archive, &biography, account, &period)?;
    if over_time.state.account(account).is_none_or(|account| account.id.is_none()) {
        return Err(AuditError::NotFound(format!("there was no account {account} then")));
    }
    let text = asked.text(SCOPE).unwrap_or_default();
    let wanted = Wanted::read(archive, &biography, (account, text, verb), &period)?;
    let coulds = could::find(&over_time, &biography, &wanted, &period);
    let after = Position(period.from.position.0.saturating_sub(1));
    let did = did::find(archive, &wanted, (&coulds, biography.tokens()), (after, period.through))?;
    let mut answer = Answer::new(WHO_COULD.name, Basis::new(archive, period.through, period.last_instant())?);
    let telling = Telling { archive, biography: &biography, state: &over_time.state, wanted: &wanted };
    telling.tell(&mut answer, &coulds, &did, &period);
    Ok(answer)
}

struct Telling<'a> {
    archive: &'a Archive,
    biography: &'a Biography,
    state: &'a State,
    wanted: &'a Wanted,
}

impl Telling<'_> {
    fn tell(&self, answer: &mut Answer, coulds: &Coulds<'_>, did: &Did, period: &Period) {
        let reached = did.tokens();
        let idle: BTreeSet<TokenId> = coulds.keys().copied().filter(|token| !reached.contains(token)).collect();
        answer.say("scope", self.wanted.scope_in_words(&self.archive.words()));
        answer.say("resource_id", json!(self.wanted.resource.map(|(resource, _)| resource.0)));
        answer.say("could", coulds.len());
        answer.say("did", reached.len());
        answer.say("could_but_did_not", idle.len());
        answer.tables = vec![
            self.could(coulds),
            self.did(did),
            self.idle(coulds, &idle, did),
            self.there(),
            self.account_changes(period),
        ];
        answer.gaps = self.gaps(coulds, did);
    }

    fn could(&self, coulds: &Coulds<'_>) -> Table {
        let mut table = Table::new(
            "could",
            "Who could, and when",
            &[
                "token_id",
                "token_name",
                "kind",
                "user_id",
                "from",
                "from_position",
                "began_by",
                "until",
                "until_position",
                "ended_by",
                "coverage",
                "resource_there",
                "allowed_addresses",
                "granted_position",
                "granted_at",
                "granted_by_event",
                "granted_by",
                "authority",
            ],
        );
        for (token, could) in coulds.iter().flat_map(|(token, of_token)| of_token.iter().map(move |it| (*token, it))) {
            let row = [self.token_cells(token), self.when_cells(could), self.why_cells(could)].concat();
            table.add(row);
        }
        table
    }

    fn token_cells(&self, id: TokenId) -> Vec<Value> {
        let token = self.state.token(id);
        let name = token.and_then(|token| self.archive.words().text(token.name));
        vec![json!(id.0), json!(name), json!(token.map(|token| token.kind.name()))]
    }

    fn when_cells(&self, could: &Could<'_>) -> Vec<Value> {
        let until = could.stretch.until;
        let reached = |edge: Edge| (edge.place.position <= self.archive.head()).then_some(edge.place.position.0);
        vec![
            json!(could.held.member.map(|user| user.0)),
            json!(could.stretch.from.place.at.to_micros_text()),
            json!(reached(could.stretch.from)),
            json!(self.turn(could.stretch.from)),
            json!(until.map(|until| until.place.at.to_micros_text())),
            json!(until.and_then(reached)),
            json!(until.map(|until| self.turn(until))),
        ]
    }

    fn why_cells(&self, could: &Could<'_>) -> Vec<Value> {
        let granted = self.record(could.held.granted);
        let addresses: Vec<String> = could.held.addresses.iter().map(ToString::to_string).collect();
        vec![
            json!(could.coverage(self.wanted)),
            json!(could.there),
            json!((!addresses.is_empty()).then_some(addresses)),
            json!(could.held.granted.0),
            json!(granted.map(|(_, header, _)| header.recorded_at.to_micros_text())),
            json!(granted.map(|(_, _, event)| event.type_name())),
            json!(granted.map(|(_, header, _)| describe::principal(header.principal))),
            json!(granted.and_then(|(_, _, event)| authority_of(event)).map(describe::authority)),
        ]
    }

    fn record(&self, position: Position) -> Option<&Placed> {
        let changes = self.biography.changes();
        changes.binary_search_by_key(&position, |(at, ..)| *at).ok().map(|at| &changes[at])
    }

    fn turn(&self, edge: Edge) -> &'static str {
        match edge.by {
            Turn::Record(position) => self.record(position).map_or("?", |(_, _, event)| event.type_name()),
            Turn::Begun => "not_before",
            Turn::Expired => "expires_at",
            Turn::SecretsEnded => "secrets_ended",
            Turn::Before => "before",
        }
    }

    fn did(&self, did: &Did) -> Table {
        let columns = &[
            "token_id",
            "token_name",
            "kind",
            "by",
            "verb",
            "outcome",
            "reported",
            "count",
            "first",
            "first_position",
            "last",
            "last_position",
        ];
        let mut table = Table::new("did", "Who did", columns);
        for (kind, tally) in &did.uses {
            let mut row = self.token_cells(kind.token);
            row.extend([
                json!(kind.way.name()),
                json!(kind.verb.name()),
                json!(kind.outcome),
                json!(kind.is_reported),
                json!(tally.count),
                json!(tally.first.at.to_micros_text()),
                json!(tally.first.position.0),
                json!(tally.last.at.to_micros_text()),
                json!(tally.last.position.0),
            ]);
            table.add(row);
        }
        table
    }

    fn idle(&self, coulds: &Coulds<'_>, idle: &BTreeSet<TokenId>, did: &Did) -> Table {
        let columns = &["token_id", "token_name", "kind", "from", "until", "refused"];
        let mut table = Table::new("could_but_did_not", "Who could and did not", columns);
        for (token, of_token) in coulds.iter().filter(|(token, _)| idle.contains(token)) {
            let (Some(first), Some(last)) = (of_token.first(), of_token.last()) else { continue };
            let mut row = self.token_cells(*token);
            row.push(json!(first.stretch.from.place.at.to_micros_text()));
            row.push(json!(last.stretch.until.map(|until| until.place.at.to_micros_text())));
            row.push(json!(did.refused.get(token).copied().unwrap_or_default()));
            table.add(row);
        }
        table
    }

    fn there(&self) -> Table {
        let columns = &["from", "from_position", "until", "until_position"];
        let mut table = Table::new("resource_there", "When the resource was there", columns);
        for stretch in self.wanted.there.iter().flatten() {
            table.add(vec![
                json!(stretch.from.place.at.to_micros_text()),
                json!(stretch.from.place.position.0),
                json!(stretch.until.map(|until| until.place.at.to_micros_text())),
                json!(stretch.until.map(|until| until.place.position.0)),
            ]);
        }
        table
    }

    /// Plan and features do not change what is granted, but what may be.
    fn account_changes(&self, period: &Period) -> Table {
        let columns = &["position", "recorded_at", "type", "principal", "plan"];
        let mut table = Table::new("account_changes", "Changes of plan and features", columns);
        let changes = self.biography.changes().iter();
        for (position, header, event) in changes.filter(|(_, header, _)| header.account == self.wanted.account) {
            let plan = match event {
                Event::AccountCreated(created) => Some(created.plan),
                Event::PlanChanged(changed) => Some(changed.to),
                Event::ResearchActivated(_) | Event::ResearchDeactivated(_) => None,
                _ => continue,
            };
            if *position >= period.from.position {
                table.add(vec![
                    json!(position.0),
                    json!(header.recorded_at.to_micros_text()),
                    json!(event.type_name()),
                    describe::principal(header.principal),
                    json!(plan.map(|plan| plan.name())),
                ]);
            }
        }
        table
    }

    fn gaps(&self, coulds: &Coulds<'_>, did: &Did) -> Vec<String> {
        let mut gaps = Vec::new();
        let scope = self.wanted.scope_in_words(&self.archive.words());
        if let Some(position) = did.looked_until {
            gaps.push(format!(
                "who did: only the first {RECORDS_MAX} records that had to be read for it were looked at, up to position \
                 {position}; ask for a shorter time"
            ));
        }
        match self.wanted.scope.target {
            Target::Name(_) if !self.wanted.is_listed() => gaps.push(format!(
                "the account never had {scope} among its resources: every access that covers the name counts"
            )),
            Target::All => {
                gaps.push(format!("who did {scope}: uses that named one resource of the group are not told"))
            }
            _ => {}
        }
        let imported = |id: &TokenId| self.state.token(*id).and_then(|token: &Token| Some((id.0, token.imported_at?)));
        for (token, at) in coulds.keys().filter_map(imported) {
            gaps.push(format!(
                "token {token} was taken over from another system at {}: what it could and did before is not known",
                at.to_micros_text()
            ));
        }
        gaps
    }
}
