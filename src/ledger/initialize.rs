//! A new ledger: its key, its file, its first events and its first operator token.

use super::core::Core;
use crate::clock::Clock;
use crate::domain::command::{Actor, Change, Command, NewSecret, Origin};
use crate::domain::conditions::Conditions;
use crate::domain::decide::Answer;
use crate::domain::ids::TokenId;
use crate::domain::names::{NameFault, check_name};
use crate::domain::rejection::Rejection;
use crate::domain::state::State;
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
    /// An interrupted try had given the log another name.
    #[error("an interrupted `init` named this log {0:?}: leave out --origin, or start in another directory")]
    Begun(String),
    /// What is shown once could not be.
    #[error("the operator token could not be shown ({0}); run `init` again, it gives another one")]
    NotShown(std::io::Error),
    /// The operator token cannot have this name.
    #[error("the operator's name {0}")]
    Operator(NameFault),
    /// The rules said no.
    #[error("the first records were refused: {}", told(.0))]
    Refused(Rejection),
}

/// A rejection in words, as far as there are fields to name.
fn told(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Invalid(faults) => {
            let faults: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.fault)).collect();
            faults.join("; ")
        }
        other => format!("{other:?}"),
    }
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

/// Makes a ledger, and shows nobody its operator token but the caller. See [`initialize_and_show`].
pub fn initialize(
    dir: &DataDir,
    origin: Option<&str>,
    operator: &str,
    clock: Clock,
    entropy: Entropy,
) -> Result<(Initialized, Core), InitializeError> {
    initialize_and_show(dir, origin, operator, clock, entropy, |_| Ok(()))
}

/// Makes a ledger. In order: directory, file of the signed head, empty ledger file, key, a note that the end is not reached yet, one transaction
/// with the first events, what is shown once, and the note is taken away. A crash or a failure on the way leaves a
/// ledger without events, or with the note, on which a next try goes on: with a new operator token in the second case,
/// as it is not known whether anybody saw the first. One with events and without the note is not touched.
pub fn initialize_and_show(
    dir: &DataDir,
    origin: Option<&str>,
    operator: &str,
    clock: Clock,
    mut entropy: Entropy,
    show: impl FnOnce(&Initialized) -> std::io::Result<()>,
) -> Result<(Initialized, Core), InitializeError> {
    check_asked(dir, origin, operator)?;
    dir.prepare()?;
    refuse_begun(dir)?;
    let kept = kept_seed(dir)?;
    let mut core = begin(dir, clock, entropy.split())?;
    let seed = match kept {
        Some(seed) => seed,
        None => new_seed(dir, &mut entropy)?,
    };
    let origin = match (origin, core.state().origin.as_str()) {
        (None, "") => default_origin(&mut entropy),
        (None, begun) => begun.to_owned(),
        (Some(asked), begun) if begun.is_empty() || asked == begun => asked.to_owned(),
        (Some(_), begun) => return Err(InitializeError::Begun(begun.to_owned())),
    };
    let key =
        LogKey::from_seed(&origin, &seed).map_err(|error| InitializeError::Origin { origin: origin.clone(), error })?;
    let log_vkey = key.vkey().to_string();
    let secret = TokenSecret::from_random(TokenKind::Operator, &entropy.bytes_32());
    let changes = first_changes(core.state(), &origin, &log_vkey, operator, &secret);
    dir.begin_init()?;
    commit(&mut core, changes)?;
    let initialized = Initialized { operator_token: secret.reveal_once(), log_vkey, origin };
    show(&initialized).map_err(InitializeError::NotShown)?;
    dir.finish_init()?;
    Ok((initialized, core))
}

/// Refuses what could only fail later, when a part of the ledger is there already.
fn check_asked(dir: &DataDir, origin: Option<&str>, operator: &str) -> Result<(), InitializeError> {
    check_name(operator).map_err(InitializeError::Operator)?;
    if let Some(origin) = origin {
        let refused = |error| InitializeError::Origin { origin: origin.to_owned(), error };
        LogKey::from_seed(origin, &[0; 32]).map_err(refused)?;
    }
    let path = dir.inspection();
    if path.exists() {
        let what = "this directory is a past state for inspection; name another one".to_owned();
        return Err(LogError::BadFile { path, what }.into());
    }
    Ok(())
}

/// What a ledger begins with. An earlier try may have recorded that already: then the token that it made, the log's
/// first, is replaced.
fn first_changes(state: &State, origin: &str, log_vkey: &str, operator: &str, secret: &TokenSecret) -> Vec<Change> {
    let create = Change::CreateToken {
        owner: Owner::Service,
        kind: TokenKind::Operator,
        name: PersonalText::new(operator),
        access: None,
        expires_at: None,
        conditions: Conditions::default(),
        secret: NewSecret { digest: secret.digest(), hint: secret.hint() },
    };
    if state.origin.is_empty() {
        let begin = Change::Initialize { origin: origin.to_owned(), log_vkey: log_vkey.to_owned() };
        return vec![begin, create];
    }
    // The new one first: there always is an operator.
    let delete = |&token: &TokenId| Change::DeleteToken { owner: Owner::Service, token, if_match: None };
    std::iter::once(create).chain(state.service_tokens.iter().map(delete)).collect()
}

fn commit(core: &mut Core, changes: Vec<Change>) -> Result<(), InitializeError> {
    let job = |change| (Command::Manage(Actor::Init, Box::new(change)), Origin::default());
    let jobs: Vec<_> = changes.into_iter().map(job).collect();
    for reply in core.commit(&jobs)?.replies {
        if let Answer::Rejected(rejection) = reply.answer {
            return Err(InitializeError::Refused(rejection));
        }
    }
    Ok(())
}

/// Refuses a ledger that has records without taking its lock: a server may be running on it.
fn refuse_begun(dir: &DataDir) -> Result<(), LogError> {
    if !dir.ledger().exists() || dir.is_unfinished() || LogReader::open(dir)?.head()?.is_none() {
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
    if !core.head().is_none() && !dir.is_unfinished() {
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
