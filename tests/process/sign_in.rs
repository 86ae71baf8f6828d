//! Signing in to the real program: the link that it prints, when that works and when no more, and the cookie behind TLS and
//! without.

use crate::client::{Answer, Client};
use crate::program::Server;
use crate::scene::{Scene, empty_parent};
use std::net::SocketAddr;
use token_ledger::clock::Clock;
use token_ledger::domain::command::{Actor, Change, Command, Origin, SignInChange};
use token_ledger::domain::ids::TokenId;
use token_ledger::domain::time::Timestamp;
use token_ledger::domain::token::Principal;
use token_ledger::domain::token_text::TokenSecret;
use token_ledger::entropy::Entropy;
use token_ledger::ledger::core::Core;
use token_ledger::ledger::initialize::initialize;
use token_ledger::log::DataDir;

/// The address that `sign-in` prints, alone on its line.
fn printed_link(scene: &Scene) -> String {
    let said = scene.run(&["sign-in", "1"]).expect(0).says("Works once, for 15 minutes:").stdout;
    said.lines().find(|line| line.contains("/sign-in/")).unwrap().to_owned()
}

fn link_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

/// Opens a page in a browser that has these cookies.
fn open(server: SocketAddr, path: &str, cookie: &str) -> Answer {
    Client::connect(server).unwrap().browse("GET", path, &[("Cookie", cookie)], "").unwrap()
}

/// Presses the button of a link's page.
fn press(server: SocketAddr, link: &str, headers: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("link", link).finish();
    Client::connect(server).unwrap().browse("POST", "/sign-in", headers, &body).unwrap()
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

/// The page that says that a link does not work, and how to get another.
#[track_caller]
fn is_refused(answer: Answer) {
    let answer = answer.expect(404);
    for said in ["<h1>This link does not work</h1>", "works once, and for 15 minutes", "href=\"/sign-in\""] {
        assert!(text(&answer).contains(said), "{said:?} is not in {}", text(&answer));
    }
    assert_eq!(answer.header("set-cookie"), None);
}

#[test]
fn a_printed_link_signs_in_once_and_is_refused_the_second_time() {
    let scene = Scene::new();
    // One is made before the service runs, one beside it.
    let early = printed_link(&scene);
    let server = scene.serve(&[]);
    let late = printed_link(&scene);
    assert!(late.starts_with(&format!("http://{}/sign-in/tlkl_", server.address)), "it leads to the running service");
    let mut secrets = Vec::new();
    for link in [&early, &late].map(|url| link_of(url)) {
        let page = open(server.address, &format!("/sign-in/{link}"), "").expect(200);
        assert!(text(&page).contains("Person 1") && text(&page).contains("The link works this once."));
        let told = press(server.address, link, &[]).expect(303);
        assert_eq!(told.header("location"), Some("/accounts/1/access_tokens?done=signed-in"));
        let cookie = told.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let page = open(server.address, "/user", &cookie).expect(200);
        assert!(text(&page).contains("Person 1"));
        is_refused(press(server.address, link, &[]));
        is_refused(open(server.address, &format!("/sign-in/{link}"), ""));
        open(server.address, "/user", &cookie).expect(200);
        secrets.extend([link.to_owned(), cookie.split_once('=').unwrap().1.to_owned()]);
    }
    let ended = server.terminate().expect(0);
    for secret in &secrets {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "a secret is in the log");
    }
    scene.run(&["verify"]).expect(0);
}

#[test]
fn a_link_for_nobody_is_not_made() {
    let scene = Scene::new();
    let before = scene.fingerprint();
    scene.run(&["sign-in", "999"]).expect(1).says("user");
    scene.run(&["sign-in"]).expect(2);
    assert_eq!(scene.fingerprint(), before);
}

/// Makes a link for the first operator, at the clock's time.
fn link_at(core: &mut Core) -> String {
    let secret = TokenSecret::of_link(&Entropy::system().bytes_32());
    let who = Principal::Staff(TokenId(1));
    let create = Change::SignIn(SignInChange::CreateLink { who, digest: secret.digest() });
    let job = (Command::Manage(Actor::Local(0), Box::new(create)), Origin::default());
    assert!(!core.commit([&job]).unwrap().records.is_empty());
    secret.reveal_once()
}

#[test]
fn a_link_that_is_too_old_is_refused() {
    let parent = empty_parent();
    let data = parent.path().join("ledger");
    let ago = |minutes: u64| Timestamp::from_seconds(Clock::system().now().seconds() - 60 * minutes);
    let clock = Clock::manual(ago(20));
    let made = initialize(&DataDir::new(&data), Some("ledger.test/old"), "first", clock.clone(), Entropy::system());
    let (_, mut core) = made.unwrap();
    let old = link_at(&mut core);
    // Ten of its minutes are left.
    clock.set(ago(5));
    let young = link_at(&mut core);
    drop(core);
    let server = Server::start(&data, &[]);
    is_refused(open(server.address, &format!("/sign-in/{old}"), ""));
    is_refused(press(server.address, &old, &[]));
    press(server.address, &young, &[]).expect(303);
    server.terminate().expect(0);
}

/// A `Set-Cookie` apart: name, value, attributes.
fn parts(set_cookie: &str) -> (&str, &str, Vec<&str>) {
    let mut parts = set_cookie.split("; ");
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    let mut attributes: Vec<&str> = parts.collect();
    attributes.sort_unstable();
    (name, value, attributes)
}

#[test]
fn behind_tls_the_cookies_are_for_this_host_and_tls_alone() {
    let scene = Scene::new();
    let server = scene.serve(&["--public-url", "https://ledger.example"]);
    let url = printed_link(&scene);
    assert!(url.starts_with("https://ledger.example/sign-in/tlkl_"), "{}", url.len());
    let page = open(server.address, "/sign-in?next=%2Faccounts%2F1%2Fusage", "").expect(200);
    let (name, next, attributes) = parts(page.header("set-cookie").unwrap());
    assert_eq!(name, "__Host-token-ledger-next");
    assert_eq!(attributes, ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax", "Secure"]);

    let from = ("Origin", "https://ledger.example");
    let waiting = format!("{name}={next}");
    // What a proxy makes of `Host` does not count (`press` asks the machine itself), and plain HTTP is another origin.
    press(server.address, link_of(&url), &[("Origin", "http://ledger.example"), ("Cookie", &waiting)]).expect(403);
    let told = press(server.address, link_of(&url), &[from, ("Cookie", &waiting)]).expect(303);
    assert_eq!(told.header("location"), Some("/accounts/1/usage"));
    let (name, secret, attributes) = parts(told.header("set-cookie").unwrap());
    assert_eq!(name, "__Host-token-ledger-session");
    assert_eq!(attributes, ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax", "Secure"]);
    open(server.address, "/user", &format!("{name}={secret}")).expect(200);
    // Under the name that plain HTTP has, anybody on the way could have put it there.
    open(server.address, "/user", &format!("token-ledger-session={secret}")).expect(303);
    server.terminate().expect(0);
}

#[test]
fn without_tls_the_cookie_is_one_that_browsers_take() {
    let scene = Scene::new();
    for options in [&[][..], &["--public-url", "http://ledger.example"]] {
        let server = scene.serve(options);
        let told = press(server.address, link_of(&printed_link(&scene)), &[]).expect(303);
        let (name, secret, attributes) = parts(told.header("set-cookie").unwrap());
        assert_eq!(name, "token-ledger-session");
        assert_eq!(attributes, ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=Lax"], "not Secure");
        open(server.address, "/user", &format!("{name}={secret}")).expect(200);
        server.terminate().expect(0);
    }
}
