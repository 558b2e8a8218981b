//! A custody on this machine: its directory, and the one place through which it changes.
//!
//! | file | what |
//! |---|---|
//! | `charter.json` | who it began with; its hash is the identity of the custody |
//! | `custody.db` | documents and audit log |
//! | `service.key` | 32 bytes, from which the keys of vouchers and of the audit log are derived |
//! | `audit.vkey` | the public key of the audit log, as C2SP writes it |

mod desk;
mod directory;

pub use desk::{Desk, DeskError};
pub use directory::{CustodyDir, DirectoryError};
