//! `infra.v1` over gRPC: `BackupService` and `BackupDeliveryService`.
//!
//! A caller is the name that the certificate of his connection is registered under. Every error carries the stable code of the
//! rule in its message (`code: text`) and in the metadata `quorumkeep-code`. No answer and no error contains a share.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use quorumkeep_custody::bytes::Hex;
use quorumkeep_custody::canonical;
use quorumkeep_custody::delivery::State;
use quorumkeep_custody::guardian::ENVELOPE_BYTES_MAX;
use quorumkeep_custody::keeper::{Refusal, ShareRef, Word};
use quorumkeep_custody::names::Name;
use quorumkeep_custody::view::SetView;
use tonic::metadata::MetadataValue;
use tonic::{Code, Extensions, Request, Response, Status};
use x509_cert::der::DateTime;
use zeroize::Zeroizing;

use super::class::Class;
use super::service::Shared;
use super::{Clients, DeskError};
use crate::http::PeerCertificate;

#[allow(missing_docs, clippy::all, clippy::pedantic)]
mod proto {
    tonic::include_proto!("infra.v1");
}

use proto::backup_delivery_service_server::{BackupDeliveryService, BackupDeliveryServiceServer};
use proto::backup_service_server::{BackupService, BackupServiceServer};
use proto::*;

/// Bytes of the longest message that is taken.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// The guardian's signature over his receipt, in ConfirmShareDelivery.
const CONFIRMATION: &str = "quorumkeep-confirmation-bin";
/// What the signature in ShareDeliveryResponse is over.
const VOUCHER: &str = "quorumkeep-voucher-bin";
/// The stable code of an error.
const CODE: &str = "quorumkeep-code";

/// The two services.
#[derive(Clone)]
struct Infra {
    shared: Arc<Shared>,
    clients: Clients,
}

pub(super) fn routes(shared: Arc<Shared>, clients: Clients) -> Router {
    let infra = Infra { shared, clients };
    let backup = BackupServiceServer::new(infra.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let delivery = BackupDeliveryServiceServer::new(infra).max_decoding_message_size(MESSAGE_BYTES_MAX);
    tonic::service::Routes::new(backup).add_service(delivery).into_axum_router()
}

impl Infra {
    /// Finds out who calls, and works where the thread may be blocked.
    async fn serve<T: Send + 'static>(
        &self,
        extensions: &Extensions,
        work: impl FnOnce(&Shared, &Name) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let certificate = extensions.get::<PeerCertificate>().cloned();
        let infra = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let name = certificate.and_then(|shown| infra.clients.name_of(&shown.0));
            let unknown = || refuse(Code::Unauthenticated, "client_unknown", "no registered client certificate");
            let name = name.ok_or_else(unknown)?;
            if infra.shared.callers.client(&name) { work(&infra.shared, &name) } else { Err(too_often()) }
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request's thread died");
            Err(refuse(Code::Internal, "internal", "the server failed"))
        })
    }
}

fn refuse(code: Code, stable: &'static str, text: &str) -> Status {
    let mut status = Status::new(code, format!("{stable}: {text}"));
    status.metadata_mut().insert(CODE, MetadataValue::from_static(stable));
    status
}

fn too_often() -> Status {
    let mut status = refuse(Code::ResourceExhausted, "rate_limited", "this client asked too often");
    status.metadata_mut().insert("retry-after", MetadataValue::from_static("1"));
    status
}

fn malformed(stable: &'static str, text: &str) -> Status {
    refuse(Code::InvalidArgument, stable, text)
}

fn grpc_code(class: Class) -> Code {
    match class {
        Class::Malformed => Code::InvalidArgument,
        Class::Unauthenticated => Code::Unauthenticated,
        Class::Forbidden => Code::PermissionDenied,
        Class::NotFound => Code::NotFound,
        Class::State => Code::FailedPrecondition,
        Class::Exists => Code::AlreadyExists,
        Class::Exhausted => Code::ResourceExhausted,
    }
}

impl From<DeskError> for Status {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Refused(refusal) => refuse(grpc_code(Class::of(&refusal)), refusal.code(), &refusal.to_string()),
            // Paths and details of the disk are for the operator of this machine.
            error => {
                tracing::error!(%error, "the custody's database failed");
                refuse(Code::Internal, "internal", "nothing was done")
            }
        }
    }
}

fn refused(refusal: Refusal) -> Status {
    DeskError::Refused(refusal).into()
}

fn name(field: &str, text: &str) -> Result<Name, Status> {
    text.parse().map_err(|error| malformed("name_invalid", &format!("{field}: {error}")))
}

