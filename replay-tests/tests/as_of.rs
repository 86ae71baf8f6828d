//! What a read shows as of a point of the past is what the whole log, folded up to there and judged then, shows through
//! the same shapes: for every read, at positions all over random histories, at times between and on them, and on the
//! edges of windows and months.

use replay_tests::story::Story;
use std::collections::{BTreeMap, BTreeSet};
use token_ledger::audit::archive::Archive;
use token_ledger::audit::as_of::state_of;
use token_ledger::audit::past::{Moment, Point};
use token_ledger::audit::questions::state::{Of, Seen, state_of as state_asked, tables};
use token_ledger::domain::event::{Event, Header};
use token_ledger::domain::ids::{AccountId, Position, TokenId, UserId};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Owner;
use token_ledger::domain::window::WINDOW_SECONDS;
use token_ledger::http::manage::past::subject;
use token_ledger::http::manage::reads::{Page, look};
use token_ledger::http::operations::Operation as Op;
use token_ledger::ledger::View;
use token_ledger::log::reader::LogReader;
use token_ledger::projections::Projections;
use token_ledger::projections::history::History;
use token_ledger::projections::rebuild::leaf_at;
use token_ledger::projections::snapshot::Views;

const SEEDS: u64 = 6;
const BATCHES: usize = 110;
/// Positions looked at in each story, about.
const LOOKS: usize = 14;

type Read = (Op, Vec<u64>, Page);

/// Every read of everything that there is, and of a little that is not.
fn reads(now: &Projections) -> Vec<Read> {
    let state = &now.state;
    let (accounts, users) = (state.accounts.len() as u64 + 1, state.users.len() as u64 + 1);
    let mut reads: Vec<Read> = Vec::new();
    for page in [Page::first(), Page::of(2, 2)] {
        for list in [Op::ListUsers, Op::ListManagedAccounts, Op::ListStaffTokens, Op::ListGatewayTokens] {
            reads.push((list, vec![], page));
        }
    }
    for account in 1..=accounts {
        for list in [Op::ListMembers, Op::ListResources, Op::ListAccountTokens] {
            reads.push((list, vec![account], Page::first()));
            reads.push((list, vec![account], Page::of(2, 1)));
        }
        reads.extend([Op::GetAccount, Op::GetUsage].map(|one| (one, vec![account], Page::first())));
    }
    for user in 1..=users {
        reads.push((Op::GetUser, vec![user], Page::first()));
        reads.push((Op::ListUserTokens, vec![user], Page::first()));
    }
    for token in 1..=state.tokens.len() as u64 + 1 {
        reads.push((Op::GetGatewayToken, vec![token], Page::first()));
        for owner in 1..=accounts.max(users) {
            // Each with its owner, and with one other.
            let of = state.token(TokenId(token)).map(|token| token.owner);
            let is_wanted = |own: Option<u64>| own == Some(owner) || own.is_none_or(|own| own % accounts + 1 == owner);
            let (account, user) = match of {
                Some(Owner::Account(account)) => (Some(account.0), None),
                Some(Owner::User(user)) => (None, Some(user.0)),
                _ => (None, None),
            };
            if account.is_some() && is_wanted(account) {
                reads.push((Op::GetAccountToken, vec![owner, token], Page::first()));
            }
            if user.is_some() && is_wanted(user) {
                reads.push((Op::GetUserToken, vec![owner, token], Page::first()));
            }
        }
    }
    reads
}

fn fold_to(records: &[(Position, Header, Event)], through: Position) -> Projections {
    let mut projections = Projections::default();
    for (position, header, event) in records.iter().take_while(|(position, ..)| *position <= through) {
        projections.fold(*position, header, event);
    }
    projections
}

/// How often each read had something to show, and how often not.
type Tally = BTreeMap<String, (u64, u64)>;

