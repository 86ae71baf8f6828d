//! Random commands of every kind, acceptable ones and ones that must be refused.
//!
//! A generator looks at the state to name things that are there, and now and then names things that are not. One
//! seed gives the same commands for the same states.

mod conditions;
mod history_reads;
mod oauth;
mod reports;
mod sign_ins;

use self::oauth::{members_access, some_access};
use crate::random::Random;
use std::collections::BTreeMap;
use std::net::IpAddr;
use token_ledger::clock::Clock;
use token_ledger::domain::access::{BUILT_IN_GROUPS, Level, Verb};
use token_ledger::domain::command::{
    AccessRequest, Actor, AskedTarget, CertificateTexts, Change, Client, Command, CoverageRequest, GatewayCall,
    GatewayChange, GatewayWish, GrantRequest, ImportLine, MapDefinition, MapFaults, NewImport, NewSecret, OAuthChange,
    Origin, Question, ResourceRequest, ReviewChange, SignInChange, Use,
};
use token_ledger::domain::conditions::Conditions;
use token_ledger::domain::decide::{Answer, Verdict};
use token_ledger::domain::directory::{CertificateFacts, DomainFacts, Plan, ZoneFacts};
use token_ledger::domain::event::{ManagementOperation, MapRejection, MappedRoute, OutageCause, Route, StateSealed};
use token_ledger::domain::gateway::{GATEWAY_RIGHTS, GatewayReach, GatewayRight};
use token_ledger::domain::idempotency::RequestDigest;
use token_ledger::domain::ids::{AccountId, Position, RequestId, ResourceId, TextNumber, TokenId, UserId, Version};
use token_ledger::domain::rejection::FieldFault;
use token_ledger::domain::report::LineResult;
use token_ledger::domain::scope_map::MapGroup;
use token_ledger::domain::state::State;
use token_ledger::domain::text::{PersonalText, Subject};
use token_ledger::domain::time::{MICROS_PER_SECOND, Timestamp};
use token_ledger::domain::token::{Owner, Token, TokenKind};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::ledger::core::Job;
use token_ledger::projections::seal;

/// When every story begins: 2026-03-01T12:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_772_366_400 * MICROS_PER_SECOND);

/// Commands of a burst: enough to go past what is recorded one by one in a minute.
const BURST: u64 = 70;

/// Every kind of command, by name.
pub const KINDS: [&str; 68] = [
    "use whoami",
    "use accounts",
    "use domains",
    "use domain",
    "use zones",
    "use zone",
    "use certificates",
    "use certificate",
    "use research status",
    "use mapped route",
    "initialize",
    "start recording",
    "stop recording",
    "continue log",
    "rotate log key",
    "define scope map",
    "reject scope map",
    "resume recording",
    "step clock",
    "seal state",
    "create user",
    "create account",
    "update account",
    "activate research",
    "deactivate research",
    "put member",
    "remove member",
    "add resource",
    "remove resource",
    "create token",
    "update token",
    "rotate token",
    "delete token",
    "import tokens",
    "create gateway token",
    "update gateway token",
    "rotate gateway token",
    "delete gateway token",
    "once",
    "erase user texts",
    "erase token texts",
    "erase again",
    "read history",
    "count reads",
    "open stream",
    "close stream",
    "open review",
    "decide review",
    "close review",
    "create sign-in link",
    "use sign-in link",
    "end session",
    "look",
    "attempt",
    "authorize",
    "authorize dry",
    "revoke",
    "gateway look",
    "report",
    "register application",
    "update application",
    "rotate application secret",
    "delete application",
    "revoke application",
    "authorize application",
    "revoke authorization",
    "revoke own authorization",
    "exchange code",
];

