//! What questions refuse, and how they call what nobody ever heard of.

use crate::told::{Told, rows};
use token_ledger::audit::past::PastError;
use token_ledger::audit::questions::{AuditError, QUESTIONS, Question};
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::{AccountId, UserId};
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Owner;

const BATCHES: usize = 120;

/// What else a question of a period must be told.
fn subject(told: &Told, question: &Question) -> Vec<(&'static str, String)> {
    let of = |name| (name, "1".to_owned());
    match question.name {
        "who-could" => vec![of("account"), ("scope", "zones:*".to_owned())],
        "what-if" => vec![of("account"), ("hourly_limit", "0".to_owned())],
        "least-privilege" => {
            let tokens = &told.last().tokens;
            let of_account = tokens.iter().find(|token| matches!(token.owner, Owner::Account(_)));
            vec![("token", of_account.expect("an account's token").id.0.to_string())]
        }
        "authority" => Vec::new(),
        _ => vec![of("account")],
    }
}

fn asks_of_a_period(question: &&'static Question) -> bool {
    ["from", "to"].iter().all(|name| question.parameters.iter().any(|parameter| parameter.name == *name))
}

#[test]
fn a_period_is_not_empty_and_has_begun() {
    let told = Told::new(1, BATCHES);
    let (now, later) = (told.now(), Timestamp(told.now().0 + 1));
    let questions: Vec<_> = QUESTIONS.iter().filter(asks_of_a_period).collect();
    assert_eq!(questions.len(), 7);
    for question in questions {
        let ask = |from: Timestamp, to: Option<Timestamp>| {
            let mut pairs = subject(&told, question);
            pairs.push(("from", from.to_micros_text()));
            pairs.extend(to.map(|to| ("to", to.to_micros_text())));
            told.try_ask(question.name, &pairs)
        };
        for (from, to) in [(now, now), (later, later), (now, Timestamp(now.0 - 1))] {
            let refused = ask(from, Some(to));
            let what = format!("{} {refused:?}", question.name);
            assert!(matches!(refused, Err(AuditError::Malformed { parameter, .. }) if parameter == "to"), "{what}");
        }
        for to in [None, Some(Timestamp(later.0 + 1))] {
            let refused = ask(later, to);
            let what = format!("{} {refused:?}", question.name);
            assert!(matches!(refused, Err(AuditError::Past(PastError::NotOver { .. }))), "{what}");
        }
        let answered = ask(now, Some(later));
        assert!(!matches!(answered, Err(AuditError::Malformed { .. } | AuditError::Past(_))), "{answered:?}");
    }
}

#[test]
fn a_name_that_no_record_has_is_called_what_it_was_called() {
    let told = Told::new(1, BATCHES);
    for (scope, said) in [
        ("zones:nope.example", "zones:nope.example:read"),
        ("zones:NOPE.example:write", "zones:nope.example:write"),
        ("zones:*", "zones:*:read"),
    ] {
        let answer = told.ask("who-could", &[("account", "1".to_owned()), ("scope", scope.to_owned())]);
        assert_eq!(answer["summary"]["scope"], said);
        assert!(!answer.to_string().contains("#0"), "{answer}");
        let is_unheard_of = scope != "zones:*";
        let never = format!("the account never had {said} among its resources");
        let gaps = rows(&answer, "gaps");
        assert_eq!(gaps.iter().any(|gap| gap.as_str().is_some_and(|gap| gap.starts_with(&never))), is_unheard_of);
    }
}

/// A member who left did what they did: it can be asked what would have been without them. Who never was one did nothing.
#[test]
fn what_would_have_been_is_asked_of_who_was_ever_a_member() {
    let mut seen = [0; 3];
    for seed in 0..4 {
        let told = Told::new(seed, BATCHES);
        let users = (1..=told.last().users.len() as u64 + 1).map(UserId);
        for (account, user) in users.flat_map(|user| told.accounts().map(move |account| (account, user))) {
            seen[usize::from(hold_member(&told, account, user))] += 1;
        }
    }
    let [never, left, stayed] = seen;
    assert!(never > 0 && left > 0 && stayed > 0, "{never} never were, {left} left, {stayed} stayed");
}

/// 0 for who never was a member, 1 for who left, 2 for who is one.
fn hold_member(told: &Told, account: AccountId, user: UserId) -> u8 {
    let was = told.records.iter().any(|(_, header, event)| {
        header.account == account && matches!(event, Event::MemberAdded(added) if added.user == user)
    });
    let is = told.last().account(account).is_some_and(|account| account.members.contains_key(&user));
    for what in [("removed", "yes"), ("access", "full"), ("hourly_limit", "0")] {
        let pairs = [("account", account.0.to_string()), ("user", user.0.to_string()), (what.0, what.1.to_owned())];
        match told.try_ask("what-if", &pairs) {
            Ok(_) => assert!(was, "{pairs:?}"),
            Err(error) => assert!(!was && matches!(error, AuditError::NotFound(_)), "{pairs:?}: {error}"),
        }
    }
    u8::from(was) + u8::from(is)
}
