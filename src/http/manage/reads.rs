//! Looks at accounts, users, members, resources, tokens and usage.

use super::{Answered, authorize_read, credential, etag, past, path_number};
use crate::audit::as_of::Rows;
use crate::audit::past::Point;
use crate::domain::command::{Actor, Change};
use crate::domain::decide::may_look;
use crate::domain::directory::{Account, User};
use crate::domain::event::ManagementOperation as Managed;
use crate::domain::ids::{AccountId, ApplicationId, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::token::{Owner, Token, TokenKind};
use crate::http::App;
use crate::http::answer;
use crate::http::entry::{Asked, reject_twice};
use crate::http::operations::Operation;
use crate::http::path;
use crate::http::problem::Problem;
use crate::http::scopes;
use crate::http::shapes;
use crate::ledger::View;
use serde_json::{Value, json};
use warp::http::StatusCode;

/// Entries of a page where none is asked for, and at most.
const PER_PAGE: (usize, usize) = (30, 100);

pub(super) async fn answer(app: &App, asked: &Asked, operation: Operation, variables: &[&str]) -> Answered {
    let reader = authorize_read(app, asked, managed(operation)).await?;
    let page = Page::read(asked)?;
    let numbers: Vec<u64> =
        (0..variables.len()).map(|index| path_number(variables, index, "id")).collect::<Result<_, _>>()?;
    if let Some(point) = page.as_of {
        return past::answer(app, asked, &reader, (operation, numbers, page), point).await;
    }
    let found = app.ledger.view(|view| look(&view, operation, &numbers, &page)).await?;
    let (body, version) = found;
    let mut reply = answer::json(StatusCode::OK, &body);
    if let Some(version) = version {
        etag(&mut reply, version);
    }
    Ok(reply)
}

fn managed(operation: Operation) -> Managed {
    use Operation as Op;
    match operation {
        Op::ListUsers | Op::GetUser => Managed::ReadUsers,
        Op::ListResources => Managed::ReadResources,
        Op::ListAccountTokens
        | Op::GetAccountToken
        | Op::ListUserTokens
        | Op::GetUserToken
        | Op::ListGatewayTokens
        | Op::GetGatewayToken => Managed::ReadTokens,
        Op::ListApplications | Op::GetApplication => Managed::ReadApplications,
        Op::ListAuthorizations => Managed::ReadAuthorizations,
        Op::ListStaffTokens => Managed::ReadStaffTokens,
        Op::GetUsage => Managed::ReadUsage,
        _ => Managed::ReadAccounts,
    }
}

/// A page asked for, and as of when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    number: usize,
    size: usize,
    /// As of which point; now if none.
    as_of: Option<Point>,
}

impl Page {
    /// The first page of a list, now.
    pub fn first() -> Self {
        Self { number: 1, size: PER_PAGE.0, as_of: None }
    }

    /// A page of another size.
    pub fn of(number: usize, size: usize) -> Self {
        Self { number, size, as_of: None }
    }

    /// The rows that are on it.
    pub fn rows(&self) -> Rows {
        Rows { skip: (self.number - 1).saturating_mul(self.size), take: self.size }
    }

    /// Whether it is of the past.
    pub fn is_past(&self) -> bool {
        self.as_of.is_some()
    }

    pub(super) fn read(asked: &Asked) -> Result<Self, Box<Problem>> {
        let mut page = Self::first();
        for (key, value) in asked.query()? {
            let number = || match path::number(value) {
                Ok(number) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
                Err(_) => Err(Box::new(Problem::malformed(format!("{key} must be a number from 1 on")))),
            };
            match key.as_str() {
                "page" => page.number = number()?,
                "per_page" => page.size = number()?.min(PER_PAGE.1),
                "as_of" | "as_of_position" => {
                    if page.as_of.replace(past::point(key, value)?).is_some() {
                        return Err(Box::new(Problem::malformed("give as_of or as_of_position, and once")));
                    }
                }
                _ => return Err(Box::new(Problem::malformed(format!("{key} is not a parameter of this request")))),
            }
        }
        reject_twice(asked.query()?)?;
        Ok(page)
    }

