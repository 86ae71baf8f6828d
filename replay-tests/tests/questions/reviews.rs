//! Access reviews: what there is to review, and what became of it, held against the states then and now.

use crate::told::{Told, number, rows};
use replay_tests::random::Random;
use replay_tests::story::Story;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use token_ledger::domain::access::Access;
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, Decided, Origin, ReviewChange};
use token_ledger::domain::decide::Answer;
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::{AccountId, Position, TokenId, UserId};
use token_ledger::domain::review::{ReviewRow, ReviewVerdict};
use token_ledger::domain::state::State;
use token_ledger::domain::token::{Owner, TokenKind};
use token_ledger::ledger::core::Core;

const SEEDS: u64 = 14;
const BATCHES: usize = 160;
/// Batches between two reviews, and between two changes of what they went through.
const REVIEW_EVERY: usize = 25;
const CHANGE_EVERY: usize = 3;

fn carry_out(core: &mut Core, change: Change) -> Answer {
    let command = Command::Manage(Actor::Local(1_000), Box::new(change));
    core.execute(command, Origin::default()).expect("it is appended").0.answer
}

/// A token of the first accounts ends, or may do nothing any more.
fn change(core: &mut Core, random: &mut Random) {
    let of_first = |owner: Owner| matches!(owner, Owner::Account(account) if account.0 <= 4);
    let tokens = core.state().tokens.iter().filter(|token| token.deleted_at.is_none() && of_first(token.owner));
    let tokens: Vec<(TokenId, Owner)> = tokens.map(|token| (token.id, token.owner)).collect();
    let Some((token, owner)) = random.pick_of(tokens.into_iter()) else { return };
    carry_out(
        core,
        match random.percent(30) {
            true => Change::DeleteToken { owner, token, if_match: None },
            false => Change::UpdateToken {
                owner,
                token,
                name: None,
                access: Some(AccessRequest::Granted(Vec::new())),
                expires_at: None,
                conditions: Default::default(),
                if_match: None,
            },
        },
    );
}

/// Reviews some account as it is: some of its rows are decided, some of them twice.
fn review(core: &mut Core, random: &mut Random) {
    let state = core.state();
    let accounts: Vec<AccountId> = state.accounts.iter().map(|account| account.id).take(4).collect();
    let Some(account) = random.pick_of(accounts.into_iter()) else { return };
    let rows = held(state, account).unwrap_or_default();
    let (position, root, at) = (core.head(), core.log().root(), state.last_recorded_at);
    let number = state.reviews.next_number();
    let count = rows.len() as u64;
    let mut changes = vec![ReviewChange::Open { account, position, root, at, rows: count }];
    for (kind, id) in rows.into_keys() {
        let row = if kind == "token" { ReviewRow::Token(TokenId(id)) } else { ReviewRow::Member(UserId(id)) };
        for _ in 0..random.below(3) {
            let verdict = *random.pick(&[ReviewVerdict::Keep, ReviewVerdict::Narrow, ReviewVerdict::Delete]);
            changes.push(ReviewChange::Decide(Decided { review: number, row, verdict, note: None }));
        }
    }
    changes.push(ReviewChange::Close { review: number });
    for change in changes {
        let answer = carry_out(core, Change::Review(change));
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }
}

/// Rows of an account: its tokens that are not deleted, its members, and their tokens, but not their sessions.
fn held(state: &State, account: AccountId) -> Option<BTreeMap<(&'static str, u64), Access>> {
    let entered = state.account(account)?;
    let mut rows = BTreeMap::new();
    for token in state.tokens.iter().filter(|token| token.deleted_at.is_none()) {
        let of = |user: UserId| entered.members.get(&user).map(|member| &member.access);
        let access = match (token.owner, token.kind) {
            // An OAuth token may what its member may, too; amid the change that removes the member there is none.
            (Owner::Account(owner), _) if owner == account => {
                let member = token.authorized.as_ref().and_then(|authorized| of(authorized.user));
                Some(member.map_or_else(|| token.access.clone(), |it| token.access.within_both(it).into_owned()))
            }
            // A session is its person at the pages, and opens nothing else.
            (Owner::User(user), TokenKind::User) => of(user).cloned(),
            _ => None,
        };
        rows.extend(access.map(|access| (("token", token.id.0), access)));
    }
    rows.extend(entered.members.iter().map(|(user, member)| (("membership", user.0), member.access.clone())));
    Some(rows)
}

fn key_of(row: &Value) -> (&'static str, u64) {
    (if row["kind"] == "token" { "token" } else { "membership" }, number(row, "id"))
}

fn key(row: ReviewRow) -> (&'static str, u64) {
    match row {
        ReviewRow::Token(token) => ("token", token.0),
        ReviewRow::Member(user) => ("membership", user.0),
    }
}

