//! Taking over tokens of another system: all or none, and every fault told at once.

use crate::harness::{Key, NOON, World, all, begun, by_local, granted, named, text, whoami};
use token_ledger::domain::access::{Access, Level::ReadOnly};
use token_ledger::domain::command::{AccessRequest, Change, ImportLine, NewImport};
use token_ledger::domain::decide::{DoneSubject, IMPORT_LINES_MAX};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{Cause, Event, Outcome};
use token_ledger::domain::ids::{AccountId, TokenId};
use token_ledger::domain::rejection::{Conflict, FieldFault, Holder, Missing, Rejection, TakenDigest};
use token_ledger::domain::token::{Owner, Secret, TokenKind};

fn new(world: &mut World, name: &str) -> NewImport {
    let secret = world.new_secret();
    NewImport {
        name: text(name),
        access: AccessRequest::Full,
        secret,
        created_at: None,
        expires_at: None,
        conditions: Default::default(),
    }
}

fn lines(imports: impl IntoIterator<Item = NewImport>) -> Vec<ImportLine> {
    (1..).zip(imports).map(|(line, import)| ImportLine { line, token: Ok(import) }).collect()
}

fn key_of(token: u64, account: AccountId, import: &NewImport) -> Key {
    Key { token: TokenId(token), owner: Owner::Account(account), digest: import.secret.digest }
}

/// Faults of lines, as sentences.
fn said(rejection: &Rejection) -> Vec<String> {
    let Rejection::InvalidLines(lines) = rejection else { panic!("no line is at fault: {rejection:?}") };
    let sentences = lines.iter().flat_map(|line| {
        line.faults.iter().map(move |fault| format!("{}: {} {}", line.line, fault.field, fault.fault))
    });
    sentences.collect()
}

#[test]
fn an_imported_token_is_recorded_whole_and_works_by_its_old_text() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let (created_at, expires_at) = (Some(NOON), Some(NOON.plus_seconds(100)));
    world.at(10);
    let access = granted(vec![named("zones", ReadOnly, &["a.example"])]);
    let import = NewImport { access, created_at, expires_at, ..new(&mut world, "old robot") };
    let then = world.manage(Change::ImportTokens { account, lines: lines([import.clone()]) });
    assert_eq!(then.done().subject, DoneSubject::Tokens(TokenId(1), 1));
    assert!(then.done().created);
    assert_eq!(then.names(), ["TextSeen", "TextSeen", "TokenImported"]);
    let Event::TokenImported(imported) = &then.last().event else { panic!("it was imported") };
    let first = Secret { number: 1, digest: import.secret.digest, hint: import.secret.hint, not_after: None };
    assert_eq!((imported.kind, imported.owner), (TokenKind::Account, Owner::Account(account)));
    assert_eq!((imported.secret, imported.created_at, imported.expires_at), (first, created_at, expires_at));
    assert_eq!((imported.by, world.text_of(imported.name)), (by_local(), "old robot"));
    let kept = world.state.token(TokenId(1)).expect("it is there");
    assert_eq!((kept.created_at, kept.imported_at), (NOON, Some(NOON.plus_seconds(10))));
    assert!(matches!(kept.access, Access::Granted(_)));
    let key = key_of(1, account, &import);
    assert_eq!(world.ask(whoami(&key)).allowed(), Outcome::Ok);
    let new = world.rotate(&key, 0);
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::SecretEnded);
    assert_eq!(world.ask(whoami(&new)).allowed(), Outcome::Ok);
    world.at(100);
    assert_eq!(world.ask(whoami(&new)).cause(), Cause::TokenExpired);
    world.delete(&new);
    assert_eq!(world.ask(whoami(&new)).cause(), Cause::TokenDeleted);
}

#[test]
fn many_tokens_are_taken_over_in_their_order_each_in_its_own_stream() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    world.account_token(account, AccessRequest::Full);
    let imports: Vec<NewImport> = ["a", "b", "a"].into_iter().map(|name| new(&mut world, name)).collect();
    let then = world.manage(Change::ImportTokens { account, lines: lines(imports.clone()) });
    assert_eq!(then.done().subject, DoneSubject::Tokens(TokenId(2), 3));
    assert_eq!(then.names(), ["TextSeen", "TokenImported", "TextSeen", "TokenImported", "TokenImported"]);
    let tokens: Vec<u64> = then.events.iter().map(|recorded| recorded.header.token.0).collect();
    assert_eq!(tokens, [2, 2, 3, 3, 4]);
    for (number, import) in (2..).zip(&imports) {
        assert_eq!(world.ask(whoami(&key_of(number, account, import))).allowed(), Outcome::Ok);
    }
    assert_eq!(world.state.account(account).expect("it is there").tokens.len(), 4);
}

