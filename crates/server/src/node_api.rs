//! The HTTP interface of a node. `openapi.json` beside this file is its description, and a test keeps both in step.

mod apps;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quorumkeep_curves::enc::Writer as Encoder;
use quorumkeep_curves::tags;
use quorumkeep_dkg::envelope::{Envelope, Kind, record_id};
use quorumkeep_dkg::ids::{Address, Digest, KeyId, NetworkId, VersionId};
use quorumkeep_dkg::output::Output;
use quorumkeep_dkg::records;
use quorumkeep_node::serving::{OwnerProof, Partial, Serving, SignError, SignRequest};
use quorumkeep_node::status::Status;
use quorumkeep_node::{Event, Node};
use quorumkeep_store::Reader;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use crate::http::{JsonBody, QueryArgs, Rate, RawBody};
use crate::metrics::Metrics;
use crate::problem::{Code, Problem};
use crate::runtime::Shared;
use crate::writer::{Command, now_ms};

pub use apps::{AppQuery, RegisterBody};

/// The description of this interface.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Every route of a node, as in the description.
pub const ROUTES: &[(&str, &str)] = &[
    ("get", "/status"),
    ("get", "/pubkey"),
    ("get", "/app"),
    ("post", "/app/sign"),
    ("post", "/app/register"),
    ("get", "/health"),
    ("get", "/ready"),
    ("get", "/metrics"),
    ("get", "/version"),
    ("get", "/openapi.json"),
    ("post", "/dkg/commitment"),
    ("post", "/dkg/share"),
    ("post", "/dkg/ack"),
    ("post", "/reshare/commitment"),
    ("post", "/reshare/share"),
    ("post", "/reshare/ack"),
    ("post", "/reshare/complete"),
];

/// How long an answer to `/status` is given again.
const STATUS_LIFETIME: Duration = Duration::from_millis(50);
/// Registrations that one address may ask for, and that the node carries, in [`REGISTRATIONS_WINDOW`].
const REGISTRATIONS_EACH: u32 = 10;
const REGISTRATIONS_ALL: u32 = 60;
const REGISTRATIONS_WINDOW: Duration = Duration::from_secs(60);

/// What the handlers share.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    database: Arc<PathBuf>,
    reader: Arc<Mutex<Option<Reader>>>,
    metrics: Metrics,
    registrations: Rate,
    status: Arc<tokio::sync::Mutex<Option<(Instant, Bytes)>>>,
}

impl Api {
    /// Handlers for this node.
    #[must_use]
    pub fn new(shared: Arc<Shared>, commands: mpsc::Sender<Command>, database: PathBuf, metrics: Metrics) -> Self {
        let registrations = Rate::new(REGISTRATIONS_EACH, REGISTRATIONS_ALL, REGISTRATIONS_WINDOW);
        let (database, reader, status) = (Arc::new(database), Arc::default(), Arc::default());
        Self { shared, commands, database, reader, metrics, registrations, status }
    }

    async fn query<T: Send + 'static>(&self, look: impl FnOnce(&Node) -> T + Send + 'static) -> Result<T, Problem> {
        let (answer, found) = oneshot::channel();
        let look = Box::new(move |node: &Node| {
            let _ = answer.send(look(node));
        });
        self.command(Command::Query(look)).await?;
        found.await.map_err(|_| stopping())
    }

    async fn command(&self, command: Command) -> Result<(), Problem> {
        self.commands.send(command).await.map_err(|_| stopping())
    }

    /// A look into the stored outputs, on a thread that may wait for the disk.
    async fn look_up(&self, query: PubkeyQuery) -> Result<Option<Output>, Problem> {
        let (reader, database) = (self.reader.clone(), self.database.clone());
        let found = tokio::task::spawn_blocking(move || {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            if reader.is_none() {
                *reader = Some(Reader::open(&database)?);
            }
            let Some(reader) = reader.as_ref() else { return Ok(None) };
            match (query.version, query.time_ms) {
                (Some(version), _) => reader.output(&query.key, &version),
                (None, Some(time_ms)) => reader.output_at(&query.key, time_ms),
                (None, None) => Ok(None),
            }
        });
        let row =
            found.await.map_err(|_| stopping())?.map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
        Ok(row.and_then(|row| Output::decode(&row.bytes).ok()))
    }
}

fn stopping() -> Problem {
    Problem::new(Code::NotReady, "The node is stopping.")
}

/// The routes of a node.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/pubkey", get(pubkey))
        .route("/app", get(apps::show))
        .route("/app/sign", post(app_sign))
        .route("/app/register", post(apps::register))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(|State(api): State<Api>| async move { api.metrics.response() }))
        .route("/version", get(version))
        .route("/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }))
        .route("/dkg/commitment", post(peer))
        .route("/dkg/share", post(peer))
        .route("/dkg/ack", post(peer))
        .route("/reshare/commitment", post(peer))
        .route("/reshare/share", post(peer))
        .route("/reshare/ack", post(peer))
        .route("/reshare/complete", post(complete))
        .with_state(api)
}

