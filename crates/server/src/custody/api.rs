//! A custody over HTTP. `openapi.json` beside this file is its description, and a test keeps both in step.
//!
//! What changes something is a signed request; what can be read is public: manifests, people, states, ciphertexts of sessions.
//! Sealed shares of sets are handed to their guardians only.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::header;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use quorumkeep_audit::tile::WIDTH;
use quorumkeep_custody::bytes::Hash;
use quorumkeep_custody::guardian::Guardian;
use quorumkeep_custody::keeper::Answer;
use quorumkeep_custody::manifest::SignedManifest;
use quorumkeep_custody::names::Name;
use quorumkeep_custody::people::{Charter, Roster};
use quorumkeep_custody::placement::Analysis;
use quorumkeep_custody::records::ReadError;
use quorumkeep_custody::register::Register;
use quorumkeep_custody::request::{SetId, Signed};
use quorumkeep_custody::session::Bundle;
use quorumkeep_custody::view::{Overview, SetView, View, WaitingView};
use quorumkeep_store::audit::{AuditFault, AuditReader};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::DeskError;
use super::service::Shared;
use crate::http::{Peer, QueryArgs, RawBody};
use crate::problem::{Code, Problem};

/// The description of this interface.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Every route, as in the description.
pub const ROUTES: &[(&str, &str)] = &[
    ("post", "/custody/requests"),
    ("get", "/custody/status"),
    ("get", "/custody/charter"),
    ("get", "/custody/people"),
    ("get", "/custody/guardians"),
    ("get", "/custody/register"),
    ("get", "/custody/sets/{key}/{node}/{generation}"),
    ("get", "/custody/sets/{key}/{node}/{generation}/manifest"),
    ("get", "/custody/waiting"),
    ("get", "/custody/sessions/{id}"),
    ("get", "/audit/checkpoint"),
    ("get", "/audit/entries"),
    ("get", "/audit/tile/{*path}"),
    ("get", "/health"),
    ("get", "/metrics"),
    ("get", "/version"),
    ("get", "/openapi.json"),
];

/// Characters of the longest prefix: key and node.
const PREFIX_CHARS_MAX: usize = 130;
/// Entries of one answer.
const ENTRIES_MAX: u64 = WIDTH as u64;

/// A set, and what its placement really gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAnswer {
    /// The set.
    pub set: SetView,
    /// Which losses it survives.
    pub placement: Option<Analysis>,
    /// Who recovers together: every group of entities that does and would not without any one of them, at most
    /// [`quorumkeep_custody::placement::COALITIONS_MAX`].
    pub coalitions: Vec<BTreeSet<Name>>,
}

/// An entry of the audit log, as it is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryAnswer {
    /// Which, counted from 0.
    pub seq: u64,
    /// The text whose hash is the leaf of the tree.
    pub entry: String,
}

impl SetAnswer {
    /// The set and its placement; none if there is no such set.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn of(view: &View<'_>, id: &SetId, now_ms: u64) -> Result<Option<Self>, ReadError> {
        let set = view.sets(&id.record(), now_ms)?.into_iter().find(|set| set.id == *id);
        let Some(set) = set else { return Ok(None) };
        let placement = view.analysis(id)?;
        let coalitions = placement.as_ref().map(Analysis::coalitions).unwrap_or_default();
        Ok(Some(Self { set, placement, coalitions }))
    }
}

type Service = State<Arc<Shared>>;
type Caller = Extension<Peer>;
type Told<T> = Result<Json<T>, Problem>;

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/custody/status", get(status))
        .route("/custody/charter", get(charter))
        .route("/custody/people", get(people))
        .route("/custody/guardians", get(guardians))
        .route("/custody/register", get(register))
        .route("/custody/sets/{key}/{node}/{generation}", get(set))
        .route("/custody/sets/{key}/{node}/{generation}/manifest", get(manifest))
        .route("/custody/waiting", get(waiting))
        .route("/custody/sessions/{id}", get(session))
        .route("/audit/checkpoint", get(checkpoint))
        .route("/audit/entries", get(entries))
        .route("/audit/tile/{*path}", get(tile))
        .route("/health", get(health))
        .route("/metrics", get(|State(shared): Service| async move { shared.metrics.response() }))
        .route("/version", get(version))
        .route("/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), readers))
        // It finds out by itself who asks.
        .route("/custody/requests", post(requests))
        .with_state(shared)
}

