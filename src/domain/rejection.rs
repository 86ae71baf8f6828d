//! Why a command was not carried out. A value, not an error: nothing went wrong.

use super::event::Cause;
use super::ids::{ResourceId, TokenId, UserId, Version};
use super::oauth::ExchangeFault;

/// What was not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// The account.
    Account,
    /// The user.
    User,
    /// The membership.
    Member,
    /// The resource.
    Resource,
    /// The token.
    Token,
    /// The feature.
    Feature,
    /// The access review.
    Review,
    /// The session.
    Session,
    /// A sign-in link that works.
    SignInLink,
    /// The OAuth application.
    Application,
    /// The authorization of an OAuth application.
    Authorization,
}

impl Missing {
    /// Its word in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::User => "user",
            Self::Member => "member",
            Self::Resource => "resource",
            Self::Token => "token",
            Self::Feature => "feature",
            Self::Review => "review",
            Self::Session => "session",
            Self::SignInLink => "sign-in link",
            Self::Application => "OAuth application",
            Self::Authorization => "authorization",
        }
    }
}

/// What is wrong with one field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldFault {
    /// Path of the field, as in `access.grants[0].group`.
    pub field: String,
    /// Sentence part that follows the field's name.
    pub fault: String,
}

impl FieldFault {
    /// One fault of one field.
    pub fn new(field: impl Into<String>, fault: impl Into<String>) -> Self {
        Self { field: field.into(), fault: fault.into() }
    }
}

/// What is wrong with one line of a body of many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineFaults {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub faults: Vec<FieldFault>,
}

/// Who has a digest already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// An earlier line of the same body.
    Line(u64),
    /// A token, deleted ones too.
    Token(TokenId),
}

/// A line whose digest is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TakenDigest {
    /// The line.
    pub line: u64,
    /// Who has it.
    pub by: Holder,
}

/// With what the command is at odds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Conflict {
    /// A change to Solo while grants exist: these tokens and members carry them.
    GrantsExist {
        /// Tokens with grants.
        tokens: Vec<TokenId>,
        /// Members with grants.
        members: Vec<UserId>,
    },
    /// The account has a resource of this kind and name.
    ResourceExists(ResourceId),
    /// A digest that is to be taken up belongs to a token already.
    DigestExists,
    /// Digests of these lines are taken.
    DigestsTaken(Vec<TakenDigest>),
    /// The last operator token that works would be deleted.
    LastOperator,
    /// The access review is over.
    ReviewClosed,
    /// A public application has no secret.
    PublicClient,
    /// The token's text is with an application, which nobody could hand another one.
    HeldByApplication,
    /// The wall clock is not off by more than 60 s: there is nothing to accept.
    ClockAsExpected,
}

/// Why a command was not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// No token has this digest.
    UnknownToken,
    /// The token no longer opens the door.
    Closed(Cause),
    /// The token may not do this.
    Forbidden(Cause),
    /// Something the command names is not there (or not in that account, which looks the same).
    NotFound(Missing),
    /// These fields are not valid.
    Invalid(Vec<FieldFault>),
    /// These lines are not valid. Nothing of any line was carried out.
    InvalidLines(Vec<LineFaults>),
    /// The request could not be read. Whoever read it knows why; only its token was judged.
    Unreadable,
    /// The plan has no grants.
    PlanRequired,
    /// At odds with what is there.
    Conflict(Conflict),
    /// `If-Match` named another version than this.
    VersionMismatch(Version),
    /// The idempotency key was sent with another request within 24 hours.
    KeyReused,
    /// A limit of the service is reached; the text names it and its number.
    LimitReached(&'static str),
    /// No application has this client id, or it does not show that it is the one.
    UnknownClient,
    /// The code is not exchanged. `None`: there is no such code, or none that can be any more.
    NotExchanged(Option<ExchangeFault>),
}

/// For people at a terminal; answers over HTTP have their own forms.
impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownToken => f.write_str("no token has this digest"),
            Self::Closed(cause) | Self::Forbidden(cause) => write!(f, "the token may not do this ({})", cause.name()),
            Self::NotFound(missing) => write!(f, "there is no such {}", missing.name()),
            Self::Invalid(faults) => {
                let told: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.field, fault.fault)).collect();
                f.write_str(&told.join("; "))
            }
            Self::InvalidLines(lines) => {
                let told: Vec<String> = lines.iter().map(|faulty| faulty.line.to_string()).collect();
                write!(f, "not valid: line {}", told.join(", "))
            }
            Self::Unreadable => f.write_str("the request could not be read"),
            Self::PlanRequired => f.write_str("the account's plan has no grants"),
            Self::Conflict(Conflict::GrantsExist { .. }) => {
                f.write_str("tokens or members of the account carry grants")
            }
            Self::Conflict(Conflict::ResourceExists(id)) => write!(f, "the account has it already, as resource {id}"),
            Self::Conflict(Conflict::DigestExists) => f.write_str("the digest belongs to a token already"),
            Self::Conflict(Conflict::DigestsTaken(taken)) => {
                let told: Vec<String> = taken.iter().map(|taken| taken.line.to_string()).collect();
                write!(f, "the digest is taken: line {}", told.join(", "))
            }
            Self::Conflict(Conflict::ClockAsExpected) => {
                f.write_str("the wall clock is not off by more than 60 s: there is nothing to accept")
            }
            Self::Conflict(Conflict::ReviewClosed) => f.write_str("the access review is closed"),
            Self::Conflict(Conflict::PublicClient) => f.write_str("a public application has no secret"),
            Self::Conflict(Conflict::HeldByApplication) => {
                f.write_str("an application holds the token; it gets another by another authorization")
            }
            Self::Conflict(Conflict::LastOperator) => f.write_str("it is the last operator token that works"),
            Self::VersionMismatch(current) => write!(f, "it has changed in the meantime, to version {current}"),
            Self::KeyReused => f.write_str("the idempotency key was sent with another request"),
            Self::LimitReached(limit) => f.write_str(limit),
            Self::UnknownClient => f.write_str("no application shows itself so"),
            Self::NotExchanged(fault) => {
                write!(f, "the code is not exchanged ({})", fault.map_or("unknown", ExchangeFault::name))
            }
        }
    }
}

impl Rejection {
    /// One field at fault.
    pub fn field(field: impl Into<String>, fault: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldFault::new(field, fault)])
    }
}
