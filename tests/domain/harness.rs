//! Given, when, then. No database: texts live in a map, time stands where a test puts it.

use std::collections::{BTreeMap, HashMap};
use token_ledger::domain::access::{Level, Visible};
use token_ledger::domain::command::{
    AccessRequest, Actor, AskedTarget, Change, Command, CoverageRequest, GatewayCall, GatewayChange, GatewayWish,
    GrantRequest, NewSecret, Origin, ResourceRequest, SignInChange, Use,
};
use token_ledger::domain::conditions::ConditionsEdit;
use token_ledger::domain::decide::{
    Answer, Context, Decision, Done, DoneSubject, Recorded, Tally, TallyNote, UseAnswer, Verdict, decide, decide_line,
    decide_question, record_quota_total, record_refusal_sum,
};
use token_ledger::domain::digests::Digests;
use token_ledger::domain::directory::{CertificateFacts, DomainFacts, Plan, ZoneFacts};
use token_ledger::domain::event::{By, Cause, Event, Outcome, PersonalDataErased, Route};
use token_ledger::domain::gateway::{GATEWAY_RIGHTS, GatewayReach, GatewayRight};
use token_ledger::domain::ids::{AccountId, RequestId, ResourceId, TextNumber, TokenId, UserId, Version};
use token_ledger::domain::rejection::Rejection;
use token_ledger::domain::report::LineResult;
use token_ledger::domain::state::State;
use token_ledger::domain::text::{KnownText, PersonalText, Subject, TextKind, Texts, commitment};
use token_ledger::domain::time::{MICROS_PER_SECOND, Timestamp};
use token_ledger::domain::token::{Authority, Owner, Principal, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

/// When every story begins: 2026-03-01T12:00:00Z.
pub const NOON: Timestamp = Timestamp(1_772_366_400 * MICROS_PER_SECOND);

/// Texts and their numbers, in a map.
#[derive(Default)]
pub struct Book {
    numbers: HashMap<(Subject, TextKind, String), TextNumber>,
    texts: BTreeMap<TextNumber, String>,
    known: BTreeMap<TextNumber, (Subject, KnownText)>,
}

impl Book {
    fn erase(&mut self, erased: &PersonalDataErased) {
        let goes = |number: TextNumber| erased.texts.iter().any(|&(first, last)| (first..=last).contains(&number));
        self.numbers.retain(|_, number| !goes(*number));
        self.known.retain(|number, _| !goes(*number));
        self.texts.retain(|number, _| !goes(*number));
    }

    /// Not random: only its commitment is ever compared.
    fn salt(number: TextNumber) -> [u8; 32] {
        [u8::try_from(number.0 % 251).expect("a remainder of 251 fits a byte"); 32]
    }
}

impl Texts for Book {
    fn find(&mut self, subject: Subject, kind: TextKind, text: &str) -> Option<TextNumber> {
        self.numbers.get(&(subject, kind, text.to_owned())).copied()
    }

    fn take(&mut self, known: KnownText, subject: Subject, text: &str) -> [u8; 32] {
        let KnownText { number, kind, .. } = known;
        self.known.insert(number, (subject, known));
        let before = self.numbers.insert((subject, kind, text.to_owned()), number);
        assert_eq!(before, None, "a text is interned once");
        self.texts.insert(number, text.to_owned());
        commitment(&Self::salt(number), text)
    }

    fn of(&mut self, subject: Subject) -> Vec<KnownText> {
        self.known.values().filter(|(of, _)| *of == subject).map(|(_, known)| *known).collect()
    }
}

/// A token with the digest of its newest secret.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub token: TokenId,
    pub owner: Owner,
    pub digest: TokenDigest,
}

/// All that happened so far, and the surroundings of what happens next.
pub struct World {
    pub state: State,
    pub digests: Digests,
    pub texts: Book,
    pub tally: Tally,
    pub now: Timestamp,
    pub origin: Origin,
    secrets_made: u8,
    streams: HashMap<(AccountId, TokenId), u64>,
}

