//! Asks the service, and asks once more where that is safe.

use super::call::Call;
use super::config::{Service, Settings};
use super::failure::RemoteFailure;
use std::io::ErrorKind;
use std::time::Duration;
use ureq::http::{HeaderValue, Request, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Error, Proxy, Timeout};

/// Time to find the service and shake hands with it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request and its whole answer; the service gives itself thirty seconds for one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of an answer. A page has 1,000 events of at most 65,535 bytes each, which take more room in words.
const ANSWER_BYTES_MAX: u64 = 512 << 20;
/// How long is waited before asking once more, where the service does not say.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// A longer `Retry-After` is told, not waited for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(10);

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    headers: header::HeaderMap,
}

impl Answer {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether it is what was asked for.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?.parse().ok().map(Duration::from_secs)
    }
}

/// The way to the service.
pub(super) struct Connection {
    agent: Agent,
    service: Service,
    authorization: HeaderValue,
}

impl Connection {
    pub fn new(settings: &Settings) -> Result<Self, RemoteFailure> {
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", settings.credential.reveal()))
            .map_err(|_| RemoteFailure::Usage("the token cannot be sent".to_owned()))?;
        authorization.set_sensitive(true);
        // A proxy would read what goes over plain http, and cannot reach the loopback.
        let proxy = if settings.service.may_go_by_proxy() { Proxy::try_from_env() } else { None };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The credential goes to the service that was named, and nowhere that an answer sends it.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .user_agent(concat!("token-ledger/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build();
        Ok(Self { agent: config.into(), service: settings.service.clone(), authorization })
    }

    /// Asks; once more if nothing came of it and nothing can happen twice.
    pub fn ask(&self, call: &Call) -> Result<Answer, RemoteFailure> {
        let first = self.send(call);
        match pause(call, &first) {
            Some(pause) => std::thread::sleep(pause),
            None => return first.map_err(|error| self.unreachable(call, &error)),
        }
        self.send(call).map_err(|error| self.unreachable(call, &error))
    }

    fn send(&self, call: &Call) -> Result<Answer, Error> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(self.service.url(&call.target()))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, "application/json");
        for (name, value) in call.headers() {
            request = request.header(name, value);
        }
        let answered = match &call.body {
            Some(body) => self.agent.run(request.header(header::CONTENT_TYPE, body.kind).body(body.bytes.as_slice())?),
            None => self.agent.run(request.body(())?),
        };
        let mut response = answered?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Answer { status: response.status().as_u16(), body, headers: response.headers().clone() })
    }

    fn unreachable(&self, call: &Call, error: &Error) -> RemoteFailure {
        let name = self.service.name();
        let words = format!("{name} gave no answer: {error}");
        if call.method == "GET" || was_not_sent(error) {
            return RemoteFailure::Unreachable(words);
        }
        let next = match &call.key {
            Some(key) => format!("--idempotency-key {key} sends it again without doing it again"),
            None => "look before doing it again".to_owned(),
        };
        RemoteFailure::Unreachable(format!("{words}\n  Nobody knows whether it was carried out: {next}"))
    }
}

/// How long to wait before asking once more; none where that would not help, or might do something twice.
fn pause(call: &Call, first: &Result<Answer, Error>) -> Option<Duration> {
    match first {
        Ok(answer) if answer.status == 503 && call.can_be_repeated() => {
            Some(answer.retry_after().unwrap_or(RETRY_PAUSE)).filter(|pause| *pause <= RETRY_AFTER_MAX)
        }
        Ok(_) => None,
        Err(error) => ((call.can_be_repeated() && may_pass(error)) || was_not_sent(error)).then_some(RETRY_PAUSE),
    }
}

/// Nothing of the request has left.
fn was_not_sent(error: &Error) -> bool {
    match error {
        Error::HostNotFound | Error::ConnectionFailed | Error::Timeout(Timeout::Resolve | Timeout::Connect) => true,
        Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        _ => false,
    }
}

/// A fault of the way, which may be gone the next time. A certificate that is not believed stays so.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Timeout(_) => true,
        Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof
                | ErrorKind::TimedOut
        ),
        _ => false,
    }
}
