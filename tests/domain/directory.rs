//! Accounts, users, members and resources: what is accepted, what is refused, what changes nothing.

use crate::harness::{AccountEdit, World, all, begun, certificate, granted, named, text, texts};
use token_ledger::domain::access::Level::ReadOnly;
use token_ledger::domain::command::{AccessRequest, CertificateTexts, Change, ResourceRequest};
use token_ledger::domain::directory::{
    CertificateFacts, DomainFacts, DomainState, Plan, ResourceFacts, ResourceKind, ZoneFacts,
};
use token_ledger::domain::event::Event;
use token_ledger::domain::ids::{AccountId, ResourceId, TextNumber, UserId, Version};
use token_ledger::domain::rejection::{Conflict, FieldFault, Missing, Rejection};
use token_ledger::domain::window::{HOURLY_LIMIT_DEFAULT, HOURLY_LIMIT_MAX};

const ABSENT: AccountId = AccountId(99);

fn fields(rejection: &Rejection) -> Vec<&str> {
    match rejection {
        Rejection::Invalid(faults) => faults.iter().map(|fault| fault.field.as_str()).collect(),
        other => panic!("no field is at fault: {other:?}"),
    }
}

fn no_account() -> Rejection {
    Rejection::NotFound(Missing::Account)
}

#[test]
fn a_user_needs_a_name_and_an_e_mail_address_and_all_faults_are_told_at_once() {
    let long = "a".repeat(256);
    let rows: [(&str, &str, &[&str]); 7] = [
        ("ada@example.com", "Ada", &[]),
        ("ada@example.com", "", &["name"]),
        ("ada@example.com", "line\nbreak", &["name"]),
        ("ada@example.com", &long, &["name"]),
        ("ada", "Ada", &["email"]),
        ("", "Ada", &["email"]),
        ("ada", " ", &["email", "name"]),
    ];
    for (email, name, faults) in rows {
        let mut world = begun();
        let then = world.manage(Change::CreateUser { email: text(email), name: text(name) });
        if faults.is_empty() {
            assert_eq!(then.names(), ["TextSeen", "TextSeen", "UserCreated"]);
        } else {
            assert_eq!(fields(then.rejected()), faults, "{email:?} {name:?}");
        }
    }
}

#[test]
fn two_users_may_share_an_address_and_each_has_texts_of_their_own() {
    let mut world = begun();
    let (one, two) = (world.user(), world.user());
    let (one, two) = (world.state.user(one).cloned(), world.state.user(two).cloned());
    assert_ne!(one.map(|user| user.email), two.map(|user| user.email));
}

#[test]
fn an_account_needs_a_name_an_address_and_a_sensible_limit() {
    let rows: [(&str, &str, Option<u64>, &[&str]); 8] = [
        ("Acme", "ops@example.com", None, &[]),
        ("Acme", "ops@example.com", Some(1), &[]),
        ("Acme", "ops@example.com", Some(HOURLY_LIMIT_MAX), &[]),
        ("Acme", "ops@example.com", Some(0), &["hourly_limit"]),
        ("Acme", "ops@example.com", Some(HOURLY_LIMIT_MAX + 1), &["hourly_limit"]),
        ("", "ops@example.com", None, &["name"]),
        ("Acme", "ops", None, &["email"]),
        ("\u{7}", "@", Some(0), &["name", "email", "hourly_limit"]),
    ];
    for (name, email, hourly_limit, faults) in rows {
        let mut world = begun();
        let (name, email) = (text(name), text(email));
        let then = world.manage(Change::CreateAccount { name, email, plan: Plan::Solo, hourly_limit });
        if !faults.is_empty() {
            assert_eq!(fields(then.rejected()), faults);
            continue;
        }
        assert_eq!(then.names(), ["TextSeen", "TextSeen", "AccountCreated"]);
        let account = world.state.account(AccountId(1)).expect("it was opened");
        assert_eq!(account.hourly_limit, hourly_limit.unwrap_or(HOURLY_LIMIT_DEFAULT));
    }
}

#[test]
fn a_new_account_has_no_research_no_members_and_version_one() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let kept = world.state.account(account).expect("it was opened");
    assert_eq!((kept.version, kept.research, kept.members.len()), (Version(1), None, 0));
    assert_eq!((kept.created_at, kept.updated_at), (world.now, world.now));
}

