//! OAuth: applications, what members authorise, codes and the tokens that they give.

use crate::harness::*;
use token_ledger::domain::access::{Access, Level};
use token_ledger::domain::command::{AccessRequest, Actor, Change, Command, Exchange, NewAuthorization, OAuthChange};
use token_ledger::domain::decide::{ChangeFrom, DoneSubject, Recorded, faults_of, narrows};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::event::{AccessSource, Cause, Event, Outcome, Route};
use token_ledger::domain::ids::{AccountId, ApplicationId, AuthorizationId, TokenId, UserId, Version};
use token_ledger::domain::oauth::{
    Bindings, BoundText, CODE_SECONDS, ClientId, ClientKind, CodeState, EndReason, ExchangeFault,
};
use token_ledger::domain::rejection::{Conflict, Missing, Rejection};
use token_ledger::domain::state::State;
use token_ledger::domain::token::{Authority, Owner, Principal, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

/// Where the application has people sent back to.
const CALLBACK: &str = "https://app.example/callback";
/// A PKCE verifier.
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

/// A registered application, as its developer knows it.
#[derive(Clone, Copy, Debug)]
pub struct App {
    pub id: ApplicationId,
    pub account: AccountId,
    pub client: ClientId,
    pub kind: ClientKind,
    pub secret: TokenDigest,
}

/// A code, as a client brings it.
#[derive(Clone, Debug)]
struct Code(String);

impl Code {
    fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

impl World {
    pub fn application(&mut self, account: AccountId, kind: ClientKind) -> App {
        let secret = self.new_secret();
        let client = ClientId([secret.digest.0[0]; 8]);
        let (name, redirect_uris) = (text("An application"), texts(&[CALLBACK, "http://127.0.0.1/cb"]));
        let change = OAuthChange::Register { account, name, redirect_uris, kind, client, secret };
        match self.manage(Change::OAuth(change)).done().subject {
            DoneSubject::Application(id) => App { id, account, client, kind, secret: secret.digest },
            other => panic!("an application was registered, not {other:?}"),
        }
    }

    fn code(&mut self) -> Code {
        Code(format!("code-{:?}", self.new_secret().digest.0[0]))
    }

    fn authorize(&mut self, session: &Key, app: &App, account: AccountId, access: AccessRequest) -> (Then, Code) {
        let code = self.code();
        let new = new_authorization(app, account, access, &code);
        (self.manage_in(session, Change::OAuth(OAuthChange::Authorize(Box::new(new)))), code)
    }

    fn exchange(&mut self, exchange: Exchange) -> Then {
        self.when(Command::Exchange(Box::new(exchange)))
    }

    fn exchanging(&mut self, app: &App, code: &Code) -> Exchange {
        let is_public = app.kind == ClientKind::Public;
        Exchange {
            client: app.client,
            client_secret: (!is_public).then_some(app.secret),
            code: code.digest(),
            redirect_uri: Some(BoundText::redirect_uri(&code.0, CALLBACK)),
            state: Some(BoundText::state(&code.0, "xyz")),
            verifier: is_public.then(|| BoundText::verifier(&code.0, VERIFIER)),
            secret: self.new_secret(),
        }
    }

    /// The token that an application gets on a member's word.
    fn token_for(&mut self, session: &Key, app: &App, account: AccountId, access: AccessRequest) -> Key {
        let (then, code) = self.authorize(session, app, account, access);
        then.done();
        let exchange = self.exchanging(app, &code);
        let digest = exchange.secret.digest;
        match self.exchange(exchange).done().subject {
            DoneSubject::Token(token) => Key { token, owner: Owner::Account(account), digest },
            other => panic!("a token was made, not {other:?}"),
        }
    }

    /// An OAuth token on an account, by the word of a new member with full access.
    pub fn oauth_token(&mut self, account: AccountId) -> Key {
        let user = self.member(account, AccessRequest::Full);
        let session = self.session(Principal::User(user));
        let app = self.application(account, ClientKind::Confidential);
        self.token_for(&session, &app, account, AccessRequest::Full)
    }
}

fn new_authorization(app: &App, account: AccountId, access: AccessRequest, code: &Code) -> NewAuthorization {
    let challenge = (app.kind == ClientKind::Public).then(|| BoundText::verifier(&code.0, VERIFIER));
    NewAuthorization {
        account,
        client: app.client,
        access,
        redirect_uri: text(CALLBACK),
        registered_uri: text(CALLBACK),
        code: code.digest(),
        bindings: Bindings {
            redirect_uri: BoundText::redirect_uri(&code.0, CALLBACK),
            redirect_uri_sent: true,
            state: BoundText::state(&code.0, "xyz"),
            challenge,
        },
    }
}

/// An account with a full member's session, and an application of another account.
fn scene(kind: ClientKind) -> (World, AccountId, UserId, Key, App) {
    let mut world = begun();
    let (developer, account) = (world.account(Plan::Teams), world.account(Plan::Teams));
    let user = world.member(account, AccessRequest::Full);
    let session = world.session(Principal::User(user));
    let app = world.application(developer, kind);
    (world, account, user, session, app)
}

fn names_of(recorded: &[Recorded]) -> Vec<(&'static str, AccountId, TokenId)> {
    recorded.iter().map(|it| (it.event.type_name(), it.header.account, it.header.token)).collect()
}

#[test]
fn a_members_word_becomes_a_token_that_says_whose_word_it_was() {
    for kind in [ClientKind::Confidential, ClientKind::Public] {
        let (mut world, account, user, session, app) = scene(kind);
        let (then, code) = world.authorize(&session, &app, account, AccessRequest::Full);
        assert_eq!(then.names(), ["AuthorizationGranted", "AuthorizationCodeIssued"]);
        let Event::AuthorizationGranted(granted) = &then.events[0].event else { panic!("{:?}", then.events) };
        assert_eq!((granted.user, granted.application, granted.membership), (user, app.id, Version(1)));
        let header = then.events[0].header;
        assert_eq!(
            (header.account, header.principal, header.credential),
            (account, Principal::User(user), session.token)
        );
        assert_eq!(granted.by.authority, Authority::Membership(Version(1)));

        let exchange = world.exchanging(&app, &code);
        let then = world.exchange(exchange);
        assert_eq!(then.names(), ["TokenCreated"]);
        let Event::TokenCreated(created) = &then.last().event else { panic!("{:?}", then.events) };
        let authorized = created.authorized.expect("an OAuth token says on whose word");
        assert_eq!((authorized.user, authorized.application, authorized.membership), (user, app.id, Version(1)));
        assert_eq!((authorized.authorization, authorized.code), (AuthorizationId(1), code.digest()));
        assert_eq!((created.kind, created.owner), (TokenKind::OAuth, Owner::Account(account)));
        let expected = if kind == ClientKind::Public { 0 } else { 1 };
        assert_eq!((created.by.authority, created.by.secret), (Authority::Application(Version(1)), expected));
        assert_eq!(then.last().header.principal, Principal::Application(app.id));
    }
}

#[test]
fn what_an_oauth_token_may_is_its_authorization_within_the_members_access_of_now() {
    let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
    let some = granted(vec![named("zones", Level::FullAccess, &["a.example", "b.example"])]);
    let full = world.token_for(&session, &app, account, AccessRequest::Full);
    let two = world.token_for(&session, &app, account, some);
    let zone = |key: &Key, name: &str| by_name(key, Route::Zone, account, name);
    assert_eq!(world.ask(zone(&full, "c.example")).allowed(), Outcome::NotFound);
    assert_eq!(world.ask(zone(&two, "a.example")).allowed(), Outcome::NotFound);
    assert_eq!(world.ask(zone(&two, "c.example")).cause(), Cause::MissingScope, "it was not authorised");
    let use_of = world.ask(list(&two, Route::Zones, account));
    let Event::TokenUsed(used) = &use_of.last().event else { panic!("{:?}", use_of.events) };
    assert_eq!(used.source, AccessSource::Authorization(Version(1), Version(1)));
    assert_eq!(use_of.last().header.principal, Principal::Application(app.id));

    let narrow = granted(vec![named("zones", Level::ReadOnly, &["b.example", "c.example"])]);
    world.manage(Change::PutMember { account, user, access: narrow, if_match: None }).done();
    let rows = [
        (&full, "a.example", false),
        (&full, "b.example", true),
        (&full, "c.example", true),
        (&two, "a.example", false),
        (&two, "b.example", true),
        (&two, "c.example", false),
    ];
    for (key, name, may) in rows {
        let then = world.ask(zone(key, name));
        match may {
            true => assert_eq!(then.allowed(), Outcome::NotFound, "{name}"),
            false => {
                assert_eq!(then.cause(), Cause::MissingScope, "{name}");
                let Event::TokenUseRefused(refused) = &then.last().event else { panic!("{:?}", then.events) };
                assert_eq!(refused.source, AccessSource::Authorization(Version(1), Version(2)), "{name}");
            }
        }
    }
    assert_eq!(world.ask(list(&two, Route::Domains, account)).cause(), Cause::MissingScope);
    world.manage(Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }).done();
    assert_eq!(world.ask(zone(&full, "a.example")).allowed(), Outcome::NotFound, "it follows upwards, too");
    assert_eq!(world.ask(zone(&two, "c.example")).cause(), Cause::MissingScope, "but never past what was authorised");
}

#[test]
fn it_is_of_one_account_and_draws_from_it() {
    let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
    let other = world.account(Plan::Teams);
    world.manage(Change::PutMember { account: other, user, access: AccessRequest::Full, if_match: None }).done();
    let key = world.token_for(&session, &app, account, AccessRequest::Full);
    let then = world.ask(whoami(&key));
    assert_eq!((then.allowed(), then.remaining()), (Outcome::Ok, 2_399));
    let answered = then.answered();
    assert_eq!((answered.account.map(|card| card.id), answered.user), (Some(account), None));
    assert_eq!(world.ask(list(&key, Route::Zones, other)).cause(), Cause::ForeignAccount);
    assert_eq!(world.ask(list(&key, Route::Zones, app.account)).cause(), Cause::ForeignAccount);
    let listed = world.ask(accounts(&key));
    assert_eq!(listed.answered().accounts.iter().map(|card| card.id).collect::<Vec<_>>(), [account]);
}

#[test]
fn it_ends_with_the_membership_and_does_not_come_back_with_it() {
    let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
    let colleague = world.member(account, AccessRequest::Full);
    let theirs = world.session(Principal::User(colleague));
    let (gone, stays) = (
        world.token_for(&session, &app, account, AccessRequest::Full),
        world.token_for(&theirs, &app, account, AccessRequest::Full),
    );
    let (then, code) = world.authorize(&session, &app, account, AccessRequest::Full);
    assert_eq!(then.names(), ["AuthorizationCodeIssued"], "the word was given before");
    let then = world.manage(Change::RemoveMember { account, user, if_match: None });
    let expected = [
        ("MemberRemoved", account, TokenId::NONE),
        ("AuthorizationRevoked", account, TokenId::NONE),
        ("TokenDeleted", account, gone.token),
    ];
    assert_eq!(names_of(&then.events), expected);
    let Event::TokenDeleted(deleted) = &then.last().event else { panic!("{:?}", then.events) };
    assert_eq!(deleted.reason, EndReason::MemberRemoved);
    assert_eq!(world.ask(whoami(&gone)).cause(), Cause::TokenDeleted);
    assert_eq!(world.ask(whoami(&stays)).allowed(), Outcome::Ok);
    world.manage(Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }).done();
    assert_eq!(world.ask(whoami(&gone)).cause(), Cause::TokenDeleted);
    let exchange = world.exchanging(&app, &code);
    let then = world.exchange(exchange);
    assert_eq!(then.rejection(), &Rejection::NotExchanged(Some(ExchangeFault::AuthorizationEnded)));
}