/// The name of a command's kind.
pub fn kind_of(command: &Command) -> &'static str {
    match command {
        Command::Use(asked) => match asked.route {
            Route::Whoami => "use whoami",
            Route::Accounts => "use accounts",
            Route::Domains => "use domains",
            Route::Domain => "use domain",
            Route::Zones => "use zones",
            Route::Zone => "use zone",
            Route::Certificates => "use certificates",
            Route::Certificate => "use certificate",
            Route::ResearchStatus => "use research status",
            Route::Mapped(_) | Route::Asked(_) => "use mapped route",
        },
        Command::Manage(_, change) => match **change {
            Change::Initialize { .. } => "initialize",
            Change::StartRecording => "start recording",
            Change::StopRecording { .. } => "stop recording",
            Change::ContinueLog { .. } => "continue log",
            Change::RotateLogKey { .. } => "rotate log key",
            Change::DefineScopeMap(_) => "define scope map",
            Change::RejectScopeMap(_) => "reject scope map",
            Change::ResumeRecording { .. } => "resume recording",
            Change::StepClock { .. } => "step clock",
            Change::SealState(_) => "seal state",
            Change::CreateUser { .. } => "create user",
            Change::CreateAccount { .. } => "create account",
            Change::UpdateAccount { .. } => "update account",
            Change::ActivateResearch { .. } => "activate research",
            Change::DeactivateResearch { .. } => "deactivate research",
            Change::PutMember { .. } => "put member",
            Change::RemoveMember { .. } => "remove member",
            Change::AddResource { .. } => "add resource",
            Change::RemoveResource { .. } => "remove resource",
            Change::CreateToken { .. } => "create token",
            Change::UpdateToken { .. } => "update token",
            Change::RotateToken { .. } => "rotate token",
            Change::DeleteToken { .. } => "delete token",
            Change::ImportTokens { .. } => "import tokens",
            Change::Gateway(ref change) => match change {
                GatewayChange::Create { .. } => "create gateway token",
                GatewayChange::Update { .. } => "update gateway token",
                GatewayChange::Rotate { .. } => "rotate gateway token",
                GatewayChange::Delete { .. } => "delete gateway token",
            },
            Change::Once { .. } => "once",
            Change::EraseUserTexts { .. } => "erase user texts",
            Change::EraseTokenTexts { .. } => "erase token texts",
            Change::EraseAgain { .. } => "erase again",
            Change::ReadHistory(_) => "read history",
            Change::CountReads(_) => "count reads",
            Change::OpenStream(_) => "open stream",
            Change::CloseStream(_) => "close stream",
            Change::Review(ref change) => match change {
                ReviewChange::Open { .. } => "open review",
                ReviewChange::Decide(_) => "decide review",
                ReviewChange::Close { .. } => "close review",
            },
            Change::OAuth(ref change) => match change {
                OAuthChange::Register { .. } => "register application",
                OAuthChange::Update { .. } => "update application",
                OAuthChange::RotateSecret { .. } => "rotate application secret",
                OAuthChange::Delete { .. } => "delete application",
                OAuthChange::RevokeAll { .. } => "revoke application",
                OAuthChange::Authorize(_) => "authorize application",
                OAuthChange::Revoke { .. } => "revoke authorization",
                OAuthChange::RevokeOwn { .. } => "revoke own authorization",
            },
            Change::SignIn(ref change) => match change {
                SignInChange::CreateLink { .. } => "create sign-in link",
                SignInChange::UseLink { .. } => "use sign-in link",
                SignInChange::EndSession { .. } => "end session",
            },
            Change::Look(..) => "look",
            Change::Attempt(..) => "attempt",
        },
        Command::Exchange(_) => "exchange code",
        Command::Gateway(call) => match call.wish {
            GatewayWish::Authorize { dry_run: false, .. } => "authorize",
            GatewayWish::Authorize { dry_run: true, .. } => "authorize dry",
            GatewayWish::Revoke { .. } => "revoke",
            GatewayWish::Look(..) => "gateway look",
            GatewayWish::Report { .. } => "report",
        },
    }
}

/// How often each kind of command was accepted and refused.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    accepted: BTreeMap<&'static str, u64>,
    refused: BTreeMap<&'static str, u64>,
}

impl Outcomes {
    /// Counts an answered command.
    pub fn note(&mut self, command: &Command, answer: &Answer) {
        let counts = if is_accepted(answer) { &mut self.accepted } else { &mut self.refused };
        *counts.entry(kind_of(command)).or_default() += 1;
    }

    /// Adds the counts of another story.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.accepted, &other.accepted), (&mut self.refused, &other.refused)] {
            for (kind, count) in theirs {
                *mine.entry(kind).or_default() += count;
            }
        }
    }

    /// Kinds that were never accepted, and kinds that were never refused.
    pub fn missing(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let absent = |counts: &BTreeMap<&'static str, u64>| {
            KINDS.into_iter().filter(|kind| !counts.contains_key(kind)).collect()
        };
        (absent(&self.accepted), absent(&self.refused))
    }
}

/// Whether a command was carried out.
pub fn is_accepted(answer: &Answer) -> bool {
    match answer {
        Answer::Use(answer) => matches!(answer.verdict, Verdict::Allowed { .. }),
        Answer::Done(_) | Answer::Repeated(..) | Answer::Authorized(_) => true,
        Answer::Reported(results) => results.iter().any(|result| matches!(result, LineResult::Recorded(..))),
        Answer::Rejected(_) => false,
    }
}

/// The commands of one seed.
#[derive(Debug)]
pub struct Generator {
    random: Random,
    now: Timestamp,
}

