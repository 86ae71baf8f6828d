//! A new ledger: its key, its file, its first events and its first operator token.

use super::core::Core;
use crate::clock::Clock;
use crate::domain::command::{Actor, Change, Command, NewSecret, Origin};
use crate::domain::decide::Answer;
use crate::domain::rejection::Rejection;
use crate::domain::text::PersonalText;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::entropy::Entropy;
use crate::log::note::{LogKey, NoteError};
use crate::log::reader::LogReader;
use crate::log::signed_head::make_for_new_log;
use crate::log::writer::AppendError;
use crate::log::{DataDir, LogError};
use thiserror::Error;

/// Why no ledger was made, or why a copy cannot go on as another log.
#[derive(Debug, Error)]
pub enum InitializeError {
    /// The files.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The first events.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The name.
    #[error("the origin {origin:?} cannot name a log: {error}")]
    Origin {
        /// What was given.
        origin: String,
        /// What is wrong with it.
        error: NoteError,
    },
    /// The rules said no.
    #[error("the first records were refused: {0:?}")]
    Refused(Rejection),
}

/// What is shown once.
pub struct Initialized {
    /// Bearer text of the first operator token.
    pub operator_token: String,
    /// Verifier key of the log.
    pub log_vkey: String,
    /// Name of the log.
    pub origin: String,
}

/// Makes a ledger. In order: directory, file of the signed head, empty ledger file, key, then one transaction with the
/// first events. A crash on the way leaves a ledger without events, on which a next try simply goes on. One with events
/// has all its files, and is not touched.
pub fn initialize(
    dir: &DataDir,
    origin: Option<&str>,
    operator: &str,
    clock: Clock,
    mut entropy: Entropy,
) -> Result<(Initialized, Core), InitializeError> {
    dir.prepare()?;
    refuse_begun(dir)?;
    let kept = kept_seed(dir)?;
    let mut core = begin(dir, clock, entropy.split())?;
    let seed = match kept {
        Some(seed) => seed,
        None => new_seed(dir, &mut entropy)?,
    };
    let origin = match origin {
        Some(origin) => origin.to_owned(),
        None => default_origin(&mut entropy),
    };
    let key =
        LogKey::from_seed(&origin, &seed).map_err(|error| InitializeError::Origin { origin: origin.clone(), error })?;
    let vkey = key.vkey();
    let secret = TokenSecret::from_random(TokenKind::Operator, &entropy.bytes_32());
    let commands = [
        Change::Initialize { origin: origin.clone(), log_vkey: vkey.to_string() },
        Change::CreateToken {
            owner: Owner::Service,
            kind: TokenKind::Operator,
            name: PersonalText::new(operator),
            access: None,
            expires_at: None,
            secret: NewSecret { digest: secret.digest(), hint: secret.hint() },
        },
    ];
    let jobs: Vec<_> = commands
        .into_iter()
        .map(|change| (Command::Manage(Actor::Init, Box::new(change)), Origin::default()))
        .collect();
    let committed = core.commit(&jobs)?;
    for reply in committed.replies {
        if let Answer::Rejected(rejection) = reply.answer {
            return Err(InitializeError::Refused(rejection));
        }
    }
    let operator_token = secret.reveal_once();
    Ok((Initialized { operator_token, log_vkey: vkey.to_string(), origin }, core))
}

/// Refuses a ledger that has records without taking its lock: a server may be running on it.
fn refuse_begun(dir: &DataDir) -> Result<(), LogError> {
    if !dir.ledger().exists() || LogReader::open(dir)?.head()?.is_none() {
        return Ok(());
    }
    Err(LogError::LedgerExists(dir.path().to_owned()))
}

fn begin(dir: &DataDir, clock: Clock, entropy: Entropy) -> Result<Core, LogError> {
    if !dir.ledger().exists() {
        return Core::create(dir, clock, entropy);
    }
    let (core, _) = Core::open(dir, clock, entropy)?;
    // Looked at again, now under the lock: another one may have been faster.
    if !core.head().is_none() {
        return Err(LogError::LedgerExists(dir.path().to_owned()));
    }
    make_for_new_log(dir)?;
    Ok(core)
}

/// The seed that an interrupted try left beside an empty log: it may have been shown already.
fn kept_seed(dir: &DataDir) -> Result<Option<[u8; 32]>, LogError> {
    let path = dir.key();
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).map_err(|source| LogError::Io { path: path.clone(), source })?;
    let malformed = |_| LogError::BadFile { path, what: "must be 32 bytes".to_owned() };
    bytes.try_into().map(Some).map_err(malformed)
}

pub(super) fn new_seed(dir: &DataDir, entropy: &mut Entropy) -> Result<[u8; 32], LogError> {
    let seed = entropy.bytes_32();
    dir.write_secret_file(&dir.key(), &seed)?;
    Ok(seed)
}

pub(super) fn default_origin(entropy: &mut Entropy) -> String {
    let [a, b, c, d, ..] = entropy.bytes_16();
    format!("localhost/token-ledger/{a:02x}{b:02x}{c:02x}{d:02x}")
}
