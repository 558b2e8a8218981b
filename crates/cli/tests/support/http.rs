//! A client that can say anything: one HTTP/1.1 request over the program's own pinned TLS, byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use quorumkeep_server::network::NetworkFile;
use quorumkeep_server::tls::{self, Pin};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::Network;

/// What a server answered.
pub struct Response {
    pub status: u16,
    /// Everything, with the status line and the headers.
    pub bytes: Vec<u8>,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The stable code of a problem document.
    pub fn code(&self) -> String {
        let text = self.text();
        let body = text.split("\r\n\r\n").nth(1).unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// The server that listens at `socket` of the network: 0 is the board, others are nodes.
pub fn pin(network: &Network, number: usize) -> Pin {
    let file = NetworkFile::load(&network.path("network.json")).unwrap();
    if number == 0 {
        return Pin::Orderer { network: file.network, key: VerifyingKey::from_bytes(&file.orderer()).unwrap() };
    }
    let member = &file.first_config.roster[number - 1];
    Pin::Operator { network: file.network, address: member.address, key: member.key.clone() }
}

/// Sends a request as it stands and reads until the server closes or says nothing for a while.
pub fn send(network: &Network, number: usize, request: &[u8]) -> Response {
    tls::install_provider();
    let mut config = Arc::unwrap_or_clone(tls::client_config(pin(network, number)).unwrap());
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from("quorumkeep.invalid").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = TcpStream::connect(network.socket(number)).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut stream = StreamOwned::new(connection, tcp);
    // A server that has read enough may close before everything is written.
    let _ = stream.write_all(request).and_then(|()| stream.flush());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let status = String::from_utf8_lossy(&bytes).split(' ').nth(1).and_then(|code| code.parse().ok());
    Response { status: status.unwrap_or(0), bytes }
}

pub fn get(network: &Network, number: usize, path: &str) -> Response {
    send(network, number, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
}

pub fn post(network: &Network, number: usize, path: &str, kind: &str, body: &[u8]) -> Response {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    );
    send(network, number, &[head.as_bytes(), body].concat())
}
