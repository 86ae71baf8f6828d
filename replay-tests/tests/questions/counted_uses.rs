//! Uses that are counted by the index alone: the same answer as where each is read, which `who_could.rs` and
//! `least_privilege.rs` hold against a story. Here are so many uses of a name, and of a token, that reading them would be the
//! longer way.

use replay_tests::generator::{BEGIN, Generator};
use replay_tests::random::Random;
use replay_tests::uses::whoami;
use serde_json::Value;
use std::ops::ControlFlow;
use std::sync::Arc;
use tempfile::TempDir;
use token_ledger::audit::archive::Archive;
use token_ledger::audit::questions::{self, Asked, question};
use token_ledger::clock::Clock;
use token_ledger::domain::access::{Level, Verb, group};
use token_ledger::domain::command::{
    AccessRequest, Actor, AskedTarget, Change, Command, CoverageRequest, GrantRequest, NewSecret, Origin,
    ResourceRequest, Use,
};
use token_ledger::domain::directory::{DomainFacts, Plan, ZoneFacts};
use token_ledger::domain::event::{MappedRoute, Route};
use token_ledger::domain::ids::{AccountId, Position, RequestId, ResourceId, TokenId, UserId};
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::domain::token_text::TokenDigest;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::{Core, Job};
use token_ledger::log::DataDir;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::index::find::Wanted;
use token_ledger::projections::index::tail::{Chunk, Tail, Whole};
use token_ledger::projections::keys::Key;
use token_ledger::projections::rebuild::leaf_at;
use token_ledger::projections::snapshot::Views;

const ROUNDS: usize = 12;
const USES_A_ROUND: usize = 500;
const SEGMENT: u64 = 2_048;
const ACCOUNT: AccountId = AccountId(1);
/// Digests of tokens, in the order in which they are made after the operator's.
const TOKENS: u8 = 5;

fn text(text: &str) -> PersonalText {
    PersonalText::new(text.to_owned())
}

fn digest(number: u8) -> TokenDigest {
    TokenDigest([100 + number; 32])
}

fn grant(group: &str, level: Level, name: Option<&str>) -> GrantRequest {
    let coverage = name.map_or(CoverageRequest::All, |name| CoverageRequest::Named(vec![text(name)]));
    GrantRequest { group: group.to_owned(), level, coverage }
}

fn narrow() -> AccessRequest {
    AccessRequest::Granted(vec![
        grant("domains", Level::ReadOnly, Some("a.example")),
        grant("zones", Level::FullAccess, None),
    ])
}

fn wide() -> AccessRequest {
    AccessRequest::Granted(vec![grant("domains", Level::FullAccess, None)])
}

fn new_token(owner: Owner, kind: TokenKind, access: Option<AccessRequest>, number: u8) -> Change {
    Change::CreateToken {
        owner,
        kind,
        name: text(&format!("token {number}")),
        access,
        expires_at: (number == 3).then(|| BEGIN.plus_seconds(ROUNDS as u64 / 2 * 3_600)),
        conditions: Default::default(),
        secret: NewSecret { digest: digest(number), hint: *b"hint" },
    }
}

fn people() -> Vec<Change> {
    let of = Owner::Account(ACCOUNT);
    let add = |name: &str, resource| Change::AddResource { account: ACCOUNT, name: text(name), resource };
    vec![
        Change::CreateAccount {
            name: text("Busy"),
            email: text("busy@example.com"),
            plan: Plan::Teams,
            hourly_limit: Some(1_000_000),
        },
        Change::CreateUser { email: text("ada@example.com"), name: text("Ada") },
        Change::PutMember { account: ACCOUNT, user: UserId(1), access: AccessRequest::Full, if_match: None },
        add("a.example", ResourceRequest::Domain(DomainFacts::default())),
        add("b.example", ResourceRequest::Domain(DomainFacts::default())),
        add("a.example", ResourceRequest::Zone(ZoneFacts::default())),
        new_token(of, TokenKind::Account, Some(AccessRequest::Full), 0),
        new_token(of, TokenKind::Account, Some(narrow()), 1),
        new_token(of, TokenKind::Account, Some(wide()), 2),
        new_token(of, TokenKind::Account, Some(AccessRequest::Full), 3),
        new_token(Owner::User(UserId(1)), TokenKind::User, None, 4),
    ]
}