/// What came of a command.
#[derive(Debug)]
pub struct Then {
    pub events: Vec<Recorded>,
    pub answer: Answer,
    pub tally: Option<TallyNote>,
}

/// A ledger where these commands were carried out, each accepted.
pub fn given(changes: Vec<Change>) -> World {
    let mut world = World::empty();
    let names = Change::Initialize { origin: "ledger.example".to_owned(), log_vkey: "key".to_owned() };
    world.when(Command::Manage(Actor::Init, Box::new(names))).done();
    for change in changes {
        world.manage(change).done();
    }
    world
}

/// A ledger that only began.
pub fn begun() -> World {
    given(Vec::new())
}

impl World {
    /// Nothing happened yet, not even the beginning of the log.
    pub fn empty() -> Self {
        Self {
            state: State::default(),
            digests: Digests::default(),
            texts: Book::default(),
            tally: Tally::default(),
            now: NOON,
            origin: Origin::default(),
            secrets_made: 0,
            streams: HashMap::new(),
        }
    }

    /// Decides without letting anything happen.
    pub fn decide(&mut self, command: &Command) -> Decision {
        let context = Context { now: self.now, origin: &self.origin };
        decide(&self.state, &self.digests, &context, command, &mut self.texts)
    }

    /// Lets one command happen.
    pub fn when(&mut self, command: Command) -> Then {
        let texts_before = self.texts.numbers.len();
        let decision = self.decide(&command);
        self.settle(decision, texts_before)
    }

    /// A call of a gateway: what came of each question, each decided on what those before it left. The gateway may ask.
    #[track_caller]
    pub fn call(&mut self, call: &GatewayCall) -> Vec<Then> {
        let GatewayWish::Authorize { questions, .. } = &call.wish else { panic!("it asks nothing: {call:?}") };
        let admitted = self.when(Command::Gateway(Box::new(call.clone())));
        assert_eq!((admitted.names(), admitted.answer), (vec![], Answer::Authorized(Vec::new())));
        let decide = |question| {
            let texts_before = self.texts.numbers.len();
            let context = Context { now: self.now, origin: &self.origin };
            let decision = decide_question(&self.state, &self.digests, &context, call, question, &mut self.texts);
            self.settle(decision, texts_before)
        };
        questions.iter().map(decide).collect()
    }

    /// A report of a gateway: what became of each line, each decided on what those before it left. The gateway may report.
    #[track_caller]
    pub fn report(&mut self, call: &GatewayCall) -> Vec<(LineResult, Then)> {
        let GatewayWish::Report { lines } = &call.wish else { panic!("it reports nothing: {call:?}") };
        let admitted = self.when(Command::Gateway(Box::new(call.clone())));
        assert_eq!((admitted.names(), admitted.answer), (vec![], Answer::Reported(Vec::new())));
        let decide = |line| {
            let texts_before = self.texts.numbers.len();
            let context = Context { now: self.now, origin: &self.origin };
            let (events, result) = decide_line(&self.state, &self.digests, &context, call, line, &mut self.texts);
            let answer = Answer::Reported(vec![result.clone()]);
            (result, self.settle(Decision { events, answer, tally: None }, texts_before))
        };
        lines.iter().map(decide).collect()
    }

    fn settle(&mut self, decision: Decision, texts_before: usize) -> Then {
        let Decision { events, answer, tally } = decision;
        let seen = events.iter().filter(|recorded| matches!(recorded.event, Event::TextSeen(_))).count();
        assert_eq!(self.texts.numbers.len(), texts_before + seen, "a text is taken up exactly by its event");
        for recorded in &events {
            self.happen(recorded);
        }
        if let Some(note) = tally.clone() {
            self.tally.add(note);
        }
        Then { events, answer, tally }
    }