fn compare(archive: &Archive, whole: &Projections, moment: Moment, reads: &[Read], tally: &mut Tally) {
    for (operation, numbers, page) in reads {
        let shown =
            look(&View { projections: whole, texts: archive.texts(), now: moment.at }, *operation, numbers, page);
        let part = state_of(archive, moment, subject(*operation, numbers, page)).expect("it can be read");
        let answer =
            look(&View { projections: &part, texts: archive.texts(), now: moment.at }, *operation, numbers, page);
        let what = format!("{operation:?} {numbers:?} at {moment:?}");
        let (found, missing) = tally.entry(format!("{operation:?}")).or_default();
        match (shown, answer) {
            (Ok((shown, _)), Ok((answer, _))) => {
                assert_eq!(answer, shown, "{what}");
                *found += 1;
            }
            (Err(shown), Err(answer)) => {
                assert_eq!(answer, shown, "{what}");
                *missing += 1;
            }
            (shown, answer) => panic!("{what}: {answer:?} instead of {shown:?}"),
        }
    }
}

/// The question `state`, of everything that there is.
fn compare_questions(archive: &Archive, whole: &Projections, moment: Moment, tally: &mut Tally) {
    let state = &whole.state;
    let accounts = (1..=state.accounts.len() as u64 + 1).map(AccountId);
    let users = (1..=state.users.len() as u64 + 1).map(UserId);
    let tokens = (1..=state.tokens.len() as u64 + 1).map(TokenId);
    let pairs = accounts.clone().flat_map(|account| users.clone().map(move |user| Of::Membership(account, user)));
    // One pair in three: most are nobody's, and all are looked at in the course of a story.
    let pairs = pairs
        .enumerate()
        .filter(|(index, _)| (*index as u64 + moment.position.0).is_multiple_of(3))
        .map(|(_, pair)| pair);
    let all = accounts.clone().map(Of::Account).chain(users.clone().map(Of::User)).chain(tokens.map(Of::Token));
    for of in all.chain(pairs) {
        let part = state_asked(archive, moment, of).expect("it can be read");
        let seen = |projections| tables(&Seen { projections, words: archive.words(), at: moment.at }, of);
        let (shown, answer) = (seen(whole), seen(&part));
        let kind = format!("{of:?}").split('(').next().unwrap_or_default().to_owned();
        let (found, missing) = tally.entry(format!("Of{kind}")).or_default();
        *(if shown.is_some() { found } else { missing }) += 1;
        assert_eq!(answer, shown, "{of:?} at {moment:?}");
    }
}

/// Moves the windows that are closed by a position into their table, as a service does now and then; gives how many.
fn move_windows(story: &Story, records: &[(Position, Header, Event)], through: Position) -> usize {
    let mut projections = Projections { history: Some(History::of_everything()), ..Projections::default() };
    for (position, header, event) in records.iter().take_while(|(position, ..)| *position <= through) {
        projections.fold(*position, header, event);
    }
    let (_, rows) = projections.history.as_mut().expect("it is gathered").seal(through);
    let leaf = leaf_at(&LogReader::open(&story.dir).expect("the log opens"), through).expect("it is there");
    let mut views = Views::open(&story.dir).expect("the views open");
    assert!(views.move_in(&rows, Position::NONE, (through, leaf), &mut || {}).expect("they are moved"));
    rows.windows().len()
}