/// What changes after a round.
fn turn(round: usize, tokens: &[TokenId]) -> Option<Change> {
    let access = |token: TokenId, access| Change::UpdateToken {
        owner: Owner::Account(ACCOUNT),
        token,
        name: None,
        access: Some(access),
        expires_at: None,
        conditions: Default::default(),
        if_match: None,
    };
    let member = |access| Change::PutMember { account: ACCOUNT, user: UserId(1), access, if_match: None };
    Some(match round {
        1 => access(tokens[1], wide()),
        2 => Change::RemoveResource { account: ACCOUNT, resource: ResourceId(1) },
        3 => member(narrow()),
        4 => access(tokens[1], narrow()),
        5 => Change::AddResource {
            account: ACCOUNT,
            name: text("a.example"),
            resource: ResourceRequest::Domain(DomainFacts::default()),
        },
        7 => member(AccessRequest::Full),
        8 => Change::DeleteToken { owner: Owner::Account(ACCOUNT), token: tokens[2], if_match: None },
        _ => return None,
    })
}

/// Of the first token more often than of the others.
fn digest_of(random: &mut Random) -> TokenDigest {
    let token = if random.percent(40) { 0 } else { random.below(TOKENS.into()) };
    digest(u8::try_from(token).expect("it is small"))
}

fn used(random: &mut Random) -> Use {
    let name = if random.percent(80) { "a.example" } else { "b.example" };
    let named = AskedTarget::Name(text(name));
    let mapped = Route::Mapped(MappedRoute { map: 1, line: 3 });
    let verb = if random.percent(50) { Verb::Read } else { Verb::Write };
    if random.percent(10) {
        return whoami(digest_of(random));
    }
    let (route, target, mapped) = match random.below(10) {
        0..4 => (Route::Domain, named, None),
        4 => (Route::Domains, AskedTarget::List, None),
        5 => (Route::Zone, named, None),
        6 => (mapped, AskedTarget::All, Some((group::DOMAINS, verb))),
        _ => (mapped, named, Some((group::DOMAINS, verb))),
    };
    let digest = digest_of(random);
    Use { digest, route, account: Some(ACCOUNT), target, mapped, certificate: None, valid: random.percent(95) }
}

struct Busy {
    _home: TempDir,
    dir: DataDir,
    clock: Clock,
    tokens: Vec<TokenId>,
}

fn busy() -> Busy {
    let home = tempfile::tempdir().expect("a directory");
    let (dir, clock) = (DataDir::new(home.path().join("ledger")), Clock::manual(BEGIN));
    let mut core = Core::create(&dir, clock.clone(), Entropy::seeded(1)).expect("a ledger");
    let mut random = Random::new(1);
    let commit = |core: &mut Core, commands: Vec<Command>, random: &mut Random| {
        let origin = |random: &mut Random| Origin { request: RequestId(random.bytes_16()), ..Origin::default() };
        let jobs: Vec<Job> = commands.into_iter().map(|command| (command, origin(random))).collect();
        core.commit(&jobs).expect("it is appended");
    };
    let local = |change| Command::Manage(Actor::Local(0), Box::new(change));
    core.commit(&Generator::new(1).beginning()).expect("the beginning");
    commit(&mut core, people().into_iter().map(local).collect(), &mut random);
    let state = core.state();
    let made = |number| state.tokens.iter().find(|token| token.secrets.iter().any(|it| it.digest == digest(number)));
    let tokens: Vec<TokenId> = (0..TOKENS).map(|number| made(number).expect("it is made").id).collect();
    for round in 0..ROUNDS {
        clock.set(BEGIN.plus_seconds(round as u64 * 3_600));
        commit(&mut core, (0..USES_A_ROUND).map(|_| Command::Use(used(&mut random))).collect(), &mut random);
        commit(&mut core, turn(round, &tokens).map(local).into_iter().collect(), &mut random);
    }
    Busy { _home: home, dir, clock, tokens }
}

/// Whole segments, as a service makes them.
fn index(dir: &DataDir) -> u64 {
    let log = LogReader::open(dir).expect("the log opens");
    let mut views = Views::open(dir).expect("the views open");
    let segments = log.head().expect("a head").0 / SEGMENT;
    for segment in 0..segments {
        let (after, through) = (Position(segment * SEGMENT), Position((segment + 1) * SEGMENT));
        let mut chunk = Chunk::begin(&Tail::after(Position::NONE, SEGMENT), after);
        log.replay(after, through, |position, header, event| {
            chunk.add(position, &header, &event);
            ControlFlow::Continue(())
        })
        .expect("it is read");
        chunk.finish();
        let whole = Whole::new(segment, SEGMENT, vec![Arc::new(chunk)]);
        let leaf = leaf_at(&log, through).expect("a leaf");
        assert!(views.store_segment(&whole, leaf, &mut || ControlFlow::Continue(())).expect("it is stored"));
    }
    segments
}