#[test]
fn every_edit_of_an_account_is_its_own_event_and_counts_its_version() {
    type Edit = AccountEdit;
    let edit = Edit::default();
    let rows: [(Edit, &[&str], u64); 7] = [
        (edit, &[], 1),
        (Edit { name: Some("Other"), ..edit }, &["TextSeen", "AccountRenamed"], 2),
        (Edit { email: Some("other@example.com"), ..edit }, &["TextSeen", "AccountRenamed"], 2),
        (Edit { plan: Some(Plan::Enterprise), ..edit }, &["PlanChanged"], 2),
        (Edit { hourly_limit: Some(7), ..edit }, &["HourlyLimitChanged"], 2),
        (
            Edit { name: Some("Other"), plan: Some(Plan::Solo), hourly_limit: Some(7), ..edit },
            &["TextSeen", "AccountRenamed", "PlanChanged", "HourlyLimitChanged"],
            4,
        ),
        (
            Edit {
                name: Some("Acme"),
                email: Some("ops@example.com"),
                plan: Some(Plan::Teams),
                hourly_limit: Some(HOURLY_LIMIT_DEFAULT),
                if_match: Some(Version(1)),
            },
            &[],
            1,
        ),
    ];
    for (edit, events, version) in rows {
        let mut world = begun();
        let account = world.account(Plan::Teams);
        let opened_at = world.now;
        world.at(10);
        let then = world.manage(edit.of(account));
        assert!(!then.done().created);
        assert_eq!(then.names(), events);
        let kept = world.state.account(account).expect("it is there");
        assert_eq!(kept.version, Version(version));
        assert_eq!(kept.updated_at, if events.is_empty() { opened_at } else { world.now });
    }
}

#[test]
fn an_invalid_edit_of_an_account_changes_nothing_of_it() {
    type Edit = AccountEdit;
    let edit = Edit::default();
    let rows: [(Edit, &[&str]); 4] = [
        (Edit { name: Some(" "), hourly_limit: Some(7), ..edit }, &["name"]),
        (Edit { email: Some("ops"), plan: Some(Plan::Solo), ..edit }, &["email"]),
        (Edit { hourly_limit: Some(0), name: Some("Other"), ..edit }, &["hourly_limit"]),
        (Edit { name: Some(""), email: Some(""), hourly_limit: Some(0), ..edit }, &["name", "email", "hourly_limit"]),
    ];
    for (edit, faults) in rows {
        let mut world = begun();
        let account = world.account(Plan::Teams);
        assert_eq!(fields(world.manage(edit.of(account)).rejected()), faults);
    }
}

#[test]
fn an_edit_of_another_version_is_refused_with_the_version_that_is() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    world.set_limit(account, 7);
    for (seen, passes) in [(1, false), (2, true), (3, false)] {
        let then = world.manage(AccountEdit { if_match: Some(Version(seen)), ..Default::default() }.of(account));
        match passes {
            true => assert!(!then.done().created),
            false => assert_eq!(*then.rejected(), Rejection::VersionMismatch(Version(2))),
        }
    }
    // A stale sender is told so before its fields are judged.
    let stale = AccountEdit { name: Some(""), if_match: Some(Version(1)), ..Default::default() };
    assert_eq!(*world.manage(stale.of(account)).rejected(), Rejection::VersionMismatch(Version(2)));
}

#[test]
fn going_down_to_solo_is_refused_while_grants_exist_and_lists_them() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let some = || granted(vec![all("zones", ReadOnly)]);
    let full_key = world.account_token(account, AccessRequest::Full);
    let granted_key = world.account_token(account, some());
    let bare_key = world.account_token(account, granted(vec![]));
    let deleted_key = world.account_token(account, some());
    world.delete(&deleted_key);
    let full_member = world.member(account, AccessRequest::Full);
    let granted_member = world.member(account, some());
    let gone_member = world.member(account, some());
    world.manage(Change::RemoveMember { account, user: gone_member, if_match: None }).done();
    let down = AccountEdit { plan: Some(Plan::Solo), name: Some("Other"), ..Default::default() };
    let exist = |tokens, members| Rejection::Conflict(Conflict::GrantsExist { tokens, members });

    let then = world.manage(down.of(account));
    assert_eq!(*then.rejected(), exist(vec![granted_key.token, bare_key.token], vec![granted_member]));
    let to_full = crate::harness::TokenEdit { access: Some(AccessRequest::Full), ..Default::default() };
    world.manage(to_full.of(&granted_key)).done();
    world.delete(&bare_key);
    assert_eq!(*world.manage(down.of(account)).rejected(), exist(vec![], vec![granted_member]));
    world
        .manage(Change::PutMember { account, user: granted_member, access: AccessRequest::Full, if_match: None })
        .done();
    assert_eq!(world.manage(down.of(account)).names(), ["TextSeen", "AccountRenamed", "PlanChanged"]);
    assert!(world.state.account(account).expect("it is there").members.contains_key(&full_member));
    assert_eq!(world.ask(crate::harness::whoami(&full_key)).names(), ["TokenUsed"]);
}

