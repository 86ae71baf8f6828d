//! `POST /v2/oauth/access_token`: a client exchanges a code for a token (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
//!
//! Official clients differ in what they send and how they call it, so the body is read by what it looks like: JSON, or a
//! form. A bearer token beside it means nothing. Errors are those of RFC 6749 section 5.2, without DNSimple's `message`.

use crate::domain::command::{Command, Exchange, NewSecret};
use crate::domain::decide::{Answer, DoneSubject};
use crate::domain::oauth::{BoundText, ClientId, ExchangeFault};
use crate::domain::rejection::Rejection;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::{TokenDigest, TokenSecret};
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::entry::{Asked, Body};
use crate::http::{path, strict_json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;
use serde_json::{Value, json};
use warp::http::{StatusCode, header};

/// Longest value of a parameter, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;

/// What a client is told instead of getting a token.
struct Refused {
    status: StatusCode,
    error: &'static str,
    description: String,
    retry_after: Option<u64>,
    /// Whether the client showed itself in the header: then it is challenged there.
    by_header: bool,
}

impl Refused {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into(), retry_after: None, by_header: false }
    }

    fn request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    fn into_reply(self) -> Reply {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut reply = answer::json(self.status, &body);
        if let Some(seconds) = self.retry_after {
            answer::add_retry_after(&mut reply, seconds);
        }
        if self.by_header && self.status == StatusCode::UNAUTHORIZED {
            answer::add_header(&mut reply, header::WWW_AUTHENTICATE, "Basic realm=\"token-ledger\"");
        }
        reply
    }
}

/// Answers an exchange. With it goes what is left of the hour's failures from the client's address, in DNSimple's headers.
pub async fn answer(app: &App, asked: &Asked, body: Body) -> Reply {
    let mut reply = match exchange(app, asked, body).await {
        Ok(reply) => reply,
        Err(refused) => refused.into_reply(),
    };
    let now = app.ledger.clock().now();
    answer::add_rate_limit(&mut reply, &app.failures.left(asked.peer(), now), now);
    reply
}

async fn exchange(app: &App, asked: &Asked, body: Body) -> Result<Reply, Refused> {
    let sent = body
        .read(asked.headers())
        .await
        .map_err(|problem| Refused::new(problem.status(), "invalid_request", problem.detail().to_owned()))?;
    let parameters = Parameters::read(&sent).map_err(Refused::request)?;
    let by_header = basic(asked).map_err(Refused::request)?;
    let secret = TokenSecret::from_random(TokenKind::OAuth, &app.entropy.lock().bytes_32());
    let wish = wish(&parameters, by_header.as_ref(), &secret);
    let challenged = |refused: Refused| Refused { by_header: by_header.is_some(), ..refused };
    let wish = match wish? {
        Some(wish) if is_known(app, wish.client).await => wish,
        // Nothing of it could be decided, so nobody else has to wait for it.
        _ => return Err(challenged(failed(app, asked, &Rejection::UnknownClient))),
    };
    let reply = app.ledger.submit(Command::Exchange(Box::new(wish)), asked.origin()).await.map_err(|unavailable| {
        let refused = Refused::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", unavailable.to_string());
        Refused { retry_after: Some(unavailable.retry_seconds()), ..refused }
    })?;
    let done = match reply.answer {
        Answer::Done(done) => done,
        Answer::Rejected(rejection) => return Err(challenged(failed(app, asked, &rejection))),
        _ => return Err(Refused::request("the command was not an exchange")),
    };
    let account = app
        .ledger
        .view(|view| match done.subject {
            DoneSubject::Token(token) => view.projections.state.token(token).map(|token| token.owner),
            _ => None,
        })
        .await;
    let Some(Owner::Account(account)) = account else { return Err(Refused::request("the token is gone already")) };
    let mut made = answer::json(
        StatusCode::OK,
        &json!({
            "access_token": secret.reveal_once(), "token_type": "Bearer", "scope": null, "account_id": account.0,
        }),
    );
    answer::add_position(&mut made, reply.position);
    Ok(made)
}

async fn is_known(app: &App, client: ClientId) -> bool {
    app.ledger.view(|view| view.projections.state.application_of(client).is_some()).await
}

/// What a rejection is called, counted where somebody may be guessing.
fn failed(app: &App, asked: &Asked, rejection: &Rejection) -> Refused {
    let refused = refused(rejection);
    if refused.error == "invalid_request" {
        return refused;
    }
    app.metrics.count_unauthenticated();
    match app.failures.fail(asked.peer(), app.ledger.clock().now()) {
        Ok(()) => refused,
        Err(seconds) => {
            let too_many = "too many attempts from your address have failed; try again later";
            let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", too_many);
            Refused { retry_after: Some(seconds), ..refused }
        }
    }
}