    /// Takes in one event, as the log would: stream numbers have no gaps, texts are numbered 1, 2, 3 ….
    fn happen(&mut self, recorded: &Recorded) {
        let Recorded { header, event } = recorded;
        assert_eq!(header.recorded_at, self.now);
        assert_eq!(header.request, self.origin.request);
        if header.account.is_none() {
            assert_eq!(header.account_number, 0);
        } else {
            self.check_stream((header.account, TokenId::NONE), header.account_number);
        }
        if header.token.is_none() {
            assert_eq!(header.token_number, 0);
        } else {
            self.check_stream((header.account, header.token), header.token_number);
        }
        if let Event::TextSeen(seen) = event {
            assert_eq!(seen.number, self.state.last_text.next());
            let text = &self.texts.texts[&seen.number];
            assert_eq!(seen.commitment, commitment(&Book::salt(seen.number), text));
        }
        if let Event::PersonalDataErased(erased) = event {
            self.texts.erase(erased);
        }
        self.state.evolve(header, event);
        self.digests = self.state.digests();
    }

    fn check_stream(&mut self, stream: (AccountId, TokenId), number: u64) {
        let last = self.streams.entry(stream).or_default();
        *last += 1;
        assert_eq!(number, *last, "a stream has no gaps: {stream:?}");
    }

    /// A change by a person on the machine, who may do everything.
    pub fn manage(&mut self, change: Change) -> Then {
        self.when(Command::Manage(Actor::Local(1_000), Box::new(change)))
    }

    /// A change by whoever shows this token.
    pub fn manage_as(&mut self, key: &Key, change: Change) -> Then {
        self.when(Command::Manage(Actor::Bearer(key.digest), Box::new(change)))
    }

    /// A request to the guarded API.
    pub fn ask(&mut self, asked: Use) -> Then {
        self.when(Command::Use(asked))
    }

    /// Asks this often; every answer must be the outcome `Ok`.
    pub fn ask_times(&mut self, times: u64, asked: &Use) {
        for _ in 0..times {
            assert_eq!(self.ask(asked.clone()).allowed(), Outcome::Ok);
        }
    }

    /// Moves the clock to so many seconds after noon.
    pub fn at(&mut self, seconds: u64) {
        self.now = NOON.plus_seconds(seconds);
    }

    /// Records counted refusals that are due; all of them when `everything`. They come from no request.
    pub fn flush(&mut self, everything: bool) -> Vec<Recorded> {
        let origin = std::mem::take(&mut self.origin);
        let context = Context { now: self.now, origin: &Origin::default() };
        let mut flushed = Vec::new();
        let due = self.tally.take_due(self.now, everything);
        for (about, sum) in due.refusals {
            let events = record_refusal_sum(&self.state, &context, &mut self.texts, about, &sum);
            events.iter().for_each(|recorded| self.happen(recorded));
            flushed.extend(events);
        }
        for (window, total) in due.quotas {
            let events = record_quota_total(&self.state, &context, &mut self.texts, window, &total);
            events.iter().for_each(|recorded| self.happen(recorded));
            flushed.extend(events);
        }
        self.origin = origin;
        flushed
    }

    /// A secret nobody has yet.
    pub fn new_secret(&mut self) -> NewSecret {
        self.secrets_made += 1;
        NewSecret { digest: TokenDigest([self.secrets_made; 32]), hint: *b"hint" }
    }

    pub fn account(&mut self, plan: Plan) -> AccountId {
        self.account_with_limit(plan, None)
    }

    pub fn account_with_limit(&mut self, plan: Plan, hourly_limit: Option<u64>) -> AccountId {
        let change = Change::CreateAccount { name: text("Acme"), email: text("ops@example.com"), plan, hourly_limit };
        match self.manage(change).done().subject {
            DoneSubject::Account(account) => account,
            other => panic!("an account was opened, not {other:?}"),
        }
    }

    pub fn user(&mut self) -> UserId {
        let change = Change::CreateUser { email: text("ada@example.com"), name: text("Ada") };
        match self.manage(change).done().subject {
            DoneSubject::User(user) => user,
            other => panic!("a user became known, not {other:?}"),
        }
    }

    pub fn member(&mut self, account: AccountId, access: AccessRequest) -> UserId {
        let user = self.user();
        self.manage(Change::PutMember { account, user, access, if_match: None }).done();
        user
    }

    pub fn token(&mut self, owner: Owner, kind: TokenKind, access: Option<AccessRequest>) -> Key {
        self.token_until(owner, kind, access, None)
    }

