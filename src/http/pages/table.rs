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
}

/// Every page. Where two templates match a path, the earlier row is meant.
pub const PAGES: &[Row] = {
    use Operation::Page;
    use PageOperation::*;
    &[
        ("/", "GET", Page(Home)),
        ("/assets/{file}", "GET", Page(Asset)),
        ("/accounts/{account}/access_tokens", "GET", Page(AccessTokens)),
    ]
};
