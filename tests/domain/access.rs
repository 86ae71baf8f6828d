//! Which accesses may be given, the one form they are kept in, and when two of them are the same.

use crate::harness::{World, all, begun, granted, named};
use token_ledger::domain::access::Level::{FullAccess, ReadOnly};
use token_ledger::domain::access::{Access, Coverage, Grant, Level, group};
use token_ledger::domain::command::{AccessRequest, Change, GrantRequest};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::ids::{AccountId, UserId};
use token_ledger::domain::rejection::{FieldFault, Rejection};
use token_ledger::domain::token::{Owner, TokenKind};

fn account_and_user(plan: Plan) -> (World, AccountId, UserId) {
    let mut world = begun();
    let account = world.account(plan);
    let user = world.user();
    (world, account, user)
}

/// The two changes that give an access.
fn both(world: &mut World, account: AccountId, user: UserId, access: &AccessRequest) -> [Change; 2] {
    let (name, secret) = (crate::harness::text("name"), world.new_secret());
    [
        Change::PutMember { account, user, access: access.clone(), if_match: None },
        Change::CreateToken {
            owner: Owner::Account(account),
            kind: TokenKind::Account,
            name,
            access: Some(access.clone()),
            expires_at: None,
            conditions: Default::default(),
            secret,
        },
    ]
}

#[test]
fn grants_need_a_plan_that_has_them_and_full_access_none() {
    let empty = granted(vec![]);
    let one = granted(vec![all("zones", ReadOnly)]);
    // A fault beside it does not matter: the plan comes first.
    let wrong = granted(vec![all("nonsense", ReadOnly)]);
    for plan in [Plan::Solo, Plan::Teams, Plan::Enterprise] {
        for (access, grants, valid) in
            [(&AccessRequest::Full, false, true), (&empty, true, true), (&one, true, true), (&wrong, true, false)]
        {
            let (mut world, account, user) = account_and_user(plan);
            for change in both(&mut world, account, user, access) {
                let then = world.manage(change);
                if grants && plan == Plan::Solo {
                    assert_eq!(*then.rejected(), Rejection::PlanRequired, "{plan:?} {access:?}");
                } else if valid {
                    then.done();
                } else {
                    assert!(matches!(then.rejected(), Rejection::Invalid(_)), "{plan:?} {access:?}");
                }
            }
        }
    }
}

fn field(index: usize, name: &str, fault: &str) -> FieldFault {
    FieldFault::new(format!("access.grants[{index}].{name}"), fault)
}

#[test]
fn every_faulty_grant_is_told_by_its_place() {
    let research = "needs the Domain Research feature";
    let rows: Vec<(Vec<GrantRequest>, Vec<FieldFault>)> = vec![
        (vec![all("nonsense", ReadOnly)], vec![field(0, "group", "is not a scope group")]),
        (vec![all("", ReadOnly)], vec![field(0, "group", "is not a scope group")]),
        (vec![all("Zones", ReadOnly)], vec![field(0, "group", "is not a scope group")]),
        (vec![all("domain_research", ReadOnly)], vec![field(0, "group", research)]),
        (vec![all("zones", ReadOnly), all("zones", FullAccess)], vec![field(1, "group", "is given twice")]),
        (
            vec![named("zones", ReadOnly, &["a.example"]), named("zones", ReadOnly, &["b.example"])],
            vec![field(1, "group", "is given twice")],
        ),
        (vec![named("billing", ReadOnly, &["a.example"])], vec![field(0, "resources", "must be \"all\" for billing")]),
        (vec![named("account", ReadOnly, &[])], vec![field(0, "resources", "must be \"all\" for account")]),
        (
            vec![named("zones", ReadOnly, &["a.example", "not a name"])],
            vec![field(0, "resources", "[1] is not a domain name")],
        ),
        (vec![named("zones", ReadOnly, &[""])], vec![field(0, "resources", "[0] can't be blank")]),
        (
            vec![all("nonsense", ReadOnly), all("zones", ReadOnly), named("contacts", ReadOnly, &[])],
            vec![field(0, "group", "is not a scope group"), field(2, "resources", "must be \"all\" for contacts")],
        ),
    ];
    for (grants, faults) in rows {
        let (mut world, account, user) = account_and_user(Plan::Teams);
        for change in both(&mut world, account, user, &granted(grants.clone())) {
            assert_eq!(*world.manage(change).rejected(), Rejection::Invalid(faults.clone()), "{grants:?}");
        }
    }
}

#[test]
fn domain_research_has_one_level_over_everything_and_only_with_the_feature() {
    let (mut world, account, user) = account_and_user(Plan::Teams);
    world.research(account, None);
    let rows = [
        (all("domain_research", ReadOnly), None),
        (all("domain_research", FullAccess), Some(field(0, "level", "must be read_only for domain_research"))),
        (
            named("domain_research", ReadOnly, &["a.example"]),
            Some(field(0, "resources", "must be \"all\" for domain_research")),
        ),
    ];
    for (grant, fault) in rows {
        for change in both(&mut world, account, user, &granted(vec![grant])) {
            let then = world.manage(change);
            match &fault {
                None => assert!(!then.names().is_empty()),
                Some(fault) => assert_eq!(*then.rejected(), Rejection::Invalid(vec![fault.clone()])),
            }
        }
    }
}