#[test]
fn user_tokens_of_members_do_not_hinder_a_downgrade() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    world.user_token(user);
    world.manage(AccountEdit { plan: Some(Plan::Solo), ..Default::default() }.of(account)).done();
}

#[test]
fn research_is_switched_on_changed_and_off_and_what_is_off_cannot_be_switched_off() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    let on = |monthly_cap| Change::ActivateResearch { account, monthly_cap, if_match: None };
    let off = Change::DeactivateResearch { account, if_match: None };
    let is_off = Rejection::NotFound(Missing::Feature);
    assert_eq!(world.manage(off.clone()).rejection(), &is_off);
    let rows: [(Change, &[&str], u64); 6] = [
        (on(None), &["ResearchActivated"], 2),
        (on(None), &[], 2),
        (on(Some(5)), &["ResearchActivated"], 3),
        (on(Some(5)), &[], 3),
        (on(Some(6)), &["ResearchActivated"], 4),
        (off.clone(), &["ResearchDeactivated"], 5),
    ];
    for (change, events, version) in rows {
        let then = world.manage(change);
        assert!(!then.done().created);
        assert_eq!(then.names(), events);
        assert_eq!(world.state.account(account).expect("it is there").version, Version(version));
    }
    assert_eq!(world.manage(off).rejection(), &is_off);
}

#[test]
fn what_names_an_absent_account_is_not_found() {
    let mut world = begun();
    let (user, resource) = (world.user(), ResourceId(1));
    let changes = [
        AccountEdit { name: Some(""), ..Default::default() }.of(ABSENT),
        Change::ActivateResearch { account: ABSENT, monthly_cap: None, if_match: None },
        Change::DeactivateResearch { account: ABSENT, if_match: None },
        Change::PutMember { account: ABSENT, user, access: granted(vec![all("nonsense", ReadOnly)]), if_match: None },
        Change::RemoveMember { account: ABSENT, user, if_match: None },
        Change::AddResource { account: ABSENT, name: text(""), resource: certificate() },
        Change::RemoveResource { account: ABSENT, resource },
    ];
    for change in changes {
        let label = format!("{change:?}");
        assert_eq!(*world.manage(change).rejected(), no_account(), "{label}");
    }
}

#[test]
fn a_membership_begins_changes_and_ends() {
    let mut world = begun();
    let (account, user) = (world.account(Plan::Teams), world.user());
    let put = |access| Change::PutMember { account, user, access, if_match: None };
    let some = || granted(vec![all("zones", ReadOnly)]);
    let remove = Change::RemoveMember { account, user, if_match: None };
    let rows: [(Change, bool, &[&str]); 6] = [
        (put(AccessRequest::Full), true, &["MemberAdded"]),
        (put(AccessRequest::Full), false, &[]),
        (put(some()), false, &["MemberAccessChanged"]),
        (put(some()), false, &[]),
        (remove.clone(), false, &["MemberRemoved"]),
        (put(some()), true, &["MemberAdded"]),
    ];
    for (change, created, events) in rows {
        let then = world.manage(change);
        assert_eq!((then.done().created, then.names().as_slice()), (created, events));
    }
    assert!(world.state.user(user).expect("it is there").accounts.contains(&account));
    world.manage(remove.clone()).done();
    assert!(world.state.user(user).expect("it is there").accounts.is_empty());
    assert_eq!(*world.manage(remove).rejected(), Rejection::NotFound(Missing::Member));
}

