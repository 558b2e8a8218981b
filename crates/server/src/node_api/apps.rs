//! Applications: what this node knows of one, and carrying a registration to the board.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quorumkeep_dkg::app::App;
use quorumkeep_dkg::ids::KeyId;
use quorumkeep_node::status::AppStatus;
use quorumkeep_node::{Event, Node};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Api, ok};
use crate::http::{JsonBody, Peer, QueryArgs};
use crate::problem::{Code, Problem};
use crate::writer::Command;

/// Which application is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppQuery {
    /// The key.
    pub key: KeyId,
    /// The application id.
    pub id: String,
}

/// Answered from the picture that handlers share: nobody waits for the writer.
pub(super) async fn show(State(api): State<Api>, QueryArgs(query): QueryArgs<AppQuery>) -> Result<Response, Problem> {
    let serving = api.shared.serving();
    let unknown = || Problem::new(Code::NotFound, "No such application is registered under this key.");
    let app = serving.apps.get(&(query.key, query.id)).ok_or_else(unknown)?;
    Ok(ok(AppStatus::new(&query.key, app)))
}

/// An application to register.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// The key.
    pub key: KeyId,
    /// The encoded `App` body in hexadecimal.
    pub app: String,
}

/// Anyone may register, in this node's name and on this node's part of the board: so there is a rate for each address,
/// and one for the node, which only what would be accepted uses up.
pub(super) async fn register(
    State(api): State<Api>,
    Extension(Peer(peer)): Extension<Peer>,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<Response, Problem> {
    if !api.registrations.take_one(peer.ip()) {
        let detail = "Too many registrations came from this address; wait a minute, or ask another node.";
        return Err(Problem::new(Code::RateLimited, detail));
    }
    let malformed = || Problem::new(Code::Malformed, "The application is not an encoded App in hexadecimal.");
    let bytes = hex::decode(&body.app).map_err(|_| malformed())?;
    let app = App::decode(&bytes).map_err(|_| malformed())?;
    let key = body.key;
    let serving = api.shared.serving();
    let before = serving.apps.get(&(key, app.id.clone()));
    if before != Some(&app) {
        let refused = |reason: &str| Problem::new(Code::Refused, reason);
        app.check(&api.shared.network, &key, before).map_err(refused)?;
        if !api.query(move |node: &Node| node.ledger().keys().contains_key(&key)).await? {
            return Err(refused("there is no such key"));
        }
        if !api.registrations.take_any() {
            let detail = "This node carries no more registrations at present; wait a minute, or ask another node.";
            return Err(Problem::new(Code::RateLimited, detail));
        }
        api.command(Command::Event(Event::Register(key, bytes), None)).await?;
    }
    Ok((StatusCode::ACCEPTED, ok(json!({ "carried": true }))).into_response())
}