#[test]
fn a_code_is_exchanged_once_and_a_second_time_ends_what_it_gave() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let bystander = world.token_for(&session, &app, account, AccessRequest::Full);
    let (_, code) = world.authorize(&session, &app, account, AccessRequest::Full);
    let first = world.exchanging(&app, &code);
    let key = Key { token: TokenId(0), owner: Owner::Account(account), digest: first.secret.digest };
    world.exchange(first).done();
    assert_eq!(world.ask(whoami(&key)).allowed(), Outcome::Ok);
    let second = world.exchanging(&app, &code);
    let then = world.exchange(second);
    assert_eq!(then.rejection(), &Rejection::NotExchanged(Some(ExchangeFault::Reused)));
    assert_eq!(then.names(), ["CodeExchangeRefused", "TokenDeleted"]);
    let Event::TokenDeleted(deleted) = &then.last().event else { panic!("{:?}", then.events) };
    assert_eq!(deleted.reason, EndReason::CodeReused);
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenDeleted);
    assert_eq!(world.ask(whoami(&bystander)).allowed(), Outcome::Ok, "what another code gave stays");
    let third = world.exchanging(&app, &code);
    assert_eq!(world.exchange(third).rejected(), &Rejection::NotExchanged(None), "and leaves nothing more");
}