    pub fn token_until(
        &mut self,
        owner: Owner,
        kind: TokenKind,
        access: Option<AccessRequest>,
        expires_at: Option<Timestamp>,
    ) -> Key {
        if kind == TokenKind::Gateway {
            return self.gateway_token();
        }
        if let (TokenKind::Session, Owner::User(user)) = (kind, owner) {
            return self.session(Principal::User(user));
        }
        let secret = self.new_secret();
        let change = Change::CreateToken {
            owner,
            kind,
            name: text("a token"),
            access,
            expires_at,
            conditions: Default::default(),
            secret,
        };
        match self.manage(change).done().subject {
            DoneSubject::Token(token) => Key { token, owner, digest: secret.digest },
            other => panic!("a token was created, not {other:?}"),
        }
    }

    pub fn account_token(&mut self, account: AccountId, access: AccessRequest) -> Key {
        self.token(Owner::Account(account), TokenKind::Account, Some(access))
    }

    pub fn user_token(&mut self, user: UserId) -> Key {
        self.token(Owner::User(user), TokenKind::User, None)
    }

    /// A link for somebody, made on the machine.
    pub fn link(&mut self, who: Principal) -> TokenDigest {
        let digest = self.new_secret().digest;
        self.manage(Change::SignIn(SignInChange::CreateLink { who, digest })).done();
        digest
    }

    /// Whoever shows this link signs in.
    pub fn sign_in(&mut self, link: TokenDigest) -> (NewSecret, Then) {
        let secret = self.new_secret();
        let change = Change::SignIn(SignInChange::UseLink { name: text("Firefox on Linux"), secret });
        (secret, self.when(Command::Manage(Actor::Link(link), Box::new(change))))
    }

    /// A session of somebody.
    pub fn session(&mut self, who: Principal) -> Key {
        let link = self.link(who);
        let (secret, then) = self.sign_in(link);
        let owner = match who {
            Principal::User(user) => Owner::User(user),
            _ => Owner::Service,
        };
        match then.done().subject {
            DoneSubject::Token(token) => Key { token, owner, digest: secret.digest },
            other => panic!("a session was opened, not {other:?}"),
        }
    }

    /// A change by the browser that has this session.
    pub fn manage_in(&mut self, session: &Key, change: Change) -> Then {
        self.when(Command::Manage(Actor::Session(session.digest), Box::new(change)))
    }

    pub fn staff_token(&mut self, kind: TokenKind) -> Key {
        self.token(Owner::Service, kind, None)
    }

    /// A gateway token with every right over the first account, which is opened if there is none.
    pub fn gateway_token(&mut self) -> Key {
        if self.state.accounts.is_empty() {
            self.account(Plan::Teams);
        }
        self.gateway(&GATEWAY_RIGHTS, &[AccountId(1)])
    }

    pub fn gateway(&mut self, rights: &[GatewayRight], accounts: &[AccountId]) -> Key {
        let secret = self.new_secret();
        let reach = GatewayReach { rights: rights.to_vec(), accounts: accounts.to_vec() };
        let create = GatewayChange::Create {
            name: text("a gateway"),
            reach,
            expires_at: None,
            conditions: Default::default(),
            secret,
        };
        match self.manage(Change::Gateway(create)).done().subject {
            DoneSubject::Token(token) => Key { token, owner: Owner::Service, digest: secret.digest },
            other => panic!("a token was created, not {other:?}"),
        }
    }

    /// Rotates a token; its new key.
    pub fn rotate(&mut self, key: &Key, overlap_seconds: u64) -> Key {
        let secret = self.new_secret();
        let (owner, token) = (key.owner, key.token);
        self.manage(Change::RotateToken { owner, token, overlap_seconds, secret, if_match: None }).done();
        Key { digest: secret.digest, ..*key }
    }

    pub fn delete(&mut self, key: &Key) {
        let (owner, token, if_match) = (key.owner, key.token, None);
        let change = match self.state.token(token).map(|token| token.kind) {
            Some(TokenKind::Gateway) => Change::Gateway(GatewayChange::Delete { token, if_match }),
            _ => Change::DeleteToken { owner, token, if_match },
        };
        self.manage(change).done();
    }

