//! How each gateway tells of the request it asks about. One dialect an endpoint, each reading only its own headers: a
//! gateway passes its client's headers on, so a second dialect understood here would be a way around it.

use std::net::IpAddr;
use warp::http::HeaderMap;

/// A gateway's way of asking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// nginx `auth_request`: `X-Original-Method`, `X-Original-URI`, `X-Real-IP`.
    Nginx,
    /// Caddy `forward_auth`: `X-Forwarded-Method`, `X-Forwarded-Uri`, `X-Forwarded-For`.
    Caddy,
    /// Traefik `ForwardAuth`: as Caddy.
    Traefik,
    /// Envoy `ext_authz` over HTTP: its own method, its path after the prefix, `X-Forwarded-For`.
    Envoy,
}

/// The request that a gateway asks about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guarded {
    /// Its method.
    pub method: String,
    /// Its path and query, as the gateway got them.
    pub target: String,
    /// Its client; none where the gateway does not say.
    pub address: Option<IpAddr>,
}

/// Why a gateway's question is malformed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// A header that must be there is not.
    Missing(&'static str),
    /// A header stands twice: which one is the gateway's nobody could say.
    Doubled(&'static str),
    /// A header cannot be read.
    Unreadable(&'static str),
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "the gateway sent no {name}"),
            Self::Doubled(name) => write!(f, "{name} stands twice"),
            Self::Unreadable(name) => write!(f, "{name} cannot be read"),
        }
    }
}

const PREFIX: &str = "/forward-auth/";

impl Dialect {
    /// The dialect of an endpoint's path, with what follows it (only Envoy appends anything).
    pub fn of_path(path: &str) -> Option<(Self, &str)> {
        let rest = path.strip_prefix(PREFIX)?;
        let (name, appended) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let dialect = match name {
            "nginx" => Self::Nginx,
            "caddy" => Self::Caddy,
            "traefik" => Self::Traefik,
            "envoy" => Self::Envoy,
            _ => return None,
        };
        (appended.is_empty() || dialect == Self::Envoy).then_some((dialect, appended))
    }

    /// Reads the question. `method` and `appended` (path and query) are those of the gateway's own request.
    pub fn read(self, method: &str, appended: &str, headers: &HeaderMap) -> Result<Guarded, Malformed> {
        let (method_name, target_name) = match self {
            Self::Nginx => ("x-original-method", "x-original-uri"),
            Self::Caddy | Self::Traefik => ("x-forwarded-method", "x-forwarded-uri"),
            Self::Envoy => {
                let target = if appended.is_empty() { "/" } else { appended };
                let address = last_hop(headers, "x-forwarded-for")?;
                return Ok(Guarded { method: method.to_owned(), target: target.to_owned(), address });
            }
        };
        let address = match self {
            Self::Nginx => address(headers, "x-real-ip")?,
            _ => last_hop(headers, "x-forwarded-for")?,
        };
        let method = required(headers, method_name)?.to_owned();
        Ok(Guarded { method, target: required(headers, target_name)?.to_owned(), address })
    }
}

fn one<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Malformed> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Malformed::Doubled(name));
    }
    value.to_str().map(Some).map_err(|_| Malformed::Unreadable(name))
}

fn required<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Malformed> {
    one(headers, name)?.filter(|value| !value.is_empty()).ok_or(Malformed::Missing(name))
}

/// One address and nothing else.
fn address(headers: &HeaderMap, name: &'static str) -> Result<Option<IpAddr>, Malformed> {
    let Some(value) = one(headers, name)? else { return Ok(None) };
    value.parse::<IpAddr>().map(|address| Some(address.to_canonical())).map_err(|_| Malformed::Unreadable(name))
}