/// A row: what the client sends otherwise, and what comes of it.
type Tried = (&'static str, fn(&mut Exchange, &Code), Option<ExchangeFault>);

#[test]
fn whatever_else_is_tried_with_a_code_ends_it() {
    let rows: [Tried; 8] = [
        (
            "another redirect URI",
            |it, code| it.redirect_uri = Some(BoundText::redirect_uri(&code.0, "https://x.example/")),
            Some(ExchangeFault::RedirectUri),
        ),
        ("no redirect URI", |it, _| it.redirect_uri = None, Some(ExchangeFault::RedirectUri)),
        ("another state", |it, code| it.state = Some(BoundText::state(&code.0, "abc")), Some(ExchangeFault::State)),
        ("no state", |it, _| it.state = None, None),
        (
            "another verifier",
            |it, code| it.verifier = Some(BoundText::verifier(&code.0, "another")),
            Some(ExchangeFault::Verifier),
        ),
        ("no verifier", |it, _| it.verifier = None, Some(ExchangeFault::Verifier)),
        (
            "a state of another code",
            |it, _| it.state = Some(BoundText::state("other", "xyz")),
            Some(ExchangeFault::State),
        ),
        ("all as it was", |_, _| {}, None),
    ];
    for (said, change, fault) in rows {
        let (mut world, account, _, session, app) = scene(ClientKind::Public);
        let (_, code) = world.authorize(&session, &app, account, AccessRequest::Full);
        let mut exchange = world.exchanging(&app, &code);
        change(&mut exchange, &code);
        let then = world.exchange(exchange);
        let Some(fault) = fault else {
            assert!(then.done().created, "{said}");
            continue;
        };
        assert_eq!(then.rejection(), &Rejection::NotExchanged(Some(fault)), "{said}");
        assert_eq!(then.names(), ["CodeExchangeRefused"], "{said}");
        let again = world.exchanging(&app, &code);
        assert_eq!(world.exchange(again).rejected(), &Rejection::NotExchanged(None), "{said}: it is spent");
    }
}

#[test]
fn a_verifier_for_no_challenge_is_a_challenge_taken_away() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let (_, code) = world.authorize(&session, &app, account, AccessRequest::Full);
    let verifier = Some(BoundText::verifier(&code.0, VERIFIER));
    let exchange = Exchange { verifier, ..world.exchanging(&app, &code) };
    let then = world.exchange(exchange);
    assert_eq!(then.rejection(), &Rejection::NotExchanged(Some(ExchangeFault::Verifier)));
}

