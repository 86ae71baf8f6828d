//! Who may do what in a session of a browser: the calls of `/v1` asked by a member with full access to an account, by one with
//! grants, by somebody who is no member, and by an operator's session.
//!
//! The expected statuses are written by hand, as in `matrix_table`. What the account and the user are there is whose the
//! first column's asker is.

use crate::house::{Browser, House};
use crate::matrix::{Spares, line_of};
use crate::matrix_table::Object::{self, Absent, Foreign, Own};
use crate::wire::Ask;
use std::collections::BTreeSet;
use token_ledger::http::operations::OPERATIONS;
use token_ledger::http::operations::Operation::{self, *};

/// Operation, what its path names, and the status for each asker.
type Row = (Operation, Object, &'static str);

#[rustfmt::skip]
const MATRIX: &[Row] = &[
    //                                    full grants stranger operator
    (CreateUser,                Own,     "403 403 403 201"),
    (ListUsers,                 Own,     "403 403 403 200"),
    (GetUser,                   Own,     "200 404 404 200"),
    (GetUser,                   Foreign, "404 200 404 200"),
    (GetUser,                   Absent,  "404 404 404 404"),
    (CreateAccount,             Own,     "403 403 403 201"),
    (ListManagedAccounts,       Own,     "403 403 403 200"),
    (GetAccount,                Own,     "200 403 404 200"),
    (GetAccount,                Foreign, "404 404 404 200"),
    (GetAccount,                Absent,  "404 404 404 404"),
    (UpdateAccount,             Own,     "403 403 404 200"),
    (UpdateAccount,             Foreign, "404 404 404 200"),
    (UpdateAccount,             Absent,  "404 404 404 404"),
    (ActivateResearch,          Own,     "403 403 404 200"),
    (ActivateResearch,          Foreign, "404 404 404 200"),
    (ActivateResearch,          Absent,  "404 404 404 404"),
    (DeactivateResearch,        Own,     "403 403 404 204"),
    (DeactivateResearch,        Foreign, "404 404 404 204"),
    (DeactivateResearch,        Absent,  "404 404 404 404"),
    (ListMembers,               Own,     "200 403 404 200"),
    (ListMembers,               Foreign, "404 404 404 200"),
    (ListMembers,               Absent,  "404 404 404 404"),
    (PutMember,                 Own,     "403 403 404 200"),
    (PutMember,                 Foreign, "403 403 404 201"),
    (PutMember,                 Absent,  "403 403 404 404"),
    (RemoveMember,              Own,     "403 403 404 204"),
    (RemoveMember,              Foreign, "403 403 404 404"),
    (RemoveMember,              Absent,  "403 403 404 404"),
    (AddResource,               Own,     "403 403 404 201"),
    (AddResource,               Foreign, "404 404 404 201"),
    (AddResource,               Absent,  "404 404 404 404"),
    (ListResources,             Own,     "200 403 404 200"),
    (ListResources,             Foreign, "404 404 404 200"),
    (ListResources,             Absent,  "404 404 404 404"),
    (RemoveResource,            Own,     "403 403 404 204"),
    (RemoveResource,            Foreign, "403 403 404 404"),
    (RemoveResource,            Absent,  "403 403 404 404"),
    (CreateAccountToken,        Own,     "201 403 404 201"),
    (CreateAccountToken,        Foreign, "404 404 404 201"),
    (CreateAccountToken,        Absent,  "404 404 404 404"),
    (ListAccountTokens,         Own,     "200 403 404 200"),
    (ListAccountTokens,         Foreign, "404 404 404 200"),
    (ListAccountTokens,         Absent,  "404 404 404 404"),
    (GetAccountToken,           Own,     "200 403 404 200"),
    (GetAccountToken,           Foreign, "404 403 404 404"),
    (GetAccountToken,           Absent,  "404 403 404 404"),
    (UpdateAccountToken,        Own,     "200 403 404 200"),
    (UpdateAccountToken,        Foreign, "404 403 404 404"),
    (UpdateAccountToken,        Absent,  "404 403 404 404"),
    (DeleteAccountToken,        Own,     "204 403 404 204"),
    (DeleteAccountToken,        Foreign, "404 403 404 404"),
    (DeleteAccountToken,        Absent,  "404 403 404 404"),
    (RotateAccountToken,        Own,     "201 403 404 201"),
    (RotateAccountToken,        Foreign, "404 403 404 404"),
    (RotateAccountToken,        Absent,  "404 403 404 404"),
    (CreateApplication,          Own,     "201 403 404 201"),
    (CreateApplication,          Foreign, "404 404 404 201"),
    (CreateApplication,          Absent,  "404 404 404 404"),
    (ListApplications,           Own,     "200 403 404 200"),
    (ListApplications,           Foreign, "404 404 404 200"),
    (ListApplications,           Absent,  "404 404 404 404"),
    (ListAuthorizations,         Own,     "200 403 404 200"),
    (ListAuthorizations,         Foreign, "404 404 404 200"),
    (ListAuthorizations,         Absent,  "404 404 404 404"),
    (GetApplication,             Own,     "200 403 404 200"),
    (GetApplication,             Foreign, "404 403 404 404"),
    (GetApplication,             Absent,  "404 403 404 404"),
    (UpdateApplication,          Own,     "200 403 404 200"),
    (UpdateApplication,          Foreign, "404 403 404 404"),
    (UpdateApplication,          Absent,  "404 403 404 404"),
    (DeleteApplication,          Own,     "204 403 404 204"),
    (DeleteApplication,          Foreign, "404 403 404 404"),
    (DeleteApplication,          Absent,  "404 403 404 404"),
    (RotateApplicationSecret,    Own,     "201 403 404 201"),
    (RotateApplicationSecret,    Foreign, "404 403 404 404"),
    (RotateApplicationSecret,    Absent,  "404 403 404 404"),
    (RevokeApplication,          Own,     "204 403 404 204"),
    (RevokeApplication,          Foreign, "404 403 404 404"),
    (RevokeApplication,          Absent,  "404 403 404 404"),
    (RevokeAuthorization,        Own,     "204 403 404 204"),
    (RevokeAuthorization,        Foreign, "404 403 404 404"),
    (RevokeAuthorization,        Absent,  "404 403 404 404"),
    (NarrowAccountToken,         Own,     "200 403 404 200"),
    (NarrowAccountToken,         Foreign, "404 403 404 404"),
    (NarrowAccountToken,         Absent,  "404 403 404 404"),
    (ImportTokens,              Own,     "403 403 404 201"),
    (ImportTokens,              Foreign, "404 404 404 201"),
    (ImportTokens,              Absent,  "404 404 404 404"),
    (CreateUserToken,           Own,     "201 404 404 201"),
    (CreateUserToken,           Foreign, "404 201 404 201"),
    (CreateUserToken,           Absent,  "404 404 404 404"),
    (ListUserTokens,            Own,     "200 404 404 200"),
    (ListUserTokens,            Foreign, "404 200 404 200"),
    (ListUserTokens,            Absent,  "404 404 404 404"),
    (GetUserToken,              Own,     "200 404 404 200"),
    (GetUserToken,              Foreign, "404 404 404 404"),
    (GetUserToken,              Absent,  "404 404 404 404"),
    (UpdateUserToken,           Own,     "200 404 404 200"),
    (UpdateUserToken,           Foreign, "404 404 404 404"),
    (UpdateUserToken,           Absent,  "404 404 404 404"),
    (DeleteUserToken,           Own,     "204 404 404 204"),
    (DeleteUserToken,           Foreign, "404 404 404 404"),
    (DeleteUserToken,           Absent,  "404 404 404 404"),
    (RotateUserToken,           Own,     "201 404 404 201"),
    (RotateUserToken,           Foreign, "404 404 404 404"),
    (RotateUserToken,           Absent,  "404 404 404 404"),
    (CreateStaffToken,          Own,     "403 403 403 201"),
    (ListStaffTokens,           Own,     "403 403 403 200"),
    (DeleteStaffToken,          Own,     "403 403 403 204"),
    (DeleteStaffToken,          Foreign, "403 403 403 404"),
    (DeleteStaffToken,          Absent,  "403 403 403 404"),
    (CreateUserSignInLink,      Own,     "403 404 404 201"),
    (CreateUserSignInLink,      Foreign, "404 403 404 201"),
    (CreateUserSignInLink,      Absent,  "404 404 404 404"),
    (ListUserSessions,          Own,     "200 404 404 200"),
    (ListUserSessions,          Foreign, "404 200 404 200"),
    (ListUserSessions,          Absent,  "404 404 404 404"),
    (EndUserSession,            Own,     "204 404 404 204"),
    (EndUserSession,            Foreign, "404 404 404 404"),
    (EndUserSession,            Absent,  "404 404 404 404"),
    (CreateStaffSignInLink,     Own,     "403 403 403 201"),
    (CreateStaffSignInLink,     Foreign, "403 403 403 404"),
    (CreateStaffSignInLink,     Absent,  "403 403 403 404"),
    (ListStaffSessions,         Own,     "403 403 403 200"),
    (ListStaffSessions,         Foreign, "403 403 403 404"),
    (ListStaffSessions,         Absent,  "403 403 403 404"),
    (EndStaffSession,           Own,     "403 403 403 204"),
    (EndStaffSession,           Foreign, "403 403 403 404"),
    (EndStaffSession,           Absent,  "403 403 403 404"),
    (CreateGatewayToken,        Own,     "403 403 403 201"),
    (ListGatewayTokens,         Own,     "403 403 403 200"),
    (GetGatewayToken,           Own,     "403 403 403 200"),
    (GetGatewayToken,           Foreign, "403 403 403 404"),
    (GetGatewayToken,           Absent,  "403 403 403 404"),
    (UpdateGatewayToken,        Own,     "403 403 403 200"),
    (UpdateGatewayToken,        Foreign, "403 403 403 404"),
    (UpdateGatewayToken,        Absent,  "403 403 403 404"),
    (DeleteGatewayToken,        Own,     "403 403 403 204"),
    (DeleteGatewayToken,        Foreign, "403 403 403 404"),
    (DeleteGatewayToken,        Absent,  "403 403 403 404"),
    (RotateGatewayToken,        Own,     "403 403 403 201"),
    (RotateGatewayToken,        Foreign, "403 403 403 404"),
    (RotateGatewayToken,        Absent,  "403 403 403 404"),
    (EraseUserTexts,            Own,     "403 404 404 200"),
    (EraseUserTexts,            Foreign, "404 403 404 200"),
    (EraseUserTexts,            Absent,  "404 404 404 404"),
    (EraseUserTokenTexts,       Own,     "403 404 404 200"),
    (EraseUserTokenTexts,       Foreign, "403 404 404 404"),
    (EraseUserTokenTexts,       Absent,  "403 404 404 404"),
    (EraseAccountTokenTexts,    Own,     "403 403 404 200"),
    (EraseAccountTokenTexts,    Foreign, "403 403 404 404"),
    (EraseAccountTokenTexts,    Absent,  "403 403 404 404"),
    (GetUsage,                  Own,     "200 403 404 200"),
    (GetUsage,                  Foreign, "404 404 404 200"),
    (GetUsage,                  Absent,  "404 404 404 404"),
    (GetUsageHistory,           Own,     "200 403 404 200"),
    (GetUsageHistory,           Foreign, "404 404 404 200"),
    (GetUsageHistory,           Absent,  "404 404 404 404"),
    (NarrowAccountToken,        Own,     "200 403 404 200"),
    (NarrowAccountToken,        Foreign, "404 403 404 404"),
    (NarrowAccountToken,        Absent,  "404 403 404 404"),
    (GetAccountTokenUsage,      Own,     "200 403 404 200"),
    (GetAccountTokenUsage,      Foreign, "404 403 404 404"),
    (GetAccountTokenUsage,      Absent,  "404 403 404 404"),
    (GetUserTokenUsage,         Own,     "200 404 404 200"),
    (GetUserTokenUsage,         Foreign, "404 404 404 404"),
    (GetUserTokenUsage,         Absent,  "404 404 404 404"),
    (GetSelf,                   Own,     "200 200 200 200"),
    (AcceptClock,               Own,     "403 403 403 409"),
    (ListEvents,                Own,     "403 403 403 200"),
    (StreamEvents,              Own,     "403 403 403 200"),
    (ExportBundle,              Own,     "403 403 403 200"),
    (GetEvent,                  Own,     "200 404 404 200"),
    (GetEvent,                  Foreign, "404 404 404 200"),
    (GetEvent,                  Absent,  "404 404 404 404"),
    (Question("state"),         Own,     "200 403 404 200"),
    (Question("who-could"),     Own,     "200 403 404 200"),
    (Question("what-if"),       Own,     "200 403 404 200"),
    (Question("least-privilege"), Own,     "200 403 404 200"),
    (Question("unused"),        Own,     "200 403 404 200"),
    (Question("quota"),         Own,     "200 403 404 200"),
    (Question("leak"),          Own,     "200 403 404 200"),
    (AskLeakOfText,             Own,     "403 403 403 200"),
    (Question("authority"),     Own,     "403 403 403 200"),
    (Question("growth"),        Own,     "200 403 404 200"),
    (Question("changes"),       Own,     "200 403 404 200"),
    (Question("access-review"), Own,     "200 403 404 200"),
    (Question("reviews"),       Own,     "403 403 403 200"),
    (OpenReview,                Own,     "403 403 403 201"),
    (Question("review"),        Own,     "403 403 403 200"),
    (Question("since-review"),  Own,     "200 403 404 200"),
    (DecideReview,              Own,     "403 403 403 200"),
    (DecideReview,              Foreign, "403 403 403 404"),
    (DecideReview,              Absent,  "403 403 403 404"),
    (CloseReview,               Own,     "403 403 403 200"),
    (CloseReview,               Foreign, "403 403 403 200"),
    (CloseReview,               Absent,  "403 403 403 404"),
    (Authorize,                 Own,     "401 401 401 401"),
    (ReportUses,                Own,     "401 401 401 401"),
    (LookUpToken,               Own,     "401 401 401 401"),
];

/// Operations that take another credential than the session, or none: asked for in `matrix`.
fn is_of_sessions(path: &str) -> bool {
    path.starts_with("/v1/")
}

async fn fault(house: &House, browser: &Browser, ask: Ask, (who, status): (&str, u16)) -> Option<String> {
    let head = house.head();
    let at = format!("{} {} in the session of {who}", ask.method, ask.path);
    let told = house.ask(browser.calls(ask.clone())).await;
    if told.status != status {
        return Some(format!("{at}: {} instead of {status}: {}", told.status, String::from_utf8_lossy(&told.body)));
    }
    let events = house.recorded_after(head).await;
    match status {
        // Somebody who may not is told so by a record, with the session as its token.
        403 => {
            let [event] = &events[..] else { return Some(format!("{at}: a refusal is one record: {events:?}")) };
            let is_it = event["type"] == "ManagementRefused" && event["token_id"] == browser.id;
            (!is_it).then(|| format!("{at}: {event}"))
        }
        200..300 if ask.method == "GET" => {
            let is_look = |event: &serde_json::Value| {
                ["HistoryRead", "HistoryStreamOpened", "HistoryStreamClosed"].iter().any(|kind| event["type"] == *kind)
                    && event["credential"] == browser.id
            };
            (!events.iter().all(is_look)).then(|| format!("{at}: only looked at: {events:?}"))
        }
        _ => None,
    }
}

const ASKERS: [&str; 4] = ["a full member", "a member with grants", "a stranger", "an operator"];

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_do_what_its_person_may_and_nothing_else() {
    let house = House::new().await;
    let [ada, grace, linus] = [house.ada, house.grace, house.linus].map(|user| format!("/v1/users/{user}"));
    let mut browsers = Vec::new();
    for whose in [&*ada, &grace, &linus, "/v1/staff-tokens/1"] {
        browsers.push(house.session(whose).await);
    }
    let (mut faults, mut number) = (Vec::new(), 0);
    for rows in MATRIX.chunk_by(|one, next| one.0 == next.0) {
        // Another minute, so that nobody comes to the sixty refusals that are recorded one by one.
        house.advance(60);
        let (template, method) = line_of(rows[0].0);
        let mut spares = Spares::make(&house, number, rows[0].0).await;
        for (operation, object, statuses) in rows.iter().rev() {
            let statuses: Vec<u16> = statuses.split(' ').map(|status| status.parse().unwrap()).collect();
            for ((who, status), browser) in ASKERS.into_iter().zip(statuses).zip(&browsers) {
                let mut ask = Ask::new(method, spares.path((template, method), *object));
                if let Some(body) = spares.body(*operation, *object) {
                    ask = ask.json(&body);
                }
                faults.extend(fault(&house, browser, ask, (who, status)).await);
                if status < 400 && method != "GET" {
                    // It may be used up.
                    number += 1;
                    spares.close_reviews(&house).await;
                    spares = Spares::make(&house, number, *operation).await;
                }
            }
        }
        number += 1;
        spares.close_reviews(&house).await;
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What a query names is not there, as what a path names: whether it is another's, the service's, or nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_not_told_which_tokens_of_others_there_are() {
    let house = House::new().await;
    let tokens = [house.corporate.id, house.graces.id, house.auditor.id, house.gateway.id, 777_777];
    let asked =
        ["events?token=", "audit/state?token=", "audit/what-if?removed=true&token=", "audit/least-privilege?token="];
    for user in [house.ada, house.linus] {
        let browser = house.session(&format!("/v1/users/{user}")).await;
        for path in asked {
            let mut bodies = BTreeSet::new();
            for token in tokens {
                let ask = Ask::get(format!("/v1/{path}{token}"));
                bodies.insert(house.ask(browser.calls(ask)).await.expect(404).text().to_owned());
            }
            assert_eq!(bodies.len(), 1, "{path}: {bodies:?}");
        }
        house.advance(60);
    }
    // Whoever may see all is told.
    let staff = house.session("/v1/staff-tokens/1").await;
    for token in &tokens[..4] {
        house.ask(staff.calls(Ask::get(format!("/v1/events?token={token}")))).await.expect(200);
    }
}

#[test]
fn every_call_of_sessions_has_its_rows() {
    let rows: BTreeSet<Operation> = MATRIX.iter().map(|(operation, ..)| *operation).collect();
    let served = OPERATIONS.iter().filter(|(path, ..)| is_of_sessions(path)).map(|(.., operation)| *operation);
    assert_eq!(rows, served.collect());
}
