//! A request on its way to its operation.

use super::answer::{self, Reply};
use super::operations::{Found, Operation, find};
use super::problem::{self, Problem};
use super::server::RequestHead;
use super::{
    App, audit, bearer, bundle, consumer, event_stream, events, gateway, gateway_api, manage, oauth, ops, pages, path,
    proofs, tlog,
};
use crate::domain::command::Origin;
use crate::domain::ids::RequestId;
use crate::domain::text::PersonalText;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::{HeaderMap, StatusCode, header};

/// Longest request body.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longest agent taken from a request.
pub(super) const AGENT_BYTES_MAX: usize = 1_024;

/// Query pairs, decoded, in the order they came.
pub type Query = Vec<(String, String)>;

/// A request before its body is read.
#[derive(Debug)]
pub struct Asked {
    /// Its head.
    head: Arc<RequestHead>,
    /// The query; none if it does not decode.
    pub query: Option<Query>,
    /// The request's id.
    pub request: RequestId,
}

impl Asked {
    fn new(app: &App, head: Arc<RequestHead>) -> Self {
        let query = read_query(head.uri.query().unwrap_or_default());
        let request = app.request_id(&head.headers);
        Self { head, query, request }
    }

    /// The raw path.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.head.method.as_str()
    }

    /// The query as it came.
    pub fn raw_query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The raw path with its query.
    pub fn target(&self) -> &str {
        self.head.uri.path_and_query().map_or(self.path(), |target| target.as_str())
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The client's address.
    pub fn peer(&self) -> IpAddr {
        self.head.peer.ip().to_canonical()
    }

    /// The query, or the problem that it does not decode.
    pub fn query(&self) -> Result<&Query, Box<Problem>> {
        self.query.as_ref().ok_or_else(|| Box::new(Problem::malformed("the query string does not decode")))
    }

    /// Refuses whatever stands in the query of a request that takes nothing there: who asks that a change only be tried must
    /// not have it carried out.
    pub fn no_parameters(&self) -> Result<(), Box<Problem>> {
        match self.query()?.first() {
            Some((name, _)) => Err(Box::new(Problem::malformed(format!("{name} is not a parameter of this request")))),
            None => Ok(()),
        }
    }

    /// Where the command of this request comes from.
    pub fn origin(&self) -> Origin {
        let peer = self.peer();
        let agent = self.headers().get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let agent = agent.filter(|agent| !agent.is_empty() && agent.len() <= AGENT_BYTES_MAX);
        Origin {
            request: self.request,
            address: Some(PersonalText::new(address_text(peer))),
            from: Some(peer),
            agent: agent.map(PersonalText::new),
        }
    }

    /// Who asks.
    pub fn shown(&self) -> bearer::Shown {
        bearer::read(self.headers())
    }

    /// Whether the path belongs to the guarded API, whose errors have DNSimple's form.
    fn is_guarded(&self) -> bool {
        self.path().starts_with("/v2/")
    }
}

/// The usual text of an address. One of four numbers comes with nearly every request, and the general way of formatting is
/// slow.
fn address_text(address: IpAddr) -> String {
    let IpAddr::V4(address) = address else { return address.to_string() };
    let mut text = String::with_capacity(15);
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        if octet >= 100 {
            text.push(char::from(b'0' + octet / 100));
        }
        if octet >= 10 {
            text.push(char::from(b'0' + octet / 10 % 10));
        }
        text.push(char::from(b'0' + octet % 10));
    }
    text
}

/// A body that is not read yet: it waits until it is known who asks.
pub struct Body(Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send>>);

impl Body {
    fn new<B: Buf>(stream: impl Stream<Item = Result<B, warp::Error>> + Send + 'static) -> Self {
        Self(Box::pin(stream.map(|part| part.map(|mut part| part.copy_to_bytes(part.remaining())))))
    }

    /// Reads it whole.
    pub async fn read(self, headers: &HeaderMap) -> Result<Bytes, Box<Problem>> {
        self.read_up_to(BODY_BYTES_MAX, headers).await
    }

    /// Reads it whole, where an operation takes another size than most.
    pub async fn read_up_to(mut self, bytes_max: usize, headers: &HeaderMap) -> Result<Bytes, Box<Problem>> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > bytes_max as u64) {
            return Err(Box::new(too_large(bytes_max)));
        }
        let mut bytes = BytesMut::new();
        while let Some(part) = self.0.next().await {
            let part = part.map_err(|_| Box::new(Problem::malformed("the request body could not be read")))?;
            if bytes.len() + part.len() > bytes_max {
                return Err(Box::new(too_large(bytes_max)));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    }
}

fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("this body may have at most {bytes_max} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "Body too large", detail)
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

/// Decodes a query; none where a percent escape is broken or the text is not UTF-8.
fn read_query(raw: &str) -> Option<Query> {
    if raw.is_empty() {
        return Some(Query::new());
    }
    let is_text = percent_encoding::percent_decode_str(raw).decode_utf8().is_ok();
    (is_text && path::has_whole_escapes(raw)).then(|| form_urlencoded::parse(raw.as_bytes()).into_owned().collect())
}

/// What is said twice says nothing.
pub(super) fn reject_twice(query: &Query) -> Result<(), Box<Problem>> {
    for (index, (key, _)) in query.iter().enumerate() {
        if query[..index].iter().any(|(other, _)| other == key) {
            return Err(Box::new(Problem::malformed(format!("{key} is given twice"))));
        }
    }
    Ok(())
}

/// Every route of the service. One filter takes the whole head: the table of operations then matches the path first
/// and the method second, so no order of filters can change an answer.
pub fn routes(app: App) -> BoxedFilter<(Reply,)> {
    let app = Arc::new(app);
    warp::ext::get::<Arc<RequestHead>>()
        .and(warp::body::stream())
        .then(move |head, body| {
            let app = Arc::clone(&app);
            async move {
                let asked = Asked::new(&app, head);
                let mut reply = enter(&app, &asked, Body::new(body)).await;
                answer::add_common(&mut reply, asked.request);
                app.metrics.count(reply.status());
                reply
            }
        })
        .boxed()
}

async fn enter(app: &App, asked: &Asked, body: Body) -> Reply {
    // Before the table: some gateways ask by their client's method, and append their client's path.
    if gateway::is_asked(asked.method(), asked.path()) {
        return Box::pin(gateway::answer(app, asked)).await;
    }
    match find(asked.path(), asked.head.method.as_str()) {
        Found::Operation(operation, variables) => dispatch(app, asked, operation, &variables, body).await,
        Found::OtherMethods(methods) => {
            let reply = other_method(asked, &methods);
            if asked.is_guarded() { Box::pin(consumer::undecided(app, asked, reply)).await } else { reply }
        }
        Found::Nothing if asked.is_guarded() => Box::pin(consumer::no_such_path(app, asked)).await,
        // A sign-in link that was copied badly is not told back.
        Found::Nothing if asked.path().starts_with("/sign-in") => {
            shown(asked, Problem::not_found("there is nothing here"))
        }
        Found::Nothing => shown(asked, Problem::not_found(format!("there is nothing at {}", asked.path()))),
    }
}

async fn dispatch(app: &App, asked: &Asked, operation: Operation, variables: &[&str], body: Body) -> Reply {
    use Operation as Op;
    match operation {
        Op::Health | Op::Ready | Op::Metrics | Op::Document => ops::answer(app, operation),
        Op::ForwardAuthNginx | Op::ForwardAuthCaddy | Op::ForwardAuthTraefik | Op::ForwardAuthEnvoy => {
            Box::pin(gateway::answer(app, asked)).await
        }
        Op::Checkpoint => into_reply(tlog::checkpoint(app)),
        Op::HashTile => into_reply(Box::pin(tlog::hash_tile(app, asked)).await),
        Op::EntryBundle => into_reply(Box::pin(tlog::entries(app, asked)).await),
        Op::InclusionProof | Op::ConsistencyProof => into_reply(Box::pin(proofs::answer(app, asked, operation)).await),
        Op::ProblemPage => into_reply(problem::page(variables.first().copied().unwrap_or_default())),
        Op::VerifierKeys => Box::pin(tlog::verifier_keys(app)).await,
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
        Op::AskLeakOfText => into_reply(Box::pin(audit::leak(app, asked, body)).await),
        Op::ExportBundle => into_reply(Box::pin(bundle::answer(app, asked)).await),
        Op::StreamEvents => into_reply(Box::pin(event_stream::answer(app, asked)).await),
        Op::ListEvents | Op::GetEvent => into_reply(Box::pin(events::answer(app, asked, operation, variables)).await),
        Op::Question(name) => into_reply(Box::pin(audit::answer(app, asked, name)).await),
        Op::Authorize | Op::ReportUses | Op::LookUpToken => {
            into_reply(Box::pin(gateway_api::answer(app, asked, operation, body)).await)
        }
        Op::Page(page) => Box::pin(pages::answer(app, asked, page, variables, body)).await,
        Op::ExchangeCode => Box::pin(oauth::exchange::answer(app, asked, body)).await,
        Op::Introspect | Op::Revoke => Box::pin(gateway_api::oauth::answer(app, asked, operation, body)).await,
        _ => into_reply(Box::pin(manage::answer(app, asked, operation, variables, body)).await),
    }
}

fn into_reply(result: Result<Reply, Box<Problem>>) -> Reply {
    result.unwrap_or_else(|problem| problem.into_reply())
}

/// A problem in the form that whoever asks can read.
fn shown(asked: &Asked, problem: Problem) -> Reply {
    if pages::is_wanted(asked) { pages::error(&problem) } else { problem.into_reply() }
}

fn other_method(asked: &Asked, methods: &[&str]) -> Reply {
    // DNSimple's 405 has no body.
    let mut reply = if asked.is_guarded() {
        answer::empty(StatusCode::METHOD_NOT_ALLOWED)
    } else {
        let detail = format!("{} is not allowed here; allowed: {}", asked.head.method, methods.join(", "));
        let status = StatusCode::METHOD_NOT_ALLOWED;
        shown(asked, Problem::new(status, "method-not-allowed", "Method not allowed", detail))
    };
    answer::add_header(&mut reply, header::ALLOW, &methods.join(", "));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_their_usual_text() {
        for octet in 0..=u8::MAX {
            let address = IpAddr::from([octet, 0, 255, octet]);
            assert_eq!(address_text(address), address.to_string());
        }
        let wide = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        assert_eq!(address_text(wide), "2001:db8::1");
    }
}
