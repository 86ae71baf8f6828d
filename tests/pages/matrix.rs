//! Every page, asked by everybody. A form is sent as the page of its asker would send it, with nothing to carry out where
//! that can be: what matters is who is let in.

use crate::browser::{Browser, send, until_signed};
use crate::house::{House, grants};
use crate::wire::Ask;
use serde_json::json;
use std::collections::BTreeSet;
use token_ledger::http::operations::Operation;
use token_ledger::http::pages::table::{PAGES, PageOperation};

/// Who asks, in the order of the columns.
const ASKERS: [&str; 7] = ["none", "full", "reads", "limited", "stranger", "operator", "auditor"];

/// A page with the status for each asker: of a thing of the account, and of another account's.
type Row = (PageOperation, &'static str, &'static str);

/// Numbers by hand. 303: to sign in, or to an account; 422, 400: let in, and the form says nothing that could be done.
const MATRIX: &[Row] = {
    use PageOperation::*;
    &[
        //                none full read lim  stra oper audi
        (Home, "          303  200  303  303  200  200  200", ""),
        (Asset, "         404  404  404  404  404  404  404", ""),
        (AccessTokens, "  303  200  200  200  404  200  200", "303  404  404  404  404  200  200"),
        (NewToken, "      303  200  403  403  404  200  403", "303  404  404  404  404  200  403"),
        (GenerateToken, " 303  422  403  403  404  422  403", "303  404  404  404  404  422  403"),
        (EditToken, "     303  200  403  403  404  200  403", "303  404  404  404  404  200  403"),
        (UpdateToken, "   303  422  403  403  404  422  403", "303  404  404  404  404  422  403"),
        (AskRotate, "     303  200  403  403  404  200  403", "303  404  404  404  404  200  403"),
        (RotateToken, "   303  422  403  403  404  422  403", "303  404  404  404  404  422  403"),
        (AskDelete, "     303  200  403  403  404  200  403", "303  404  404  404  404  200  403"),
        (DeleteToken, "   303  409  403  403  404  409  403", "303  404  404  404  404  409  403"),
        (Token, "         303  200  200  403  404  200  200", "303  404  404  404  404  200  200"),
        (Usage, "         303  200  200  403  404  200  200", "303  404  404  404  404  200  200"),
        (History, "       303  200  200  403  404  200  200", "303  404  404  404  404  200  200"),
        (ExportHistory, " 303  400  400  403  404  400  400", "303  404  404  404  404  400  400"),
        (Event, "         303  200  200  403  404  200  200", "303  404  404  404  404  200  200"),
        (EventProof, "    303  200  200  403  404  200  200", "303  404  404  404  404  200  200"),
        (SignIn, "        200  303  303  303  303  303  303", ""),
        (Enter, "         415  400  400  400  400  400  400", ""),
        (SignInLink, "    404  404  404  404  404  404  404", ""),
        (Own, "           303  200  200  200  200  200  200", ""),
        (NewOwnToken, "   303  422  422  422  422  404  404", ""),
        // Tokens and sessions that are not their own.
        (OwnToken, "      303  404  404  404  404  404  404", "303  404  404  404  404  404  404"),
        (UpdateOwnToken, "303  404  404  404  404  404  404", "303  404  404  404  404  404  404"),
        (RotateOwnToken, "303  404  404  404  404  404  404", "303  404  404  404  404  404  404"),
        (DeleteOwnToken, "303  404  404  404  404  404  404", "303  404  404  404  404  404  404"),
        (EndOwnSession, " 303  404  404  404  404  404  404", ""),
        (RevokeOwnAuthorization, "303 404 404 404 404 404 404", "303  404  404  404  404  404  404"),
        // Without a query there is nobody to ask for.
        (AskAuthorization, "303 400 400 400 400 400 400", ""),
        (AnswerAuthorization, "303 400 400 400 400 400 400", ""),
        (Applications, "  303  200  200  403  404  200  200", "303  404  404  404  404  200  200"),
        (RegisterApplication, "303 422 403 403 404 422 403", "303  404  404  404  404  422  403"),
        // Applications and authorizations that are not there.
        (Application, "   303  404  404  403  404  404  404", "303  404  404  404  404  404  404"),
        (EditApplication, "303 404 403 403 404 404 403", "303  404  404  404  404  404  403"),
        (RotateApplication, "303 404 403 403 404 404 403", "303  404  404  404  404  404  403"),
        (RevokeApplication, "303 404 403 403 404 404 403", "303  404  404  404  404  404  403"),
        (DeleteApplication, "303 404 403 403 404 404 403", "303  404  404  404  404  404  403"),
        (RevokeAuthorization, "303 404 403 403 404 404 403", "303  404  404  404  404  404  403"),
        // Staff's own: whoever is no staff is refused, whatever the path.
        (StaffSearch, "   303  403  403  403  403  200  200", ""),
        (StaffHealth, "   303  403  403  403  403  200  200", ""),
        (StaffReports, "  303  403  403  403  403  200  200", ""),
        (StaffReport, "   303  403  403  403  403  404  404", ""),
        (StaffReviews, "  303  403  403  403  403  200  200", ""),
        (OpenStaffReview, "303 403 403  403  403  400  400", ""),
        (StaffReview, "   303  403  403  403  403  404  404", ""),
        (DecideStaffReview, "303 403 403 403 403  400  400", ""),
        (CloseStaffReview, "303 403 403 403  403  404  403", ""),
        // The last: after it nobody is signed in.
        (SignOut, "       303  303  303  303  303  303  303", ""),
    ]
};

