//! Servers that misbehave, each a real socket.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

pub(in crate::source) const SHORT: Duration = Duration::from_millis(300);
pub(in crate::source) const LONG: Duration = Duration::from_secs(3);

/// With bounds of size only that a test meets.
pub(in crate::source) fn client(trust: Option<Trust>) -> Client {
    Client::new(trust, Limits { body_bytes: 1000, ..Limits::default() })
}

/// With bounds of time that a test meets.
pub(in crate::source) fn impatient(headers: Duration, whole: Duration) -> Client {
    Client::new(None, Limits { headers, whole, ..Limits::default() })
}

/// A server that says `text` to everybody and keeps the connection; then `more` again and again.
pub(in crate::source) async fn server(text: &'static str, more: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 2048];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(text.as_bytes()).await;
                while stream.write_all(more.as_bytes()).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
    });
    address
}

async fn get(text: &'static str, more: &'static str) -> Result<Bytes, Error> {
    let address = server(text, more).await;
    client(None).get(&format!("http://{address}/").parse().unwrap()).await
}

#[tokio::test]
async fn an_answer_is_read() {
    let answer = get("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "").await;
    assert_eq!(answer.unwrap(), "hi");
}

#[tokio::test]
async fn a_redirect_is_reported_and_not_followed() {
    let error =
        get("HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n", "").await.unwrap_err();
    assert_eq!(error.code(), "source_redirects");
    assert!(error.to_string().contains("http://evil.example/"), "{error}");
}

#[tokio::test]
async fn a_status_is_reported_with_its_text() {
    let error = get("HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nwait\n", "").await.unwrap_err();
    assert!(
        matches!(&error, Error::Status { status: 503, text, .. } if text == "wait") && error.is_temporary(),
        "{error}"
    );
}

#[tokio::test]
async fn a_slow_server_is_left() {
    let asked = async |client: Client, text: &'static str, more: &'static str| {
        let address = server(text, more).await;
        client.get(&format!("http://{address}/").parse().unwrap()).await.unwrap_err()
    };
    let silent = asked(impatient(SHORT, LONG), "", "").await;
    assert!(matches!(silent, Error::Timeout { what: "headers", .. }), "{silent}");
    let dripping = asked(impatient(LONG, LONG), "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", "x").await;
    assert!(matches!(dripping, Error::Timeout { what: "body", .. }), "{dripping}");
}

#[tokio::test]
async fn an_endless_answer_is_left() {
    let announced = get("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "").await.unwrap_err();
    assert!(matches!(announced, Error::TooLarge { max: 1000, .. }), "{announced}");
    let chunk: &'static str = format!("64\r\n{}\r\n", "x".repeat(100)).leak();
    let chunked = get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk).await.unwrap_err();
    assert!(matches!(chunked, Error::TooLarge { .. }), "{chunked}");
    let lines: &'static str = "X-Y: z\r\n".repeat(500).leak();
    let headers = get("HTTP/1.1 200 OK\r\n", lines).await.unwrap_err();
    assert!(matches!(headers, Error::Broken { .. }), "{headers}");
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let error = get("SSH-2.0-OpenSSH_9.6\r\n\r\n", "").await.unwrap_err();
    assert_eq!(error.code(), "source_broken");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = client(None).get(&format!("http://{free}").parse().unwrap()).await.unwrap_err();
    assert_eq!(error.code(), "source_unreachable");
}

/// What a server within TLS for `localhost` accepts with, and its certificate in a file.
pub(in crate::source) fn acceptor() -> (TlsAcceptor, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let config = builder.unwrap().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(made.cert.der()));
    std::fs::write(file.path(), pem).unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

/// A server within TLS.
async fn tls_server() -> (SocketAddr, tempfile::NamedTempFile) {
    let ((acceptor, file), listener) = (acceptor(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 2048]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            let _ = stream.shutdown().await;
        }
    });
    (address, file)
}

#[tokio::test]
async fn tls_is_trusted_by_given_roots_only() {
    let (address, roots) = tls_server().await;
    let (_, others) = tls_server().await;
    let at: Endpoint = format!("https://localhost:{}", address.port()).parse().unwrap();
    let trust = |file: &tempfile::NamedTempFile| Some(Trust::file(file.path()).unwrap());
    assert_eq!(client(trust(&roots)).get(&at).await.unwrap(), "hi");
    assert_eq!(client(trust(&others)).get(&at).await.unwrap_err().code(), "tls_certificate");
    assert_eq!(client(None).get(&at).await.unwrap_err().code(), "tls_no_roots");
    let by_address: Endpoint = format!("https://127.0.0.1:{}", address.port()).parse().unwrap();
    assert_eq!(client(trust(&roots)).get(&by_address).await.unwrap_err().code(), "tls_certificate");
}

#[tokio::test]
async fn a_server_without_tls_is_no_server_with_tls() {
    let (_, roots) = tls_server().await;
    let address = server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "").await;
    let at: Endpoint = format!("https://localhost:{}", address.port()).parse().unwrap();
    let error = client(Some(Trust::file(roots.path()).unwrap())).get(&at).await.unwrap_err();
    assert_eq!(error.code(), "tls_failed");
}

#[test]
fn a_file_without_certificates_is_trusted_with_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "-----BEGIN NOTHING-----").unwrap();
    assert!(matches!(Trust::file(file.path()), Err(super::super::TrustError::None { .. })));
    assert!(matches!(Trust::file(std::path::Path::new("/nowhere/ca.pem")), Err(super::super::TrustError::Read { .. })));
}
