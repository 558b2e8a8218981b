//! What nodes and gateways of TEN answer, and what was found about them, as an error of this program.

use quorumkeep_ten::capture;
use quorumkeep_ten::source::{self, TrustError};

use super::{Code, Failure, display};

/// The code of the same text; the library's codes are those of this program, but for a wrong URL, which is a wrong command.
fn code(text: &str) -> Code {
    Code::ALL.iter().find(|code| code.text() == text).copied().unwrap_or(Code::Failed)
}

impl From<source::Error> for Failure {
    fn from(error: source::Error) -> Self {
        let code = if matches!(error, source::Error::Url { .. }) { Code::Usage } else { code(error.code()) };
        Self::new(code, display(&error))
    }
}

impl From<capture::Error> for Failure {
    fn from(error: capture::Error) -> Self {
        match error {
            capture::Error::Source(error) => error.into(),
            capture::Error::Refused(finding) => {
                Self::new(code(finding.code.text()), format!("nothing was kept: {finding}"))
            }
        }
    }
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        let code = match &error {
            TrustError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Code::FileMissing,
            TrustError::Read { .. } => Code::Io,
            TrustError::None { .. } => Code::BadFile,
            TrustError::Tls(_) => Code::Failed,
        };
        Self::new(code, display(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_says_has_a_code_of_its_own() {
        for text in source::CODES {
            assert!(*text == "url_invalid" || code(text) != Code::Failed, "{text}");
        }
        for text in ["rpc_key_differs", "zero_secret", "network_split"] {
            assert!(code(text) != Code::Failed, "{text}");
        }
    }
}
