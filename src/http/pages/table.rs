//! The table of pages: path, method, page.
//!
//! A form is sent to the path of its page, or to one below it, and is answered with a redirect, or with the page again
//! where something is to be mended. Who may see what is held by `tests/pages/matrix.rs`, row by row.

use crate::http::operations::{Operation, Row};

/// A page for people, or what a form of one sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the table below says method and path of each")]
pub enum PageOperation {
    Home,
    Asset,
    SignIn,
    Enter,
    SignInLink,
    SignOut,
    Own,
    NewOwnToken,
    OwnToken,
    UpdateOwnToken,
    RotateOwnToken,
    DeleteOwnToken,
    EndOwnSession,
    AccessTokens,
    NewToken,
    GenerateToken,
    EditToken,
    UpdateToken,
    AskRotate,
    RotateToken,
    AskDelete,
    DeleteToken,
    Token,
    Usage,
    History,
    Event,
    EventProof,
    AskAuthorization,
    AnswerAuthorization,
    Applications,
    RegisterApplication,
    Application,
    EditApplication,
    RotateApplication,
    RevokeApplication,
    DeleteApplication,
    RevokeAuthorization,
}

/// Every page. Where two templates match a path, the earlier row is meant.
pub const PAGES: &[Row] = {
    use Operation::Page;
    use PageOperation::*;
    &[
        ("/", "GET", Page(Home)),
        ("/assets/{file}", "GET", Page(Asset)),
        ("/sign-in", "GET", Page(SignIn)),
        ("/sign-in", "POST", Page(Enter)),
        ("/sign-in/{link}", "GET", Page(SignInLink)),
        ("/sign-out", "POST", Page(SignOut)),
        ("/user", "GET", Page(Own)),
        ("/user/tokens", "POST", Page(NewOwnToken)),
        ("/user/tokens/{token}", "GET", Page(OwnToken)),
        ("/user/tokens/{token}", "POST", Page(UpdateOwnToken)),
        ("/user/tokens/{token}/rotate", "POST", Page(RotateOwnToken)),
        ("/user/tokens/{token}/delete", "POST", Page(DeleteOwnToken)),
        ("/user/sessions/{session}/end", "POST", Page(EndOwnSession)),
        ("/accounts/{account}/access_tokens", "GET", Page(AccessTokens)),
        ("/accounts/{account}/access_tokens", "POST", Page(GenerateToken)),
        ("/accounts/{account}/access_tokens/new", "GET", Page(NewToken)),
        ("/accounts/{account}/access_tokens/{token}/edit", "GET", Page(EditToken)),
        ("/accounts/{account}/access_tokens/{token}/edit", "POST", Page(UpdateToken)),
        ("/accounts/{account}/access_tokens/{token}/rotate", "GET", Page(AskRotate)),
        ("/accounts/{account}/access_tokens/{token}/rotate", "POST", Page(RotateToken)),
        ("/accounts/{account}/access_tokens/{token}/delete", "GET", Page(AskDelete)),
        ("/accounts/{account}/access_tokens/{token}/delete", "POST", Page(DeleteToken)),
        ("/accounts/{account}/access_tokens/{token}", "GET", Page(Token)),
        ("/accounts/{account}/usage", "GET", Page(Usage)),
        ("/accounts/{account}/history", "GET", Page(History)),
        ("/accounts/{account}/history/{position}", "GET", Page(Event)),
        ("/accounts/{account}/history/{position}/proof", "GET", Page(EventProof)),
        ("/oauth/authorize", "GET", Page(AskAuthorization)),
        ("/oauth/authorize", "POST", Page(AnswerAuthorization)),
        ("/accounts/{account}/oauth_applications", "GET", Page(Applications)),
        ("/accounts/{account}/oauth_applications", "POST", Page(RegisterApplication)),
        ("/accounts/{account}/oauth_applications/{application}", "GET", Page(Application)),
        ("/accounts/{account}/oauth_applications/{application}", "POST", Page(EditApplication)),
        ("/accounts/{account}/oauth_applications/{application}/rotate", "POST", Page(RotateApplication)),
        ("/accounts/{account}/oauth_applications/{application}/revoke", "POST", Page(RevokeApplication)),
        ("/accounts/{account}/oauth_applications/{application}/delete", "POST", Page(DeleteApplication)),
        ("/accounts/{account}/oauth_authorizations/{authorization}/revoke", "POST", Page(RevokeAuthorization)),
    ]
};
