//! Rules of uses that a gateway decided by itself and reports later. They are facts of the past that somebody else
//! vouches for: nothing is judged again, nothing drawn, and nothing refused that could have happened.

use super::authorize::is_within_reach;
use super::draft::{Context, Draft, Recorded};
use crate::domain::access::{RequiredScope, Target};
use crate::domain::command::{AskedTarget, GatewayCall};
use crate::domain::digests::Digests;
use crate::domain::event::UseReported;
use crate::domain::gateway::GatewayReach;
use crate::domain::ids::{AccountId, Position, TextNumber};
use crate::domain::report::{LineRefusal, LineResult, REPORT_TOLERANCE_SECONDS, ReportFlag};
use crate::domain::reported_use::{ReportedToken, ReportedUse};
use crate::domain::state::State;
use crate::domain::text::{Subject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Authority, Owner, Principal, Token};

/// The events of one line of a report that [`super::decide`] let pass, and what becomes of it.
pub fn decide_line(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    call: &GatewayCall,
    line: &ReportedUse,
    texts: &mut dyn Texts,
) -> (Vec<Recorded>, LineResult) {
    let shown = digests.find(&state.tokens, &call.gateway);
    let reporter = shown.and_then(|(gateway, secret)| Some((gateway, secret, gateway.gateway.as_deref()?)));
    let Some((gateway, gateway_secret, reach)) = reporter else {
        return (Vec::new(), LineResult::Refused(LineRefusal::UnknownToken));
    };
    if let Some(kept) = state.reports.find(gateway.id, line.key) {
        let result = match kept.content == line.content {
            true => LineResult::Duplicate(kept.position),
            false => LineResult::Conflict(kept.position),
        };
        return (Vec::new(), result);
    }
    let reporting = Reporting { state, digests, context, gateway, gateway_secret, line };
    match reporting.check(reach) {
        Ok(used) => reporting.write_down(&used, texts),
        Err(refusal) => (Vec::new(), LineResult::Refused(refusal)),
    }
}

/// One line while it is looked at.
struct Reporting<'a> {
    state: &'a State,
    digests: &'a Digests,
    context: &'a Context<'a>,
    gateway: &'a Token,
    gateway_secret: u32,
    line: &'a ReportedUse,
}

/// What was used.
struct Used<'a> {
    token: &'a Token,
    /// Number of the secret that was shown; 0: not told.
    secret: u32,
    account: AccountId,
}

impl<'a> Reporting<'a> {
    /// Whether it can have happened, by whom this reporter may speak of.
    fn check(&self, reach: &GatewayReach) -> Result<Used<'a>, LineRefusal> {
        let Self { line, context, state, .. } = self;
        let used = self.used(reach).ok_or(LineRefusal::UnknownToken)?;
        if used.account.is_none() && line.scope.is_some() {
            return Err(LineRefusal::NoAccount);
        }
        if line.occurred_at > context.now.plus_seconds(REPORT_TOLERANCE_SECONDS) {
            return Err(LineRefusal::InTheFuture);
        }
        if line.occurred_at.plus_seconds(REPORT_TOLERANCE_SECONDS) < used.token.created_at {
            return Err(LineRefusal::BeforeCreation);
        }
        if line.known_position.is_none() || line.known_position > state.head {
            return Err(LineRefusal::UnknownPosition);
        }
        if state.reports.may_be_given_up(self.gateway.id, line.occurred_at) {
            return Err(LineRefusal::TooOld);
        }
        Ok(used)
    }

    /// The token and the account, if the token acts or acted on it and the reporter's reach covers both. Ended tokens
    /// and ended memberships count: the report may come late.
    fn used(&self, reach: &GatewayReach) -> Option<Used<'a>> {
        let (token, secret) = match self.line.token {
            ReportedToken::Number(id) => (self.state.token(id)?, 0),
            ReportedToken::Digest(digest) => self.digests.find(&self.state.tokens, &digest)?,
        };
        if !token.kind.is_consumer() {
            return None;
        }
        let (account, is_within) = match (token.owner, self.line.account) {
            (Owner::Account(own), account) => (own, reach.names(own) && account.is_none_or(|account| account == own)),
            (Owner::User(user), Some(account)) => {
                let acted_on = self.state.account(account).is_some_and(|account| {
                    account.members.contains_key(&user) || account.past_members.contains_key(&user)
                });
                (account, acted_on && reach.names(account))
            }
            (_, None) => (AccountId::NONE, is_within_reach(self.state, reach, token)),
            (Owner::Service, Some(_)) => (AccountId::NONE, false),
        };
        is_within.then_some(Used { token, secret, account })
    }

    fn write_down(&self, used: &Used<'_>, texts: &mut dyn Texts) -> (Vec<Recorded>, LineResult) {
        let Self { state, context, gateway, line, .. } = *self;
        let acting = (Principal::Staff(gateway.id), gateway.id);
        let mut draft = Draft::new(state, context, texts, (used.account, used.token.id), acting);
        let scope = line.scope.map(|(group, verb)| {
            let target = self.target(&mut draft, used.account);
            RequiredScope { group, verb, target }
        });
        let address = match &line.address {
            Some(address) => draft.intern_of_token(used.token, TextKind::Address, address.as_str()),
            None => TextNumber::NONE,
        };
        let by = draft.by(Authority::Gateway(gateway.version), self.gateway_secret);
        let flags = self.flags(used);
        draft.record(UseReported {
            key: line.key,
            content: line.content,
            occurred_at: line.occurred_at,
            known_position: line.known_position,
            secret: used.secret,
            scope,
            mapped: line.mapped,
            status: line.status,
            address,
            flags: flags.clone(),
            by,
        });
        let events = draft.finish();
        // The state counts every record, those of this batch too.
        let position = Position(state.head.0 + events.len() as u64);
        (events, LineResult::Recorded(position, flags))
    }

    fn target(&self, draft: &mut Draft<'_>, account: AccountId) -> Target {
        match &self.line.target {
            AskedTarget::None | AskedTarget::List | AskedTarget::Unreadable => Target::List,
            AskedTarget::All => Target::All,
            AskedTarget::Name(name) => {
                Target::Name(draft.intern(Subject::Account(account), TextKind::ResourceName, name.as_str()))
            }
            AskedTarget::Number(number) => {
                let resource = self.state.resources.get(*number).filter(|resource| resource.account == account);
                resource.map_or(Target::Number(*number), |resource| Target::Name(resource.name))
            }
        }
    }

    /// What is known by now of the time that the use says. Later edits of the expiry are in the log.
    fn flags(&self, used: &Used<'_>) -> Vec<ReportFlag> {
        let at = self.line.occurred_at;
        let has_ended = |end: Option<Timestamp>| end.is_some_and(|end| end <= at);
        let secret = used.token.secrets.iter().find(|secret| secret.number == used.secret);
        let found = [
            (ReportFlag::AfterDeletion, has_ended(used.token.deleted_at)),
            (ReportFlag::AfterExpiry, has_ended(used.token.expires_at)),
            (ReportFlag::AfterRotation, has_ended(secret.and_then(|secret| secret.not_after))),
        ];
        found.into_iter().filter(|(_, is_so)| *is_so).map(|(flag, _)| flag).collect()
    }
}