fn refused(rejection: &Rejection) -> Refused {
    let mismatch = |name: &str| {
        let doesnt = format!("Invalid \"{name}\": value doesn't match the \"{name}\" in the authorization request");
        Refused::request(doesnt)
    };
    let grant = |description: &str| Refused::new(StatusCode::BAD_REQUEST, "invalid_grant", description);
    match rejection {
        Rejection::UnknownClient => Refused::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "there is no such client, or it does not show the secret that it has",
        ),
        Rejection::NotExchanged(Some(ExchangeFault::RedirectUri)) => mismatch("redirect_uri"),
        Rejection::NotExchanged(Some(ExchangeFault::State)) => mismatch("state"),
        Rejection::NotExchanged(Some(ExchangeFault::Verifier)) => {
            grant("the code_verifier does not answer the code_challenge of the authorization request")
        }
        Rejection::NotExchanged(_) => {
            grant("the code is unknown, expired, used before, or of another client, or what it rests on has ended")
        }
        Rejection::LimitReached(limit) => Refused::request(*limit),
        other => Refused::request(other.to_string()),
    }
}

/// What the client wants; none where the client it says it is cannot be one.
fn wish(
    parameters: &Parameters,
    by_header: Option<&(String, String)>,
    secret: &TokenSecret,
) -> Result<Option<Exchange>, Refused> {
    match parameters.get("grant_type") {
        Some("authorization_code") => {}
        Some(_) => return Err(Refused::request("Invalid \"grant_type\": value must be \"authorization_code\"")),
        None => return Err(Refused::request("Missing \"grant_type\"")),
    }
    let (client, shown) = match (by_header, parameters.get("client_id"), parameters.get("client_secret")) {
        (Some(_), _, Some(_)) => return Err(Refused::request("the client shows itself in two ways")),
        (Some((client, _)), Some(other), None) if client != other => {
            return Err(Refused::request("the client shows itself as two"));
        }
        (Some((client, shown)), _, None) => (&**client, Some(&**shown)),
        (None, Some(client), shown) => (client, shown),
        (None, None, _) => return Err(Refused::request("Missing \"client_id\"")),
    };
    let code = parameters.get("code").ok_or_else(|| Refused::request("Missing \"code\""))?;
    let Some(client) = ClientId::parse(client) else { return Ok(None) };
    Ok(Some(Exchange {
        client,
        client_secret: shown.map(TokenDigest::of),
        code: TokenDigest::of(code),
        redirect_uri: parameters.get("redirect_uri").map(|uri| BoundText::redirect_uri(code, uri)),
        state: parameters.get("state").map(|state| BoundText::state(code, state)),
        verifier: parameters.get("code_verifier").map(|verifier| BoundText::verifier(code, verifier)),
        secret: NewSecret { digest: secret.digest(), hint: secret.hint() },
    }))
}

/// Client id and secret of an `Authorization: Basic` (RFC 6749 section 2.3.1); none of any other, which means nothing here.
fn basic(asked: &Asked) -> Result<Option<(String, String)>, &'static str> {
    let mut values = asked.headers().get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next().and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let Some((scheme, rest)) = value.split_once(' ') else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    if values.next().is_some() {
        return Err("more than one Authorization header");
    }
    let unreadable = "the Authorization header does not decode";
    let decoded = STANDARD.decode(rest.trim()).map_err(|_| unreadable)?;
    let text = std::str::from_utf8(&decoded).map_err(|_| unreadable)?;
    let (client, secret) = text.split_once(':').ok_or(unreadable)?;
    let plain =
        |part: &str| form_urlencoded::parse(format!("x={part}").as_bytes()).next().map(|(_, value)| value.into());
    plain(client).zip(plain(secret)).map(Some).ok_or(unreadable)
}

/// The parameters of a body. An empty one counts as not sent (RFC 6749 section 3.2).
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn read(body: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(body).map_err(|_| "the body is not text")?;
        let mut pairs = if text.trim_start().starts_with('{') { of_json(body)? } else { of_form(text)? };
        if pairs.iter().any(|(_, value)| value.len() > VALUE_BYTES_MAX) {
            return Err("a parameter is too long (maximum is 4096 bytes)");
        }
        pairs.sort_unstable();
        if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err("a parameter is there twice");
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Self(pairs))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// Members that are null, as some clients send what they were not given, count as not sent.
fn of_json(body: &[u8]) -> Result<Vec<(String, String)>, &'static str> {
    let Ok(Value::Object(members)) = strict_json::parse(body) else { return Err("the body is not a JSON object") };
    let mut pairs = Vec::with_capacity(members.len());
    for (name, value) in members {
        match value {
            Value::String(text) => pairs.push((name, text)),
            Value::Null => {}
            _ => return Err("a member of the body is no string"),
        }
    }
    Ok(pairs)
}

fn of_form(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    if !path::has_whole_escapes(text) || percent_decode(text.as_bytes()).decode_utf8().is_err() {
        return Err("the form does not decode");
    }
    Ok(form_urlencoded::parse(text.trim().as_bytes()).into_owned().collect())
}