    pub(super) fn cut<T>(&self, items: impl ExactSizeIterator<Item = T>, shape: impl FnMut(T) -> Value) -> Value {
        let total = items.len();
        let rows = self.rows();
        let data: Vec<Value> = items.skip(rows.skip).take(rows.take).map(shape).collect();
        json!({
            "data": data,
            "pagination": {
                "current_page": self.number,
                "per_page": self.size,
                "total_entries": total,
                "total_pages": total.div_ceil(self.size).max(1),
            },
        })
    }
}

/// A body with its version, if it is of one thing.
pub type Looked = Result<(Value, Option<u64>), Box<Problem>>;

/// What an operation shows of read models: those of now, or as far as they are of it, those of a moment.
pub fn look(view: &View<'_>, operation: Operation, numbers: &[u64], page: &Page) -> Looked {
    use Operation as Op;
    let state = &view.projections.state;
    let number = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let list = |value| Ok((value, None));
    match operation {
        Op::ListUsers => list(page.cut(state.users.iter(), |user| shapes::user(view, user))),
        Op::ListManagedAccounts => list(page.cut(state.accounts.iter(), |account| shapes::account(view, account))),
        Op::ListStaffTokens => list(tokens(view, state.live_service_tokens(false).collect::<Vec<_>>().iter(), page)),
        Op::ListGatewayTokens => list(tokens(view, state.live_service_tokens(true).collect::<Vec<_>>().iter(), page)),
        Op::GetGatewayToken => match state.token(TokenId(number(0))).map(|token| token.kind) {
            Some(TokenKind::Gateway) => one_token(view, Owner::Service, number(0)),
            _ => Err(Box::new(Problem::not_found("token not found"))),
        },
        Op::GetUser => one(user(state, number(0))?, |user| (shapes::user(view, user), user.version.0)),
        Op::ListUserTokens => list(tokens(view, user(state, number(0))?.tokens.iter(), page)),
        Op::GetUserToken => one_token(view, Owner::User(UserId(number(0))), number(1)),
        Op::GetApplication => {
            let application = account(state, number(0))?.applications.get(&ApplicationId(number(1)));
            match application.and_then(|&id| state.application(id)) {
                Some(found) => one(found, |found| (shapes::application(view, found), found.version.0)),
                None => Err(Box::new(Problem::not_found("OAuth application not found"))),
            }
        }
        Op::GetAccountToken => one_token(view, Owner::Account(AccountId(number(0))), number(1)),
        _ => look_at_account(view, operation, account(state, number(0))?, page),
    }
}

fn look_at_account(view: &View<'_>, operation: Operation, account: &Account, page: &Page) -> Looked {
    use Operation as Op;
    let state = &view.projections.state;
    let list = |value| Ok((value, None));
    match operation {
        Op::ListMembers => list(page.cut(account.members.iter(), |(id, member)| shapes::member(view, *id, member))),
        Op::ListResources => list(page.cut(account.resources.keys(), |id| {
            state.resources.get(id.0).map_or(Value::Null, |resource| shapes::resource(view, resource))
        })),
        Op::ListAccountTokens => list(tokens(view, account.tokens.iter(), page)),
        Op::ListApplications => list(page.cut(account.applications.iter(), |&id| {
            state.application(id).map_or(Value::Null, |application| shapes::application(view, application))
        })),
        Op::ListAuthorizations => list(page.cut(account.authorizations.iter(), |&id| {
            state.authorization(id).map_or(Value::Null, |authorization| shapes::authorization(view, authorization))
        })),
        Op::GetUsage => list(json!({ "data": shapes::usage(view, account) })),
        _ => one(account, |account| (shapes::account(view, account), account.version.0)),
    }
}

fn one<T>(thing: &T, shape: impl FnOnce(&T) -> (Value, u64)) -> Looked {
    let (data, version) = shape(thing);
    Ok((json!({ "data": data }), Some(version)))
}

fn account(state: &State, id: u64) -> Result<&Account, Box<Problem>> {
    state.account(AccountId(id)).ok_or_else(|| Box::new(Problem::not_found("account not found")))
}

fn user(state: &State, id: u64) -> Result<&User, Box<Problem>> {
    state.user(UserId(id)).ok_or_else(|| Box::new(Problem::not_found("user not found")))
}