#[test]
fn every_read_as_of_any_position_shows_what_the_log_up_to_there_shows() {
    let (mut tally, mut moved) = (Tally::new(), 0);
    for seed in 0..SEEDS {
        let story = Story::told(seed, BATCHES);
        let (archive, records) = (story.archive(), story.records());
        let step = (records.len() / LOOKS).max(1);
        if seed % 2 == 1 {
            // Some of what is asked for is then in the tables, some is not.
            moved += move_windows(&story, &records, Position(records.len() as u64 * 2 / 3));
        }
        // Not always the same remainder: what comes first in a batch, and what last.
        let positions = (1..=records.len()).filter(|at| at % step == (at / step) % step || *at < 4);
        for position in positions.map(|at| Position(at as u64)) {
            let whole = fold_to(&records, position);
            let moment = archive.moment(Point::Position(position)).expect("it is there");
            assert_eq!((moment.position, moment.at), (position, whole.state.last_recorded_at));
            compare(&archive, &whole, moment, &reads(&whole), &mut tally);
            compare_questions(&archive, &whole, moment, &mut tally);
        }
    }
    eprintln!("{tally:?}");
    assert!(moved > 0, "no window was closed in any story");
    for (operation, (found, missing)) in &tally {
        assert!(*found > 20, "{operation} showed {found} times something");
        let is_of_one = !matches!(
            operation.as_str(),
            "ListUsers" | "ListManagedAccounts" | "ListStaffTokens" | "ListGatewayTokens"
        );
        assert_eq!(*missing > 0, is_of_one, "{operation} found nothing {missing} times");
    }
    assert_eq!(tally.len(), 18, "{:?}", tally.keys());
}

/// Times of records, one microsecond before and after, between two, and where windows, secrets, tokens and months end.
fn telling_times(records: &[(Position, Header, Event)], whole: &Projections) -> BTreeSet<Timestamp> {
    let mut times = BTreeSet::new();
    for (index, two) in records.windows(2).enumerate().filter(|(index, _)| index % 40 == 0) {
        let (one, next) = (two[0].1.recorded_at, two[1].1.recorded_at);
        times.extend([
            one,
            Timestamp(one.0 + 1),
            Timestamp(one.0 - 1 + index as u64 % 2),
            Timestamp((one.0 + next.0) / 2),
        ]);
    }
    let mut opened: Vec<u64> = whole.usage.windows().map(|(_, window)| window.opened_at).collect();
    opened.sort_unstable();
    for opened in opened {
        let end = Timestamp::from_seconds(opened + WINDOW_SECONDS);
        times.extend([Timestamp::from_seconds(opened), Timestamp(end.0 - 1), end]);
    }
    for token in whole.state.tokens.iter().take(12) {
        let ends = token.expires_at.into_iter().chain(token.secrets.iter().filter_map(|secret| secret.not_after));
        times.extend(ends.flat_map(|end| [Timestamp(end.0 - 1), end]));
    }
    if let Some((_, header, _)) = records.last() {
        let end = header.recorded_at.month().begin();
        times.extend([Timestamp(end.0 - 1), end]);
    }
    times
}

#[test]
fn every_read_as_of_any_time_shows_what_the_log_up_to_then_shows_judged_then() {
    let mut tally = Tally::new();
    let mut looks = 0;
    for seed in 100..100 + SEEDS / 2 {
        let story = Story::told(seed, BATCHES);
        let (archive, records) = (story.archive(), story.records());
        let end = fold_to(&records, archive.head());
        let (first, now) = (records[0].1.recorded_at, archive.now());
        for time in telling_times(&records, &end).into_iter().filter(|time| (first..=now).contains(time)) {
            let until = records.iter().filter(|(_, header, _)| header.recorded_at <= time).count() as u64;
            let moment = archive.moment(Point::Time(time)).expect("it is in the log's time");
            assert_eq!((moment.position, moment.at), (Position(until), time));
            let whole = fold_to(&records, moment.position);
            let of_time = |(operation, ..): &Read| {
                matches!(operation, Op::GetUsage | Op::GetAccountToken | Op::GetUserToken | Op::GetGatewayToken)
            };
            let reads: Vec<Read> = reads(&whole).into_iter().filter(of_time).collect();
            compare(&archive, &whole, moment, &reads, &mut tally);
            looks += 1;
        }
    }
    eprintln!("{looks} times: {tally:?}");
    assert!(looks > 120, "{looks} times were looked at");
    assert!(tally.len() == 4 && tally.values().all(|(found, _)| *found > 60), "{tally:?}");
}