fn too_often() -> Problem {
    Problem::new(Code::RateLimited, "This caller asked too often; a few requests a second are always possible.")
}

/// What is read is public, and counts by the address.
async fn readers(State(shared): Service, Extension(peer): Caller, request: Request, next: Next) -> Response {
    if shared.callers.stranger(peer) { next.run(request).await } else { too_often().into_response() }
}

/// Who signed something new counts by his key; all others by their address, before they are in anybody's way.
fn admit(shared: &Shared, signed: &Signed, peer: Peer) -> Result<(), Problem> {
    let custody = shared.custody();
    let key = shared.read(|view, now_ms| view.author(signed, &custody, now_ms))?;
    let free = key.map_or_else(|| shared.callers.stranger(peer), |key| shared.callers.key(&key));
    if free { Ok(()) } else { Err(too_often()) }
}

/// Runs what may block the thread elsewhere. What was begun is ended, even if nobody waits for the answer any more.
async fn blocking<T: Send + 'static, E: Into<Problem> + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's thread died");
        Problem::from(Code::Internal)
    })?;
    done.map_err(Into::into)
}

async fn read<T: Send + 'static>(
    shared: Arc<Shared>,
    work: impl FnOnce(&View<'_>, u64) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, Problem> {
    blocking(move || shared.read(work)).await
}

fn missing(what: &str) -> Problem {
    Problem::new(Code::NotFound, what)
}

async fn requests(State(shared): Service, Extension(peer): Caller, RawBody(body): RawBody) -> Told<Answer> {
    let signed = Signed::decode(&body).map_err(|_| {
        let text = "The body is not a signed request in its canonical form: JSON with sorted keys and no white space.";
        let malformed = Problem::new(Code::Malformed, text).because("request_malformed");
        if shared.callers.stranger(peer) { malformed } else { too_often() }
    })?;
    let answer = blocking(move || {
        admit(&shared, &signed, peer)?;
        shared.write(|desk, now_ms| desk.handle(&signed, now_ms)).map_err(Problem::from)
    });
    let answer = answer.await?;
    Ok(Json(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusArgs {
    #[serde(default)]
    prefix: String,
}

async fn status(State(shared): Service, QueryArgs(StatusArgs { prefix }): QueryArgs<StatusArgs>) -> Told<Overview> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-/".contains(&byte);
    if prefix.len() > PREFIX_CHARS_MAX || !prefix.bytes().all(plain) {
        return Err(Problem::new(Code::Malformed, "A prefix is KEY/, KEY/NODE/ or nothing."));
    }
    read(shared, move |view, now_ms| view.overview(&prefix, now_ms)).await.map(Json)
}

async fn charter(State(shared): Service) -> Told<Charter> {
    read(shared, |view, _| view.charter()).await.map(Json)
}

async fn people(State(shared): Service) -> Told<Roster> {
    read(shared, |view, _| view.roster()).await.map(Json)
}

async fn guardians(State(shared): Service) -> Told<Vec<Guardian>> {
    read(shared, |view, _| view.guardians()).await.map(Json)
}

async fn register(State(shared): Service) -> Told<Register> {
    read(shared, |view, _| view.register()).await.map(Json)
}

fn set_id(parts: (String, String, String)) -> Result<SetId, Problem> {
    let parsed = format!("{}/{}/{}", parts.0, parts.1, parts.2).parse();
    parsed.map_err(|_| Problem::new(Code::Malformed, "A set is KEY/NODE/GENERATION."))
}

async fn set(State(shared): Service, Path(parts): Path<(String, String, String)>) -> Told<SetAnswer> {
    let id = set_id(parts)?;
    let found = read(shared, move |view, now_ms| SetAnswer::of(view, &id, now_ms)).await?;
    found.map(Json).ok_or_else(|| missing("There is no such backup set."))
}

async fn manifest(State(shared): Service, Path(parts): Path<(String, String, String)>) -> Told<SignedManifest> {
    let id = set_id(parts)?;
    let found = read(shared, move |view, _| view.manifest(&id)).await?;
    found.map(Json).ok_or_else(|| missing("There is no such backup set."))
}

async fn waiting(State(shared): Service) -> Told<Vec<WaitingView>> {
    read(shared, |view, now_ms| view.waiting(now_ms)).await.map(Json)
}

async fn session(State(shared): Service, Path(id): Path<String>) -> Told<Bundle> {
    let id: Hash = id.parse().map_err(|_| Problem::new(Code::Malformed, "A session is 32 bytes in hexadecimal."))?;
    let found = read(shared, move |view, _| view.bundle(&id)).await?;
    found.map(Json).ok_or_else(|| missing("There is no such session."))
}

/// Reads the audit log beside the writer.
async fn audit<T: Send + 'static>(
    shared: Arc<Shared>,
    work: impl FnOnce(&AuditReader) -> Result<T, AuditFault> + Send + 'static,
) -> Result<T, Problem> {
    blocking(move || {
        let done = AuditReader::open(shared.database()).map_err(AuditFault::from).and_then(|log| work(&log));
        done.map_err(|error| {
            tracing::error!(%error, "the audit log cannot be read");
            Problem::from(Code::Internal)
        })
    })
    .await
}

async fn checkpoint(State(shared): Service) -> Result<Response, Problem> {
    let head = audit(shared, AuditReader::head).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], head.note).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntriesArgs {
    #[serde(default)]
    from: u64,
    #[serde(default = "entries_max")]
    count: u64,
}