#[test]
fn each_group_takes_names_exactly_if_it_can_be_restricted() {
    let rows = [
        ("account", false),
        ("billing", false),
        ("certificates", true),
        ("contacts", false),
        ("domains", true),
        ("platform", false),
        ("registrar", true),
        ("templates", false),
        ("webhooks", false),
        ("zones", true),
    ];
    for (name, restrictable) in rows {
        for level in [ReadOnly, FullAccess] {
            let (mut world, account, user) = account_and_user(Plan::Enterprise);
            let put = |grant| Change::PutMember { account, user, access: granted(vec![grant]), if_match: None };
            world.manage(put(all(name, level))).done();
            let then = world.manage(put(named(name, level, &["a.example"])));
            match restrictable {
                true => assert!(!then.done().created, "{name}"),
                false => assert!(matches!(then.rejected(), Rejection::Invalid(_)), "{name}"),
            }
        }
    }
}

#[test]
fn a_grant_names_at_most_a_thousand_resources() {
    let (mut world, account, user) = account_and_user(Plan::Teams);
    let names: Vec<String> = (0..1_001).map(|index| format!("{index}.example")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let put = |names: &[&str]| Change::PutMember {
        account,
        user,
        access: granted(vec![named("zones", ReadOnly, names)]),
        if_match: None,
    };
    let fault = field(0, "resources", "has too many names (maximum is 1000)");
    assert_eq!(*world.manage(put(&names)).rejected(), Rejection::Invalid(vec![fault]));
    world.manage(put(&names[..1_000])).done();
}

fn access_of(world: &World, account: AccountId, user: UserId) -> &Access {
    &world.state.account(account).expect("it is there").members[&user].access
}

#[test]
fn an_access_is_kept_sorted_with_each_name_once_in_its_one_form() {
    let (mut world, account, user) = account_and_user(Plan::Teams);
    world.zone(account, "b.example");
    let access = granted(vec![
        named("zones", ReadOnly, &["A.example", "b.example", "a.EXAMPLE.", "b.example"]),
        all("domains", FullAccess),
    ]);
    world.manage(Change::PutMember { account, user, access, if_match: None }).done();
    let (a, b) = (world.name_number(account, "a.example"), world.name_number(account, "b.example"));
    assert!(b < a, "the zone's name was seen first");
    let expected = Access::Granted(vec![
        Grant { group: group::DOMAINS, level: FullAccess, coverage: Coverage::All },
        Grant { group: group::ZONES, level: ReadOnly, coverage: Coverage::Named(vec![b, a]) },
    ]);
    assert_eq!(*access_of(&world, account, user), expected);
}

#[test]
fn an_empty_named_grant_stays_a_grant_of_nothing() {
    let (mut world, account, user) = account_and_user(Plan::Teams);
    let access = granted(vec![named("zones", ReadOnly, &[])]);
    world.manage(Change::PutMember { account, user, access, if_match: None }).done();
    let grant = Grant { group: group::ZONES, level: ReadOnly, coverage: Coverage::Named(vec![]) };
    assert_eq!(*access_of(&world, account, user), Access::Granted(vec![grant]));
}

#[test]
fn an_access_given_again_in_any_spelling_changes_nothing_and_any_other_one_does() {
    fn one(level: Level, names: &[&str]) -> AccessRequest {
        granted(vec![named("zones", level, names), all("domains", ReadOnly)])
    }
    let first = one(ReadOnly, &["a.example", "b.example"]);
    let reordered =
        granted(vec![all("domains", ReadOnly), named("zones", ReadOnly, &["B.example.", "a.example", "b.example"])]);
    let rows = [
        (first.clone(), true),
        (reordered, true),
        (AccessRequest::Full, false),
        (granted(vec![]), false),
        (one(FullAccess, &["a.example", "b.example"]), false),
        (one(ReadOnly, &["a.example"]), false),
        (one(ReadOnly, &[]), false),
        (one(ReadOnly, &["a.example", "c.example"]), false),
        (one(ReadOnly, &["a.example", "b.example", "c.example"]), false),
        (granted(vec![named("zones", ReadOnly, &["a.example", "b.example"])]), false),
        (granted(vec![all("zones", ReadOnly), all("domains", ReadOnly)]), false),
        (granted(vec![named("registrar", ReadOnly, &["a.example", "b.example"]), all("domains", ReadOnly)]), false),
    ];
    for (access, same) in rows {
        let (mut world, account, user) = account_and_user(Plan::Teams);
        world.manage(Change::PutMember { account, user, access: first.clone(), if_match: None }).done();
        let key = world.account_token(account, first.clone());
        let put = world.manage(Change::PutMember { account, user, access: access.clone(), if_match: None });
        let edit = crate::harness::TokenEdit { access: Some(access.clone()), ..Default::default() };
        let edited = world.manage(edit.of(&key));
        put.done();
        edited.done();
        assert_eq!(put.names().is_empty(), same, "member: {access:?}");
        assert_eq!(edited.names().is_empty(), same, "token: {access:?}");
        assert_eq!(put.names().contains(&"MemberAccessChanged"), !same);
        assert_eq!(edited.names().contains(&"TokenAccessChanged"), !same);
    }
}

#[test]
fn names_of_grants_belong_to_the_account_and_need_no_resource() {
    let (mut world, account, user) = account_and_user(Plan::Teams);
    let elsewhere = world.account(Plan::Teams);
    let access = granted(vec![named("zones", ReadOnly, &["a.example"])]);
    let here = world.manage(Change::PutMember { account, user, access: access.clone(), if_match: None });
    let there = world.manage(Change::PutMember { account: elsewhere, user, access, if_match: None });
    for then in [here, there] {
        assert_eq!(then.names(), ["TextSeen", "MemberAdded"]);
    }
    assert_ne!(world.name_number(account, "a.example"), world.name_number(elsewhere, "a.example"));
}
