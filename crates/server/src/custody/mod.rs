//! A custody: its directory, the one place through which it changes, and its service.
//!
//! | module | what |
//! |---|---|
//! | [`Desk`] | the only writer |
//! | [`service`] | HTTP ([`api`]) and, with the feature `grpc`, `infra.v1` over gRPC |
//! | [`remote`], [`link`] | a custody elsewhere, and one wherever it is |
//!
//! # Files
//!
//! | file | what |
//! |---|---|
//! | `charter.json` | who it began with; its hash is the identity of the custody |
//! | `custody.db` | documents and audit log |
//! | `service.key` | 32 bytes, from which the keys of vouchers and of the audit log are derived |
//! | `clients/NAME.pem` | the certificates of clients that may call the gRPC services |
//! | `server.pem`, `server.key` | the certificate and the key of the service, if it made them itself |
//! | `audit.vkey` | the public key of the audit log, as C2SP writes it |

pub mod api;
pub mod link;
pub mod remote;
pub mod service;

mod callers;
mod class;
#[cfg(feature = "grpc")]
mod clients;
mod desk;
mod directory;
#[cfg(feature = "grpc")]
mod grpc;

#[cfg(feature = "grpc")]
pub use clients::{CLIENTS_MAX, Clients};

pub use callers::{BURST, PER_SECOND};
pub use desk::{Desk, DeskError};
pub use directory::{CustodyDir, DirectoryError};
