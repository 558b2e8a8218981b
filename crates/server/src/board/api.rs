//! The orderer over HTTP.
//!
//! | request | answer |
//! |---|---|
//! | `POST /board/records`, body: one encoded record | `{"id": hex, "status": "pending" or "known"}` |
//! | `GET /board/blocks?from=H&limit=N&wait_ms=W` | binary: u32 length and block, repeated; waits for the first one up to W |
//! | `GET /board/head` | the signed head, JSON |
//! | `GET /board/governance` | all Config and Genesis records in order, JSON |
//! | `GET /health`, `/ready`, `/version`, `/metrics` | for operators |

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use quorumkeep_dkg::envelope::{Kind, PROTOCOL_VERSION, record_id};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::DbError;
use super::answer::Answer;
use super::log::{ANSWER_BLOCKS_MAX, SignedHead};
use super::orderer::{Posted, Refusal, Status};
use super::roster::GovernedError;
use super::service::Shared;
use crate::http::{Peer, QueryArgs, RawBody, Slot};
use crate::problem::{Code, Problem};

/// The longest time that a reader may wait for a block, in milliseconds.
pub(super) const WAIT_MS_MAX: u64 = 10_000;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/board/records", post(post_record))
        .route("/board/blocks", get(blocks))
        .route("/board/head", get(head))
        .route("/board/governance", get(governance))
        .route("/health", get(|| async { Json(json!({"ok": true})) }))
        .route("/ready", get(ready))
        .route("/version", get(version))
        .route("/metrics", get(|State(shared): State<Arc<Shared>>| async move { shared.metrics().response() }))
        .with_state(shared)
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::TooLarge => Code::TooLarge,
            Refusal::Malformed | Refusal::NotARecord => Code::Malformed,
            Refusal::ForeignNetwork { .. } => Code::ForeignNetwork,
            Refusal::CannotCount(_) => Code::Refused,
            Refusal::UnknownSigner { .. } => Code::UnknownSigner,
            Refusal::BadSignature => Code::BadSignature,
            Refusal::Governed(error) => governed_code(error),
            Refusal::Full { .. } => Code::PoolFull,
            Refusal::Retired => Code::Retired,
            Refusal::Db(error) => return error.into(),
        };
        Self::new(code, refusal.to_string())
    }
}

fn governed_code(error: &GovernedError) -> Code {
    use quorumkeep_dkg::config::ConfigError as E;
    match error {
        GovernedError::Config(E::Decode(_)) | GovernedError::Header => Code::Malformed,
        GovernedError::Config(E::ForeignNetwork | E::NotTheAnchor) => Code::ForeignNetwork,
        GovernedError::Config(E::NotSuccessor { .. }) | GovernedError::Conflict(_) => Code::Conflict,
        GovernedError::Config(_) | GovernedError::Stranger(_) | GovernedError::Orderer(_) => Code::Refused,
    }
}

impl From<&DbError> for Problem {
    fn from(error: &DbError) -> Self {
        // Paths and details of the disk are for the operator of this machine.
        tracing::error!(%error, "the board's file failed");
        Code::Internal.into()
    }
}

/// Runs what may block the thread elsewhere.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's thread died");
        Problem::from(Code::Internal)
    })
}

