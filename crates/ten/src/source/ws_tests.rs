//! WebSocket servers that misbehave, each a real socket.

use std::future::Future;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::super::http::tests::{LONG, SHORT, acceptor, client, impatient, server};
use super::*;
use crate::source::Trust;

type Socket = WebSocketStream<TcpStream>;

/// A server that does this with every WebSocket after it was asked, and then waits until the client has left.
async fn socket<F: Future<Output = Socket> + Send + 'static>(serve: fn(Socket) -> F) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut socket) = accept_async(stream).await else { continue };
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("question"));
            tokio::spawn(async move {
                let mut served = serve(socket).await;
                while served.next().await.is_some_and(|message| message.is_ok()) {}
            });
        }
    });
    address
}

async fn asked(client: &Client, address: SocketAddr) -> Result<Bytes, Error> {
    ask(client, &format!("ws://{address}/").parse().unwrap(), "question".to_owned()).await
}

async fn refused(address: SocketAddr) -> Error {
    asked(&client(None), address).await.unwrap_err()
}

#[tokio::test]
async fn the_answer_may_come_after_pings() {
    let polite = socket(|mut socket| async move {
        socket.send(Message::Ping(Bytes::new())).await.unwrap();
        socket.send(Message::text("answer")).await.unwrap();
        socket
    });
    assert_eq!(asked(&client(None), polite.await).await.unwrap(), "answer");
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let pings = socket(|mut socket| async move {
        while socket.send(Message::Ping(Bytes::new())).await.is_ok() {}
        socket
    });
    let error = refused(pings.await).await;
    assert!(error.code() == "source_websocket" && error.to_string().contains("pings"), "{error}");
    let closes = socket(|mut socket| async move {
        socket.close(None).await.unwrap();
        socket
    });
    assert_eq!(refused(closes.await).await.code(), "source_websocket");
    let binary = socket(|mut socket| async move {
        socket.send(Message::binary(vec![1])).await.unwrap();
        socket
    });
    assert_eq!(refused(binary.await).await.code(), "source_websocket");
}

#[tokio::test]
async fn an_endless_answer_is_left() {
    let large = socket(|mut socket| async move {
        socket.send(Message::text("x".repeat(1001))).await.unwrap();
        socket
    });
    assert!(matches!(refused(large.await).await, Error::TooLarge { max: 1000, .. }));
    let endless = socket(|mut socket| async move {
        let part = |code| Message::Frame(Frame::message(vec![b'x'; 100], OpCode::Data(code), false));
        socket.send(part(Data::Text)).await.unwrap();
        while socket.send(part(Data::Continue)).await.is_ok() {}
        socket
    });
    assert!(matches!(refused(endless.await).await, Error::TooLarge { max: 1000, .. }));
}

#[tokio::test]
async fn a_slow_server_is_left() {
    let silent = socket(|socket| async move { socket });
    let error = asked(&impatient(LONG, LONG), silent.await).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { what: "answer", .. }), "{error}");
    let error = asked(&impatient(SHORT, LONG), server("", "").await).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { what: "upgrade", .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_websocket_is_named() {
    let moved = "HTTP/1.1 307 Moved\r\nLocation: ws://evil.example/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(refused(server(moved, "").await).await.code(), "source_redirects");
    let plain = refused(server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "").await).await;
    assert!(matches!(plain, Error::Status { status: 200, .. }), "{plain}");
    let other = refused(server("SSH-2.0-OpenSSH_9.6\r\n\r\n", "").await).await;
    assert_eq!(other.code(), "source_websocket");
}

#[tokio::test]
async fn a_websocket_within_tls_is_trusted_by_given_roots_only() {
    let ((acceptor, roots), (_, others)) = (acceptor(), acceptor());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at: Endpoint = format!("wss://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut socket = accept_async(stream).await.unwrap();
            socket.send(Message::text("answer")).await.unwrap();
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
        }
    });
    let trusting = client(Some(Trust::file(roots.path()).unwrap()));
    assert_eq!(ask(&trusting, &at, "question".to_owned()).await.unwrap(), "answer");
    let other = client(Some(Trust::file(others.path()).unwrap()));
    assert_eq!(ask(&other, &at, "question".to_owned()).await.unwrap_err().code(), "tls_certificate");
    assert_eq!(ask(&client(None), &at, "question".to_owned()).await.unwrap_err().code(), "tls_no_roots");
}