/// A share as a request names it. Its client must be who calls.
fn share(caller: &Name, client: &str, key_id: &str, node_id: &str, index: i32) -> Result<ShareRef, Status> {
    let (client, key_id, node_id) = (name("client_id", client)?, name("key_id", key_id)?, name("node_id", node_id)?);
    let index = u8::try_from(index).ok().filter(|index| *index > 0);
    let index = index.ok_or_else(|| malformed("index_invalid", "share_index is 1 to 255"))?;
    if client != *caller {
        let text = format!("client_id is {client}, but the certificate is the one of {caller}");
        return Err(refuse(Code::PermissionDenied, "client_differs", &text));
    }
    Ok(ShareRef { client, key_id, node_id, index })
}

fn seconds(ms: u64) -> i64 {
    i64::try_from(ms / 1000).unwrap_or(i64::MAX)
}

/// The newest set of every node of a key, in the order of the nodes.
fn newest(shared: &Shared, key_id: &Name, node_id: Option<&Name>) -> Result<Vec<SetView>, Status> {
    let prefix = node_id.map_or_else(|| format!("{key_id}/"), |node| format!("{key_id}/{node}/"));
    let sets = shared.read(|view, now_ms| view.sets(&prefix, now_ms))?;
    let mut newest: Vec<SetView> = Vec::new();
    for set in sets {
        // Sets come in the order of nodes and generations.
        match newest.last_mut().filter(|last| last.id.node_id == set.id.node_id) {
            Some(last) => *last = set,
            None => newest.push(set),
        }
    }
    if newest.is_empty() { Err(refused(Refusal::UnknownSet(prefix))) } else { Ok(newest) }
}

#[tonic::async_trait]
impl BackupService for Infra {
    async fn recover_mpc_share(
        &self,
        request: Request<RecoverMpcShareRequest>,
    ) -> Result<Response<RecoverMpcShareResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        self.serve(&extensions, move |shared, caller| recover(shared, caller, asked)).await.map(Response::new)
    }

    async fn get_backup_status(
        &self,
        request: Request<GetBackupStatusRequest>,
    ) -> Result<Response<GetBackupStatusResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        self.serve(&extensions, move |shared, _| status(shared, asked)).await.map(Response::new)
    }

    async fn list_backup_shares(
        &self,
        request: Request<ListBackupSharesRequest>,
    ) -> Result<Response<ListBackupSharesResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        self.serve(&extensions, move |shared, _| list(shared, asked)).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl BackupDeliveryService for Infra {
    async fn request_share_delivery(
        &self,
        request: Request<ShareDeliveryRequest>,
    ) -> Result<Response<ShareDeliveryResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        let (answer, voucher) = self.serve(&extensions, move |shared, caller| deliver(shared, caller, &asked)).await?;
        let mut response = Response::new(answer);
        response.metadata_mut().insert_bin(VOUCHER, MetadataValue::from_bytes(&voucher));
        Ok(response)
    }

    async fn confirm_share_delivery(
        &self,
        request: Request<ShareConfirmationRequest>,
    ) -> Result<Response<ShareConfirmationResponse>, Status> {
        let (metadata, extensions, asked) = request.into_parts();
        let shown = metadata.get_bin(CONFIRMATION).map(MetadataValue::to_bytes).transpose();
        let shown = shown.map_err(|_| malformed("confirmation_invalid", "the confirmation is not valid base64"))?;
        let word = word(&asked, shown.as_deref())?;
        self.serve(&extensions, move |shared, caller| confirm(shared, caller, &asked, &word)).await.map(Response::new)
    }

    async fn query_share_status(
        &self,
        request: Request<ShareStatusQuery>,
    ) -> Result<Response<ShareStatusResponse>, Status> {
        let (_, extensions, asked) = request.into_parts();
        self.serve(&extensions, move |shared, caller| query(shared, caller, &asked)).await.map(Response::new)
    }
}

fn recover(shared: &Shared, caller: &Name, asked: RecoverMpcShareRequest) -> Result<RecoverMpcShareResponse, Status> {
    let bytes = Zeroizing::new(asked.share_data);
    let (key_id, node_id) = (name("key_id", &asked.key_id)?, name("node_id", &asked.node_id)?);
    if bytes.len() > ENVELOPE_BYTES_MAX {
        return Err(malformed("share_length", "share_data is longer than any share"));
    }
    let bytes = Some(&**bytes).filter(|bytes| !bytes.is_empty());
    let progress = shared.write(|desk, now_ms| desk.infra_recover((&key_id, &node_id), (caller, bytes), now_ms))?;
    let counted = format!("{} of {}", progress.submitted, progress.needed);
    let message = if progress.committed { format!("{counted}, {}", progress.state) } else { counted };
    Ok(RecoverMpcShareResponse { key_id: asked.key_id, node_id: asked.node_id, success: progress.committed, message })
}

fn status(shared: &Shared, asked: GetBackupStatusRequest) -> Result<GetBackupStatusResponse, Status> {
    let statuses = newest(shared, &name("key_id", &asked.key_id)?, None)?.into_iter().map(|set| BackupStatus {
        node_id: set.id.node_id.to_string(),
        total_shares: i32::try_from(set.total).unwrap_or(i32::MAX),
        required_shares: set.threshold.into(),
        recoverable: set.recoverable,
    });
    Ok(GetBackupStatusResponse { statuses: statuses.collect(), key_id: asked.key_id })
}

