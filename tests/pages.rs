//! The pages, asked for as a browser without its script does: over real sockets, by links, forms and redirects.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops here")]

#[path = "http/contract.rs"]
mod contract;
#[path = "http/document.rs"]
#[allow(dead_code, reason = "the tests of the API use all of it")]
mod document;
#[path = "http/house.rs"]
#[allow(dead_code, reason = "the tests of the API use all of it")]
mod house;
#[path = "http/wire.rs"]
#[allow(dead_code, reason = "the tests of the API use all of it")]
mod wire;

#[path = "pages/access_tokens.rs"]
mod access_tokens;
#[path = "pages/applications.rs"]
mod applications;
#[path = "pages/authorizations.rs"]
mod authorizations;
#[path = "pages/browser.rs"]
mod browser;
#[path = "pages/foundation.rs"]
mod foundation;
#[path = "pages/matrix.rs"]
mod matrix;
#[path = "pages/own.rs"]
mod own;
#[path = "pages/past.rs"]
mod past;
#[path = "pages/sign_in.rs"]
mod sign_in;
#[path = "pages/staff.rs"]
mod staff;