fn ok(value: impl Serialize) -> Response {
    axum::Json(value).into_response()
}

/// Everyone who asks within a moment gets the same picture: asking must not keep the writer from its work.
async fn status(State(api): State<Api>) -> Result<Response, Problem> {
    let mut kept = api.status.lock().await;
    let fresh = kept.as_ref().filter(|(since, _)| since.elapsed() < STATUS_LIFETIME).map(|(_, bytes)| bytes.clone());
    let bytes = match fresh {
        Some(bytes) => bytes,
        None => {
            let status: Status = api.query(Node::status).await?;
            let bytes = serde_json::to_vec(&status).map_err(|_| Problem::from(Code::Internal))?;
            kept.insert((Instant::now(), bytes.into())).1.clone()
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// The process answers, and says in one sentence why it does not serve.
async fn health(State(api): State<Api>) -> Response {
    let why = why_not_ready(&api.shared.serving());
    ok(json!({ "ok": true, "ready": why.is_none(), "why": why }))
}

fn why_not_ready(serving: &Serving) -> Option<String> {
    let unsaid = || "it holds no share of the newest active version".to_owned();
    (!serving.is_ready()).then(|| serving.suspended.clone().unwrap_or_else(unsaid))
}

/// Red when this node could not produce a valid partial signature.
async fn ready(State(api): State<Api>) -> Response {
    match why_not_ready(&api.shared.serving()) {
        None => ok(json!({ "ready": true })),
        Some(why) => Problem::new(Code::NotReady, why).into_response(),
    }
}

async fn version(State(api): State<Api>) -> Response {
    ok(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "protocol": quorumkeep_dkg::envelope::PROTOCOL_VERSION,
        "network": api.shared.network,
        "node": api.shared.operator.address(),
    }))
}

/// Which output is asked for: by version id, by time, or the newest active one.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PubkeyQuery {
    /// The key.
    pub key: KeyId,
    /// A version, exactly.
    pub version: Option<VersionId>,
    /// The version that was active at this time, in milliseconds since 1970.
    pub time_ms: Option<u64>,
}

/// A version of a key, signed by the node that says so.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PubkeyAnswer {
    /// The network.
    pub network: NetworkId,
    /// The key.
    pub key: KeyId,
    /// The version.
    pub version: VersionId,
    /// The encoded output, which hashes to the version, in hexadecimal.
    pub output: String,
    /// Who says so.
    pub node: Address,
    /// BN254 over [`output_hash`], 64 bytes in hexadecimal.
    pub signature: String,
}

/// `H(enc(tag, network, key, version id))`: what a node signs under a version that it publishes.
#[must_use]
pub fn output_hash(network: &NetworkId, key: &KeyId, version: &VersionId) -> [u8; 32] {
    Encoder::new(tags::NODE_OUTPUT).fixed(&network.0).fixed(&key.0).fixed(&version.0).hash()
}

async fn pubkey(State(api): State<Api>, QueryArgs(query): QueryArgs<PubkeyQuery>) -> Result<Response, Problem> {
    let serving = api.shared.serving();
    let active = serving.active.get(&query.key).filter(|output| match (query.version, query.time_ms) {
        (Some(version), _) => output.id() == version,
        (None, time) => time.is_none(),
    });
    let output = match active {
        Some(output) => output.as_ref().clone(),
        None => api.look_up(query).await?.ok_or_else(|| {
            Problem::new(Code::NotFound, "There is no such version; without a version, none is active yet.")
        })?,
    };
    let (network, version) = (api.shared.network, output.id());
    let signature = api.shared.operator.key().sign(&output_hash(&network, &query.key, &version));
    Ok(ok(PubkeyAnswer {
        network,
        key: query.key,
        version,
        output: hex::encode(output.encode()),
        node: *api.shared.operator.address(),
        signature: hex::encode(signature.to_bytes()),
    }))
}

/// A request for a partial signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignBody {
    /// The key.
    pub key: KeyId,
    /// The application.
    pub app: String,
    /// A version by id; the newest active one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// What the policy `owner` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<OwnerBody>,
}

/// The owner's part of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerBody {
    /// The one-time age X25519 recipient of the answer.
    pub recipient: String,
    /// 32 bytes in hexadecimal, fresh.
    pub nonce: Digest,
    /// Milliseconds since 1970.
    pub expires_ms: u64,
    /// Ed25519, 64 bytes in hexadecimal.
    pub signature: String,
}

/// A partial signature.
#[derive(Clone, Serialize, Deserialize)]
pub struct PartialAnswer {
    /// The version.
    pub version: VersionId,
    /// The node's index in it.
    pub index: u16,
    /// The node.
    pub node: Address,
    /// 48 bytes in hexadecimal.
    pub partial: String,
    /// BN254, 64 bytes in hexadecimal.
    pub signature: String,
}

/// A partial signature for its owner's eyes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SealedAnswer {
    /// The version.
    pub version: VersionId,
    /// The node.
    pub node: Address,
    /// An age file with a [`PartialAnswer`], in base64.
    pub sealed: String,
}

