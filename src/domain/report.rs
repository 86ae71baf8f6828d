//! What a report of a gateway may say, and what becomes of its lines.

use super::ids::Position;
use serde::{Deserialize, Serialize};

/// Longest line key, in characters.
pub const LINE_KEY_CHARS_MAX: usize = 64;
/// How far a reporter's clock may be off: a use may lie so many seconds after now, or before its token's creation.
pub const REPORT_TOLERANCE_SECONDS: u64 = 60;

/// What is remarkable in a reported use, by what the log says when it is recorded. Numbers are part of the record format:
/// append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ReportFlag {
    /// The token was deleted by then.
    AfterDeletion,
    /// The token had expired by then.
    AfterExpiry,
    /// A rotation had ended the secret that was shown.
    AfterRotation,
}

impl ReportFlag {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterDeletion => "after_deletion",
            Self::AfterExpiry => "after_expiry",
            Self::AfterRotation => "after_rotation",
        }
    }
}

/// Why a line is not recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineRefusal {
    /// There is no such token, or it is none that this reporter may speak of.
    UnknownToken,
    /// A scope is one of an account, and none is named.
    NoAccount,
    /// The use lies before the token's creation.
    BeforeCreation,
    /// The use lies in the future.
    InTheFuture,
    /// The log has no such position.
    UnknownPosition,
    /// The use is so old that its key could be kept no longer: it may be recorded already.
    TooOld,
}

impl LineRefusal {
    /// Its word in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownToken => "unknown_token",
            Self::NoAccount => "no_account",
            Self::BeforeCreation => "before_creation",
            Self::InTheFuture => "in_the_future",
            Self::UnknownPosition => "unknown_position",
            Self::TooOld => "too_old",
        }
    }

    /// A sentence about it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::UnknownToken => "there is no such token within this gateway's reach",
            Self::NoAccount => "a scope is one of an account; account_id can't be blank for a user's token",
            Self::BeforeCreation => "the token was created more than 60 seconds after occurred_at",
            Self::InTheFuture => "occurred_at is more than 60 seconds in the future",
            Self::UnknownPosition => "known_position is not a position of this log",
            Self::TooOld => "it may be recorded already: its key would no longer be kept",
        }
    }
}

/// What became of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LineResult {
    /// It is recorded, here.
    Recorded(Position, Vec<ReportFlag>),
    /// It was recorded before, there, with the same content.
    Duplicate(Position),
    /// Its key was used before, there, with other content.
    Conflict(Position),
    /// It is not recorded.
    Refused(LineRefusal),
}
