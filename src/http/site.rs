//! Under which address browsers reach the service.

use warp::http::{HeaderMap, Uri, header};

/// Where the service is for browsers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Site {
    /// The origin that was told; none where none was.
    origin: Option<String>,
}

impl Site {
    /// Reads an address such as `https://ledger.example.com`: scheme and host, with a port or without, and no path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let told = || "must be an address such as https://ledger.example.com, without a path".to_owned();
        let uri: Uri = text.parse().map_err(|_| told())?;
        let (Some(scheme @ ("https" | "http")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(told());
        };
        if uri.path() != "/" || uri.query().is_some() || !is_host(authority.as_str()) {
            return Err(told());
        }
        Ok(Self { origin: Some(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase())) })
    }

    /// Whether browsers come over TLS, as far as was told.
    pub fn is_secure(&self) -> bool {
        self.origin.as_deref().is_some_and(|origin| origin.starts_with("https://"))
    }

    /// The origin as browsers see it: what was told, else the host that the request asked for, over plain HTTP.
    pub fn origin(&self, headers: &HeaderMap) -> Option<String> {
        if let Some(origin) = &self.origin {
            return Some(origin.clone());
        }
        let host = headers.get(header::HOST)?.to_str().ok()?;
        is_host(host).then(|| format!("http://{}", host.to_ascii_lowercase()))
    }

    /// The origin that was told.
    pub fn told(&self) -> Option<&str> {
        self.origin.as_deref()
    }
}

/// A host with or without a port: nothing that could end it and begin something else.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use warp::http::HeaderValue;

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        for (text, origin, is_secure) in [
            ("https://Ledger.example.com", "https://ledger.example.com", true),
            ("https://ledger.example.com:8443/", "https://ledger.example.com:8443", true),
            ("http://[::1]:8080", "http://[::1]:8080", false),
        ] {
            let site = Site::parse(text).expect("it is one");
            assert_eq!((site.told(), site.is_secure()), (Some(origin), is_secure), "{text}");
        }
        for text in
            ["", "ledger.example.com", "ftp://a.example", "https://a.example/x", "https://u@a.example", "https://"]
        {
            assert!(Site::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn where_nothing_is_told_the_host_asked_for_is_the_origin() {
        let asked = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            headers
        };
        let site = Site::default();
        assert_eq!(site.origin(&asked("LocalHost:8080")).as_deref(), Some("http://localhost:8080"));
        assert_eq!(site.origin(&asked("a.example/evil")), None);
        assert_eq!(site.origin(&HeaderMap::new()), None);
        assert!(!site.is_secure());
        let told = Site::parse("https://ledger.example.com").expect("it is one");
        assert_eq!(told.origin(&asked("other.example")).as_deref(), Some("https://ledger.example.com"));
    }
}
