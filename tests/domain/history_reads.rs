//! Looks at history: who may, what is recorded, and what only the service tells.

use crate::harness::begun;
use token_ledger::domain::command::{AccessRequest, Actor, Change, ClosedStream, Command, UnrecordedReads};
use token_ledger::domain::decide::Answer;
use token_ledger::domain::event::{Cause, Event};
use token_ledger::domain::history_read::{CountedReads, HistoryQuery, StreamEnd};
use token_ledger::domain::ids::{AccountId, Position, TokenId};
use token_ledger::domain::rejection::Rejection;
use token_ledger::domain::token::{Authority, Principal, TokenKind};

fn events_of(account: u64) -> Change {
    Change::ReadHistory(Box::new(HistoryQuery::of("events", Position(3)).about_account(AccountId(account))))
}

#[test]
fn an_auditors_look_is_recorded_with_its_right_and_once_a_minute() {
    let mut world = begun();
    let auditor = world.staff_token(TokenKind::Auditor);
    let first = world.manage_as(&auditor, events_of(7));
    let looked = first.events.last().expect("it is recorded");
    assert!(
        matches!(&looked.event, Event::HistoryRead(read) if matches!(read.by.authority, Authority::Auditor(_)) && read.by.secret == 1)
    );
    assert_eq!((looked.header.principal, looked.header.credential), (Principal::Staff(auditor.token), auditor.token));
    assert_eq!((looked.header.account, looked.header.token), (AccountId::NONE, TokenId::NONE));
    assert!(world.manage_as(&auditor, events_of(7)).events.is_empty());
    assert_eq!(world.manage_as(&auditor, events_of(8)).events.len(), 1);
    world.at(60);
    assert_eq!(world.manage_as(&auditor, events_of(7)).events.len(), 1);
}

#[test]
fn whoever_is_no_staff_looks_at_nothing_and_an_auditor_changes_nothing() {
    let mut world = begun();
    let account = world.account(token_ledger::domain::directory::Plan::Teams);
    let token = world.account_token(account, AccessRequest::Full);
    for change in [events_of(7), Change::OpenStream(Box::default())] {
        let then = world.manage_as(&token, change);
        assert_eq!(then.answer, Answer::Rejected(Rejection::Forbidden(Cause::WrongKind)));
        assert!(matches!(then.events.last().map(|it| &it.event), Some(Event::ManagementRefused(_))));
    }
}

#[test]
fn only_the_service_tells_of_looks_afterwards_and_of_the_end_of_streams() {
    let mut world = begun();
    let auditor = world.staff_token(TokenKind::Auditor);
    let operator = world.staff_token(TokenKind::Operator);
    let (opened, through) = (Position(2), Position(9));
    let counted = CountedReads { reads: 3, first: world.now, last: world.now };
    let asked = HistoryQuery::of("events", through);
    let told = [
        Change::CountReads(vec![UnrecordedReads { token: auditor.token, asked, counted }]),
        Change::CloseStream(ClosedStream {
            token: auditor.token,
            opened,
            through,
            sent: 4,
            end: StreamEnd::TokenEnded,
        }),
    ];
    for change in told {
        assert!(matches!(world.manage_as(&operator, change.clone()).answer, Answer::Rejected(Rejection::Invalid(_))));
        assert!(matches!(world.manage(change.clone()).answer, Answer::Rejected(Rejection::Invalid(_))));
        let then = world.when(Command::Manage(Actor::Init, Box::new(change)));
        let header = then.events.last().expect("it is recorded").header;
        assert_eq!((header.principal, header.credential), (Principal::Staff(auditor.token), auditor.token));
    }
    // What was counted does not stand for a look of this minute.
    let look = Change::ReadHistory(Box::new(HistoryQuery::of("events", through)));
    assert_eq!(
        world.manage_as(&auditor, look).events.iter().filter(|it| matches!(it.event, Event::HistoryRead(_))).count(),
        1
    );
}
