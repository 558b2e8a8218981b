//! A custody that lies: the real service, with somebody in between who changes what it says. Nobody who pins its identity
//! signs, seals or gives anything because of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod backup_kit;
mod kit;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use backup_kit::Custody;
use kit::Answer;
use quorumkeep_server::http::{Limits, Server};
use quorumkeep_server::metrics::{HttpMetrics, Metrics};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// The service of the directory `c`; it ends with this.
struct Served {
    child: Child,
    socket: String,
}

impl Served {
    fn new(custody: &Custody) -> Self {
        let serve = ["custody", "serve", "--dir", "c", "--listen", "127.0.0.1:0", "--plain", "--json"];
        let mut child = custody.0.command(&serve).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        let socket = said["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { child, socket }
    }

    fn url(&self) -> String {
        format!("http://{}", self.socket)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Lie = dyn Fn(&str, String) -> String + Send + Sync;

/// Stands between a service and its callers, and hears what they ask for.
struct Liar {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
    _stop: watch::Sender<bool>,
}

impl Liar {
    /// `lie` gets the path and the answer, and says what is answered instead.
    fn new(served: &Served, lie: impl Fn(&str, String) -> String + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (asked, lie): (Arc<Mutex<Vec<String>>>, Arc<Lie>) = (Arc::default(), Arc::new(lie));
        let (heard, socket) = (Arc::clone(&asked), served.socket.clone());
        let pass_on = move |method: Method, uri: Uri, body: Bytes| {
            let (lie, heard, socket) = (Arc::clone(&lie), Arc::clone(&heard), socket.clone());
            async move {
                heard.lock().unwrap().push(String::from_utf8(body.to_vec()).unwrap());
                let asked = format!("{method} {uri} HTTP/1.1");
                let answer = tokio::task::spawn_blocking(move || ask(&socket, &asked, &body)).await.unwrap();
                said(&answer, |text| lie(uri.path(), text))
            }
        };
        let router = Router::new().route("/{*path}", any(pass_on));
        let metrics = HttpMetrics::new(&Metrics::default());
        let bound = Server::bind_plain("127.0.0.1:0".parse().unwrap(), Limits::default(), metrics);
        let server = runtime.block_on(bound).unwrap();
        let url = format!("http://{}", server.local_addr());
        let (stop, stopping) = watch::channel(false);
        runtime.spawn(server.serve(router, stopping));
        Self { url, asked, _runtime: runtime, _stop: stop }
    }

    /// Requests of this action that came.
    fn heard(&self, action: &str) -> usize {
        let key = format!("\"action\":{{\"{action}\":");
        self.asked.lock().unwrap().iter().filter(|body| body.contains(&key)).count()
    }
}

/// Asks the service, and gives back all that it said.
fn ask(socket: &str, line: &str, body: &[u8]) -> String {
    let mut there = TcpStream::connect(socket).unwrap();
    let head = format!("{line}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    there.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    there.read_to_string(&mut answer).unwrap();
    answer
}

/// The answer with another body.
fn said(answer: &str, lie: impl FnOnce(String) -> String) -> Response {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = if status == 200 { "application/json" } else { "application/problem+json" };
    (StatusCode::from_u16(status).unwrap(), [("content-type", kind)], lie(body.to_owned())).into_response()
}

/// A command on the custody at this URL.
fn at(custody: &Custody, url: &str, arguments: &[&str]) -> Answer {
    custody.0.run(&[arguments, &["--custody", url]].concat())
}

/// The encryption key on a card.
fn recipient(custody: &Custody, name: &str) -> String {
    let card: Value = serde_json::from_slice(&std::fs::read(custody.0.path(&format!("{name}.json"))).unwrap()).unwrap();
    card["recipient"]["age"].as_str().unwrap().to_owned()
}

#[test]
fn a_dealer_seals_nothing_to_keys_that_nobody_approved() {
    let custody = Custody::new();
    custody.guardian("thief", "external", "thief");
    let (bank, thief, id) = (recipient(&custody, "bank-1"), recipient(&custody, "thief"), custody.id());
    let served = Served::new(&custody);
    let liar = Liar::new(&served, move |_, answer| answer.replace(&bank, &thief));
    let create = |url: &str, more: &[&str]| {
        let arguments = custody.create_arguments(more);
        let place = arguments.iter().position(|word| *word == "--custody").unwrap();
        at(&custody, url, &[&arguments[..place], &arguments[place + 2..]].concat())
    };
    create(&liar.url, &["--out-dir", "set"]).fails(2, "usage");
    let other = "0".repeat(64);
    create(&liar.url, &["--out-dir", "set", "--custody-id", &other]).fails(4, "request_foreign");
    let message = create(&liar.url, &["--out-dir", "set", "--custody-id", &id]).fails(4, "guardian_unapproved");
    assert!(message.contains("bank-1"), "{message}");
    assert_eq!(liar.heard("create_set"), 0, "nothing was sealed for anybody");
    assert!(!custody.0.path("set").exists());
    create(&served.url(), &["--out-dir", "set", "--custody-id", &id]).ok();
}

/// What is signed is what is shown: a custody that shows something harmless under the hash of something else gets no approval.
#[test]
fn p8_an_approver_signs_what_is_shown_to_him() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    custody.delivered();
    let (heir, thief) = (custody.open_arguments(), custody.guardian("thief", "external", "thief"));
    let thief = thief["card"]["recipient"]["age"].as_str().unwrap().to_owned();
    let own = recipient(&custody, "heir");
    // Operations asks to hand the secret to the thief; the custody shows the approvers another recipient.
    let asked: Vec<&str> = heir.iter().map(|word| if *word == own { thief.as_str() } else { word.as_str() }).collect();
    let request = custody.run(&asked).ok()["request"].as_str().unwrap().to_owned();
    let served = Served::new(&custody);
    let shown = request.clone();
    let liar = Liar::new(&served, move |path, answer| match path {
        "/custody/waiting" => answer.replace(&thief, &own),
        _ => answer,
    });
    let approve = ["custody", "approve", &request, "--as", "sara.key"];
    let message = at(&custody, &liar.url, &approve).fails(4, "content_differs");
    assert!(message.contains(&shown), "{message}");
    at(&custody, &liar.url, &["custody", "waiting"]).fails(4, "content_differs");
    assert_eq!(liar.heard("approve"), 0);
    // The same content under the hash of another request.
    let hash = "0".repeat(64);
    let (from, to) = (request.clone(), hash.clone());
    let liar = Liar::new(&served, move |_, answer| answer.replace(&from, &to));
    at(&custody, &liar.url, &["custody", "approve", &hash, "--as", "sara.key"]).fails(4, "content_differs");
    assert_eq!(liar.heard("approve"), 0);
    let honest = at(&custody, &served.url(), &approve).ok();
    assert_eq!(honest["content"]["action"]["open_recovery"]["reason"], "ticket 7");
}

/// A guardian signs for a set that somebody of operations made, whatever the custody says.
#[test]
fn a_guardian_does_not_sign_for_a_dealer_who_left() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    custody.deliver("bank-1").ok();
    custody.deliver("client-1").ok();
    custody.confirm("client-1").ok();
    custody.approved(&["custody", "change", "--as", "both.key", "--remove", "olga"], &["boris", "sara"]);
    assert!(custody.confirm("bank-1").fails(4, "manifest_invalid").contains("olga"));
    let (served, id) = (Served::new(&custody), custody.id());
    let confirm = ["backup", "confirm", "--as", "bank-1.key", "--set", "k1/n1/1", "--dir", "d-bank-1"];
    at(&custody, &served.url(), &confirm).fails(2, "usage");
    at(&custody, &served.url(), &[&confirm[..], &["--custody-id", &id]].concat()).fails(4, "manifest_invalid");
    // A roster in which olga still is, by leaving out how she left, is an older state of the custody: that is what remains.
    assert_eq!(
        custody.0.run(&["custody", "people", "--custody", &served.url()]).ok()["people"].as_array().unwrap().len(),
        4
    );
}

/// A guardian gives no share to a session whose approvers knew a change of people that the custody leaves out.
#[test]
fn p8_a_guardian_sees_a_withheld_removal() {
    let custody = Custody::new();
    custody.create(&["--out-dir", "set"]).ok();
    custody.delivered();
    custody.approved(&["custody", "change", "--as", "olga.key", "--remove", "cora"], &["boris", "sara"]);
    let session = custody.open(&["boris", "sara"]);
    let (served, path) = (Served::new(&custody), format!("/custody/sessions/{session}"));
    let liar = Liar::new(&served, move |asked, answer| {
        let mut json: Value = serde_json::from_str(&answer).unwrap();
        if asked == path {
            json["history"] = Value::Array(Vec::new());
        }
        json.to_string()
    });
    let submit = ["backup", "recover", "submit", "--as", "bank-1.key", "--session", &session, "--dir", "d-bank-1"];
    let message = at(&custody, &liar.url, &submit).fails(4, "session_refused");
    assert!(message.contains("withholds"), "{message}");
    assert_eq!(liar.heard("submit_share"), 0);
    at(&custody, &served.url(), &submit).ok();
}
