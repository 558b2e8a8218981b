//! A custody elsewhere: the client of its HTTP interface.

use std::time::Duration;

use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::canonical;
use quorumkeep_custody::guardian::Guardian;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::manifest::SignedManifest;
use quorumkeep_custody::people::{Charter, Roster};
use quorumkeep_custody::register::Register;
use quorumkeep_custody::request::{SetId, Signed};
use quorumkeep_custody::session::Bundle;
use quorumkeep_custody::view::{Overview, WaitingView};
use serde::de::DeserializeOwned;

use super::api::SetAnswer;
use crate::client::{Backoff, Client, Error, Settings, retry};
use crate::problem::Code;
use crate::tls::TlsError;

/// Bytes of the longest answer: a bundle with the largest manifest and a long history of people.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A URL that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It is no URL of a custody.
    #[error("expected http://127.0.0.1:PORT or https://HOST:PORT")]
    Form,
    /// Everybody on the way could read and change it.
    #[error("http:// is for a custody on this machine (127.0.0.1 or [::1]); use https:// and the server's certificate")]
    Plain,
    /// Nobody knows whom to expect.
    #[error("https:// needs the server's certificate: server.pem of the custody's directory")]
    Certificate,
    /// The library for TLS refused.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A custody that is served elsewhere. Clones share the connection.
#[derive(Clone)]
pub struct Remote {
    client: Client,
}

impl Remote {
    /// The custody at `https://HOST:PORT`, whose server shows exactly `certificate` (in DER), or at
    /// `http://127.0.0.1:PORT`. Does not connect yet.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(url: &str, certificate: Option<Vec<u8>>) -> Result<Self, UrlError> {
        let (request, connect) = (Duration::from_secs(30), Duration::from_secs(10));
        let settings = Settings { request, connect, response_bytes: ANSWER_BYTES_MAX };
        let (secure, socket) = match url.split_once("://") {
            Some(("http", socket)) => (false, socket),
            Some(("https", socket)) => (true, socket),
            _ => return Err(UrlError::Form),
        };
        let socket = socket.strip_suffix('/').unwrap_or(socket);
        let whole = socket.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !whole || socket.contains(['/', '@', '?', '#', ' ']) {
            return Err(UrlError::Form);
        }
        let client = match (secure, certificate) {
            (false, _) => Client::without_tls(socket, settings).ok_or(UrlError::Plain)?,
            (true, Some(certificate)) => Client::of_certificate(certificate, socket, settings)?,
            (true, None) => return Err(UrlError::Certificate),
        };
        Ok(Self { client })
    }

    /// Sends a signed request. If the answer is lost it is asked for again: the same request is answered the same, and done
    /// once.
    ///
    /// # Errors
    /// [`Error`]; [`refusal`] gives the code of the rule that refused.
    pub async fn handle(&self, signed: &Signed) -> Result<Answer, Error> {
        let body = canonical::to_bytes(signed);
        let backoff = Backoff { attempts: 4, ..Backoff::default() };
        let answer =
            retry(backoff, Error::is_temporary, || self.client.post("/custody/requests", body.clone())).await?;
        self.parse(&answer)
    }

    /// What there is to see.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn overview(&self, prefix: &str) -> Result<Overview, Error> {
        self.client.get_json(&format!("/custody/status?prefix={prefix}")).await
    }

    /// The charter. Its hash is the identity of the custody: compare it with the one that you know.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn charter(&self) -> Result<Charter, Error> {
        self.client.get_json("/custody/charter").await
    }

    /// The people of now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn roster(&self) -> Result<Roster, Error> {
        self.client.get_json("/custody/people").await
    }

    /// The registered guardians.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn guardians(&self) -> Result<Vec<Guardian>, Error> {
        self.client.get_json("/custody/guardians").await
    }

    /// The registered guardians with what shows that people stand behind their keys: only [`Register::check`] says so.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn register(&self) -> Result<Register, Error> {
        self.client.get_json("/custody/register").await
    }

    /// A set with its placement; none if there is no such set.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set(&self, id: &SetId) -> Result<Option<SetAnswer>, Error> {
        self.find(&format!("/custody/sets/{id}")).await
    }

    /// The manifest of a set; none if there is no such set. Only its signature says that it is right.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn manifest(&self, id: &SetId) -> Result<Option<SignedManifest>, Error> {
        self.find(&format!("/custody/sets/{id}/manifest")).await
    }

    /// Requests that wait for approvals.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn waiting(&self) -> Result<Vec<WaitingView>, Error> {
        self.client.get_json("/custody/waiting").await
    }

    /// A session with everything that shows that it is allowed; none if there is no such session.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn bundle(&self, id: &Hash) -> Result<Option<Bundle>, Error> {
        self.find(&format!("/custody/sessions/{id}")).await
    }

    /// The newest checkpoint of the audit log, as it is signed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn checkpoint(&self) -> Result<Vec<u8>, Error> {
        Ok(self.client.get("/audit/checkpoint").await?.to_vec())
    }

    async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        match self.client.get_json(path).await {
            Err(error) if error.code() == Some(Code::NotFound) => Ok(None),
            found => found.map(Some),
        }
    }

    fn parse<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(answer).map_err(|_| self.client.malformed("the answer is not the one of a custody"))
    }
}

/// The stable code of the rule that refused, if it was one.
#[must_use]
pub fn refusal(error: &Error) -> Option<&str> {
    match error {
        Error::Status { problem, .. } => problem.reason.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_whom_to_trust() {
        crate::tls::install_provider();
        assert!(Remote::new("http://127.0.0.1:7000", None).is_ok() && Remote::new("http://[::1]:7000/", None).is_ok());
        assert!(matches!(Remote::new("http://10.0.0.1:7000", None), Err(UrlError::Plain)));
        assert!(matches!(Remote::new("http://localhost:7000", None), Err(UrlError::Plain)));
        assert!(matches!(Remote::new("https://a.example:7000", None), Err(UrlError::Certificate)));
        assert!(Remote::new("https://a.example:7000", Some(vec![1])).is_ok());
        for bad in
            ["", "a:1", "ftp://a:1", "https://a", "https://a:1/x", "https://u@a:1", "http://:1", "https://a:70000"]
        {
            assert!(matches!(Remote::new(bad, Some(vec![1])), Err(UrlError::Form)), "{bad}");
        }
    }
}