fn entries_max() -> u64 {
    ENTRIES_MAX
}

async fn entries(State(shared): Service, QueryArgs(args): QueryArgs<EntriesArgs>) -> Told<Vec<EntryAnswer>> {
    let records = audit(shared, move |log| log.read(args.from, args.count.min(ENTRIES_MAX))).await?;
    let shown = records.into_iter().map(|record| {
        // An entry was read as JSON before, so it is text.
        EntryAnswer { seq: record.seq, entry: String::from_utf8_lossy(&record.bytes).into_owned() }
    });
    Ok(Json(shown.collect()))
}

async fn tile(State(shared): Service, Path(path): Path<String>) -> Result<Response, Problem> {
    let bytes = audit(shared, move |log| log.tile(&format!("tile/{path}"))).await?;
    let bytes = bytes.ok_or_else(|| missing("The log has no such tile."))?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

async fn health(State(shared): Service) -> Told<serde_json::Value> {
    let custody = shared.custody();
    if shared.has_failed() {
        let text = "A commit failed, and nothing is written any more: free the disk and start the service again.";
        return Err(Problem::new(Code::NotReady, text));
    }
    let sets = blocking(move || shared.read(|view, now_ms| Ok(view.sets("", now_ms)?.len())));
    match sets.await {
        Ok(sets) => Ok(Json(json!({"ok": true, "custody": custody, "sets": sets}))),
        Err(_) => Err(Problem::new(Code::NotReady, "The database cannot be read; the log of the service says why.")),
    }
}

async fn version() -> Json<serde_json::Value> {
    Json(json!({"name": "quorumkeep-custody", "version": env!("CARGO_PKG_VERSION")}))
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        DeskError::from(error).into()
    }
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
        let wild = |path: &str| path.replace("{*", "{");
        let mut routed: Vec<_> = ROUTES.iter().map(|(method, path)| ((*method).to_owned(), wild(path))).collect();
        described.sort();
        routed.sort();
        assert_eq!(described, routed);
    }
}