impl Generator {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), now: BEGIN }
    }

    /// The numbers it draws from, for decisions beside the commands.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The first commands of a ledger: its name, its groups, and an operator.
    pub fn beginning(&mut self) -> Vec<Job> {
        let named = Change::Initialize { origin: "ledger.example".to_owned(), log_vkey: "key".to_owned() };
        let operator = self.new_token(Owner::Service, TokenKind::Operator, None);
        let begun = [(Actor::Init, named), (Actor::Init, operator), (Actor::Local(1_000), Change::StartRecording)];
        begun.into_iter().map(|(actor, change)| self.job(Command::Manage(actor, Box::new(change)))).collect()
    }

    /// The same, and a member who authorised an application.
    pub fn beginning_with_an_authorization(&mut self) -> Vec<Job> {
        let mut jobs = self.beginning();
        let authorized =
            self.authorized(&[("first code", AccessRequest::Full, true), ("second code", AccessRequest::Full, false)]);
        jobs.extend(authorized.into_iter().map(|command| self.job(command)));
        jobs
    }

    /// The same, with tokens of the first user for full access and for some.
    pub fn beginning_with_authorizations(&mut self) -> Vec<Job> {
        let mut jobs = self.beginning();
        let some = [("first code", AccessRequest::Full, true), ("second code", some_access(), true)];
        let authorized = self.authorized(&some);
        jobs.extend(authorized.into_iter().map(|command| self.job(command)));
        jobs
    }

    /// Another access of the first user, which the tokens follow that it authorised: now more, now less.
    pub fn members_turn(&mut self, turn: usize) -> Job {
        let change =
            Change::PutMember { account: AccountId(1), user: UserId(1), access: members_access(turn), if_match: None };
        self.job(Command::Manage(Actor::Local(1_000), Box::new(change)))
    }

    /// Moves a clock, mostly on and a little, now and then far, rarely back.
    pub fn move_clock(&mut self, clock: &Clock) {
        let step = match self.random.below(100) {
            0..20 => 0,
            20..80 => self.random.below(2 * MICROS_PER_SECOND),
            80..90 => self.random.below(90 * MICROS_PER_SECOND),
            90..97 => self.random.below(3_700 * MICROS_PER_SECOND),
            97 => 31 * 86_400 * MICROS_PER_SECOND,
            _ => {
                clock.set(Timestamp(self.now.0 - self.random.below(60 * MICROS_PER_SECOND)));
                return;
            }
        };
        self.now = Timestamp(self.now.0 + step);
        clock.set(self.now);
    }

    /// Commands to be decided together: mostly a few, now and then a burst of the same.
    pub fn batch(&mut self, state: &State) -> Vec<Job> {
        if self.random.percent(4) {
            let command = self.command(state);
            return (0..BURST).map(|_| self.job(command.clone())).collect();
        }
        let jobs = 1 + self.random.below(6);
        (0..jobs)
            .map(|_| {
                let command = self.command(state);
                self.job(command)
            })
            .collect()
    }

    /// A person who becomes known: always accepted, and of three records with two long texts.
    pub fn long_user(&mut self) -> Job {
        let local = format!("{:016x}{:016x}", self.random.number(), self.random.number());
        let email = PersonalText::new(format!("{local}@{}.example", "a".repeat(200)));
        let name = PersonalText::new(local.repeat(7));
        self.job(Command::Manage(Actor::Local(1_000), Box::new(Change::CreateUser { email, name })))
    }

    fn job(&mut self, command: Command) -> Job {
        let origin = self.origin();
        (command, origin)
    }

    fn origin(&mut self) -> Origin {
        let last = u8::try_from(self.random.below(12)).unwrap_or(0);
        let from = self.random.percent(80).then(|| IpAddr::from([192, 0, 2, last]));
        let address = from.map(|address| PersonalText::new(address.to_string()));
        let agent = self.random.percent(80).then(|| match self.random.percent(30) {
            true => format!("agent/{}", self.random.number()),
            false => format!("curl/{}", self.random.below(4)),
        });
        let request = RequestId(self.random.bytes_16());
        Origin { request, address, from, agent: agent.map(PersonalText::new) }
    }

    fn command(&mut self, state: &State) -> Command {
        if self.random.percent(45) {
            return Command::Use(self.asked(state));
        }
        if self.random.percent(8) {
            return Command::Gateway(Box::new(self.gateway_call(state)));
        }
        if self.random.percent(10) {
            return self.oauth(state);
        }
        let change = self.change(state);
        let actor = self.actor(state, &change);
        let change = if self.random.percent(15) { self.once(change) } else { change };
        Command::Manage(actor, Box::new(change))
    }

    /// Under a key that soon comes again, mostly with what was sent before.
    fn once(&mut self, change: Change) -> Change {
        let key = PersonalText::new(format!("key {}", self.random.below(40)));
        let request = RequestDigest([u8::from(self.random.percent(20)); 16]);
        Change::Once { key, request, change: Box::new(change) }
    }

    fn actor(&mut self, state: &State, change: &Change) -> Actor {
        // The beginning of a log is only ever repeated by someone who may not, and looks need a token.
        let bearers = match change {
            Change::Initialize { .. } => 90,
            Change::DefineScopeMap(_)
            | Change::RejectScopeMap(_)
            | Change::SealState(_)
            | Change::CountReads(_)
            | Change::CloseStream(_)
                if self.random.percent(60) =>
            {
                return Actor::Init;
            }
            Change::SignIn(SignInChange::UseLink { .. }) if self.random.percent(90) => return self.link(state),
            Change::Look(..)
            | Change::ReadHistory(_)
            | Change::OpenStream(_)
            | Change::Attempt(..)
            | Change::StartRecording
            | Change::StopRecording { .. }
            | Change::ResumeRecording { .. }
            | Change::StepClock { .. }
            | Change::EraseAgain { .. } => 60,
            _ => 15,
        };
        if self.random.percent(12) {
            return self.session_actor(state);
        }
        if self.random.percent(bearers) {
            return Actor::Bearer(self.digest(state));
        }
        let mut operators = state.service_tokens.iter().filter_map(|&id| state.token(id));
        match operators.rfind(|token| token.kind == TokenKind::Operator) {
            Some(token) if self.random.percent(50) && !matches!(change, Change::Initialize { .. }) => {
                Actor::Bearer(token.secrets.last().map_or(TokenDigest([0; 32]), |secret| secret.digest))
            }
            _ => Actor::Local(1_000),
        }
    }

    /// The digest of some secret of some token, or of none.
    fn digest(&mut self, state: &State) -> TokenDigest {
        let unknown = TokenDigest(self.random.bytes_32());
        if self.random.percent(3) {
            return unknown;
        }
        let Some(token) = self.random.pick_of(state.tokens.iter()) else { return unknown };
        self.random.pick_of(token.secrets.iter()).map_or(unknown, |secret| secret.digest)
    }

    fn asked(&mut self, state: &State) -> Use {
        let consumers: Vec<&Token> = state.tokens.iter().filter(|token| token.kind.is_consumer()).collect();
        let token = (!consumers.is_empty() && self.random.percent(90)).then(|| *self.random.pick(&consumers));
        let newest = token.and_then(|token| token.secrets.last()).map(|secret| secret.digest);
        let digest = newest.filter(|_| self.random.percent(85)).unwrap_or_else(|| self.digest(state));
        let route = *self.random.pick(&[
            Route::Whoami,
            Route::Accounts,
            Route::Domains,
            Route::Domain,
            Route::Zones,
            Route::Zone,
            Route::Certificates,
            Route::Certificate,
            Route::ResearchStatus,
            Route::Mapped(MappedRoute { map: 1, line: 3 }),
        ]);
        let account = match route {
            Route::Whoami | Route::Accounts => None,
            Route::Mapped(_) if self.random.percent(30) => None,
            _ => Some(self.account_of(state, token)),
        };
        let target = self.target(state, route);
        let certificate = (route == Route::Certificate).then(|| self.resource(state, account).0);
        let mapped = matches!(route, Route::Mapped(_)) && self.random.percent(80);
        let mapped = mapped.then(|| {
            let verb = *self.random.pick(&[Verb::Read, Verb::Write]);
            (1 + u16::try_from(self.random.below(14)).unwrap_or(0), verb)
        });
        Use { digest, route, account, target, mapped, certificate, valid: self.random.percent(85) }
    }

    /// Mostly an account that the token acts on.
    fn account_of(&mut self, state: &State, token: Option<&Token>) -> AccountId {
        let own = match token.map(|token| token.owner) {
            Some(Owner::Account(account)) => Some(account),
            Some(Owner::User(user)) => {
                let accounts = state.user(user).map(|user| user.accounts.iter().copied().collect::<Vec<_>>());
                accounts.filter(|accounts| !accounts.is_empty()).map(|accounts| *self.random.pick(&accounts))
            }
            _ => None,
        };
        own.filter(|_| self.random.percent(90)).unwrap_or_else(|| self.account(state))
    }

    fn target(&mut self, state: &State, route: Route) -> AskedTarget {
        if self.random.percent(3) {
            return AskedTarget::Unreadable;
        }
        match route {
            Route::Whoami | Route::Accounts | Route::ResearchStatus => AskedTarget::None,
            Route::Domains | Route::Zones => AskedTarget::List,
            Route::Mapped(_) | Route::Asked(_) => match self.random.below(3) {
                0 => AskedTarget::All,
                1 => AskedTarget::List,
                _ => AskedTarget::Name(self.domain_name()),
            },
            Route::Domain | Route::Zone | Route::Certificates | Route::Certificate => match self.random.percent(60) {
                true => AskedTarget::Name(self.domain_name()),
                false => AskedTarget::Number(self.number(state.resources.len())),
            },
        }
    }

    /// Mostly a number that is given out.
    fn number(&mut self, given: usize) -> u64 {
        match self.random.percent(8) {
            true => [0, given as u64 + 7, u64::MAX][usize::try_from(self.random.below(3)).unwrap_or(0)],
            false => 1 + self.random.below(given as u64),
        }
    }

    fn account(&mut self, state: &State) -> AccountId {
        AccountId(self.number(state.accounts.len()))
    }

    fn user(&mut self, state: &State) -> UserId {
        UserId(self.number(state.users.len()))
    }

    /// Mostly a resource of the account.
    fn resource(&mut self, state: &State, account: Option<AccountId>) -> ResourceId {
        let resources = account.and_then(|account| state.account(account)).map(|account| account.resources.keys());
        let own = resources.and_then(|resources| self.random.pick_of(resources)).copied();
        own.filter(|_| self.random.percent(80)).unwrap_or_else(|| ResourceId(self.number(state.resources.len())))
    }

    /// A name in its one form, as paths say it.
    fn domain_name(&mut self) -> PersonalText {
        PersonalText::new(format!("{}.example", char::from(b'a' + u8::try_from(self.random.below(8)).unwrap_or(0))))
    }

    /// A name as someone may write it, now and then not a name at all.
    fn sent_domain_name(&mut self) -> PersonalText {
        match self.random.below(20) {
            0 => PersonalText::new("not a name"),
            1 => PersonalText::new(""),
            2 => PersonalText::new(self.domain_name().as_str().to_uppercase() + "."),
            3 => PersonalText::new(format!("n{}.example", self.random.number())),
            _ => self.domain_name(),
        }
    }

    fn name(&mut self) -> PersonalText {
        match self.random.below(20) {
            0 => PersonalText::new("  "),
            1 => PersonalText::new("line\nbreak"),
            _ => PersonalText::new(format!("name {}", self.random.below(30))),
        }
    }

    fn email(&mut self) -> PersonalText {
        match self.random.below(20) {
            0 => PersonalText::new("nobody"),
            _ => PersonalText::new(format!("ops{}@example.com", self.random.below(30))),
        }
    }

    fn plan(&mut self) -> Plan {
        *self.random.pick(&[Plan::Solo, Plan::Teams, Plan::Teams, Plan::Enterprise])
    }

    /// Mostly so small that windows run out.
    fn hourly_limit(&mut self) -> u64 {
        *self.random.pick(&[1, 2, 3, 5, 8, 20, 2_400, 2_400, 0])
    }

    fn access(&mut self) -> AccessRequest {
        if self.random.percent(40) {
            return AccessRequest::Full;
        }
        let grants = self.random.below(4);
        AccessRequest::Granted((0..grants).map(|_| self.grant()).collect())
    }

    fn grant(&mut self) -> GrantRequest {
        // Mostly the groups that routes are judged in, and that can be restricted.
        let group = match self.random.below(10) {
            0..8 => *self.random.pick(&["domains", "zones", "certificates", "domain_research"]),
            8 => self.random.pick(&BUILT_IN_GROUPS).0,
            _ => *self.random.pick(&["nonsense", "registrar", "account"]),
        };
        let level = *self.random.pick(&[Level::ReadOnly, Level::ReadOnly, Level::FullAccess]);
        let coverage = match group == "domain_research" || self.random.percent(40) {
            true => CoverageRequest::All,
            false => {
                let names = self.random.below(4);
                CoverageRequest::Named((0..names).map(|_| self.sent_domain_name()).collect())
            }
        };
        GrantRequest { group: group.to_owned(), level, coverage }
    }

    /// A secret nobody has, or, rarely, one that somebody has.
    fn secret(&mut self, state: Option<&State>) -> NewSecret {
        let taken = state.filter(|_| self.random.percent(5)).map(|state| self.digest(state));
        let digest = taken.unwrap_or_else(|| TokenDigest(self.random.bytes_32()));
        NewSecret { digest, hint: *b"hint" }
    }

    /// A text that is no map, or one of a few maps, of which one brings a group that is there with other properties.
    fn scope_map(&mut self) -> Change {
        let number = u8::try_from(self.random.below(4)).unwrap_or(0);
        if self.random.percent(30) {
            let cause = *self.random.pick(&[MapRejection::Unreadable, MapRejection::Faulty, MapRejection::NotTaken]);
            let hash = (cause != MapRejection::Unreadable).then_some([number; 32]);
            return Change::RejectScopeMap(MapFaults { hash, cause, faults: 2, line: u32::from(number) });
        }
        let own = MapGroup { name: format!("group{number}"), restrictable: number == 1, has_write: true };
        let clashing = MapGroup { name: "billing".to_owned(), restrictable: true, has_write: true };
        let groups = if number == 3 { vec![clashing] } else { vec![own] };
        let name = format!("map{number}");
        Change::DefineScopeMap(MapDefinition { name, hash: [number; 32], routes: 3, groups })
    }

    fn change(&mut self, state: &State) -> Change {
        match self.random.below(100) {
            0 => Change::Initialize { origin: "o".repeat(70_000), log_vkey: String::new() },
            1 => Change::StartRecording,
            2 => Change::StopRecording { appended: self.random.below(100) },
            3 => self.scope_map(),
            4 if self.random.percent(50) => self.look(state),
            4 => self.seal(state),
            5 => self.outage_or_step(),
            6 => self.continuation(state),
            7 if self.random.percent(50) => self.key_rotation(state),
            7..8 => Change::Attempt(ManagementOperation::CreateToken, self.whose(state)),
            8..13 => self.sign_in(state),
            13..16 => Change::CreateUser { email: self.email(), name: self.name() },
            16..21 => self.new_account(),
            21..31 => self.account_edit(state),
            31..36 => {
                let monthly_cap = self.random.percent(60).then(|| self.random.below(4));
                Change::ActivateResearch { account: self.account(state), monthly_cap, if_match: None }
            }
            36..38 => Change::DeactivateResearch { account: self.account(state), if_match: None },
            38..46 => Change::PutMember {
                account: self.account(state),
                user: self.user(state),
                access: self.access(),
                if_match: None,
            },
            46..49 => Change::RemoveMember { account: self.account(state), user: self.user(state), if_match: None },
            49..59 => self.new_resource(state),
            59..63 => {
                let account = self.account(state);
                Change::RemoveResource { account, resource: self.resource(state, Some(account)) }
            }
            63..74 => self.some_new_token(state),
            74..78 => self.import(state),
            78..84 => Change::Gateway(self.gateway_change(state)),
            84..87 => self.erasure(state),
            87..91 => self.history_read(state),
            91..94 => self.review(state),
            _ => self.token_change(state),
        }
    }

    fn outage_or_step(&mut self) -> Change {
        if self.random.percent(50) {
            let cause = *self.random.pick(&[OutageCause::DiskFull, OutageCause::WriteFailed, OutageCause::ClockBehind]);
            return Change::ResumeRecording { since: self.now, cause, turned_away: self.random.below(300) };
        }
        let wall = self.now.plus_seconds(self.random.below(4_000));
        Change::StepClock { seen_at: self.now, kept: self.now, wall, followed: self.random.percent(50) }
    }

    /// Of what is there, so that `verify` finds it right, or of a position that is not there.
    fn seal(&mut self, state: &State) -> Change {
        let sealed = seal::seal_at_once(state).expect("a state can be written down");
        let ahead = if self.random.percent(30) { 1_000_000 } else { 0 };
        Change::SealState(StateSealed { at_position: Position(sealed.at_position.0 + ahead), ..sealed })
    }

    /// Under a name of its own, or under one that the log has or had.
    fn continuation(&mut self, state: &State) -> Change {
        let name = match self.random.percent(70) {
            true => format!("ledger.example/{}", self.random.number()),
            false => state.log_keys.iter().next().map_or(&state.origin, |first| &first.origin).clone(),
        };
        Change::ContinueLog {
            last_checkpoint: String::new(),
            lost_through: Position(if self.random.percent(50) { 0 } else { u64::MAX }),
            log_vkey: format!("{name}+key"),
            origin: name,
        }
    }

    /// Under the log's name or another, with a key of its own or one that the log has, for as long as may be or longer.
    fn key_rotation(&mut self, state: &State) -> Change {
        let log_vkey = match self.random.below(5) {
            0 => state.log_vkey.clone(),
            1 => format!("another{}+key", state.origin),
            _ => format!("{}+key{}", state.origin, self.random.number()),
        };
        let overlap_seconds = if self.random.percent(90) { self.random.below(7_200) } else { u64::MAX };
        Change::RotateLogKey { log_vkey, overlap_seconds }
    }

    /// Rarely of a user, whose texts are many.
    fn erasure(&mut self, state: &State) -> Change {
        match self.random.below(4) {
            0 => Change::EraseUserTexts { user: self.user(state) },
            1 => Change::EraseAgain {
                subject: Subject::User(self.user(state)),
                texts: vec![TextNumber(self.random.below(state.last_text.0 + 3))],
            },
            _ => {
                let token = self.random.pick_of(state.tokens.iter()).map(|token| (token.id, token.owner));
                let (token, owner) = token.unwrap_or((TokenId(1), Owner::Service));
                let owner = if self.random.percent(85) { owner } else { Owner::User(self.user(state)) };
                Change::EraseTokenTexts { owner: self.random.percent(80).then_some(owner), token }
            }
        }
    }

    fn new_account(&mut self) -> Change {
        let hourly_limit = self.random.percent(60).then(|| self.hourly_limit());
        Change::CreateAccount { name: self.name(), email: self.email(), plan: self.plan(), hourly_limit }
    }

    fn account_edit(&mut self, state: &State) -> Change {
        let account = self.account(state);
        let version = state.account(account).map_or(Version(1), |account| account.version);
        Change::UpdateAccount {
            account,
            name: self.random.percent(30).then(|| self.name()),
            email: self.random.percent(30).then(|| self.email()),
            plan: self.random.percent(30).then(|| self.plan()),
            hourly_limit: self.random.percent(50).then(|| self.hourly_limit()),
            if_match: self.if_match(version),
        }
    }

    /// Mostly absent or right.
    fn if_match(&mut self, version: Version) -> Option<Version> {
        self.random.percent(40).then(|| if self.random.percent(80) { version } else { version.next() })
    }

    fn new_resource(&mut self, state: &State) -> Change {
        let account = self.account(state);
        let resource = match self.random.below(3) {
            0 => ResourceRequest::Domain(DomainFacts { auto_renew: self.random.percent(50), ..DomainFacts::default() }),
            1 => ResourceRequest::Zone(ZoneFacts { active: self.random.percent(50), ..ZoneFacts::default() }),
            _ => self.certificate(),
        };
        Change::AddResource { account, name: self.sent_domain_name(), resource }
    }

    fn certificate(&mut self) -> ResourceRequest {
        let years = u8::try_from(self.random.below(12)).unwrap_or(1);
        let names = self.random.below(3);
        let texts = CertificateTexts {
            common_name: self.random.percent(30).then(|| self.sent_domain_name()),
            alternate_names: (0..names).map(|_| self.sent_domain_name()).collect(),
            signing_request: self.random.percent(30).then(|| PersonalText::new("request")),
        };
        ResourceRequest::Certificate(CertificateFacts { years, ..CertificateFacts::default() }, texts)
    }

    fn some_new_token(&mut self, state: &State) -> Change {
        let (owner, kinds): (_, &[TokenKind]) = match self.random.below(10) {
            0 => (Owner::Service, &[TokenKind::Operator, TokenKind::Auditor]),
            1..7 => (Owner::Account(self.account(state)), &[TokenKind::Account, TokenKind::Account, TokenKind::OAuth]),
            _ => (Owner::User(self.user(state)), &[TokenKind::User, TokenKind::User, TokenKind::Session]),
        };
        let kind = *self.random.pick(kinds);
        self.new_token(owner, kind, Some(state))
    }

    fn new_token(&mut self, owner: Owner, kind: TokenKind, state: Option<&State>) -> Change {
        let may_have_access = state.is_some() && matches!(owner, Owner::Account(_)) != self.random.percent(4);
        let kind = if state.is_some() && self.random.percent(3) { TokenKind::Operator } else { kind };
        Change::CreateToken {
            owner,
            kind,
            name: if state.is_some() { self.name() } else { PersonalText::new("first") },
            access: may_have_access.then(|| self.access()),
            expires_at: state.and_then(|_| self.expires_at()),
            conditions: if state.is_some() { self.conditions() } else { Conditions::default() },
            secret: self.secret(state),
        }
    }

    /// A few lines, now and then with one that could not be read or a digest that is there twice.
    fn import(&mut self, state: &State) -> Change {
        let account = self.account(state);
        let count = self.random.below(4);
        let mut lines: Vec<ImportLine> =
            (1..=count).map(|line| ImportLine { line, token: Ok(self.new_import(state)) }).collect();
        match self.random.below(12) {
            0 => lines.push(ImportLine { line: 9, token: Err(vec![FieldFault::new("line", "is not JSON")]) }),
            1 => lines.extend(lines.first().cloned().map(|line| ImportLine { line: 9, ..line })),
            _ => {}
        }
        Change::ImportTokens { account, lines }
    }

    fn new_import(&mut self, state: &State) -> NewImport {
        NewImport {
            name: self.name(),
            access: if self.random.percent(70) { AccessRequest::Full } else { self.access() },
            secret: self.secret(Some(state)),
            created_at: self.random.percent(50).then(|| Timestamp(self.now.0 - 1)),
            expires_at: self.expires_at(),
            conditions: self.conditions(),
        }
    }

    fn gateway_change(&mut self, state: &State) -> GatewayChange {
        let mut gateways = state
            .service_tokens
            .iter()
            .filter(|id| state.token(**id).is_some_and(|token| token.kind == TokenKind::Gateway));
        let known = gateways.next_back().copied().filter(|_| self.random.percent(85));
        let token = known.unwrap_or_else(|| TokenId(self.number(state.tokens.len())));
        let if_match = self.if_match(state.token(token).map_or(Version(1), |token| token.version));
        match self.random.below(9) {
            0..3 => GatewayChange::Create {
                name: self.name(),
                reach: GatewayReach::new(self.rights(), self.reached(state)),
                expires_at: self.expires_at(),
                conditions: self.conditions(),
                secret: self.secret(Some(state)),
            },
            3..5 => GatewayChange::Update {
                token,
                name: self.random.percent(40).then(|| self.name()),
                rights: self.random.percent(50).then(|| self.rights()),
                accounts: self.random.percent(50).then(|| self.reached(state)),
                expires_at: self.random.percent(30).then(|| self.expires_at()),
                conditions: self.conditions_edit(),
                if_match,
            },
            5..7 => {
                let overlap_seconds = *self.random.pick(&[0, 60, 86_400, u64::MAX]);
                GatewayChange::Rotate { token, overlap_seconds, secret: self.secret(Some(state)), if_match }
            }
            _ => GatewayChange::Delete { token, if_match },
        }
    }

    /// Mostly by a gateway token that works, about any token.
    fn gateway_call(&mut self, state: &State) -> GatewayCall {
        let mut tokens = state.service_tokens.iter().filter_map(|&id| state.token(id));
        let newest = tokens.rfind(|token| token.kind == TokenKind::Gateway).and_then(|token| token.secrets.last());
        let newest = newest.map(|secret| secret.digest).filter(|_| self.random.percent(85));
        let gateway = newest.unwrap_or_else(|| self.digest(state));
        let wish = match self.random.below(10) {
            0 => GatewayWish::Revoke { shown: self.digest(state) },
            1..4 => self.report(state),
            4 => {
                let right = *self.random.pick(&GATEWAY_RIGHTS);
                GatewayWish::Look(right, ManagementOperation::Introspect)
            }
            _ => {
                let asked = self.asked(state);
                let count = 1 + self.random.below(12);
                let questions = (0..count).map(|_| self.question(state)).collect();
                let Origin { from, agent, .. } = self.origin();
                let client = Client { address: from, agent };
                GatewayWish::Authorize { shown: asked.digest, client, questions, dry_run: self.random.percent(20) }
            }
        };
        GatewayCall { gateway, wish }
    }

    fn question(&mut self, state: &State) -> Question {
        let route = MappedRoute { map: 1, line: 3 };
        let Use { account, target, mapped, .. } = self.asked(state);
        let target = if self.random.percent(30) { self.target(state, Route::Mapped(route)) } else { target };
        Question { account, target, scope: mapped, mapped: self.random.percent(50).then_some(route) }
    }

    fn rights(&mut self) -> Vec<GatewayRight> {
        GATEWAY_RIGHTS.into_iter().filter(|_| self.random.percent(60)).collect()
    }

    fn reached(&mut self, state: &State) -> Vec<AccountId> {
        let count = self.random.below(4);
        (0..count).map(|_| self.account(state)).collect()
    }

    fn expires_at(&mut self) -> Option<Timestamp> {
        self.random.percent(20).then(|| match self.random.percent(20) {
            true => Timestamp(self.now.0 - 1),
            false => self.now.plus_seconds(1 + self.random.below(4_000)),
        })
    }

    fn token_change(&mut self, state: &State) -> Change {
        let token = TokenId(self.number(state.tokens.len()));
        let known = state.token(token);
        let owner = match known.map(|token| token.owner) {
            Some(owner) if self.random.percent(92) => owner,
            _ => Owner::Account(self.account(state)),
        };
        let if_match = self.if_match(known.map_or(Version(1), |token| token.version));
        match self.random.below(10) {
            0..5 => Change::UpdateToken {
                owner,
                token,
                name: self.random.percent(40).then(|| self.name()),
                access: (matches!(owner, Owner::Account(_)) && self.random.percent(60)).then(|| self.access()),
                expires_at: self.random.percent(30).then(|| self.expires_at()),
                conditions: self.conditions_edit(),
                if_match,
            },
            5..9 => {
                let overlap_seconds = *self.random.pick(&[0, 60, 3_600, 86_400, u64::MAX]);
                Change::RotateToken { owner, token, overlap_seconds, secret: self.secret(Some(state)), if_match }
            }
            _ => Change::DeleteToken { owner, token, if_match },
        }
    }
}
