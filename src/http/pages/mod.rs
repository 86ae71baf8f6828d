//! What people see: pages of HTML, made here, for whoever is signed in.
//!
//! Reading order: [`table`] (which pages there are), [`viewer`] (who looks, and what they may do), [`page`] (what every
//! page has), [`form`] (what is sent), [`reply`] (what goes out, with which headers), [`words`] and [`chart`] (how things
//! are said), then the pages. A page is a struct with a template of `templates/`; compiled in, and escaped by default.
//!
//! Pages decide and know nothing by themselves: they look at the read models that `/v1` looks at, and send the commands
//! that `/v1` sends, as the session of whoever is signed in. They work without the script.

pub mod access_tokens;
mod account_history;
pub mod as_of;
pub mod assets;
pub mod chart;
pub mod days;
mod event_page;
pub mod form;
mod history_filter;
mod home;
mod next;
mod oauth;
mod own;
pub mod page;
pub mod reply;
pub mod said;
mod secret;
mod sign_in;
pub mod sparks;
mod staff;
pub mod table;
mod token_life;
mod usage_day;
pub mod viewer;
pub mod words;

use super::App;
use super::answer::Reply;
use super::entry::{Asked, Body};
use super::path;
use super::problem::Problem;
use oauth::applications::{self, What};
pub use reply::error;
use table::PageOperation;
use warp::http::header;

/// What stands in a page's place.
#[derive(Debug)]
pub enum Instead {
    /// What went wrong.
    Problem(Box<Problem>),
    /// Another answer: the way to sign in, or a page that says more.
    Reply(Reply),
}

impl From<Box<Problem>> for Instead {
    fn from(problem: Box<Problem>) -> Self {
        Self::Problem(problem)
    }
}

/// A page, or what stands in its place.
pub type Answered = Result<Reply, Instead>;

/// Answers a page, or what a form of one sent.
pub async fn answer(app: &App, asked: &Asked, page: PageOperation, variables: &[&str], body: Body) -> Reply {
    use PageOperation as Op;
    if let Some(page) = in_the_past(asked, page, variables) {
        return page;
    }
    let answered = match page {
        Op::Asset => assets::answer(variables.first().copied().unwrap_or_default()).map_err(Instead::from),
        Op::Home => home::answer(app, asked).await,
        Op::AccessTokens => access_tokens::answer(app, asked, variables).await,
        Op::NewToken => access_tokens::new(app, asked, variables).await,
        Op::GenerateToken => access_tokens::generate(app, asked, variables, body).await,
        Op::EditToken => access_tokens::edit(app, asked, variables).await,
        Op::UpdateToken => access_tokens::update(app, asked, variables, body).await,
        Op::AskRotate => access_tokens::ask_rotate(app, asked, variables).await,
        Op::RotateToken => access_tokens::rotate(app, asked, variables, body).await,
        Op::AskDelete => access_tokens::ask_delete(app, asked, variables).await,
        Op::DeleteToken => access_tokens::delete(app, asked, variables, body).await,
        Op::SignIn => sign_in::answer(app, asked).await,
        Op::Enter => sign_in::enter(app, asked, body).await,
        Op::SignInLink => sign_in::link(app, asked, variables).await,
        Op::SignOut => sign_in::leave(app, asked, body).await,
        Op::Own
        | Op::NewOwnToken
        | Op::OwnToken
        | Op::UpdateOwnToken
        | Op::RotateOwnToken
        | Op::DeleteOwnToken
        | Op::EndOwnSession
        | Op::RevokeOwnAuthorization => own::answer(app, asked, page, variables, body).await,
        Op::Token => token_life::answer(app, asked, variables).await,
        Op::Usage => usage_day::answer(app, asked, variables).await,
        Op::History => account_history::answer(app, asked, variables).await,
        Op::ExportHistory => account_history::export(app, asked, variables).await,
        Op::Event => event_page::answer(app, asked, variables).await,
        Op::EventProof => event_page::proof(app, asked, variables).await,
        Op::StaffSearch
        | Op::StaffHealth
        | Op::StaffReports
        | Op::StaffReport
        | Op::StaffReviews
        | Op::OpenStaffReview
        | Op::StaffReview
        | Op::DecideStaffReview
        | Op::CloseStaffReview => staff::answer(app, asked, page, variables, body).await,
        Op::AskAuthorization => oauth::authorize::ask(app, asked).await,
        Op::AnswerAuthorization => oauth::authorize::answered(app, asked, body).await,
        Op::Applications => applications::list(app, asked, variables).await,
        Op::RegisterApplication => applications::register(app, asked, variables, body).await,
        Op::Application => applications::page(app, asked, variables).await,
        Op::EditApplication => applications::change(app, asked, variables, body, What::Edit).await,
        Op::RotateApplication => applications::change(app, asked, variables, body, What::Rotate).await,
        Op::RevokeApplication => applications::change(app, asked, variables, body, What::Revoke).await,
        Op::DeleteApplication => applications::change(app, asked, variables, body, What::Delete).await,
        Op::RevokeAuthorization => applications::revoke(app, asked, variables, body).await,
    };
    match answered {
        Ok(reply) | Err(Instead::Reply(reply)) => reply,
        Err(Instead::Problem(problem)) => error(&problem),
    }
}

/// A form is for now: as of a point of the past the way leads to the page that it would have changed.
fn in_the_past(asked: &Asked, page: PageOperation, variables: &[&str]) -> Option<Reply> {
    use PageOperation as Op;
    let is_form = matches!(page, Op::NewToken | Op::EditToken | Op::AskRotate | Op::AskDelete);
    if !is_form {
        return None;
    }
    match as_of::point(asked) {
        Ok(Some(_)) => {}
        Ok(None) => return None,
        Err(problem) => return Some(error(&problem)),
    }
    let account = number(variables, 0).ok()?;
    let token = number(variables, 1).map(|token| format!("/{token}")).unwrap_or_default();
    let kept = asked.query.iter().flatten().filter(|(name, _)| name.starts_with(as_of::AS_OF));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    Some(reply::see_other(&format!("/accounts/{account}/access_tokens{token}?{query}")))
}

/// Whether whoever asks is a browser that is not on its way to the API.
pub fn is_wanted(asked: &Asked) -> bool {
    let accepts = asked.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.contains("text/html") && !["/v1/", "/v2/"].iter().any(|api| asked.path().starts_with(api))
}

/// A number in the path of a page. What is none is the number of nothing.
pub fn number(variables: &[&str], index: usize) -> Result<u64, Box<Problem>> {
    let raw = variables.get(index).copied().unwrap_or_default();
    path::number(raw).map_err(|_| Box::new(Problem::not_found("there is no such page")))
}
