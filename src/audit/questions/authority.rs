//! Authority: whether whoever made a change was allowed to make it then.
//!
//! Every change is judged again by the state before it, with the rules that decisions are made by: the credential worked,
//! from that address, was of a kind that may, and had the version that the record names; a gateway had the right and the
//! reach; grants were allowed by plan, features and groups. Records of one request that lie together are one change, and
//! may also be judged by the state before the first of them.

use super::{Asked, AuditError, FROM, Kind, Question, TO, optional};
use crate::audit::all_changes;
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::Archive;
use crate::audit::biography::Placed;
use crate::audit::describe;
use crate::audit::stretches::Period;
use crate::domain::decide::{AuthorityFault, ChangeFrom, faults_of};
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position};
use crate::domain::state::{State, authority_of, by_of};
use crate::domain::token::Owner;
use crate::log::LogError;
use crate::projections::keys::is_change;
use serde_json::json;

/// The question.
pub(super) const AUTHORITY: Question = Question {
    name: "authority",
    about: "Of each change of tokens and access, whether its maker was allowed to make it then",
    example: "audit authority --account 1 --from 2026-03-01T00:00:00Z",
    parameters: &[
        optional("account", Kind::Number, "Only changes of this account, its members and their tokens"),
        FROM,
        TO,
    ],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = asked.number("account").map(AccountId);
    let period = Period::of(archive, asked)?;
    let mut judging = Judging::new(archive, account, &period);
    let mut failure = None;
    all_changes::visit(archive, account, period.through, &mut |position, header, event| {
        if failure.is_none() {
            failure = judging.take_in(position, header, event).err();
        }
    })?;
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let is_there = |account| judging.state.account(account).is_some_and(|account| !account.id.is_none());
    if let Some(account) = account.filter(|account| !is_there(*account)) {
        return Err(AuditError::NotFound(format!("there was no account {account} then")));
    }
    let mut answer = Answer::new(AUTHORITY.name, Basis::new(archive, period.through, period.last_instant())?);
    answer.say("changes", judging.judged);
    answer.say("not_allowed", judging.not_allowed);
    answer.say("not_known", judging.not_known);
    if judging.not_known > 0 {
        answer.gaps.push(format!(
            "{} changes came from addresses whose texts are erased, with tokens that worked from some addresses only",
            judging.not_known
        ));
    }
    answer.tables.push(judging.table);
    Ok(answer)
}

struct Judging<'a> {
    archive: &'a Archive,
    account: Option<AccountId>,
    from: Position,
    /// Before the next record.
    state: State,
    /// The last record, with the state before the first of those that lie together with it.
    run: Option<(Placed, State)>,
    table: Table,
    judged: u64,
    not_allowed: u64,
    not_known: u64,
}

impl<'a> Judging<'a> {
    fn new(archive: &'a Archive, account: Option<AccountId>, period: &Period) -> Self {
        let columns = &[
            "position",
            "recorded_at",
            "type",
            "account_id",
            "token_id",
            "principal",
            "credential",
            "authority",
            "allowed",
            "findings",
        ];
        Self {
            archive,
            account,
            from: period.from.position,
            state: State::default(),
            run: None,
            table: Table::new("changes", "Changes and whether they were allowed", columns),
            judged: 0,
            not_allowed: 0,
            not_known: 0,
        }
    }

    fn take_in(&mut self, position: Position, header: &Header, event: &Event) -> Result<(), LogError> {
        let is_one_more = |(last, before, _): &Placed| {
            last.next() == position && before.request == header.request && before.recorded_at == header.recorded_at
        };
        let began = match self.run.take() {
            Some((last, began)) if is_one_more(&last) => began,
            _ => self.state.clone(),
        };
        if position >= self.from && by_of(event).is_some() && is_change(event) && self.is_asked_for(header, event) {
            self.judge(&began, (position, header, event))?;
        }
        self.state.evolve_part(header, event);
        self.run = Some(((position, *header, event.clone()), began));
        Ok(())
    }

    /// Of an account also what was done to its members' tokens, but not what was done to them elsewhere.
    fn is_asked_for(&self, header: &Header, event: &Event) -> bool {
        let Some(account) = self.account else { return true };
        let owner = match event {
            Event::TokenCreated(created) => Some(created.owner),
            Event::TokenImported(imported) => Some(imported.owner),
            _ => self.state.token(header.token).map(|token| token.owner),
        };
        header.account == account || header.account.is_none() && owner.is_none_or(|owner| owner != Owner::Service)
    }

    fn judge(&mut self, began: &State, (position, header, event): (Position, &Header, &Event)) -> Result<(), LogError> {
        let from = self.came_from(event)?;
        let mut faults = faults_of(&self.state, header, event, from);
        if !faults.is_empty() && faults_of(began, header, event, from).is_empty() {
            faults.clear();
        }
        let is_known = from != ChangeFrom::Erased || !self.needs_address(header);
        self.judged += 1;
        self.not_allowed += u64::from(!faults.is_empty());
        self.not_known += u64::from(faults.is_empty() && !is_known);
        let allowed = if faults.is_empty() { is_known.then_some(true) } else { Some(false) };
        let findings: Vec<String> = faults.iter().map(AuthorityFault::to_string).collect();
        self.table.add(vec![
            json!(position.0),
            json!(header.recorded_at.to_micros_text()),
            json!(event.type_name()),
            json!((!header.account.is_none()).then_some(header.account.0)),
            json!((!header.token.is_none()).then_some(header.token.0)),
            describe::principal(header.principal),
            json!((!header.credential.is_none()).then_some(header.credential.0)),
            json!(authority_of(event).map(describe::authority)),
            json!(allowed),
            json!((!findings.is_empty()).then_some(findings)),
        ]);
        Ok(())
    }

    /// Whether the credential works from some addresses only.
    fn needs_address(&self, header: &Header) -> bool {
        let credential = self.state.token(header.credential);
        credential.is_some_and(|token| !token.conditions().allowed_addresses.is_empty())
    }

    fn came_from(&self, event: &Event) -> Result<ChangeFrom, LogError> {
        let Some(by) = by_of(event).filter(|by| !by.address.is_none()) else { return Ok(ChangeFrom::Address(None)) };
        Ok(match self.archive.texts().text(by.address)? {
            Some(text) => ChangeFrom::Address(text.parse().ok()),
            None => ChangeFrom::Erased,
        })
    }
}
