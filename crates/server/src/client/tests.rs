//! Servers that are not there, are silent, come back.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use super::*;
use crate::http::Limits;
use crate::testkit::{Network, client, serve, serve_at};
use crate::tls::{Certificates, LIFETIME};

fn router() -> Router {
    Router::new().route("/", get(|| async { "here" }))
}

#[tokio::test]
async fn nobody_a_silent_peer_and_a_stranger_are_told_apart() {
    let network = Network::new(2, 1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings { connect: Duration::from_millis(100), ..Settings::default() };
    let silent = Client::new(network.pin(0), &address.to_string(), settings).unwrap();
    let error = silent.get("/").await.unwrap_err();
    assert!(matches!(error, Error::Timeout { what: "connection", .. }) && error.is_temporary());
    drop(listener);
    let error = client(network.pin(0), address).get("/").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_temporary(), "{error}");

    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = stranger.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = stranger.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut tcp, b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let error = client(network.pin(0), address).get("/").await.unwrap_err();
    assert!(matches!(error, Error::Tls { reason: TlsReason::Protocol(_), .. }) && !error.is_temporary(), "{error}");
}

#[tokio::test]
async fn a_client_finds_its_server_again() {
    let network = Network::new(2, 1);
    let first = serve(&network, router(), Limits::default()).await;
    let address = first.address;
    let client = client(network.pin(0), address);
    client.get("/").await.unwrap();
    first.stop.send_replace(true);
    first.task.await.unwrap();
    let back = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let certificates = Certificates::new(network.identity(0), LIFETIME).unwrap();
        serve_at(address, certificates, router(), Limits::default()).await
    });
    let backoff = Backoff { first: Duration::from_millis(50), ..Backoff::default() };
    let answer = retry(backoff, Error::is_temporary, || client.get("/")).await.unwrap();
    assert_eq!(&answer[..], b"here");
    drop(back.await.unwrap());
}