#[test]
fn a_redirect_uri_that_was_not_sent_need_not_be_said_again() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    for redirect_uri in [None, Some(CALLBACK)] {
        let code = world.code();
        let mut new = new_authorization(&app, account, AccessRequest::Full, &code);
        new.bindings.redirect_uri_sent = false;
        world.manage_in(&session, Change::OAuth(OAuthChange::Authorize(Box::new(new)))).done();
        let redirect_uri = redirect_uri.map(|uri| BoundText::redirect_uri(&code.0, uri));
        let exchange = Exchange { redirect_uri, ..world.exchanging(&app, &code) };
        assert!(world.exchange(exchange).done().created);
    }
}

#[test]
fn a_code_works_for_five_minutes_and_for_its_own_client_only() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let other = world.application(app.account, ClientKind::Confidential);
    let issue = |world: &mut World| world.authorize(&session, &app, account, AccessRequest::Full).1;
    let [last, late, stolen] = [(); 3].map(|()| issue(&mut world));
    let by_another = world.exchanging(&other, &stolen);
    let then = world.exchange(by_another);
    assert_eq!(then.rejection(), &Rejection::NotExchanged(Some(ExchangeFault::OtherClient)));
    world.at(CODE_SECONDS - 1);
    let exchange = world.exchanging(&app, &last);
    world.exchange(exchange).done();
    world.at(CODE_SECONDS);
    let exchange = world.exchanging(&app, &late);
    let then = world.exchange(exchange);
    assert_eq!(then.rejection(), &Rejection::NotExchanged(Some(ExchangeFault::Expired)));
    issue(&mut world);
    let kept: Vec<CodeState> = world.state.codes.iter().map(|(_, code)| code.state).collect();
    assert_eq!(kept.len(), 2, "what came to nothing is forgotten, what gave a token is not: {kept:?}");
}

