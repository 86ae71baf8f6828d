//! The table of pages: path, method, page.
//!
//! A form is sent to the path of its page, or to one below it, and is answered with a redirect, or with the page again
//! where something is to be mended. Who may see what is held by `tests/http/pages/matrix.rs`, row by row.

use crate::http::operations::{Operation, Row};

/// A page for people, or what a form of one sends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the table below says method and path of each")]
pub enum PageOperation {
    Home,
    Asset,
    AccessTokens,
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
        ("/accounts/{account}/access_tokens", "GET", Page(AccessTokens)),
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
