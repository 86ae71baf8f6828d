//! A request on its way to its operation.

use super::answer::{self, Reply};
use super::operations::{Found, Operation, find};
use super::problem::Problem;
use super::server::PeerAddress;
use super::{App, bearer, consumer, events, manage, ops};
use crate::domain::command::Origin;
use crate::domain::ids::RequestId;
use crate::domain::text::PersonalText;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::path::FullPath;
use warp::{Filter, Rejection};

/// Longest request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest agent taken from a request.
const AGENT_BYTES_MAX: usize = 1_024;

/// Query pairs, decoded, in the order they came.
pub type Query = Vec<(String, String)>;

/// A request before its body is read.
#[derive(Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The raw path.
    pub path: FullPath,
    /// The query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The client's address.
    pub peer: IpAddr,
    /// The request's id.
    pub request: RequestId,
}

impl Asked {
    /// Where the command of this request comes from.
    pub fn origin(&self) -> Origin {
        let agent = self.headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let agent = agent.filter(|agent| !agent.is_empty() && agent.len() <= AGENT_BYTES_MAX);
        Origin {
            request: self.request,
            address: Some(PersonalText::new(self.peer.to_canonical().to_string())),
            agent: agent.map(PersonalText::new),
        }
    }

    /// Who asks.
    pub fn shown(&self) -> bearer::Shown {
        bearer::read(&self.headers)
    }

    /// Whether the path belongs to the guarded API, whose errors have DNSimple's form.
    fn is_guarded(&self) -> bool {
        self.path.as_str().starts_with("/v2/")
    }
}

/// A body that is not read yet: it waits until it is known who asks.
pub struct Body(Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send>>);

impl Body {
    fn new<B: Buf>(stream: impl Stream<Item = Result<B, warp::Error>> + Send + 'static) -> Self {
        Self(Box::pin(stream.map(|part| part.map(|mut part| part.copy_to_bytes(part.remaining())))))
    }

    /// Reads it whole.
    pub async fn read(mut self, headers: &HeaderMap) -> Result<Bytes, Box<Problem>> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Err(Box::new(too_large()));
        }
        let mut bytes = BytesMut::new();
        while let Some(part) = self.0.next().await {
            let part = part.map_err(|_| Box::new(Problem::malformed("the request body could not be read")))?;
            if bytes.len() + part.len() > BODY_BYTES_MAX {
                return Err(Box::new(too_large()));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    }
}

fn too_large() -> Problem {
    let detail = format!("a request body has at most {BODY_BYTES_MAX} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail)
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

/// Every route of the service.
pub fn routes(app: App) -> BoxedFilter<(Reply,)> {
    let app = Arc::new(app);
    warp::any()
        .map(move || Arc::clone(&app))
        .and(warp::method())
        .and(warp::path::full())
        .and(warp::query::<Query>())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<PeerAddress>())
        .and(warp::body::stream())
        .then(|app: Arc<App>, method, path, query, headers: HeaderMap, peer: Option<PeerAddress>, body| async move {
            let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.0.ip());
            let request = app.request_id(&headers);
            let asked = Asked { method, path, query, headers, peer, request };
            let mut reply = enter(&app, &asked, Body::new(body)).await;
            answer::add_common(&mut reply, request);
            app.metrics.count(reply.status());
            reply
        })
        .recover(unreadable)
        .unify()
        .boxed()
}

/// What warp's own filters refuse: only a query that does not decode.
async fn unreadable(_: Rejection) -> Result<Reply, Infallible> {
    let mut reply = Problem::malformed("the query string does not decode").into_reply();
    reply.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(reply)
}

async fn enter(app: &App, asked: &Asked, body: Body) -> Reply {
    match find(asked.path.as_str(), asked.method.as_str()) {
        Found::Operation(operation, variables) => dispatch(app, asked, operation, &variables, body).await,
        Found::OtherMethods(methods) => other_method(app, asked, &methods).await,
        Found::Nothing if asked.is_guarded() => Box::pin(consumer::no_such_path(app, asked)).await,
        Found::Nothing => Problem::not_found(format!("there is nothing at {}", asked.path.as_str())).into_reply(),
    }
}

async fn dispatch(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Reply {
    use Operation as Op;
    match operation {
        Op::Health | Op::Ready | Op::Metrics | Op::Document => ops::answer(app, operation),
        Op::Whoami
        | Op::ListAccounts
        | Op::ListDomains
        | Op::GetDomain
        | Op::ListZones
        | Op::GetZone
        | Op::ListCertificates
        | Op::GetCertificate
        | Op::ResearchStatus => consumer::answer(app, asked, operation, variables).await,
        // Boxed, or every use would carry and move the room that only these need.
        Op::ListEvents | Op::GetEvent => into_reply(Box::pin(events::answer(app, asked, operation, variables)).await),
        _ => into_reply(Box::pin(manage::answer(app, asked, operation, variables, body)).await),
    }
}

fn into_reply(result: Result<Reply, Box<Problem>>) -> Reply {
    result.unwrap_or_else(|problem| problem.into_reply())
}

async fn other_method(app: &App, asked: &Asked, methods: &[&str]) -> Reply {
    let mut reply = if asked.is_guarded() {
        Box::pin(consumer::other_method(app, asked)).await
    } else {
        let detail = format!("{} is not allowed here; allowed: {}", asked.method, methods.join(", "));
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail).into_reply()
    };
    answer::add_header(&mut reply, header::ALLOW, &methods.join(", "));
    reply
}
