//! Faults of a log as failures of a command.

use quorumkeep_store::StoreError;
use quorumkeep_store::audit::AuditFault;

use crate::failure::{Code, Failure};
use crate::report::Report;

impl From<AuditFault> for Failure {
    fn from(fault: AuditFault) -> Self {
        let first_bad = fault.first_bad();
        let code = match fault {
            AuditFault::Store(StoreError::Damaged { .. }) => Code::AuditDamaged,
            AuditFault::Store(error) => return error.into(),
            AuditFault::Files(error) => return error.into(),
            AuditFault::NoEntry { .. } => Code::UnknownEntry,
            AuditFault::Occupied { .. } => Code::AuditOther,
            AuditFault::Forked { .. } => Code::AuditForked,
            _ => Code::AuditDamaged,
        };
        let failure = Self::new(code, &fault);
        match first_bad {
            Some(entry) => failure.with_report(Report::text(format!("first bad entry: {entry}")).field("entry", entry)),
            None => failure,
        }
    }
}