#[test]
fn a_client_that_does_not_show_itself_gets_nothing_and_leaves_the_code_alone() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let public = world.application(app.account, ClientKind::Public);
    let (_, code) = world.authorize(&session, &app, account, AccessRequest::Full);
    let good = world.exchanging(&app, &code);
    let wrong_secret = Some(TokenDigest([0xee; 32]));
    let rows = [
        Exchange { client_secret: None, ..good.clone() },
        Exchange { client_secret: wrong_secret, ..good.clone() },
        Exchange { client: ClientId([0xee; 8]), ..good.clone() },
        Exchange { client: public.client, client_secret: wrong_secret, ..good.clone() },
    ];
    for exchange in rows {
        assert_eq!(world.exchange(exchange).rejected(), &Rejection::UnknownClient);
    }
    let unknown = Exchange { code: TokenDigest([0xee; 32]), ..good.clone() };
    assert_eq!(world.exchange(unknown).rejected(), &Rejection::NotExchanged(None));
    assert!(world.exchange(good).done().created);
}

#[test]
fn a_secret_works_until_its_rotations_overlap_ends() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let secret = world.new_secret();
    let rotate = |overlap_seconds| OAuthChange::RotateSecret {
        account: app.account,
        application: app.id,
        overlap_seconds,
        secret,
        if_match: None,
    };
    world.manage(Change::OAuth(rotate(60))).done();
    let newest = App { secret: secret.digest, ..app };
    for (seconds, by_old) in [(59, true), (60, false)] {
        world.at(seconds);
        for (client, works) in [(&app, by_old), (&newest, true)] {
            let (_, code) = world.authorize(&session, client, account, AccessRequest::Full);
            let exchange = world.exchanging(client, &code);
            let then = world.exchange(exchange);
            match works {
                true => assert!(then.done().created),
                false => assert_eq!(then.rejected(), &Rejection::UnknownClient),
            }
        }
    }
    let public = world.application(app.account, ClientKind::Public);
    let change = OAuthChange::RotateSecret {
        account: app.account,
        application: public.id,
        overlap_seconds: 0,
        secret: world.new_secret(),
        if_match: None,
    };
    assert_eq!(world.manage(Change::OAuth(change)).rejected(), &Rejection::Conflict(Conflict::PublicClient));
}

#[test]
fn deleting_an_application_or_revoking_all_ends_its_tokens_in_every_account() {
    for (reason, is_deletion) in [(EndReason::ApplicationDeleted, true), (EndReason::AllRevoked, false)] {
        let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
        let other = world.account(Plan::Solo);
        world.manage(Change::PutMember { account: other, user, access: AccessRequest::Full, if_match: None }).done();
        let keys = [account, other].map(|on| world.token_for(&session, &app, on, AccessRequest::Full));
        let (account_of_app, application) = (app.account, app.id);
        let change = match is_deletion {
            true => OAuthChange::Delete { account: account_of_app, application, if_match: None },
            false => OAuthChange::RevokeAll { account: account_of_app, application },
        };
        let then = world.manage(Change::OAuth(change));
        let mut expected = vec![
            ("AuthorizationRevoked", account, TokenId::NONE),
            ("TokenDeleted", account, keys[0].token),
            ("AuthorizationRevoked", other, TokenId::NONE),
            ("TokenDeleted", other, keys[1].token),
        ];
        if is_deletion {
            expected.insert(0, ("ApplicationDeleted", app.account, TokenId::NONE));
        }
        assert_eq!(names_of(&then.events), expected);
        let Event::TokenDeleted(deleted) = &then.last().event else { panic!("{:?}", then.events) };
        assert_eq!(deleted.reason, reason);
        for key in keys {
            assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenDeleted);
        }
        let (then, _) = world.authorize(&session, &app, account, AccessRequest::Full);
        match is_deletion {
            true => assert_eq!(then.rejected(), &Rejection::UnknownClient),
            false => assert!(then.done().created, "who authorises it again, does"),
        }
    }
}