#[test]
fn a_returning_members_version_goes_on_counting() {
    let mut world = begun();
    let (account, user) = (world.account(Plan::Teams), world.user());
    let version = |world: &World| world.state.account(account).expect("it is there").members[&user].version;
    let put = |access| Change::PutMember { account, user, access, if_match: None };
    world.manage(put(AccessRequest::Full)).done();
    assert_eq!(version(&world), Version(1));
    world.manage(put(granted(vec![]))).done();
    assert_eq!(version(&world), Version(2));
    world.manage(Change::RemoveMember { account, user, if_match: None }).done();
    world.manage(put(AccessRequest::Full)).done();
    assert_eq!(version(&world), Version(4), "the removal counted too, so no version is ever judged twice");
}

#[test]
fn who_saw_another_version_changes_no_membership_and_no_feature() {
    let mut world = begun();
    let (account, user) = (world.account(Plan::Teams), world.user());
    let put = |access, if_match| Change::PutMember { account, user, access, if_match };
    let remove = |if_match| Change::RemoveMember { account, user, if_match };
    let on = |monthly_cap, if_match| Change::ActivateResearch { account, monthly_cap, if_match };
    let off = |if_match| Change::DeactivateResearch { account, if_match };
    let (one, two, three) = (Some(Version(1)), Some(Version(2)), Some(Version(3)));
    let ended = Rejection::NotFound(Missing::Member);
    // No membership was seen where there was none yet.
    assert_eq!(world.manage(put(AccessRequest::Full, one)).rejection(), &ended);
    world.manage(put(AccessRequest::Full, None)).done();
    world.manage(put(granted(vec![]), one)).done();
    for stale in [put(AccessRequest::Full, one), put(granted(vec![]), one), remove(one)] {
        assert_eq!(world.manage(stale).rejection(), &Rejection::VersionMismatch(Version(2)));
    }
    world.manage(remove(two)).done();
    for late in [put(AccessRequest::Full, two), put(AccessRequest::Full, three), remove(two)] {
        assert_eq!(world.manage(late).rejection(), &ended);
    }
    world.manage(on(None, one)).done();
    for stale in [on(Some(1), one), on(None, one), off(one)] {
        assert_eq!(world.manage(stale).rejection(), &Rejection::VersionMismatch(Version(2)));
    }
    world.manage(off(two)).done();
}

#[test]
fn members_do_not_count_the_accounts_version() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let user = world.member(account, AccessRequest::Full);
    world.zone(account, "a.example");
    world.account_token(account, AccessRequest::Full);
    world.manage(Change::RemoveMember { account, user, if_match: None }).done();
    assert_eq!(world.state.account(account).expect("it is there").version, Version(1));
}

#[test]
fn only_a_known_user_becomes_a_member() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    for user in [UserId::NONE, UserId(9)] {
        let then = world.manage(Change::PutMember { account, user, access: AccessRequest::Full, if_match: None });
        assert_eq!(*then.rejected(), Rejection::NotFound(Missing::User));
        let then = world.manage(Change::RemoveMember { account, user, if_match: None });
        assert_eq!(*then.rejected(), Rejection::NotFound(Missing::Member));
    }
}

fn domain() -> ResourceRequest {
    ResourceRequest::Domain(DomainFacts::default())
}

fn zone() -> ResourceRequest {
    ResourceRequest::Zone(ZoneFacts::default())
}

#[test]
fn an_account_has_one_domain_and_one_zone_of_a_name_and_any_number_of_its_certificates() {
    let mut world = begun();
    let (account, elsewhere) = (world.account(Plan::Solo), world.account(Plan::Solo));
    let of_domain = world.resource(account, "a.example", domain());
    let of_zone = world.resource(account, "a.example", zone());
    let add = |name: &str, resource| Change::AddResource { account, name: text(name), resource };
    let exists = |resource| Rejection::Conflict(Conflict::ResourceExists(resource));
    for name in ["a.example", "A.EXAMPLE."] {
        assert_eq!(*world.manage(add(name, domain())).rejected(), exists(of_domain));
        assert_eq!(*world.manage(add(name, zone())).rejected(), exists(of_zone));
        assert_eq!(world.manage(add(name, certificate())).names(), ["ResourceAdded"]);
    }
    world.resource(elsewhere, "a.example", domain());
    world.manage(Change::RemoveResource { account, resource: of_domain }).done();
    let again = world.resource(account, "a.example", domain());
    assert!(again > of_domain, "a number is never given again");
}