#[test]
fn one_fault_and_nothing_is_taken_over_and_every_fault_is_told_with_its_line() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let taken = world.account_token(account, AccessRequest::Full);
    let good = new(&mut world, "good");
    let bad = NewImport {
        access: granted(vec![all("nonsense", ReadOnly)]),
        created_at: Some(NOON.plus_seconds(1)),
        expires_at: Some(NOON),
        ..new(&mut world, "")
    };
    let mut known = new(&mut world, "known");
    known.secret.digest = taken.digest;
    let mut lines = lines([good.clone(), bad, known, good]);
    lines.push(ImportLine { line: 7, token: Err(vec![FieldFault::new("digest", "can't be blank")]) });
    let then = world.manage(Change::ImportTokens { account, lines });
    assert_eq!(
        said(then.rejected()),
        [
            "2: name can't be blank",
            "2: created_at must not be in the future",
            "2: expires_at must be in the future",
            "2: access.grants[0].group is not a scope group",
            "3: digest belongs to token 1 already",
            "4: digest is that of line 1",
            "7: digest can't be blank",
        ]
    );
    assert_eq!(world.state.tokens.len(), 1);
}

#[test]
fn digests_that_are_taken_are_a_conflict_that_names_who_has_them() {
    let mut world = begun();
    let (account, other) = (world.account(Plan::Teams), world.account(Plan::Teams));
    let live = world.account_token(other, AccessRequest::Full);
    let rotated = world.rotate(&live, 0);
    let deleted = world.account_token(account, AccessRequest::Full);
    world.delete(&deleted);
    let fresh = new(&mut world, "fresh");
    let mut imports = vec![fresh.clone(), fresh];
    for digest in [live.digest, rotated.digest, deleted.digest] {
        let mut import = new(&mut world, "taken");
        import.secret.digest = digest;
        imports.push(import);
    }
    let then = world.manage(Change::ImportTokens { account, lines: lines(imports) });
    let by = [
        (2, Holder::Line(1)),
        (3, Holder::Token(live.token)),
        (4, Holder::Token(live.token)),
        (5, Holder::Token(deleted.token)),
    ];
    let taken = by.map(|(line, by)| TakenDigest { line, by }).to_vec();
    assert_eq!(*then.rejected(), Rejection::Conflict(Conflict::DigestsTaken(taken)));
}

#[test]
fn on_solo_grants_need_another_plan_for_one_token_and_for_many() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    let some = |world: &mut World| NewImport { access: granted(vec![]), ..new(world, "robot") };
    let one = lines([some(&mut world)]);
    assert_eq!(*world.manage(Change::ImportTokens { account, lines: one }).rejected(), Rejection::PlanRequired);
    let many = lines([new(&mut world, "full"), some(&mut world)]);
    let then = world.manage(Change::ImportTokens { account, lines: many });
    assert_eq!(said(then.rejected()), ["2: access has grants, which the solo plan has not"]);
}

#[test]
fn an_import_has_an_account_and_from_one_to_five_thousand_lines() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let absent = Change::ImportTokens { account: AccountId(9), lines: lines([new(&mut world, "a")]) };
    assert_eq!(*world.manage(absent).rejected(), Rejection::NotFound(Missing::Account));
    let nothing = Change::ImportTokens { account, lines: Vec::new() };
    assert!(matches!(world.manage(nothing).rejected(), Rejection::Invalid(_)));
    let import = new(&mut world, "a");
    let too_many = lines(std::iter::repeat_n(import.clone(), IMPORT_LINES_MAX + 1));
    let then = world.manage(Change::ImportTokens { account, lines: too_many });
    assert!(matches!(then.rejected(), Rejection::LimitReached(_)));
    let tokens = (1_000..100_999).map(TokenId);
    world.state.accounts.get_mut(account.0).expect("it is there").tokens.extend(tokens);
    let two = lines([import, new(&mut world, "b")]);
    let then = world.manage(Change::ImportTokens { account, lines: two });
    assert!(matches!(then.rejected(), Rejection::LimitReached(_)), "two more than there is room for");
}