#[test]
fn an_authorization_is_ended_by_the_account_and_by_the_member_and_nobody_else() {
    let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
    let operator = world.staff_token(TokenKind::Operator);
    let colleague = world.member(account, AccessRequest::Full);
    let theirs = world.session(Principal::User(colleague));
    let missing = Rejection::NotFound(Missing::Authorization);
    let some = granted(vec![all("zones", Level::ReadOnly)]);
    for round in 0..3 {
        let key = world.token_for(&session, &app, account, AccessRequest::Full);
        let id = world.state.token(key.token).and_then(|it| it.authorized.as_deref()).expect("it is one").authorization;
        let of = |user| Change::OAuth(OAuthChange::RevokeOwn { user, authorization: id });
        assert_eq!(world.manage_in(&theirs, of(colleague)).rejected(), &missing, "another's is not there");
        let foreign = Rejection::Forbidden(Cause::ForeignAccount);
        assert_eq!(world.manage_in(&theirs, of(user)).rejection(), &foreign);
        let on = |account| Change::OAuth(OAuthChange::Revoke { account, authorization: id });
        assert_eq!(world.manage_as(&operator, on(app.account)).rejected(), &missing, "it is on another account");
        world.manage(Change::PutMember { account, user, access: some.clone(), if_match: None }).done();
        let then = match round {
            0 => world.manage_in(&session, of(user)),
            1 => world.manage_as(&operator, on(account)),
            _ => world.manage_in(&theirs, on(account)),
        };
        assert_eq!(then.names(), ["AuthorizationRevoked", "TokenDeleted"]);
        let Event::TokenDeleted(deleted) = &then.last().event else { panic!("{:?}", then.events) };
        assert_eq!(deleted.reason, EndReason::AuthorizationRevoked);
        assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenDeleted);
        world.manage(Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }).done();
    }
}

#[test]
fn nobody_authorises_more_than_they_may_or_where_they_are_no_member() {
    let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
    let operator = world.staff_token(TokenKind::Operator);
    let public = world.application(app.account, ClientKind::Public);
    let read = || granted(vec![named("zones", Level::ReadOnly, &["a.example"])]);
    world.manage(Change::PutMember { account, user, access: read(), if_match: None }).done();
    let beyond = [
        granted(vec![all("zones", Level::ReadOnly)]),
        granted(vec![named("zones", Level::FullAccess, &["a.example"])]),
        granted(vec![named("zones", Level::ReadOnly, &["b.example"])]),
        granted(vec![named("domains", Level::ReadOnly, &["a.example"])]),
    ];
    for access in beyond {
        let (then, _) = world.authorize(&session, &app, account, access.clone());
        assert!(matches!(then.rejected(), Rejection::Invalid(faults) if faults[0].field == "access"), "{access:?}");
    }
    for access in [read(), AccessRequest::Full] {
        assert!(world.authorize(&session, &app, account, access).0.done().created);
    }
    let no_member = Rejection::Forbidden(Cause::ForeignAccount);
    for elsewhere in [app.account, AccountId(99)] {
        assert_eq!(world.authorize(&session, &app, elsewhere, AccessRequest::Full).0.rejection(), &no_member);
    }
    let by_operator = world.authorize(&operator, &app, account, AccessRequest::Full).0;
    assert_eq!(by_operator.rejection(), &Rejection::Forbidden(Cause::WrongKind));
    let code = world.code();
    let mut new = new_authorization(&public, account, AccessRequest::Full, &code);
    new.bindings.challenge = None;
    let then = world.manage_in(&session, Change::OAuth(OAuthChange::Authorize(Box::new(new))));
    assert!(matches!(then.rejected(), Rejection::Invalid(faults) if faults[0].field == "code_challenge"));
    for (asked, registered) in [
        ("https://evil.example/callback", CALLBACK),
        ("https://evil.example/callback", "https://evil.example/callback"),
        (CALLBACK, "http://127.0.0.1/cb"),
    ] {
        let code = world.code();
        let mut new = new_authorization(&app, account, AccessRequest::Full, &code);
        (new.redirect_uri, new.registered_uri) = (text(asked), text(registered));
        let then = world.manage_in(&session, Change::OAuth(OAuthChange::Authorize(Box::new(new))));
        assert!(matches!(then.rejected(), Rejection::Invalid(faults) if faults[0].field == "redirect_uri"), "{asked}");
    }
}

