//! Changes from the machine itself: through the running server's local socket, else under the directory's lock.
//!
//! Whoever may open the socket (0600) or take the lock owns the data directory; the change is recorded under their
//! Unix user id all the same. No secret crosses the socket: the side that prints one makes it and sends its digest.

use super::{Failure, control};
use crate::clock::Clock;
use crate::domain::command::{Actor, Change, Command, NewSecret, Origin, SignInChange};
use crate::domain::conditions::Conditions;
use crate::domain::decide::{Answer, Done, DoneSubject};
use crate::domain::ids::{Position, TokenId, UserId};
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal, TokenKind};
use crate::domain::token_text::TokenDigest;
use crate::entropy::Entropy;
use crate::ledger::rotation::{Rotated, RotationError};
use crate::ledger::{DataDir, Ledger, OpenLedger, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A change, as it crosses the socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum LocalChange {
    /// A new token of staff.
    StaffToken {
        /// `operator` or `auditor`.
        role: String,
        /// Its name.
        name: String,
        /// When it stops working (RFC 3339).
        expires_at: Option<String>,
        /// SHA-256 of its text, in hexadecimal.
        digest: String,
        /// Its last four characters.
        hint: String,
    },
    /// A sign-in link is made.
    SignIn {
        /// For this user.
        user: Option<u64>,
        /// For staff, by this token.
        staff: Option<u64>,
        /// SHA-256 of its secret, in hexadecimal.
        digest: String,
    },
    /// The log is signed with another key. Whoever carries it out makes the key.
    RotateKey {
        /// How long the key before goes on signing.
        overlap_seconds: u64,
    },
    /// A user's personal texts are erased.
    EraseUser {
        /// Whose.
        user: u64,
    },
    /// A token's personal texts are erased.
    EraseToken {
        /// Which.
        token: u64,
    },
}

/// A change that was carried out.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Carried {
    /// Number of what it was about, 0 for the service; of erased texts how many.
    pub subject: u64,
    /// Position of its last record; none if nothing had to change.
    pub position: Option<u64>,
    /// Personal texts that stay although they were to be erased.
    pub kept: u64,
}

impl LocalChange {
    fn read(&self) -> Result<Change, String> {
        match self {
            Self::StaffToken { role, name, expires_at, digest, hint } => {
                let kind = match role.as_str() {
                    "operator" => TokenKind::Operator,
                    "auditor" => TokenKind::Auditor,
                    _ => return Err(format!("{role:?} is no role; there are operator and auditor")),
                };
                let parse = |text: &String| Timestamp::parse(text).ok_or(format!("{text:?} is no time (RFC 3339)"));
                Ok(Change::CreateToken {
                    owner: Owner::Service,
                    kind,
                    name: PersonalText::new(name),
                    access: None,
                    expires_at: expires_at.as_ref().map(parse).transpose()?,
                    conditions: Conditions::default(),
                    secret: secret_of(digest, hint).ok_or("the secret's digest or hint cannot be read")?,
                })
            }
            Self::SignIn { user, staff, digest } => {
                let who = match (user, staff) {
                    (Some(user), None) => Principal::User(UserId(*user)),
                    (None, Some(staff)) => Principal::Staff(TokenId(*staff)),
                    _ => return Err("name a user, or staff".to_owned()),
                };
                let digest = TokenDigest::from_hex(digest).ok_or("the link's digest cannot be read")?;
                Ok(Change::SignIn(SignInChange::CreateLink { who, digest }))
            }
            // It is no change by itself: see `rotate`.
            Self::RotateKey { .. } => Err("the key is not made by whoever asks".to_owned()),
            Self::EraseUser { user } => Ok(Change::EraseUserTexts { user: UserId(*user) }),
            Self::EraseToken { token } => Ok(Change::EraseTokenTexts { owner: None, token: TokenId(*token) }),
        }
    }
}

fn secret_of(digest: &str, hint: &str) -> Option<NewSecret> {
    Some(NewSecret { digest: TokenDigest::from_hex(digest)?, hint: hint.as_bytes().try_into().ok()? })
}

/// Carries a change out, by the running server if there is one.
pub(super) fn carry_out(dir: &DataDir, change: &LocalChange) -> Result<Carried, Failure> {
    carry_out_with(dir, change).map(|(carried, _)| carried)
}