#[test]
fn a_resource_needs_a_domain_name_and_keeps_it_in_its_one_form() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    for name in ["", ".", "a b", "a..b", "a/b", "-\u{0}"] {
        let then = world.manage(Change::AddResource { account, name: text(name), resource: domain() });
        assert_eq!(fields(then.rejected()), ["name"], "{name:?}");
    }
    let added = world.domain(account, "BÜCHER.example.");
    let kept = world.state.resources.get(added.0).expect("it was added").name;
    assert_eq!(world.text_of(kept), "xn--bcher-kva.example");
}

#[test]
fn a_resource_keeps_the_facts_it_was_added_with() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    let facts = DomainFacts {
        registrant_id: Some(7),
        state: DomainState::Registered,
        auto_renew: true,
        private_whois: true,
        trustee: true,
        expires_at: Some(world.now),
    };
    let of_domain = world.resource(account, "a.example", ResourceRequest::Domain(facts));
    let zone_facts = ZoneFacts { reverse: true, secondary: true, active: true, last_transferred_at: Some(world.now) };
    let of_zone = world.resource(account, "a.example", ResourceRequest::Zone(zone_facts));
    let kept = |id: ResourceId| world.state.resources.get(id.0).map(|resource| resource.facts.clone());
    assert_eq!(kept(of_domain), Some(ResourceFacts::Domain(facts)));
    assert_eq!(kept(of_zone), Some(ResourceFacts::Zone(zone_facts)));
}

fn with_certificate(facts: CertificateFacts, texts: CertificateTexts) -> Change {
    let resource = ResourceRequest::Certificate(facts, texts);
    Change::AddResource { account: AccountId(1), name: text("a.example"), resource }
}

fn valid_for(years: u8) -> CertificateFacts {
    CertificateFacts { years, ..CertificateFacts::default() }
}

#[test]
fn a_certificate_needs_a_domain_of_the_account() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    let fault = Rejection::field("name", "is not a domain of this account");
    assert_eq!(*world.manage(with_certificate(valid_for(1), Default::default())).rejected(), fault);
    world.zone(account, "a.example");
    assert_eq!(*world.manage(with_certificate(valid_for(1), Default::default())).rejected(), fault);
    let resource = world.domain(account, "a.example");
    world.manage(with_certificate(valid_for(1), Default::default())).done();
    world.manage(Change::RemoveResource { account, resource }).done();
    assert_eq!(*world.manage(with_certificate(valid_for(1), Default::default())).rejected(), fault);
}

#[test]
fn a_certificates_facts_and_names_are_checked() {
    let many: Vec<&str> = vec!["a.example"; 101];
    let common = |name: &str| CertificateTexts { common_name: Some(text(name)), ..Default::default() };
    let alternate = |names: &[&str]| CertificateTexts { alternate_names: texts(names), ..Default::default() };
    let rows: [(u8, CertificateTexts, &[&str]); 9] = [
        (1, CertificateTexts::default(), &[]),
        (10, alternate(&many[..100]), &[]),
        (0, CertificateTexts::default(), &["years"]),
        (11, CertificateTexts::default(), &["years"]),
        (1, alternate(&many), &["alternate_names"]),
        (1, common("not a name"), &["common_name"]),
        (1, alternate(&["a.example", "not a name"]), &["alternate_names"]),
        (1, common("*.a.example"), &[]),
        (
            0,
            CertificateTexts { alternate_names: texts(&[""]), ..common("") },
            &["years", "common_name", "alternate_names"],
        ),
    ];
    for (years, certificate_texts, faults) in rows {
        let mut world = begun();
        let account = world.account(Plan::Solo);
        world.domain(account, "a.example");
        let label = format!("{years} {certificate_texts:?}");
        let then = world.manage(with_certificate(valid_for(years), certificate_texts));
        if faults.is_empty() {
            assert!(then.done().created, "{label}");
        } else {
            assert_eq!(fields(then.rejected()), faults, "{label}");
        }
    }
}

