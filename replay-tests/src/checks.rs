//! What must hold of every log, whoever wrote it.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use token_ledger::audit::verify::{Options, verify};
use token_ledger::domain::access::{Access, Coverage, RequiredScope, Target};
use token_ledger::domain::digests::Digests;
use token_ledger::domain::directory::ResourceFacts;
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::{AccountId, Position, TextNumber, TokenId};
use token_ledger::domain::state::{State, by_of};
use token_ledger::domain::text::commitment;
use token_ledger::log::DataDir;
use token_ledger::log::merkle::Hash;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::Projections;
use token_ledger::projections::digest::{PROJECTIONS, digest, entry_digests};

/// Every record of the log, in order.
pub fn records(dir: &DataDir) -> Vec<(Position, Header, Event)> {
    let log = LogReader::open(dir).expect("the log opens");
    let head = log.head().expect("the log has a head");
    let mut records = Vec::new();
    let visited = log.replay(Position::NONE, head, |position, header, event| {
        records.push((position, header, event));
        ControlFlow::Continue(())
    });
    visited.expect("every record decodes");
    records
}

/// The decision state, folded from the first record on.
pub fn state_from_first(dir: &DataDir) -> State {
    let mut state = State::default();
    for (_, header, event) in records(dir) {
        state.evolve(&header, &event);
    }
    state
}

/// The way from digests to tokens is that of this state: every secret's is found, and no other is kept.
#[track_caller]
pub fn assert_finds(digests: &Digests, state: &State, what: &str) {
    let mut secrets = 0;
    for token in state.tokens.iter() {
        for secret in &token.secrets {
            let found = digests.find(&state.tokens, &secret.digest).map(|(token, secret)| (token.id, secret));
            assert_eq!(found, Some((token.id, secret.number)), "{what}: where a digest leads");
            secrets += 1;
        }
    }
    assert_eq!(digests.len(), secrets, "{what}: how many digests");
}

/// All projections, folded from the first record on.
pub fn projections_from_first(dir: &DataDir) -> Projections {
    let mut projections = Projections::default();
    for (position, header, event) in records(dir) {
        projections.fold(position, &header, &event);
    }
    projections
}

/// Both are the same, by value and by digest; if not, the first entry that differs is named.
#[track_caller]
pub fn assert_same(left: &Projections, right: &Projections, what: &str) {
    assert_eq!(left.position, right.position, "{what}: the position");
    for name in PROJECTIONS {
        let entries = |projections| entry_digests(projections, name).expect("projections encode");
        for (mine, theirs) in entries(left).iter().zip(&entries(right)) {
            assert_eq!(mine, theirs, "{what}: projection {}", name.name());
        }
        let digests = [left, right].map(|projections| digest(projections, name).expect("projections encode"));
        assert_eq!(digests[0], digests[1], "{what}: projection {}", name.name());
    }
    assert!(left == right, "{what}: the same digests, but not the same");
}

/// The records of each account, and of each token within each account, are numbered 1, 2, 3 ….
pub fn check_streams(records: &[(Position, Header, Event)]) {
    let mut accounts: HashMap<AccountId, u64> = HashMap::new();
    let mut tokens: HashMap<(AccountId, TokenId), u64> = HashMap::new();
    for (position, header, _) in records {
        let account_number = count(&mut accounts, header.account, header.account.is_none());
        assert_eq!(header.account_number, account_number, "account stream at {position}");
        let token_number = count(&mut tokens, (header.account, header.token), header.token.is_none());
        assert_eq!(header.token_number, token_number, "token stream at {position}");
    }
}

fn count<K: std::hash::Hash + Eq>(numbers: &mut HashMap<K, u64>, stream: K, is_none: bool) -> u64 {
    if is_none {
        return 0;
    }
    let number = numbers.entry(stream).or_default();
    *number += 1;
    *number
}

/// Times never go back and positions have no gaps.
pub fn check_order(records: &[(Position, Header, Event)]) {
    for (expected, (position, ..)) in (1..).zip(records) {
        assert_eq!(position.0, expected);
    }
    for pair in records.windows(2) {
        assert!(pair[0].1.recorded_at <= pair[1].1.recorded_at, "time goes back at {}", pair[1].0);
    }
}

/// Texts are numbered 1, 2, 3 …; every number that an event says was seen before it. Those that no event erases have
/// their row, whose salt and text give the commitment; the others have none.
pub fn check_texts(dir: &DataDir, records: &[(Position, Header, Event)]) {
    let log = LogReader::open(dir).expect("the log opens");
    let erased: HashSet<u64> = records.iter().flat_map(|(_, _, event)| erased_by(event)).collect();
    let mut seen = 0;
    for (position, _, event) in records {
        if let Event::TextSeen(text) = event {
            seen += 1;
            assert_eq!(text.number.0, seen, "text numbers at {position}");
            let kept = (!erased.contains(&seen)).then_some(text.commitment);
            assert_eq!(stored_commitment(&log, text.number), kept, "the text seen at {position}");
        }
        for number in text_numbers(event) {
            assert!(number.0 <= seen, "text {number} at {position} was never seen");
        }
    }
    let last = log.last_text_number().expect("the texts can be read");
    let kept = (1..=seen).rev().find(|number| !erased.contains(number)).unwrap_or(0);
    assert_eq!(last.0, kept, "no row without its event");
}

fn erased_by(event: &Event) -> Vec<u64> {
    match event {
        Event::PersonalDataErased(e) => e.texts.iter().flat_map(|(first, last)| first.0..=last.0).collect(),
        _ => Vec::new(),
    }
}