fn list(shared: &Shared, asked: ListBackupSharesRequest) -> Result<ListBackupSharesResponse, Status> {
    let key_id = name("key_id", &asked.key_id)?;
    let node_id = Some(&asked.node_id).filter(|node| !node.is_empty()).map(|node| name("node_id", node)).transpose()?;
    let sets = newest(shared, &key_id, node_id.as_ref())?;
    let shares_by_node: HashMap<_, _> =
        sets.into_iter().map(|set| (set.id.node_id.to_string(), shares(&set))).collect();
    Ok(ListBackupSharesResponse { key_id: asked.key_id, shares_by_node })
}

fn shares(set: &SetView) -> BackupShares {
    let created = DateTime::from_unix_duration(std::time::Duration::from_secs(set.created_ms / 1000));
    let created = created.map(|time| time.to_string()).unwrap_or_default();
    let one = |share: &quorumkeep_custody::view::ShareView| BackupShare {
        key_id: set.id.key_id.to_string(),
        node_id: set.id.node_id.to_string(),
        share_index: share.index.into(),
        created_at: created.clone(),
    };
    BackupShares { node_id: set.id.node_id.to_string(), shares: set.shares.iter().map(one).collect() }
}

/// The answer, and the bytes that its signature is over.
fn deliver(
    shared: &Shared,
    caller: &Name,
    asked: &ShareDeliveryRequest,
) -> Result<(ShareDeliveryResponse, Vec<u8>), Status> {
    let share = share(caller, &asked.client_id, &asked.key_id, &asked.node_id, asked.share_index)?;
    let key = &asked.client_public_key;
    if key.len() != 65 && !(key.starts_with(b"age1") && key.len() < 128) {
        let text = "client_public_key is 65 bytes of a secp256k1 point, or the text of an age recipient";
        return Err(malformed("public_key_length", text));
    }
    let delivered = shared.write(|desk, now_ms| desk.infra_deliver(&share, key, now_ms))?;
    let answer = ShareDeliveryResponse {
        encrypted_share: delivered.envelope.0,
        signature: delivered.signature.0.to_vec(),
        timestamp: i64::try_from(delivered.voucher.timestamp).unwrap_or(i64::MAX),
    };
    Ok((answer, canonical::to_bytes(&delivered.voucher)))
}

fn word(asked: &ShareConfirmationRequest, confirmation: Option<&[u8]>) -> Result<Word, Status> {
    match (asked.received_successfully, confirmation) {
        (true, None) => Ok(Word::Received),
        (true, Some(signature)) => match signature.try_into() {
            Ok(signature) => Ok(Word::Confirmed(Hex(signature))),
            Err(_) => Err(malformed("confirmation_invalid", "the confirmation is a signature of 64 bytes")),
        },
        (false, None) if asked.failure_reason.is_empty() => Ok(Word::Failed("no reason was given".into())),
        (false, None) => Ok(Word::Failed(asked.failure_reason.clone())),
        (false, Some(_)) => Err(malformed("confirmation_invalid", "a share that failed cannot be confirmed")),
    }
}

fn confirm(
    shared: &Shared,
    caller: &Name,
    asked: &ShareConfirmationRequest,
    word: &Word,
) -> Result<ShareConfirmationResponse, Status> {
    let share = share(caller, &asked.client_id, &asked.key_id, &asked.node_id, asked.share_index)?;
    let state = shared.write(|desk, now_ms| desk.infra_confirm(&share, word, now_ms))?;
    let message = match state {
        State::Confirmed => "confirmed",
        State::Failed => "recorded as failed",
        _ => {
            "received, not confirmed: the guardian's signature over the receipt is missing (quorumkeep-confirmation-bin)"
        }
    };
    Ok(ShareConfirmationResponse { confirmed: state == State::Confirmed, message: message.into() })
}

fn query(shared: &Shared, caller: &Name, asked: &ShareStatusQuery) -> Result<ShareStatusResponse, Status> {
    let share = share(caller, &asked.client_id, &asked.key_id, &asked.node_id, asked.share_index)?;
    let sets = newest(shared, &share.key_id, Some(&share.node_id))?;
    let found = sets.into_iter().flat_map(|set| set.shares);
    let mine = |view: &quorumkeep_custody::view::ShareView| view.index == share.index && view.guardian == share.client;
    let view =
        found.into_iter().find(mine).ok_or_else(|| refused(Refusal::NotYours(share.client.clone(), share.index)))?;
    Ok(ShareStatusResponse {
        status: view.state.text().into(),
        delivered_at: seconds(view.delivered_ms),
        confirmed_at: seconds(view.confirmed_ms),
        failure_reason: view.reason,
    })
}