/// What a form says where nothing of it can be carried out.
fn fields(page: PageOperation) -> Vec<(&'static str, &'static str)> {
    match page {
        PageOperation::GenerateToken => vec![("key", "k"), ("name", "")],
        PageOperation::UpdateToken => vec![("step", "look"), ("version", "1"), ("name", "")],
        PageOperation::RotateToken => vec![("key", "k"), ("version", ""), ("overlap", "99999999")],
        PageOperation::DeleteToken => vec![("version", "77")],
        PageOperation::RegisterApplication => {
            vec![("key", "k"), ("name", ""), ("redirect_uris", ""), ("kind", "confidential")]
        }
        PageOperation::EditApplication => vec![("name", "x"), ("redirect_uris", ""), ("version", "")],
        PageOperation::RotateApplication => vec![("key", "k")],
        PageOperation::NewOwnToken => vec![("key", ""), ("name", ""), ("expires_at", "")],
        PageOperation::UpdateOwnToken => vec![("name", "x"), ("expires_at", ""), ("version", "")],
        PageOperation::RotateOwnToken => vec![("overlap_seconds", "0"), ("key", "")],
        _ => Vec::new(),
    }
}

/// A path of a thing of an account: a token of its, and the record of its opening.
fn path(template: &str, (account, token, position): (u64, u64, u64)) -> String {
    template
        .replace("{position}", &position.to_string())
        .replace("{account}", &account.to_string())
        .replace("{token}", &token.to_string())
        .replace("{link}", "nothing")
        .replace("{session}", "999999")
        .replace("{file}", "no.css")
        .replace("{kind}", "nothing")
        .replace("{review}", "999999")
        .replace("{application}", "999999")
        .replace("{authorization}", "999999")
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_pages_that_the_matrix_says_and_no_others() {
    let house = House::new().await;
    let reader = house.user("Rita Example", "rita@example.com").await;
    let access = grants(&[("account", "read_only", json!("all"))]);
    house.put(format!("/v1/accounts/{}/members/{reader}", house.teams), json!({ "access": access })).await.expect(201);
    let browsers = [
        None,
        Some(Browser::of_user(&house, house.ada).await),
        Some(Browser::of_user(&house, reader).await),
        Some(Browser::of_user(&house, house.grace).await),
        Some(Browser::of_user(&house, house.linus).await),
        Some(Browser::of_staff(&house, 1).await),
        Some(Browser::of_staff(&house, house.auditor.id).await),
    ];
    let mut faults = Vec::new();
    for (page, own, foreign) in MATRIX {
        let (template, method, _) = PAGES.iter().find(|(_, _, row)| *row == Operation::Page(*page)).unwrap();
        let things = [(house.teams, house.full.id), (house.enterprise, house.corporate.id)];
        for (statuses, (account, token)) in [own, foreign].into_iter().zip(things) {
            let thing = (account, token, opened(&house, account).await);
            until_signed(&house, thing.2).await;
            house.advance(60);
            for (index, status) in statuses.split_whitespace().enumerate() {
                let path = path(template, thing);
                let status: u16 = status.parse().unwrap();
                let told = match &browsers[index] {
                    Some(browser) if *page == PageOperation::EventProof => browser.fetch(&path).await,
                    None => send(&house, Ask::new(method, &path)).await,
                    Some(browser) => {
                        let csrf = csrf(browser).await;
                        let mut pairs = vec![("csrf", csrf.as_str())];
                        pairs.extend(fields(*page));
                        let ask = Ask::new(method, &path);
                        browser.send(if *method == "POST" { ask.form(&pairs) } else { ask }).await
                    }
                };
                if told.status != status {
                    faults.push(format!("{method} {path} by {}: {} instead of {status}", ASKERS[index], told.status));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The record of an account's opening.
async fn opened(house: &House, account: u64) -> u64 {
    let events = house.events_after(0).await;
    let is_it = |event: &&serde_json::Value| event["type"] == "AccountCreated" && event["account_id"] == account;
    events.iter().find(is_it).unwrap()["position"].as_u64().unwrap()
}

/// What every form of a session has, from its sign-out button.
async fn csrf(browser: &Browser<'_>) -> String {
    let html = browser.open("/accounts/999999/access_tokens").await;
    let home = browser.open("/").await;
    let page = match home.header("location") {
        Some(to) => browser.page(to).await,
        None => home.text().to_owned(),
    };
    assert_eq!(html.status, 404);
    let at = page.find("name=\"csrf\" value=\"").expect("a form") + "name=\"csrf\" value=\"".len();
    page[at..].split('"').next().unwrap().to_owned()
}

#[test]
fn every_page_has_its_row() {
    let rows: BTreeSet<PageOperation> = MATRIX.iter().map(|(page, _, _)| *page).collect();
    let served: BTreeSet<PageOperation> = PAGES
        .iter()
        .map(|(_, _, operation)| match operation {
            Operation::Page(page) => *page,
            other => panic!("{other:?} is no page"),
        })
        .collect();
    assert_eq!(rows, served);
    for (page, own, foreign) in MATRIX {
        for statuses in [own, foreign] {
            let count = statuses.split_whitespace().count();
            assert!(count == ASKERS.len() || count == 0, "{page:?}: {statuses}");
        }
    }
}