fn hold_rows(told: &Told, account: AccountId, position: Position) -> usize {
    let answer =
        told.try_ask("access-review", &[("account", account.0.to_string()), ("as_of", position.0.to_string())]);
    let Some(held) = held(told.state(position), account) else {
        assert!(answer.is_err(), "there was no account {account} at {position}");
        return 0;
    };
    let answer = answer.expect("it was there");
    let words = told.archive.words();
    let said: BTreeMap<_, Value> =
        rows(&answer, "rows").iter().map(|row| (key_of(row), row["access"].clone())).collect();
    assert_eq!(said, held.iter().map(|(row, access)| (*row, json!(words.access(access)))).collect());
    for row in rows(&answer, "rows").iter().filter(|row| row["kind"] == "token") {
        let token = TokenId(number(row, "id"));
        let used = told.records.iter().take(position.0 as usize).rfind(|(_, header, event)| {
            header.token == token && header.account == account && matches!(event, Event::TokenUsed(_))
        });
        let at = used.map(|(_, header, _)| header.recorded_at.to_micros_text());
        assert_eq!(row["last_used_at"].as_str(), at.as_deref(), "{row}");
        let imported = told.state(position).token(token).is_some_and(|token| token.imported_at.is_some());
        let status = if at.is_some() {
            "used"
        } else if imported {
            "unknown"
        } else {
            "never"
        };
        assert_eq!(row["last_used_status"], status);
    }
    said.len()
}

/// Of a review: its account, the position it is of, and the last verdict of each row.
type Reviewed = (AccountId, Position, BTreeMap<(&'static str, u64), ReviewVerdict>);

/// Each review with its last decision of each row, as the log says.
fn reviews(told: &Told) -> BTreeMap<u64, Reviewed> {
    let mut reviews = BTreeMap::new();
    for (_, header, event) in &told.records {
        match event {
            Event::AccessReviewOpened(opened) => {
                reviews.insert(opened.review, (header.account, opened.position, BTreeMap::new()));
            }
            Event::AccessReviewDecided(decided) => {
                let (.., decisions) = reviews.get_mut(&decided.review).expect("it is open");
                decisions.insert(key(decided.row), decided.verdict);
            }
            _ => {}
        }
    }
    reviews
}

fn hold_since(told: &Told, counts: &mut BTreeMap<String, usize>) {
    for (number_of_it, (account, position, decisions)) in reviews(told) {
        let asked = [("account", account.0.to_string()), ("review", number_of_it.to_string())];
        let then = held(told.state(position), account);
        let Some(then) = then else {
            // The generator opens reviews of any position, an account's before it was there, too.
            assert!(told.try_ask("since-review", &asked).is_err());
            continue;
        };
        let answer = told.ask("since-review", &asked);
        let now = held(told.last(), account).expect("accounts stay");
        let all: BTreeSet<_> = then.keys().chain(now.keys()).copied().collect();
        let mut expected = BTreeMap::new();
        for row in all {
            let became = match (then.get(&row), now.get(&row)) {
                (Some(before), Some(after)) if before == after => "same",
                (Some(_), Some(_)) => "changed",
                (Some(_), None) => "ended",
                _ => "new",
            };
            let verdict = decisions.get(&row).copied();
            let carried_out = verdict.map(|verdict| match verdict {
                ReviewVerdict::Keep => became == "same",
                ReviewVerdict::Narrow => became == "ended" || became == "changed" && now[&row].is_within(&then[&row]),
                ReviewVerdict::Delete => became == "ended",
            });
            *counts.entry(became.to_owned()).or_default() += 1;
            if let Some(carried_out) = carried_out {
                *counts.entry(format!("carried out: {carried_out}")).or_default() += 1;
            }
            expected.insert(row, json!([became, verdict.map(ReviewVerdict::name), carried_out]));
        }
        let said: BTreeMap<_, Value> = rows(&answer, "rows")
            .iter()
            .map(|row| (key_of(row), json!([row["became"], row["verdict"], row["carried_out"]])))
            .collect();
        assert_eq!(said, expected, "review {number_of_it} of account {account} at {position}");
        let one = told.ask("review", &[("review", number_of_it.to_string())]);
        let verdicts: BTreeMap<_, Option<&str>> =
            rows(&one, "rows").iter().map(|row| (key_of(row), row["verdict"].as_str())).collect();
        let expected = then.keys().map(|row| (*row, decisions.get(row).map(|verdict| verdict.name())));
        assert_eq!(verdicts, expected.collect());
    }
}

#[test]
fn a_review_goes_through_what_there_was_and_tells_what_became_of_it() {
    let (mut compared, mut counts) = (0, BTreeMap::new());
    for seed in 0..SEEDS {
        let mut random = Random::new(seed);
        let told = Told::of(Story::told_with(seed, BATCHES, |core, batch| {
            if batch % REVIEW_EVERY == REVIEW_EVERY - 1 {
                review(core, &mut random);
            }
            if batch % CHANGE_EVERY == 0 {
                change(core, &mut random);
            }
        }));
        for account in told.accounts() {
            for part in 1..=6 {
                compared += hold_rows(&told, account, Position((told.head().0 * part / 6).max(1)));
            }
        }
        hold_since(&told, &mut counts);
    }
    eprintln!("{compared} rows; {counts:?}");
    assert!(compared > 150, "{compared}");
    for became in ["same", "changed", "ended", "new"] {
        assert!(counts.get(became).is_some_and(|count| *count > 0), "{became}: {counts:?}");
    }
}
