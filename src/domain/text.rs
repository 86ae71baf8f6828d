//! Personal texts: what a client or a person chose to write, kept out of every record.
//!
//! A record says only a text's number. The text and its salt live in the ledger file's `personal` table; the record
//! `TextSeen` commits to them, so erasing the row leaves every hash and proof valid.

use super::event::Header;
use super::ids::{AccountId, TextNumber, TokenId, UserId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Whose text it is: the subject that an erasure names. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Subject {
    /// The service's own staff and gateways.
    Service,
    /// An account.
    Account(AccountId),
    /// A person.
    User(UserId),
}

/// What kind of text it is. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TextKind {
    /// Name of an account.
    AccountName,
    /// Name of a person.
    UserName,
    /// E-mail address of an account or person.
    Email,
    /// Name of a token.
    TokenName,
    /// Domain or zone name: of a resource, in a grant, or asked for in a path.
    ResourceName,
    /// Network address of a client.
    Address,
    /// User agent of a client.
    Agent,
    /// Name of an OAuth application.
    ApplicationName,
    /// Certificate signing request of a certificate.
    SigningRequest,
    /// What somebody wrote beside a decision.
    Note,
    /// Where an OAuth application has browsers sent back to.
    RedirectUri,
}

/// Every kind, in the order of the record format.
pub const TEXT_KINDS: [TextKind; 11] = [
    TextKind::AccountName,
    TextKind::UserName,
    TextKind::Email,
    TextKind::TokenName,
    TextKind::ResourceName,
    TextKind::Address,
    TextKind::Agent,
    TextKind::ApplicationName,
    TextKind::SigningRequest,
    TextKind::Note,
    TextKind::RedirectUri,
];

impl TextKind {
    /// Name in tables and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountName => "account_name",
            Self::UserName => "user_name",
            Self::Email => "email",
            Self::TokenName => "token_name",
            Self::ResourceName => "resource_name",
            Self::Address => "address",
            Self::Agent => "agent",
            Self::ApplicationName => "application_name",
            Self::SigningRequest => "signing_request",
            Self::Note => "note",
            Self::RedirectUri => "redirect_uri",
        }
    }
}

impl TextKind {
    /// The token that a text of this kind came with, by the header of its `TextSeen`: the token named, or the one
    /// shown by the client. None for what belongs to no token. Erasing a token's texts goes by it.
    pub fn brought_by(self, header: &Header) -> TokenId {
        match self {
            Self::TokenName | Self::Note => header.token,
            Self::Address | Self::Agent if header.credential.is_none() => header.token,
            Self::Address | Self::Agent => header.credential,
            _ => TokenId::NONE,
        }
    }
}

/// A text on its way in. It cannot be printed by accident.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonalText(String);

impl PersonalText {
    /// Takes a text that the caller has already found acceptable.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the `personal` table and for judging names.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonalText({} bytes)", self.0.len())
    }
}

/// SHA-256(salt ‖ text): what the record says of a text. The 32-byte salt keeps short texts from being guessed.
pub fn commitment(salt: &[u8; 32], text: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(text.as_bytes()).finalize().into()
}

/// A text that has a number and is not erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownText {
    /// Its number.
    pub number: TextNumber,
    /// Its kind.
    pub kind: TextKind,
    /// The token it came with (see [`TextKind::brought_by`]).
    pub token: TokenId,
}

/// Where `decide` finds the numbers of texts. The ledger's writer implements it over the `personal` table.
pub trait Texts {
    /// The number this text already has, if it was seen before and not erased.
    fn find(&mut self, subject: Subject, kind: TextKind, text: &str) -> Option<TextNumber>;

    /// Takes up a new text under its number, draws its salt and returns the commitment. It is durable only with the
    /// records of the command that brought it, and forgotten if they are not appended.
    fn take(&mut self, known: KnownText, subject: Subject, text: &str) -> [u8; 32];

    /// All texts of a subject that are not erased, in any order.
    fn of(&mut self, subject: Subject) -> Vec<KnownText>;
}