type Pairs = Vec<(&'static str, String)>;

/// Periods, as hours after the beginning.
const PERIODS: [(Option<u64>, Option<u64>); 4] = [(None, None), (Some(1), None), (Some(2), Some(9)), (None, Some(4))];

fn in_periods(pairs: &Pairs) -> impl Iterator<Item = Pairs> {
    let at = |hours: u64| Timestamp(BEGIN.plus_seconds(hours * 3_600 + 1).0).to_micros_text();
    PERIODS.into_iter().map(move |(from, to)| {
        let period = [("from", from), ("to", to)];
        let period = period.into_iter().filter_map(|(name, hours)| hours.map(|hours| (name, at(hours))));
        pairs.iter().cloned().chain(period).collect()
    })
}

/// Who could touch what, and who did.
fn asked_of_scopes() -> Vec<Pairs> {
    let scopes = ["domains:a.example", "domains:b.example", "domains:*", "zones:a.example", "certificates:a.example"];
    let mut asked = Vec::new();
    for scope in scopes.into_iter().chain(["1", "2", "3", "4"]) {
        for verb in ["read", "write"] {
            let pairs = vec![("account", "1".to_owned()), ("scope", scope.to_owned()), ("verb", verb.to_owned())];
            asked.extend(in_periods(&pairs));
        }
    }
    asked
}

/// What tokens, and a member, used of what they have.
fn asked_of_tokens(busy: &Busy) -> Vec<Pairs> {
    let of_tokens = busy.tokens[..4].iter().map(|token| vec![("token", token.0.to_string())]);
    let of_member = vec![("account", "1".to_owned()), ("user", "1".to_owned())];
    of_tokens.chain([of_member]).flat_map(|pairs| in_periods(&pairs).collect::<Vec<_>>()).collect()
}

fn answers(busy: &Busy) -> Vec<(String, Value)> {
    let archive = Archive::open(&busy.dir, busy.clock.now()).expect("the log opens");
    let ask = |name: &str, pairs: Pairs| {
        let question = question(name).expect("the question");
        let named: Vec<(String, String)> = pairs.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let asked = Asked::read(question, &named).expect("it is understood");
        let answer = questions::ask(&archive, question, &asked);
        let told = answer.map_or_else(|error| Value::from(error.to_string()), |it| it.to_json());
        (format!("{name} {named:?}"), told)
    };
    let of_scopes = asked_of_scopes().into_iter().map(|pairs| ask("who-could", pairs));
    let of_tokens = asked_of_tokens(busy).into_iter().map(|pairs| ask("least-privilege", pairs));
    of_scopes.chain(of_tokens).collect()
}

#[test]
fn uses_that_are_counted_by_the_index_are_those_that_are_read() {
    let busy = busy();
    let read = answers(&busy);
    let segments = index(&busy.dir);
    assert!(segments > 1);
    let archive = Archive::open(&busy.dir, busy.clock.now()).expect("the log opens");
    let names = archive.log().numbers_of_resource_name("a.example").expect("a number");
    let wanted = Wanted::any(&[Key::Name(names[0])]);
    for segment in 0..segments {
        let range = (Position(segment * SEGMENT), Position((segment + 1) * SEGMENT));
        let found = archive.next_piece(&wanted, range).found.expect("the index knows it");
        assert!(found.len() > 1_000, "{} records: too few to be counted without reading them", found.len());
        let of_token = Wanted::any(&[Key::TokenTraffic(busy.tokens[0])]);
        let found = archive.next_piece(&of_token, range).found.expect("the index knows it");
        assert!(found.len() > 512, "{} records of a token", found.len());
    }
    let (mut did, mut scopes) = (0, 0);
    for ((asked, read), (_, counted)) in read.iter().zip(answers(&busy)) {
        assert_eq!(*read, counted, "{asked}");
        did += counted["did"].as_array().map_or(0, Vec::len);
        scopes += counted["scopes"].as_array().map_or(0, Vec::len);
    }
    assert!(did > 200 && scopes > 100, "{did} and {scopes} rows");
}