/// What the row of a text commits to; none where it has no row.
fn stored_commitment(log: &LogReader, number: TextNumber) -> Option<[u8; 32]> {
    let row = log.text_row(number).expect("the texts can be read")?;
    let salt: [u8; 32] = row.salt.try_into().expect("a salt is 32 bytes");
    let text = String::from_utf8(row.text).expect("a text is text");
    Some(commitment(&salt, &text))
}

/// `verify`, which has a tree and a decoder's eye of its own, finds nothing and comes to the same root.
pub fn check_verified(dir: &DataDir, root: Hash) {
    let report = verify(dir, Options::default(), &mut |_, _| {}).expect("the files can be read");
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert_eq!(report.root, Some(root));
}

/// Every text number that an event says, "none" included.
pub fn text_numbers(event: &Event) -> Vec<TextNumber> {
    let mut numbers = payload_numbers(event);
    numbers.extend(by_of(event).into_iter().flat_map(|by| [by.address, by.agent]));
    numbers
}

fn payload_numbers(event: &Event) -> Vec<TextNumber> {
    match event {
        Event::TextSeen(e) => vec![e.number],
        Event::PersonalDataErased(e) => e.texts.iter().flat_map(|&(first, last)| [first, last]).collect(),
        Event::UserCreated(e) => vec![e.email, e.name],
        Event::AccountCreated(e) => vec![e.name, e.email],
        Event::AccountRenamed(e) => vec![e.name, e.email],
        Event::MemberAdded(e) => of_access(&e.access),
        Event::MemberAccessChanged(e) => of_access(&e.access),
        Event::ResourceAdded(e) => {
            let mut numbers = vec![e.name];
            if let ResourceFacts::Certificate(facts) = &e.facts {
                numbers.extend([facts.common_name, facts.signing_request]);
                numbers.extend(&facts.alternate_names);
            }
            numbers
        }
        Event::TokenCreated(e) => std::iter::once(e.name).chain(of_access(&e.access)).collect(),
        Event::TokenImported(e) => std::iter::once(e.name).chain(of_access(&e.access)).collect(),
        Event::TokenRenamed(e) => vec![e.name],
        Event::TokenAccessChanged(e) => of_access(&e.access),
        Event::TokenUsed(e) => std::iter::once(e.address).chain([e.agent]).chain(of_scope(e.scope)).collect(),
        Event::TokenUseRefused(e) => std::iter::once(e.address).chain([e.agent]).chain(of_scope(e.scope)).collect(),
        Event::UseReported(e) => std::iter::once(e.address).chain(of_scope(e.scope)).collect(),
        Event::RefusalsSummed(e) => e.addresses.clone(),
        Event::ManagementRefused(e) => vec![e.address, e.agent],
        Event::LedgerInitialized(_)
        | Event::ScopeGroupDefined(_)
        | Event::ScopeMapDefined(_)
        | Event::ScopeMapRejected(_)
        | Event::RecordingStarted(_)
        | Event::RecordingStopped(_)
        | Event::RecordingResumed(_)
        | Event::ClockStepped(_)
        | Event::StateSealed(_)
        | Event::LogContinued(_)
        | Event::LogKeyRotated(_)
        | Event::PlanChanged(_)
        | Event::HourlyLimitChanged(_)
        | Event::ResearchActivated(_)
        | Event::ResearchDeactivated(_)
        | Event::MemberRemoved(_)
        | Event::ResourceRemoved(_)
        | Event::TokenExpiryChanged(_)
        | Event::TokenRotated(_)
        | Event::TokenConditionsChanged(_)
        | Event::GatewayRightsChanged(_)
        | Event::TokenDeleted(_)
        | Event::QuotaRefusalsTotalled(_)
        | Event::IdempotencyKeyKept(_)
        | Event::HistoryRead(_)
        | Event::HistoryStreamOpened(_)
        | Event::HistoryStreamClosed(_)
        | Event::AccessReviewOpened(_)
        | Event::SignInLinkCreated(_)
        | Event::SignInLinkUsed(_)
        | Event::AccessReviewClosed(_)
        | Event::ApplicationSecretRotated(_)
        | Event::ApplicationDeleted(_)
        | Event::CodeExchangeRefused(_)
        | Event::AuthorizationRevoked(_) => Vec::new(),
        Event::ApplicationRegistered(e) => std::iter::once(e.name).chain(e.redirect_uris.iter().copied()).collect(),
        Event::ApplicationChanged(e) => std::iter::once(e.name).chain(e.redirect_uris.iter().copied()).collect(),
        Event::AuthorizationCodeIssued(e) => vec![e.redirect_uri],
        Event::AuthorizationGranted(e) => of_access(&e.access),
        Event::SignInRefused(e) => vec![e.address, e.agent],
        Event::AccessReviewDecided(e) => vec![e.note],
    }
}

fn of_access(access: &Access) -> Vec<TextNumber> {
    let Access::Granted(grants) = access else { return Vec::new() };
    let names = grants.iter().filter_map(|grant| match &grant.coverage {
        Coverage::Named(names) => Some(names.clone()),
        Coverage::All => None,
    });
    names.flatten().collect()
}

fn of_scope(scope: Option<RequiredScope>) -> Option<TextNumber> {
    match scope?.target {
        Target::Name(name) => {
            assert!(!name.is_none(), "a recorded name has its number");
            Some(name)
        }
        Target::List | Target::All | Target::Number(_) => None,
    }
}