    pub fn resource(&mut self, account: AccountId, name: &str, resource: ResourceRequest) -> ResourceId {
        match self.manage(Change::AddResource { account, name: text(name), resource }).done().subject {
            DoneSubject::Resource(resource) => resource,
            other => panic!("a resource was added, not {other:?}"),
        }
    }

    pub fn domain(&mut self, account: AccountId, name: &str) -> ResourceId {
        self.resource(account, name, ResourceRequest::Domain(DomainFacts::default()))
    }

    pub fn zone(&mut self, account: AccountId, name: &str) -> ResourceId {
        self.resource(account, name, ResourceRequest::Zone(ZoneFacts::default()))
    }

    pub fn certificate(&mut self, account: AccountId, name: &str) -> ResourceId {
        self.resource(account, name, certificate())
    }

    /// Number of a resource name of an account.
    pub fn name_number(&mut self, account: AccountId, name: &str) -> TextNumber {
        self.texts.find(Subject::Account(account), TextKind::ResourceName, name).expect("the name was seen")
    }

    /// The text of a number.
    pub fn text_of(&self, number: TextNumber) -> &str {
        &self.texts.texts[&number]
    }

    pub fn set_limit(&mut self, account: AccountId, hourly_limit: u64) {
        self.manage(AccountEdit { hourly_limit: Some(hourly_limit), ..AccountEdit::default() }.of(account)).done();
    }

    pub fn research(&mut self, account: AccountId, monthly_cap: Option<u64>) {
        self.manage(Change::ActivateResearch { account, monthly_cap, if_match: None }).done();
    }

    pub fn from(&mut self, address: &str, agent: &str) {
        self.origin.address = Some(text(address));
        self.origin.agent = Some(text(agent));
        self.origin.request = RequestId([7; 16]);
    }
}

impl Then {
    /// Type names of the events, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.events.iter().map(|recorded| recorded.event.type_name()).collect()
    }

    /// It was carried out.
    #[track_caller]
    pub fn done(&self) -> Done {
        match &self.answer {
            Answer::Done(done) => *done,
            other => panic!("it was not carried out: {other:?}"),
        }
    }

    /// It was rejected, and nothing happened.
    #[track_caller]
    pub fn rejected(&self) -> &Rejection {
        assert_eq!(self.names(), Vec::<&str>::new(), "a rejection records nothing of the change");
        self.rejection()
    }

    /// It was rejected; the attempt itself may have been recorded.
    #[track_caller]
    pub fn rejection(&self) -> &Rejection {
        match &self.answer {
            Answer::Rejected(rejection) => rejection,
            other => panic!("it was not rejected: {other:?}"),
        }
    }

    /// The answer to a use.
    #[track_caller]
    pub fn answered(&self) -> &UseAnswer {
        match &self.answer {
            Answer::Use(answer) => answer,
            other => panic!("it is no answer to a use: {other:?}"),
        }
    }

    /// It was allowed, and ended so.
    #[track_caller]
    pub fn allowed(&self) -> Outcome {
        match &self.answered().verdict {
            Verdict::Allowed { outcome, .. } => *outcome,
            other @ Verdict::Refused(_) => panic!("it was not allowed: {other:?}"),
        }
    }

    /// The resource that was found.
    #[track_caller]
    pub fn found(&self) -> Option<ResourceId> {
        match &self.answered().verdict {
            Verdict::Allowed { resource, .. } => *resource,
            other @ Verdict::Refused(_) => panic!("it was not allowed: {other:?}"),
        }
    }

    /// What the list shows.
    #[track_caller]
    pub fn visible(&self) -> &Visible {
        match &self.answered().verdict {
            Verdict::Allowed { visible, .. } => visible,
            other @ Verdict::Refused(_) => panic!("it was not allowed: {other:?}"),
        }
    }

    /// It was refused for this.
    #[track_caller]
    pub fn cause(&self) -> Cause {
        match &self.answered().verdict {
            Verdict::Refused(refused) => refused.cause,
            other @ Verdict::Allowed { .. } => panic!("it was not refused: {other:?}"),
        }
    }

    /// Remaining requests, as the answer says.
    #[track_caller]
    pub fn remaining(&self) -> u64 {
        self.answered().window.expect("the answer says a window").remaining
    }

    /// The last event.
    #[track_caller]
    pub fn last(&self) -> &Recorded {
        self.events.last().expect("something was recorded")
    }
}