async fn post_record(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    RawBody(bytes): RawBody,
) -> Result<Json<Posted>, Problem> {
    let _check = shared.checks.acquire().await.map_err(|_| Problem::from(Code::Busy))?;
    // After the wait, so that what was queued at the same time counts.
    if !shared.strikes.allows(peer.ip()) {
        return Err(Problem::new(Code::RateLimited, "Too many wrong signatures came from this address."));
    }
    let (posting, length) = (Arc::clone(&shared), bytes.len());
    match blocking(move || posting.post(&bytes)).await? {
        Ok(posted) => {
            shared.count(if posted.status == Status::Pending { "pending" } else { "known" });
            tracing::debug!(id = %posted.id, %peer, length, status = ?posted.status, "record");
            Ok(Json(posted))
        }
        Err(refusal) => {
            if matches!(refusal, Refusal::BadSignature | Refusal::Governed(_)) {
                shared.strikes.add(peer.ip());
            }
            let problem = Problem::from(refusal);
            shared.count(problem.code.as_str());
            tracing::debug!(%peer, length, code = problem.code.as_str(), "record refused");
            Err(problem)
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlocksArgs {
    from: u64,
    #[serde(default = "default_limit")]
    limit: usize,
    #[serde(default)]
    wait_ms: u64,
}

fn default_limit() -> usize {
    ANSWER_BLOCKS_MAX
}

async fn blocks(
    State(shared): State<Arc<Shared>>,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(slot): Extension<Slot>,
    QueryArgs(args): QueryArgs<BlocksArgs>,
) -> Result<Response, Problem> {
    if args.from == 0 || args.limit == 0 {
        return Err(Problem::new(Code::Malformed, "from and limit begin at 1."));
    }
    if args.wait_ms > 0 && shared.log.head().height < args.from {
        let too_many = || Problem::new(Code::RateLimited, "Too many readers of this address wait for a block.");
        let _waiting = shared.waits.take(peer.ip(), 1).ok_or_else(too_many)?;
        slot.wait(wait_for(&shared, args.from, args.wait_ms.min(WAIT_MS_MAX))).await?;
    }
    let reading = Arc::clone(&shared);
    let found = blocking(move || reading.log.blocks(args.from, args.limit)).await?;
    let found = found.map_err(|error| Problem::from(&error))?;
    let too_much = || Problem::new(Code::RateLimited, "Too many blocks are on their way to this address.");
    let bytes = found.iter().map(|block| block.len() + 4).sum();
    let part = shared.answers.take(peer.ip(), bytes).ok_or_else(too_much)?;
    let kind = HeaderValue::from_static("application/octet-stream");
    Ok(([(header::CONTENT_TYPE, kind)], Body::new(Answer::new(frame(&found), part))).into_response())
}

/// Waits until there is a block at this height, the time is over or the server stops.
async fn wait_for(shared: &Shared, height: u64, wait_ms: u64) {
    let until = Instant::now() + Duration::from_millis(wait_ms);
    let (mut head, mut stop) = (shared.log.follow(), shared.stop.clone());
    let reached = async {
        tokio::select! {
            _ = head.wait_for(|head| head.height >= height) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    };
    let _ = timeout_at(until, reached).await;
}

fn frame(blocks: &[Bytes]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(blocks.iter().map(|block| block.len() + 4).sum());
    for block in blocks {
        framed.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_be_bytes());
        framed.extend_from_slice(block);
    }
    framed
}

async fn head(State(shared): State<Arc<Shared>>) -> Json<SignedHead> {
    Json(shared.log.head())
}

/// A governed record in the answer to `GET /board/governance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernedJson {
    /// The height of its block.
    pub height: u64,
    /// `config` or `genesis`.
    pub kind: String,
    /// `H(bytes)`, in hexadecimal.
    pub id: String,
    /// The encoded record, in hexadecimal.
    pub record: String,
}

async fn governance(State(shared): State<Arc<Shared>>) -> Result<Json<Vec<GovernedJson>>, Problem> {
    let rows = blocking(move || shared.log.governance()).await?.map_err(|error| Problem::from(&error))?;
    let rows = rows.into_iter().map(|row| GovernedJson {
        height: row.height,
        kind: if row.kind == Kind::Config { "config" } else { "genesis" }.to_owned(),
        id: record_id(&row.bytes).to_string(),
        record: hex::encode(&row.bytes),
    });
    Ok(Json(rows.collect()))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Result<Json<serde_json::Value>, Problem> {
    if shared.is_ready() {
        return Ok(Json(json!({"ready": true, "height": shared.log.head().height})));
    }
    Err(Problem::new(Code::NotReady, "No block was made for several intervals."))
}

async fn version() -> Json<serde_json::Value> {
    Json(json!({"name": "quorumkeep-orderer", "version": env!("CARGO_PKG_VERSION"), "protocol": PROTOCOL_VERSION}))
}
