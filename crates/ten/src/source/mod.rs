//! Where ciphertexts come from: nodes over JSON-RPC, gateways over HTTP.
//!
//! ```text
//! endpoint  http://HOST[:PORT]/PATH, https://, ws://, wss://
//! http      connect (TLS 1.3) -> headers -> body, each with its time, the body with its bound
//! ws        the same stream, upgraded
//! rpc       ten_backupSharedSecret, ten_rpcKey                         over http or ws
//! gateway   /admin/backup-encryption-key/                              over http
//! registry  isAttested, isSequencer of the enclave registry of L1      over http or ws
//! ```
//!
//! # Security
//!
//! Neither a node nor a gateway of TEN shows who it is: `http://` and `ws://` are what upstream serves, and a ciphertext does
//! not say who made it. Whoever sits between can serve a ciphertext of a secret of his own. What comes from here is
//! believed only after [`crate::check`] compared it with a value that was pinned elsewhere. Redirects are never followed.
//!
//! # Source
//!
//! go-ten `go/host/rpc/clientapi/client_api_ten.go`, `go/enclave/enclave_admin_service.go`,
//! `tools/walletextension/httpapi/routes.go`.

mod endpoint;
mod error;
pub mod gateway;
pub mod http;
mod jsonrpc;
pub mod registry;
pub mod rpc;
mod trust;
mod ws;

pub use endpoint::{Endpoint, Scheme};
pub use error::{CODES, Error, printable};
pub use gateway::Gateway;
pub use http::{Client, Limits};
pub use registry::Registry;
pub use rpc::Node;
pub use trust::{Trust, TrustError};