#[test]
fn on_a_plan_without_grants_there_is_only_full_access_and_going_down_waits_for_grants_to_end() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let some = || granted(vec![all("zones", Level::ReadOnly)]);
    let key = world.token_for(&session, &app, account, some());
    let down = || AccountEdit { plan: Some(Plan::Solo), ..AccountEdit::default() }.of(account);
    let then = world.manage(down());
    let tokens = vec![key.token];
    assert_eq!(then.rejected(), &Rejection::Conflict(Conflict::GrantsExist { tokens, members: vec![] }));
    let (_, code) = world.authorize(&session, &app, account, some());
    world.delete(&key);
    world.manage(down()).done();
    let exchange = world.exchanging(&app, &code);
    let then = world.exchange(exchange);
    assert_eq!(then.rejection(), &Rejection::NotExchanged(Some(ExchangeFault::PlanWithoutGrants)));
    assert_eq!(world.authorize(&session, &app, account, some()).0.rejected(), &Rejection::PlanRequired);
    assert!(world.authorize(&session, &app, account, AccessRequest::Full).0.done().created);
}

#[test]
fn an_eleventh_token_of_one_authorization_ends_the_oldest() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let keys: Vec<Key> = (0..11).map(|_| world.token_for(&session, &app, account, AccessRequest::Full)).collect();
    assert_eq!(world.ask(whoami(&keys[0])).cause(), Cause::TokenDeleted);
    for key in &keys[1..] {
        assert_eq!(world.ask(whoami(key)).allowed(), Outcome::Ok);
    }
    let authorization = world.state.authorization(AuthorizationId(1)).expect("it lives");
    assert_eq!(authorization.tokens, keys[1..].iter().map(|key| key.token).collect::<Vec<_>>());
}

#[test]
fn the_account_can_rename_and_delete_it_but_not_rotate_or_widen_what_an_application_holds() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let key = world.token_for(&session, &app, account, AccessRequest::Full);
    world.manage(TokenEdit { name: Some("The app"), ..TokenEdit::default() }.of(&key)).done();
    let access = Some(granted(vec![]));
    let then = world.manage(TokenEdit { access, ..TokenEdit::default() }.of(&key));
    assert!(matches!(then.rejected(), Rejection::Invalid(faults) if faults[0].field == "access"));
    let (owner, token, secret) = (key.owner, key.token, world.new_secret());
    let rotate = Change::RotateToken { owner, token, overlap_seconds: 0, secret, if_match: None };
    assert_eq!(world.manage(rotate).rejected(), &Rejection::Conflict(Conflict::HeldByApplication));
    world.delete(&key);
    assert_eq!(world.ask(whoami(&key)).cause(), Cause::TokenDeleted);
    let authorization = world.state.authorization(AuthorizationId(1)).expect("the word still stands");
    assert!(authorization.tokens.is_empty());
}

#[test]
fn what_ends_things_is_recorded_when_hardly_anything_is() {
    let (mut world, account, _, session, app) = scene(ClientKind::Confidential);
    let (_, code) = world.authorize(&session, &app, account, AccessRequest::Full);
    let (application, authorization) = (app.id, AuthorizationId(1));
    let rows = [
        (OAuthChange::Delete { account: app.account, application, if_match: None }, true),
        (OAuthChange::RevokeAll { account: app.account, application }, true),
        (OAuthChange::Revoke { account, authorization }, true),
        (OAuthChange::RevokeOwn { user: UserId(1), authorization }, true),
        (
            OAuthChange::Update { account: app.account, application, name: None, redirect_uris: None, if_match: None },
            false,
        ),
    ];
    for (change, expected) in rows {
        let command = Command::Manage(Actor::Bearer(session.digest), Box::new(Change::OAuth(change)));
        assert_eq!(narrows(&world.state, &command, &mut world.texts), expected, "{command:?}");
    }
    let exchange = world.exchanging(&app, &code);
    assert!(!narrows(&world.state, &Command::Exchange(Box::new(exchange)), &mut world.texts));
}