/// The same, with whatever else there is to say of it.
pub(super) fn carry_out_with(dir: &DataDir, change: &LocalChange) -> Result<(Carried, Value), Failure> {
    let answer = match control::ask_change(dir, change)? {
        Some(answer) => answer,
        None => carry_out_alone(dir, change)?,
    };
    match (answer["refused"].as_str(), serde_json::from_value(answer["done"].clone())) {
        (Some(reason), _) => Err(Failure::Finding(format!("refused: {reason}"))),
        (None, Ok(carried)) => Ok((carried, answer["told"].clone())),
        (None, Err(_)) => Err(control::not_understood(&answer)),
    }
}

fn carry_out_alone(dir: &DataDir, change: &LocalChange) -> Result<Value, Failure> {
    let uid = rustix::process::getuid().as_raw();
    if let LocalChange::RotateKey { overlap_seconds } = change {
        let ledger = OpenLedger::open(dir, Clock::system(), Entropy::system())?;
        return ledger.rotate_key(uid, *overlap_seconds, Entropy::system()).map(rotated).map_err(|error| match error {
            RotationError::Key(error) => Failure::Log(error),
            unrecorded => Failure::Storage(unrecorded.to_string()),
        });
    }
    let change = change.read().map_err(Failure::Finding)?;
    let ledger = OpenLedger::open(dir, Clock::system(), Entropy::system())?;
    let command = Command::Manage(Actor::Local(uid), Box::new(change));
    let reply = ledger.execute(command, Origin::default()).map_err(|error| Failure::Storage(error.to_string()))?;
    Ok(told(&reply))
}

/// Carries a change out for whoever asks at the socket.
pub(super) async fn carry_out_for(ledger: &Ledger, uid: u32, change: &Value) -> Value {
    let refused = |what: String| json!({ "refused": what });
    let change = serde_json::from_value::<LocalChange>(change.clone()).map_err(|error| error.to_string());
    if let Ok(LocalChange::RotateKey { overlap_seconds }) = change {
        let done = ledger.rotate_key(uid, overlap_seconds, Entropy::system()).await;
        return done.map_or_else(|error| refused(error.to_string()), rotated);
    }
    let change = match change.and_then(|change| change.read()) {
        Ok(change) => change,
        Err(what) => return refused(what),
    };
    match ledger.submit(Command::Manage(Actor::Local(uid), Box::new(change)), Origin::default()).await {
        Ok(reply) => told(&reply),
        Err(unavailable) => refused(unavailable.to_string()),
    }
}

fn rotated(Rotated { reply, log_vkey, signs_until }: Rotated) -> Value {
    let mut answer = told(&reply);
    answer["told"] = json!({ "log_vkey": log_vkey, "signs_until": signs_until.map(|at| at.to_seconds_text()) });
    answer
}

fn told(reply: &Reply) -> Value {
    match &reply.answer {
        Answer::Done(Done { subject: DoneSubject::Texts { finished: false, .. }, .. }) => json!({
            "refused": "the texts are erased, but something that reads the ledger file keeps an older part of it; ask again"
        }),
        Answer::Done(done) => {
            let kept = match done.subject {
                DoneSubject::Texts { kept, .. } => kept,
                _ => 0,
            };
            let position = reply.position.map(|Position(at)| at);
            json!({ "done": Carried { subject: number_of(done), position, kept } })
        }
        Answer::Rejected(rejection) => json!({ "refused": rejection.to_string() }),
        // Local commands carry no idempotency key.
        Answer::Repeated(..) | Answer::Use(_) | Answer::Authorized(_) | Answer::Reported(_) => {
            json!({ "refused": "the command was not a change" })
        }
    }
}

fn number_of(done: &Done) -> u64 {
    match done.subject {
        DoneSubject::Service => 0,
        DoneSubject::Review(number) | DoneSubject::SignInLink(number) => number,
        DoneSubject::Application(application) => application.0,
        DoneSubject::Authorization(authorization) => authorization.0,
        DoneSubject::Account(account) => account.0,
        DoneSubject::User(user) | DoneSubject::Member(_, user) => user.0,
        DoneSubject::Resource(resource) => resource.0,
        DoneSubject::Token(token) | DoneSubject::Tokens(token, _) => token.0,
        DoneSubject::Texts { erased, .. } => erased,
    }
}