/// The address that the gateway itself saw. What stands before it in a list came from the client and proves nothing.
fn last_hop(headers: &HeaderMap, name: &'static str) -> Result<Option<IpAddr>, Malformed> {
    let Some(value) = one(headers, name)? else { return Ok(None) };
    let hop = value.rsplit(',').next().unwrap_or_default().trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.split(']').next()).unwrap_or(hop);
    bare.parse::<IpAddr>().map(|address| Some(address.to_canonical())).map_err(|_| Malformed::Unreadable(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header value"));
        }
        headers
    }

    fn guarded(method: &str, target: &str, address: Option<&str>) -> Guarded {
        let address = address.map(|text| text.parse().expect("an address"));
        Guarded { method: method.to_owned(), target: target.to_owned(), address }
    }

    /// The headers of both families, each saying something else.
    const BOTH: [(&str, &str); 6] = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/v2/1/zones"),
        ("x-real-ip", "192.0.2.1"),
        ("x-forwarded-method", "DELETE"),
        ("x-forwarded-uri", "/v2/2/domains/example.com"),
        ("x-forwarded-for", "203.0.113.9, 192.0.2.2"),
    ];

    #[test]
    fn each_dialect_reads_its_own_headers_only() {
        let sent = headers(&BOTH);
        let nginx = Dialect::Nginx.read("PUT", "", &sent);
        assert_eq!(nginx, Ok(guarded("GET", "/v2/1/zones", Some("192.0.2.1"))));
        for dialect in [Dialect::Caddy, Dialect::Traefik] {
            let read = dialect.read("PUT", "", &sent);
            assert_eq!(read, Ok(guarded("DELETE", "/v2/2/domains/example.com", Some("192.0.2.2"))));
        }
        let envoy = Dialect::Envoy.read("PATCH", "/v2/3/zones/a.example?x=1", &sent);
        assert_eq!(envoy, Ok(guarded("PATCH", "/v2/3/zones/a.example?x=1", Some("192.0.2.2"))));
    }

    #[test]
    fn missing_doubled_and_unreadable_headers_are_named() {
        let missing = Dialect::Nginx.read("GET", "", &headers(&BOTH[3..]));
        assert_eq!(missing, Err(Malformed::Missing("x-original-method")));
        let doubled = [&BOTH[..], &[("x-original-uri", "/v2/9/zones")]].concat();
        assert_eq!(Dialect::Nginx.read("GET", "", &headers(&doubled)), Err(Malformed::Doubled("x-original-uri")));
        let list = [("x-original-method", "GET"), ("x-original-uri", "/"), ("x-real-ip", "192.0.2.1, 192.0.2.2")];
        assert_eq!(Dialect::Nginx.read("GET", "", &headers(&list)), Err(Malformed::Unreadable("x-real-ip")));
        let odd = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/"), ("x-forwarded-for", "somebody")];
        assert_eq!(Dialect::Caddy.read("GET", "", &headers(&odd)), Err(Malformed::Unreadable("x-forwarded-for")));
    }

    #[test]
    fn only_envoy_appends_a_path() {
        assert_eq!(Dialect::of_path("/forward-auth/nginx"), Some((Dialect::Nginx, "")));
        assert_eq!(Dialect::of_path("/forward-auth/envoy/v2/1"), Some((Dialect::Envoy, "/v2/1")));
        assert_eq!(Dialect::of_path("/forward-auth/envoy"), Some((Dialect::Envoy, "")));
        for other in ["/forward-auth/nginx/", "/forward-auth/caddy/x", "/forward-auth/", "/forward-auth", "/v2/envoy"] {
            assert_eq!(Dialect::of_path(other), None, "{other}");
        }
    }

    #[test]
    fn addresses_come_in_several_spellings() {
        for (sent, address) in
            [("::ffff:192.0.2.7", "192.0.2.7"), ("[2001:db8::1]", "2001:db8::1"), ("a, 2001:db8::2", "2001:db8::2")]
        {
            let read = last_hop(&headers(&[("x-forwarded-for", sent)]), "x-forwarded-for");
            assert_eq!(read, Ok(Some(address.parse().expect("an address"))), "{sent}");
        }
    }
}