#[test]
fn a_certificates_texts_get_numbers_and_its_common_name_is_the_domains_unless_given() {
    let mut world = begun();
    let account = world.account(Plan::Solo);
    world.domain(account, "a.example");
    let forged = CertificateFacts { common_name: TextNumber(77), signing_request: TextNumber(78), ..valid_for(2) };
    let plain = world.manage(with_certificate(forged.clone(), Default::default()));
    let given = CertificateTexts {
        common_name: Some(text("WWW.a.example")),
        alternate_names: texts(&["mail.a.example", "a.example"]),
        signing_request: Some(text("-----BEGIN CERTIFICATE REQUEST-----")),
    };
    let full = world.manage(with_certificate(forged, given));
    let facts = |then: &crate::harness::Then| match &then.last().event {
        Event::ResourceAdded(added) => match &added.facts {
            ResourceFacts::Certificate(facts) => facts.clone(),
            other => panic!("it is no certificate: {other:?}"),
        },
        other => panic!("nothing was added: {other:?}"),
    };
    let own = world.name_number(account, "a.example");
    let (plain, full) = (facts(&plain), facts(&full));
    assert_eq!((plain.common_name, plain.signing_request, plain.years), (own, TextNumber::NONE, 2));
    assert_eq!(plain.alternate_names, []);
    assert_eq!(world.text_of(full.common_name), "www.a.example");
    assert_eq!(full.alternate_names, [world.name_number(account, "mail.a.example"), own]);
    assert_eq!(world.text_of(full.signing_request), "-----BEGIN CERTIFICATE REQUEST-----");
}

#[test]
fn a_resource_is_removed_from_its_own_account_once() {
    let mut world = begun();
    let (account, elsewhere) = (world.account(Plan::Solo), world.account(Plan::Solo));
    let resource = world.zone(account, "a.example");
    let missing = Rejection::NotFound(Missing::Resource);
    for (account, resource) in [(elsewhere, resource), (account, ResourceId(9)), (account, ResourceId::NONE)] {
        assert_eq!(*world.manage(Change::RemoveResource { account, resource }).rejected(), missing);
    }
    world.at(5);
    assert_eq!(world.manage(Change::RemoveResource { account, resource }).names(), ["ResourceRemoved"]);
    let kept = world.state.resources.get(resource.0).expect("it is remembered");
    assert_eq!((kept.facts.kind(), kept.removed_at), (ResourceKind::Zone, Some(world.now)));
    assert_eq!(*world.manage(Change::RemoveResource { account, resource }).rejected(), missing);
}

#[test]
fn grants_outlive_the_resource_they_name() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let resource = world.zone(account, "a.example");
    let key = world.account_token(account, granted(vec![named("zones", ReadOnly, &["a.example"])]));
    let before = world.state.token(key.token).expect("it is there").access.clone();
    world.manage(Change::RemoveResource { account, resource }).done();
    assert_eq!(world.state.token(key.token).expect("it is there").access, before);
}

#[test]
fn a_fault_says_what_is_wrong_in_words() {
    let mut world = begun();
    let then = world.manage(Change::CreateUser { email: text("ada@example.com"), name: text("") });
    assert_eq!(*then.rejected(), Rejection::Invalid(vec![FieldFault::new("name", "can't be blank")]));
}

#[test]
fn an_account_has_at_most_ten_thousand_members() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let (one, more) = (world.user(), world.user());
    let put = |user| Change::PutMember { account, user, access: AccessRequest::Full, if_match: None };
    world.manage(put(one)).done();
    let kept = world.state.accounts.get_mut(account.0).expect("it is there");
    let member = kept.members[&one].clone();
    kept.members.extend((1_000..10_998).map(|number| (UserId(number), member.clone())));
    assert!(world.manage(put(more)).done().created, "the ten thousandth");
    let last = world.user();
    assert!(matches!(world.manage(put(last)).rejected(), Rejection::LimitReached(_)));
    assert!(!world.manage(put(one)).done().created, "those who are members stay and can be changed");
}

#[test]
fn an_account_has_at_most_a_hundred_thousand_resources() {
    let mut world = begun();
    let account = world.account(Plan::Teams);
    let kept = world.state.accounts.get_mut(account.0).expect("it is there");
    kept.resources.extend((1_000..100_999).map(|number| (ResourceId(number), ResourceKind::Zone)));
    world.zone(account, "a.example");
    let then = world.manage(Change::AddResource { account, name: text("b.example"), resource: zone() });
    assert!(matches!(then.rejected(), Rejection::LimitReached(_)));
}