/// What a change by a person on the machine says of its maker.
pub fn by_local() -> By {
    By { authority: Authority::Local, secret: 0, address: TextNumber::NONE, agent: TextNumber::NONE }
}

pub fn text(text: &str) -> PersonalText {
    PersonalText::new(text)
}

pub fn texts(texts: &[&str]) -> Vec<PersonalText> {
    texts.iter().map(|text| PersonalText::new(*text)).collect()
}

/// A grant over everything of a group.
pub fn all(group: &str, level: Level) -> GrantRequest {
    GrantRequest { group: group.to_owned(), level, coverage: CoverageRequest::All }
}

/// A grant over these names of a group.
pub fn named(group: &str, level: Level, names: &[&str]) -> GrantRequest {
    GrantRequest { group: group.to_owned(), level, coverage: CoverageRequest::Named(texts(names)) }
}

pub fn granted(grants: Vec<GrantRequest>) -> AccessRequest {
    AccessRequest::Granted(grants)
}

pub fn certificate() -> ResourceRequest {
    ResourceRequest::Certificate(CertificateFacts { years: 1, ..CertificateFacts::default() }, Default::default())
}

fn asked(key: &Key, route: Route, account: Option<AccountId>, target: AskedTarget) -> Use {
    Use { digest: key.digest, route, account, target, mapped: None, certificate: None, valid: true }
}

pub fn whoami(key: &Key) -> Use {
    asked(key, Route::Whoami, None, AskedTarget::None)
}

pub fn accounts(key: &Key) -> Use {
    asked(key, Route::Accounts, None, AskedTarget::None)
}

pub fn list(key: &Key, route: Route, account: AccountId) -> Use {
    asked(key, route, Some(account), AskedTarget::List)
}

pub fn by_name(key: &Key, route: Route, account: AccountId, name: &str) -> Use {
    asked(key, route, Some(account), AskedTarget::Name(text(name)))
}

pub fn by_number(key: &Key, route: Route, account: AccountId, number: u64) -> Use {
    asked(key, route, Some(account), AskedTarget::Number(number))
}

pub fn status(key: &Key, account: AccountId) -> Use {
    asked(key, Route::ResearchStatus, Some(account), AskedTarget::None)
}

/// The same question, but not a valid one.
pub fn invalid(asked: Use) -> Use {
    Use { valid: false, ..asked }
}

/// An edit of an account; what is absent stays.
#[derive(Clone, Copy, Default)]
pub struct AccountEdit {
    pub name: Option<&'static str>,
    pub email: Option<&'static str>,
    pub plan: Option<Plan>,
    pub hourly_limit: Option<u64>,
    pub if_match: Option<Version>,
}

impl AccountEdit {
    pub fn of(self, account: AccountId) -> Change {
        let Self { name, email, plan, hourly_limit, if_match } = self;
        Change::UpdateAccount { account, name: name.map(text), email: email.map(text), plan, hourly_limit, if_match }
    }
}

/// An edit of a token; what is absent stays.
#[derive(Clone, Default)]
pub struct TokenEdit {
    pub name: Option<&'static str>,
    pub access: Option<AccessRequest>,
    pub expires_at: Option<Option<Timestamp>>,
    pub conditions: ConditionsEdit,
    pub if_match: Option<Version>,
}

impl TokenEdit {
    pub fn of(self, key: &Key) -> Change {
        let Self { name, access, expires_at, conditions, if_match } = self;
        let (owner, token) = (key.owner, key.token);
        Change::UpdateToken { owner, token, name: name.map(text), access, expires_at, conditions, if_match }
    }
}
