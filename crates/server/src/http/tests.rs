//! Limits of the server, over real connections.

use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::client::{Client, Error, Settings};
use crate::problem::Code;
use crate::testkit::{Network, Served, anywhere, client, serve};
use crate::tls::{self, Certificates, LIFETIME};

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "here" }))
        .route("/length", post(|RawBody(body): RawBody| async move { body.len().to_string() }))
        .route("/name", post(|JsonBody(named): JsonBody<Named>| async move { Json(named.name) }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(400)).await;
                "done"
            }),
        )
        .route("/large", get(|| async { vec![0u8; 300_000] }))
}

async fn start(limits: Limits) -> (Network, Served) {
    let network = Network::new(2, 1);
    let served = serve(&network, router(), limits).await;
    (network, served)
}

fn code(answer: Result<axum::body::Bytes, Error>) -> Code {
    answer.unwrap_err().code().unwrap()
}

#[tokio::test]
async fn everything_that_fails_is_a_problem_document() {
    let (network, served) = start(Limits { body_bytes: 1000, ..Limits::default() }).await;
    let client = client(network.pin(0), served.address);
    assert_eq!(&client.post("/length", vec![0; 1000]).await.unwrap()[..], b"1000");
    assert_eq!(code(client.post("/length", vec![0; 1001]).await), Code::TooLarge);
    assert_eq!(code(client.get("/nothing").await), Code::NotFound);
    assert_eq!(code(client.post("/", vec![]).await), Code::MethodNotAllowed);
    let error = client.post("/name", &br#"{"name": 5, "password": "hunter2"}"#[..]).await.unwrap_err();
    assert_eq!(error.code(), Some(Code::Malformed));
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let text = served.metrics.text();
    assert!(text.contains(r#"quorumkeep_http_requests_total{code="too_large"} 1"#), "{text}");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_limited_too() {
    let (network, served) = start(Limits { body_bytes: 1000, ..Limits::default() }).await;
    let mut tls = http1(&network, &served).await;
    tls.write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
    for _ in 0..20 {
        let _ = tls.write_all(&[b"64\r\n".as_slice(), &[0; 100], b"\r\n"].concat()).await;
    }
    let mut answer = vec![0; 100];
    tls.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
}

/// A connection that speaks HTTP/1.1, by hand.
async fn http1(network: &Network, served: &Served) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut config = (*tls::client_config(network.pin(0)).unwrap()).clone();
    config.alpn_protocols.clear();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(served.address).await.unwrap();
    connector.connect("x.invalid".try_into().unwrap(), tcp).await.unwrap()
}

#[tokio::test]
async fn time_is_limited() {
    let (network, served) = start(Limits {
        request: Duration::from_millis(100),
        handshake: Duration::from_millis(200),
        header: Duration::from_millis(200),
        idle: Duration::from_millis(300),
        grace: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    assert_eq!(code(client(network.pin(0), served.address).get("/slow").await), Code::Timeout);

    let mut silent = TcpStream::connect(served.address).await.unwrap();
    assert!(ends(&mut silent).await, "no handshake");
    let mut slow = http1(&network, &served).await;
    slow.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    assert!(ends(&mut slow).await, "half a header");
    let mut silent = http1(&network, &served).await;
    assert!(ends(&mut silent).await, "no request");
}

async fn ends(stream: &mut (impl AsyncReadExt + Unpin)) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn an_unused_connection_is_closed_and_made_again() {
    let (network, served) = start(Limits { idle: Duration::from_millis(150), ..Limits::default() }).await;
    let client = client(network.pin(0), served.address);
    client.get("/").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(served.metrics.text().contains("quorumkeep_http_connections 0"));
    client.get("/").await.unwrap();
}

#[tokio::test]
async fn connections_and_requests_have_caps() {
    let (network, served) = start(Limits { connections_per_address: 2, requests: 2, ..Limits::default() }).await;
    let (a, b, c) = (0, 1, 2);
    let clients = [a, b, c].map(|_| client(network.pin(0), served.address));
    clients[a].get("/").await.unwrap();
    clients[b].get("/").await.unwrap();
    let error = clients[c].get("/").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let (first, second) = (clients[a].get("/slow"), clients[a].get("/slow"));
    let late = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        clients[b].get("/").await
    };
    let (first, second, late) = tokio::join!(first, second, late);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(code(late), Code::Busy);
}

#[tokio::test]
async fn one_address_cannot_have_all_requests() {
    let (network, served) = start(Limits { requests_per_loopback: 2, ..Limits::default() }).await;
    let client = client(network.pin(0), served.address);
    client.get("/").await.unwrap();
    let late = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.get("/").await
    };
    let (first, second, late) = tokio::join!(client.get("/slow"), client.get("/slow"), late);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(code(late), Code::RateLimited);
    client.get("/").await.unwrap();
}

#[tokio::test]
async fn a_slow_body_takes_no_slot_and_has_its_time() {
    let limits = Limits { requests: 1, body: Duration::from_millis(300), ..Limits::default() };
    let (network, served) = start(limits).await;
    let mut slow = http1(&network, &served).await;
    slow.write_all(b"POST /length HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    client(network.pin(0), served.address).get("/").await.unwrap();
    let mut answer = vec![0; 13];
    slow.read_exact(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn requests_share_one_connection() {
    let (network, served) = start(Limits::default()).await;
    let client = client(network.pin(0), served.address);
    let started = std::time::Instant::now();
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("/slow").await })
        })
        .collect();
    for task in tasks {
        assert_eq!(&task.await.unwrap().unwrap()[..], b"done");
    }
    assert!(started.elapsed() < Duration::from_secs(4), "at the same time");
    assert!(served.metrics.text().contains("quorumkeep_http_connections 1"));
}

#[tokio::test]
async fn a_running_request_ends_before_the_server_does() {
    let (network, served) = start(Limits::default()).await;
    let client = client(network.pin(0), served.address);
    client.get("/").await.unwrap();
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.get("/slow").await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    served.stop.send_replace(true);
    served.task.await.unwrap();
    assert_eq!(&running.await.unwrap().unwrap()[..], b"done");
    let error = client.get("/").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_temporary(), "{error}");
}

#[tokio::test]
async fn an_occupied_port_is_said_clearly() {
    let (network, served) = start(Limits::default()).await;
    let certificates = Certificates::new(network.identity(0), LIFETIME).unwrap();
    let config = tls::server_config(certificates).unwrap();
    let metrics = HttpMetrics::new(&crate::metrics::Metrics::default());
    let again = Server::bind(served.address, config, Limits::default(), metrics).await;
    let Err(error) = again else { panic!("bound twice") };
    assert!(matches!(error, BindError::Occupied { address, .. } if address == served.address));
    assert!(error.to_string().contains("in use"));
    assert_ne!(served.address.port(), anywhere().port());
}

#[tokio::test]
async fn a_client_bounds_what_it_takes() {
    let (network, served) = start(Limits::default()).await;
    let settings = Settings { response_bytes: 1000, request: Duration::from_millis(100), ..Settings::default() };
    let client = Client::new(network.pin(0), &served.address.to_string(), settings).unwrap();
    let error = client.get("/large").await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { max: 1000, .. }) && !error.is_temporary());
    let error = client.get("/slow").await.unwrap_err();
    assert!(matches!(error, Error::Timeout { what: "answer", .. }) && error.is_temporary());
    client.get("/").await.unwrap();
}