async fn app_sign(State(api): State<Api>, JsonBody(body): JsonBody<SignBody>) -> Result<Response, Problem> {
    let request = read_request(body)?;
    let admitted = api.shared.serving().sign(&request, now_ms()).map_err(sign_problem)?;
    let partial = match admitted.into_public() {
        Ok(partial) => partial,
        Err(admitted) => {
            let (answer, found) = oneshot::channel();
            api.command(Command::Sign(Event::Admitted(admitted), answer)).await?;
            found.await.map_err(|_| stopping())?.map_err(sign_problem)?
        }
    };
    answer(&partial)
}

fn read_request(body: SignBody) -> Result<SignRequest, Problem> {
    let owner = body.owner.map(read_owner).transpose()?;
    Ok(SignRequest { key: body.key, app: body.app, version: body.version, owner })
}

fn read_owner(owner: OwnerBody) -> Result<OwnerProof, Problem> {
    let malformed = |what| Problem::new(Code::Malformed, what);
    let signature = hex::decode(&owner.signature).ok().and_then(|bytes| bytes.try_into().ok());
    let signature = signature.ok_or_else(|| malformed("The owner's signature is not 64 bytes in hexadecimal."))?;
    if owner.recipient.parse::<age::x25519::Recipient>().is_err() {
        return Err(malformed("The recipient is not an age X25519 recipient."));
    }
    let (nonce, expires_ms) = (owner.nonce.0, owner.expires_ms);
    Ok(OwnerProof { recipient: owner.recipient, nonce, expires_ms, signature })
}

fn answer(partial: &Partial) -> Result<Response, Problem> {
    let plain = PartialAnswer {
        version: partial.version,
        index: partial.index.get(),
        node: partial.node,
        partial: hex::encode(partial.partial.expose()),
        signature: hex::encode(partial.signature.to_bytes()),
    };
    let Some(recipient) = &partial.recipient else { return Ok(ok(plain)) };
    let failed = || Problem::new(Code::Internal, "The answer could not be encrypted.");
    let recipient: age::x25519::Recipient = recipient.parse().map_err(|_| failed())?;
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&plain).map_err(|_| failed())?);
    let sealed = age::encrypt(&recipient, &plain).map_err(|_| failed())?;
    Ok(ok(SealedAnswer { version: partial.version, node: partial.node, sealed: STANDARD.encode(sealed) }))
}

fn sign_problem(error: SignError) -> Problem {
    let code = match error {
        SignError::UnknownApp | SignError::UnknownVersion => Code::NotFound,
        SignError::AttestedOnly | SignError::OwnerRequired => Code::Refused,
        SignError::OwnerSignature => Code::BadSignature,
        SignError::Expired => Code::Refused,
        SignError::Replayed => Code::Conflict,
        SignError::NoActiveVersion | SignError::Suspended(_) => Code::NotReady,
    };
    Problem::new(code, error.to_string())
}

/// A message whose sender is or was an operator, with his signature.
fn from_operator(api: &Api, bytes: &[u8]) -> Result<Envelope, Problem> {
    let envelope = Envelope::decode(bytes).map_err(|_| Problem::new(Code::Malformed, "This is not an envelope."))?;
    if envelope.header.network != api.shared.network {
        return Err(Problem::from(Code::ForeignNetwork));
    }
    let (operators, sender) = (api.shared.operators(), envelope.header.sender);
    let Some((_, key)) = operators.iter().find(|(address, _)| *address == sender) else {
        return Err(Problem::from(Code::UnknownSigner));
    };
    let copy = envelope.clone();
    // Checked here, on the caller's time, and remembered: the writer does not check it again.
    records::verify(bytes, copy, &api.shared.memory, |_| Some(key)).ok_or_else(|| Problem::from(Code::BadSignature))?;
    Ok(envelope)
}

async fn peer(State(api): State<Api>, RawBody(bytes): RawBody) -> Result<Response, Problem> {
    let envelope = from_operator(&api, &bytes)?;
    if !matches!(envelope.header.kind, Kind::Deal | Kind::Ack) {
        return Err(Problem::new(Code::Malformed, "Peers send deals and receipts here."));
    }
    api.command(Command::Event(Event::Peer(bytes.to_vec()), None)).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Carries somebody else's Confirm to the board: who carried it is irrelevant.
async fn complete(State(api): State<Api>, RawBody(bytes): RawBody) -> Result<Response, Problem> {
    let envelope = from_operator(&api, &bytes)?;
    if envelope.header.kind != Kind::Confirm {
        return Err(Problem::new(Code::Malformed, "Only a Confirm is carried from here."));
    }
    api.command(Command::Event(Event::Carry(bytes.to_vec()), None)).await?;
    Ok((StatusCode::ACCEPTED, ok(json!({ "record": record_id(&bytes) }))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_route_and_no_other() {
        let description: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let paths = description["paths"].as_object().unwrap();
        let described = paths.iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        });
        let mut described: Vec<_> = described.collect();
        let mut routed: Vec<_> =
            ROUTES.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
        described.sort();
        routed.sort();
        assert_eq!(described, routed);
    }
}
