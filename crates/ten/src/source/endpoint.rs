//! Where something is: a URL of four schemes, without anything that might be a secret.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use rustls::pki_types::ServerName;

use super::Error;

/// Characters of a URL.
const URL_CHARS_MAX: usize = 512;

/// What is spoken, and whether within TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http://`
    Http,
    /// `https://`
    Https,
    /// `ws://`
    Ws,
    /// `wss://`
    Wss,
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Ws, Self::Wss];

    /// As it is written.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// Is it within TLS?
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Wss)
    }

    /// Is it a WebSocket?
    #[must_use]
    pub const fn is_socket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    const fn port(self) -> u16 {
        if self.is_tls() { 443 } else { 80 }
    }
}

/// A URL that can be asked. It is public: a URL with a user or a password in it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    path: String,
}

impl Endpoint {
    /// What is spoken.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, for the resolver.
    pub(super) fn host(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The name that the server's certificate must have.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, Error> {
        ServerName::try_from(self.host.clone()).map_err(|_| self.invalid("the host is no name and no address"))
    }

    /// `HOST:PORT`, with the port only where it is not the usual one, as in the header `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// The path with the query, beginning with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same server, another path.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    fn invalid(&self, why: &'static str) -> Error {
        Error::Url { url: self.to_string(), why }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.text(), self.authority(), self.path)
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self, Error> {
        let fail = |why| Error::Url { url: super::printable(url.as_bytes()), why };
        if url.len() > URL_CHARS_MAX {
            return Err(fail("it is too long"));
        }
        if url.contains('#') {
            return Err(fail("it has a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| fail("it is no URL"))?;
        let scheme = Scheme::ALL.into_iter().find(|scheme| uri.scheme_str() == Some(scheme.text()));
        let scheme = scheme.ok_or_else(|| fail("it begins with none of http://, https://, ws:// and wss://"))?;
        let authority = uri.authority().ok_or_else(|| fail("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(Error::Url {
                url: format!("{}://...", scheme.text()),
                why: "it has a user or a password in it",
            });
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(fail("it names no host"));
        }
        let port =
            match authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest).split_once(':') {
                Some((_, port)) => port.parse().map_err(|_| fail("the port is none"))?,
                None => scheme.port(),
            };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let endpoint = Self { scheme, host, port, path };
        endpoint.server_name()?;
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (url, host, port, path) in [
            ("http://a.example", "a.example", 80, "/"),
            ("https://a.example/x/?y=1", "a.example", 443, "/x/?y=1"),
            ("ws://127.0.0.1:81", "127.0.0.1", 81, "/"),
            ("wss://[::1]:9/z", "::1", 9, "/z"),
            ("http://[::1]/", "::1", 80, "/"),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!(endpoint.host(), (host, port), "{url}");
            assert_eq!(endpoint.path(), path, "{url}");
            let written = endpoint.to_string();
            assert!(written == url || written == format!("{url}/"), "{written}");
            assert_eq!(written.parse::<Endpoint>().unwrap(), endpoint);
        }
    }

    #[test]
    fn what_is_no_place_to_ask_is_refused() {
        for url in
            ["", "a.example", "ftp://a", "http://", "http:///x", "http://a:70000", "http://a:x", "http://a/#b", "/x"]
        {
            assert!(matches!(url.parse::<Endpoint>(), Err(Error::Url { .. })), "{url}");
        }
        assert!(format!("http://{}", "a".repeat(3000)).parse::<Endpoint>().is_err());
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let error = "https://user:hunter2@a.example/".parse::<Endpoint>().unwrap_err();
        assert_eq!(error.code(), "url_invalid");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