fn tokens<'a>(view: &View<'_>, ids: impl ExactSizeIterator<Item = &'a TokenId>, page: &Page) -> Value {
    page.cut(ids, |&id| view.projections.state.token(id).map_or(Value::Null, |token| shapes::token(view, token)))
}

fn one_token(view: &View<'_>, owner: Owner, id: u64) -> Looked {
    let found = view.projections.state.token(TokenId(id));
    match found.filter(|token| token.owner == owner && token.deleted_at.is_none()) {
        Some(token) => one(token, |token| (shapes::token(view, token), token.version.0)),
        None => Err(Box::new(Problem::not_found("token not found"))),
    }
}

/// What a token may know of itself, whatever its kind.
pub(super) async fn own_token(app: &App, asked: &Asked) -> Answered {
    let actor = credential(app, asked)?;
    let (Actor::Bearer(digest) | Actor::Session(digest)) = actor else {
        return Err(Box::new(Problem::invalid_token()));
    };
    // Above all no `as_of`: who looks into the past is staff, and looks at the token by its number.
    asked.no_parameters()?;
    let own = app
        .ledger
        .view_with_digests(|view, digests| {
            let (token, secret) = digests.find(&view.projections.state.tokens, &digest)?;
            token.check(secret, view.now, Some(asked.peer())).ok()?;
            // A session is shown by its browser alone, and one of staff ends with the staff token.
            if token.kind == TokenKind::Session {
                let wanted = (Managed::ReadSessions, token.owner);
                let peer = Some(asked.peer());
                may_look(&view.projections.state, digests, actor, wanted, (view.now, peer)).ok()?;
                matches!(actor, Actor::Session(_)).then_some(())?;
            }
            let access = match token.owner {
                Owner::Account(account) => view.projections.state.access_on(token, account),
                Owner::User(_) | Owner::Service => None,
            };
            let access = access.map(|(_, access, _)| access.into_owned());
            Some((own_shape(&view, token, secret), access, token.expires_at))
        })
        .await;
    match own {
        Some((shape, access, expires_at)) => {
            let mut reply = answer::json(StatusCode::OK, &json!({ "data": shape }));
            // A token without an access of its own follows another's, account by account: the body says which.
            let scopes = access.and_then(|access| scopes::scopes(app, &access)).unwrap_or_default();
            answer::add_header(&mut reply, scopes::TOKEN_SCOPES, &scopes);
            scopes::add_expiration(&mut reply, expires_at);
            Ok(reply)
        }
        // A known token that does not work, or not from here: the attempt is recorded, and its rejection is the answer.
        None => {
            super::submit(app, asked, actor, Change::Look(Managed::ReadTokens, Owner::Service)).await?;
            Err(Box::new(Problem::invalid_token()))
        }
    }
}

fn own_shape(view: &View<'_>, token: &Token, secret: u32) -> Value {
    let state = &view.projections.state;
    let mut shape = shapes::token(view, token);
    shape["secret_number"] = json!(secret);
    if let Some(object) = shape.as_object_mut() {
        object.remove("secrets");
        object.remove("created_by");
    }
    // Of an account token its account's window, of a user token its user's own; staff have none.
    let account = match token.owner {
        Owner::Account(account) => account,
        _ => AccountId::NONE,
    };
    let pool = state.pool(account, token.owner);
    shape["limits"] = pool.map_or(Value::Null, |(limit, window)| shapes::window(&window.view(limit, view.now)));
    if matches!(token.kind, TokenKind::User | TokenKind::Session)
        && let Owner::User(user) = token.owner
        && let Some(user) = state.user(user)
    {
        shape["accounts"] = memberships(view, user);
    }
    shape
}

fn memberships(view: &View<'_>, user: &User) -> Value {
    let state = &view.projections.state;
    let of_account = |id: &AccountId| {
        let account = state.account(*id)?;
        let member = account.members.get(&user.id)?;
        Some(json!({
            "account_id": id.0,
            "access": shapes::access(view, &member.access),
            "limits": shapes::window(&account.window.view(account.hourly_limit, view.now)),
        }))
    };
    user.accounts.iter().filter_map(of_account).collect()
}
