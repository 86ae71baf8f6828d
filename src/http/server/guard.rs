//! Judges a request's head before the routes see it, and answers for routes and bodies that take too long.
//!
//! Owns what is refused on form alone, and the words of it. Refuses to know routes, methods, tokens and media types.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::Service;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri, Version};

use super::pulse::{Late, Pulse};
use super::{PeerAddress, RequestHead, ServerLimits};

/// Below this path stands the target of another request, as a gateway got it. Elsewhere a fragment does no harm.
const TARGETS_OF_OTHERS: &str = "/forward-auth/";

/// What is answered here instead of by the routes. Each closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UriTooLong,
    Fragment,
    HeadTooLarge,
    HostMissing,
    HostRepeated,
    LengthAmbiguous,
    BodyLate,
    AnswerLate,
}

impl Refusal {
    fn words(self) -> (StatusCode, &'static str) {
        match self {
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, "The request target is too long."),
            Self::Fragment => (StatusCode::BAD_REQUEST, "A request target has no fragment."),
            Self::HeadTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's headers are too large."),
            Self::HostMissing => (StatusCode::BAD_REQUEST, "The Host header is missing."),
            Self::HostRepeated => (StatusCode::BAD_REQUEST, "The Host header is given more than once."),
            Self::LengthAmbiguous => {
                (StatusCode::BAD_REQUEST, "Content-Length and Transfer-Encoding must not be given together.")
            }
            Self::BodyLate => (StatusCode::REQUEST_TIMEOUT, "The request body did not arrive in time."),
            Self::AnswerLate => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The request took too long and was given up; whether it took effect is not known.",
            ),
        }
    }

    fn response<B: From<String>>(self) -> Response<B> {
        let (status, detail) = self.words();
        let mut response = problem(status, detail);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// An RFC 9457 answer; `message` repeats the detail for clients that look there.
fn problem<B: From<String>>(status: StatusCode, detail: &str) -> Response<B> {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "message": detail,
    });
    let mut response = Response::new(B::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Stands between hyper and the routes.
pub(super) struct Guard<S> {
    routes: S,
    peer: PeerAddress,
    pulse: Arc<Pulse>,
    limits: Arc<ServerLimits>,
}

impl<S> Guard<S> {
    pub(super) fn new(routes: S, peer: PeerAddress, pulse: Arc<Pulse>, limits: Arc<ServerLimits>) -> Self {
        Self { routes, peer, pulse, limits }
    }

    fn refusal<B>(&self, request: &Request<B>) -> Option<Refusal> {
        let target_bytes = target_bytes(request.uri());
        if target_bytes > self.limits.uri_bytes_max {
            return Some(Refusal::UriTooLong);
        }
        if target_bytes + header_bytes(request.headers()) > self.limits.header_bytes_max {
            return Some(Refusal::HeadTooLarge);
        }
        if request.uri().path().starts_with(TARGETS_OF_OTHERS) && self.pulse.may_have_fragment() {
            return Some(Refusal::Fragment);
        }
        if request.headers().contains_key(TRANSFER_ENCODING) && self.pulse.head_has_line(b"content-length") {
            return Some(Refusal::LengthAmbiguous);
        }
        host_refusal(request.version(), request.headers())
    }
}

impl<S, B> Service<Request<Incoming>> for Guard<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S::Future: Unpin,
    B: Body<Data = Bytes> + From<String> + Unpin,
{
    type Response = Response<AnswerBody<B>>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let has_body = !request.body().is_end_stream();
        self.pulse.serving(has_body);
        let pulse = Arc::clone(&self.pulse);
        if let Some(refusal) = self.refusal(&request) {
            return Answering { course: Course::Refused(refusal), pulse };
        }
        let head = RequestHead {
            method: std::mem::take(request.method_mut()),
            uri: std::mem::take(request.uri_mut()),
            headers: std::mem::take(request.headers_mut()),
            peer: self.peer.0,
        };
        request.extensions_mut().insert(Arc::new(head));
        let request = request.map(|body| RequestBody { body, pulse: has_body.then(|| Arc::clone(&pulse)) });
        Answering { course: Course::Routed(self.routes.call(request)), pulse }
    }
}

/// Bytes of the request target as the client wrote it, a fragment apart (which no client may send).
fn target_bytes(uri: &Uri) -> usize {
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    scheme + authority + path
}

/// Four bytes a line for `: ` and the line's end, so that many empty headers are not free.
fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

/// RFC 9112 section 3.2: exactly one in HTTP/1.1, never two.
fn host_refusal(version: Version, headers: &HeaderMap) -> Option<Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version >= Version::HTTP_11 => Some(Refusal::HostMissing),
        (Some(_), Some(_)) => Some(Refusal::HostRepeated),
        _ => None,
    }
}

/// The answer on its way: from the routes, or from here.
pub(super) struct Answering<F> {
    course: Course<F>,
    pulse: Arc<Pulse>,
}

enum Course<F> {
    Refused(Refusal),
    Routed(F),
}

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>> + Unpin,
    B: Body + From<String>,
{
    type Output = Result<Response<AnswerBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let late = this.pulse.condemned().and_then(Late::refusal);
        let response = match (&mut this.course, late) {
            (Course::Refused(refusal), _) => refusal.response(),
            (Course::Routed(_), Some(refusal)) => refusal.response(),
            (Course::Routed(future), None) => match ready!(Pin::new(future).poll(cx)) {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        this.pulse.answering();
        let pulse = Arc::clone(&this.pulse);
        Poll::Ready(Ok(response.map(|body| AnswerBody { body, pulse })))
    }
}

/// A request body that says when it is waited for and when it has ended. Without a body there is nothing to say.
pub(super) struct RequestBody {
    body: Incoming,
    pulse: Option<Arc<Pulse>>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.body).poll_frame(cx);
        if let Some(pulse) = &this.pulse {
            match &outcome {
                Poll::Pending => pulse.body_awaited(),
                Poll::Ready(Some(Ok(_))) if !this.body.is_end_stream() => {}
                Poll::Ready(_) => pulse.body_ended(),
            }
        }
        outcome
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body that says when it is gone: hyper drops it once its last byte is queued.
pub(super) struct AnswerBody<B> {
    body: B,
    pulse: Arc<Pulse>,
}

impl<B: Body + Unpin> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for AnswerBody<B> {
    fn drop(&mut self) {
        self.pulse.answered();
    }
}
