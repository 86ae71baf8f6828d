//! Why a command over HTTP ended otherwise than well, and the exit code that says so.

use thiserror::Error;

/// Refused by the service, or not there.
const EXIT_REFUSED: u8 = 1;
/// Wrong usage, or settings that are not used as they are.
const EXIT_USAGE: u8 = 2;
/// EX_UNAVAILABLE of sysexits.h: not reached, or at fault.
const EXIT_UNAVAILABLE: u8 = 69;
/// EX_IOERR: the secret's file.
const EXIT_FILE: u8 = 74;
/// EX_NOPERM: the credential.
const EXIT_CREDENTIAL: u8 = 77;

/// Why a command over HTTP ended otherwise than well. The words never hold a secret.
#[derive(Debug, Error)]
pub enum RemoteFailure {
    /// What was said, or set, cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The service refused.
    #[error("{words}")]
    Refused {
        /// Its status.
        status: u16,
        /// What it said.
        words: String,
    },
    /// The answer is not what was needed, though the service carried it out.
    #[error("{0}")]
    Missing(String),
    /// No answer came, or none of a Token Ledger.
    #[error("{0}")]
    Unreachable(String),
    /// A secret could not be put where it was to go.
    #[error("{0}")]
    File(String),
}

impl RemoteFailure {
    /// What answered is no Token Ledger.
    pub fn not_json() -> Self {
        Self::Unreachable("the answer is not JSON, as a Token Ledger's is; is the URL right?".to_owned())
    }

    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => EXIT_USAGE,
            Self::Refused { status: 401 | 403, .. } => EXIT_CREDENTIAL,
            Self::Refused { status: 400..=499, .. } | Self::Missing(_) => EXIT_REFUSED,
            Self::Refused { .. } | Self::Unreachable(_) => EXIT_UNAVAILABLE,
            Self::File(_) => EXIT_FILE,
        }
    }
}