#[test]
fn an_application_is_seen_and_changed_by_its_own_account_only() {
    let (mut world, account, _, _, app) = scene(ClientKind::Confidential);
    let missing = Rejection::NotFound(Missing::Application);
    let update = |account, name: Option<&str>, uris: Option<&[&str]>| {
        Change::OAuth(OAuthChange::Update {
            account,
            application: app.id,
            name: name.map(text),
            redirect_uris: uris.map(texts),
            if_match: None,
        })
    };
    assert_eq!(world.manage(update(account, Some("Mine now"), None)).rejected(), &missing);
    assert_eq!(world.manage(update(app.account, Some("An application"), None)).names(), Vec::<&str>::new());
    assert_eq!(
        world.manage(update(app.account, Some("Other"), Some(&["https://app.example/x"]))).names(),
        ["TextSeen", "TextSeen", "ApplicationChanged"]
    );
    let kept = world.state.application(app.id).expect("it is there").clone();
    assert_eq!((kept.version, world.text_of(kept.name)), (Version(2), "Other"));
    assert_eq!(kept.redirect_uris.iter().map(|&uri| world.text_of(uri)).collect::<Vec<_>>(), ["https://app.example/x"]);
    for uris in [&[][..], &["http://app.example/x"], &["https://a.example", "https://b.example/#c"]] {
        let then = world.manage(update(app.account, None, Some(uris)));
        assert!(matches!(then.rejected(), Rejection::Invalid(faults) if faults.len() == 1), "{uris:?}");
    }
}

/// Every record that the rules made, judged again by the state before it, has no fault; with another maker it has.
#[test]
fn what_was_decided_was_allowed_to_whoever_made_it() {
    let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
    let mut state = world.state.clone();
    let mut recorded: Vec<Recorded> = Vec::new();
    let (then, code) = world.authorize(&session, &app, account, granted(vec![all("zones", Level::ReadOnly)]));
    recorded.extend(then.events);
    for _ in 0..2 {
        let exchange = world.exchanging(&app, &code);
        recorded.extend(world.exchange(exchange).events);
    }
    let (then, code) = world.authorize(&session, &app, account, AccessRequest::Full);
    recorded.extend(then.events);
    let exchange = world.exchanging(&app, &code);
    recorded.extend(world.exchange(exchange).events);
    let own = Change::OAuth(OAuthChange::RevokeOwn { user, authorization: AuthorizationId(2) });
    recorded.extend(world.manage_in(&session, own).events);
    recorded.extend(world.manage(Change::RemoveMember { account, user, if_match: None }).events);
    assert!(recorded.len() > 8);
    let from = ChangeFrom::Address(None);
    for it in &recorded {
        assert_eq!(faults_of(&state, &it.header, &it.event, from), [], "{it:?}");
        if matches!(it.event, Event::TokenCreated(_)) {
            let mut other = it.header;
            other.principal = Principal::Application(ApplicationId(99));
            assert_ne!(faults_of(&state, &other, &it.event, from), [], "{it:?}");
            assert_ne!(faults_of(&State::default(), &it.header, &it.event, from), [], "there was no such code");
        }
        state.evolve(&it.header, &it.event);
    }
    assert_eq!(state, world.state);
}

#[test]
fn a_full_authorization_is_told_as_far_as_it_goes() {
    let (mut world, account, user, session, app) = scene(ClientKind::Confidential);
    let key = world.token_for(&session, &app, account, AccessRequest::Full);
    let narrow = granted(vec![named("zones", Level::ReadOnly, &["a.example"])]);
    world.manage(Change::PutMember { account, user, access: narrow, if_match: None }).done();
    let then = world.ask(list(&key, Route::Domains, account));
    let member = world.state.account(account).and_then(|it| it.members.get(&user)).expect("a member").access.clone();
    assert_eq!(then.answered().access.as_ref(), Some(&member), "a refusal says what the token may");
    assert_ne!(member, Access::Full);
}
