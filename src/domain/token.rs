//! A token: one identity, one access, one or two secrets.

use super::access::Access;
use super::conditions::Conditions;
use super::gateway::GatewayReach;
use super::ids::{AccountId, ApplicationId, Position, TextNumber, TokenId, UserId, Version};
use super::oauth::Authorized;
use super::text::Subject;
use super::time::Timestamp;
use super::token_text::TokenDigest;
use super::window::UnitCount;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// What kind of token. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum TokenKind {
    /// Acts on one account.
    Account,
    /// Acts on every account its user is a member of.
    User,
    /// Acts on one account by an authorization.
    OAuth,
    /// Asks on behalf of a gateway.
    Gateway,
    /// Staff that may change everything.
    Operator,
    /// Staff that may read everything and change nothing.
    Auditor,
    /// A browser's session.
    Session,
}

impl TokenKind {
    /// Spelling in bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::User => "user",
            Self::OAuth => "oauth",
            Self::Gateway => "gateway",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Session => "session",
        }
    }

    /// Whether tokens of this kind call the guarded API (the others only manage and ask).
    pub fn is_consumer(self) -> bool {
        matches!(self, Self::Account | Self::User | Self::OAuth)
    }

    /// Whether a token of this kind is created for such an owner. Rights follow the kind and counts follow the owner, so
    /// the two must fit.
    pub fn fits(self, owner: Owner) -> bool {
        match owner {
            // A gateway's too, but it is created with its rights and accounts, by a change of its own.
            Owner::Service => matches!(self, Self::Operator | Self::Auditor),
            // OAuth tokens are an account's too, but they are made for the codes of authorizations only.
            Owner::Account(_) => self == Self::Account,
            // Sessions are opened by sign-in links alone.
            Owner::User(_) => self == Self::User,
        }
    }
}

/// Whose token it is. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Owner {
    /// The service itself (staff and gateway tokens).
    Service,
    /// An account.
    Account(AccountId),
    /// A person.
    User(UserId),
}

/// Texts about a token, and of whoever shows it, are its owner's.
impl From<Owner> for Subject {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Service => Self::Service,
            Owner::Account(account) => Self::Account(account),
            Owner::User(user) => Self::User(user),
        }
    }
}

/// Who acts. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Principal {
    /// The service by itself.
    Service,
    /// Whoever holds an account's token.
    Account(AccountId),
    /// A person.
    User(UserId),
    /// Staff of the service, known by their token.
    Staff(TokenId),
    /// A person on the machine, by the data directory or its local socket (Unix user id).
    Local(u32),
    /// An OAuth application, by a member's word.
    Application(ApplicationId),
}

/// By what right a change was made, or history looked at. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Authority {
    /// The ledger's own: `init`, and erasing again what an older copy of the file brought back.
    Init,
    /// The local socket or the data directory's lock.
    Local,
    /// An operator token of this version.
    Operator(Version),
    /// A membership with full access, of this version.
    Membership(Version),
    /// A gateway token of this version, with the right to do so and the token's account in its reach.
    Gateway(Version),
    /// An auditor token of this version, which looks and changes nothing.
    Auditor(Version),
    /// A sign-in link of this number, which opens one session.
    SignInLink(u64),
    /// A session, over what is its own person's.
    Own,
    /// An OAuth application of this version, which exchanges the codes that it was given.
    Application(Version),
}

/// One secret of a token: its digest, never its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Secret {
    /// 1 for the first, then counting up with each rotation.
    pub number: u32,
    /// SHA-256 of the whole text.
    pub digest: TokenDigest,
    /// Last four characters.
    pub hint: [u8; 4],
    /// When it stops working, if a rotation ended it.
    pub not_after: Option<Timestamp>,
}

/// Why a secret does not open the door now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// The token was deleted.
    Deleted,
    /// The token's `expires_at` has passed.
    Expired,
    /// A rotation ended this secret.
    SecretEnded,
    /// The token's `not_before` has not come yet.
    NotYetValid,
    /// The client's address is in none of the token's ranges, or nobody knows it.
    AddressNotAllowed,
}

/// What ends a token by time alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Its `expires_at`.
    Expired,
    /// The last of its secrets.
    SecretsEnded,
}

/// The time in which a token works if nothing changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Works {
    /// From when on; the epoch where it has no beginning.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub until: Option<Timestamp>,
    /// What ends it then.
    pub end: End,
}

/// A token as the decision state keeps it, deleted ones too: their refusals are recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Its identity.
    pub id: TokenId,
    /// Its kind.
    pub kind: TokenKind,
    /// Its owner.
    pub owner: Owner,
    /// Its name.
    pub name: TextNumber,
    /// Its own access. A user token has none of its own (it follows memberships): `Granted` of nothing. An OAuth token's
    /// counts as far as the membership that it follows goes.
    pub access: Access,
    /// Rights and accounts of a gateway token. Boxed: most tokens are none, and there may be a million.
    pub gateway: Option<Box<GatewayReach>>,
    /// By whose word an OAuth token was made, and so whose access it follows.
    pub authorized: Option<Box<Authorized>>,
    /// Its secrets, oldest first. At most two work at a time; ended ones stay, so that their refusals are recorded.
    /// In place as long as there is one, as its streams are: with a million tokens the way to a row elsewhere is a wait for memory.
    pub secrets: SmallVec<[Secret; 1]>,
    /// When it was created; by another system, as far as was told.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Principal,
    /// Counts its changes.
    pub version: Version,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// What must hold, beside the expiry, for it to work. Boxed, and none where nothing is asked for: most tokens have no
    /// conditions.
    pub conditions: Option<Box<Conditions>>,
    /// When it was deleted. Final.
    pub deleted_at: Option<Timestamp>,
    /// When it was taken over from another system, if it was: its uses before are unknown.
    pub imported_at: Option<Timestamp>,
    /// Its stream within each account it left records in, sorted by account. Most tokens have one.
    pub streams: SmallVec<[Stream; 1]>,
    /// Refusals recorded in the running minute.
    pub refusals: UnitCount,
    /// New agents interned in the running hour.
    pub new_agents: UnitCount,
}

/// How far a token's records within one account go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stream {
    /// The account; none for the token's records on no account.
    pub account: AccountId,
    /// Last stream number.
    pub number: u64,
    /// Position of that record.
    pub position: Position,
}

/// Most secrets a token ever has: a token that needs more rotations is better replaced.
pub const SECRETS_MAX: usize = 1_000;

impl Token {
    /// The member whose access it follows on an account that it acts on; none of a token with an access of its own.
    pub fn follows(&self) -> Option<UserId> {
        match (&self.authorized, self.owner) {
            (Some(authorized), _) => Some(authorized.user),
            (None, Owner::User(user)) => Some(user),
            (None, _) => None,
        }
    }

    /// Whether the secret with this number opens the door at `now`, to a client at this address. None stands for an
    /// address that nobody knows. Whoever lets a token do anything asks here.
    pub fn check(&self, secret: u32, now: Timestamp, from: Option<IpAddr>) -> Result<(), Closed> {
        self.check_time(secret, now)?;
        match &self.conditions {
            Some(conditions) if !conditions.admits(from) => Err(Closed::AddressNotAllowed),
            _ => Ok(()),
        }
    }

    /// Whether the secret with this number opens the door at `now` to anybody. To show what is, not to let anybody in.
    pub fn check_time(&self, secret: u32, now: Timestamp) -> Result<(), Closed> {
        if self.deleted_at.is_some() {
            return Err(Closed::Deleted);
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Closed::Expired);
        }
        let ended = match self.secrets.iter().find(|kept| kept.number == secret) {
            Some(kept) => kept.not_after.is_some_and(|end| end <= now),
            None => true,
        };
        if ended {
            return Err(Closed::SecretEnded);
        }
        match &self.conditions {
            Some(conditions) if !conditions.has_begun(now) => Err(Closed::NotYetValid),
            _ => Ok(()),
        }
    }

    /// Whether it works at `at` by its newest secret, or why not, in a word.
    pub fn standing(&self, at: Timestamp) -> &'static str {
        let newest = self.secrets.last().map_or(0, |secret| secret.number);
        match self.check_time(newest, at) {
            Ok(()) | Err(Closed::AddressNotAllowed) => "live",
            Err(Closed::NotYetValid) => "not yet valid",
            Err(Closed::Deleted) => "deleted",
            Err(Closed::Expired | Closed::SecretEnded) => "expired",
        }
    }

    /// From when until when, exclusive, it works by any of its secrets, as it is now: what [`Self::check_time`] says at
    /// every instant. None if at none.
    pub fn works(&self) -> Option<Works> {
        if self.deleted_at.is_some() {
            return None;
        }
        let from = self.conditions().not_before.unwrap_or_default();
        let secrets = self.secrets.iter().map(|secret| secret.not_after);
        // None, without an end, is later than any end.
        let secrets_end = secrets.max_by_key(|end| (end.is_none(), *end))?;
        let (until, end) = match (self.expires_at, secrets_end) {
            (Some(expiry), Some(secrets)) if secrets < expiry => (Some(secrets), End::SecretsEnded),
            (None, Some(secrets)) => (Some(secrets), End::SecretsEnded),
            (expiry, _) => (expiry, End::Expired),
        };
        until.is_none_or(|until| from < until).then_some(Works { from, until, end })
    }

    /// Whether it works at `now` by its newest secret.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.secrets.last().is_some_and(|secret| self.check_time(secret.number, now).is_ok())
    }

    /// Its conditions; empty where nothing is asked for.
    pub fn conditions(&self) -> &Conditions {
        static NONE: Conditions = Conditions { not_before: None, allowed_addresses: Vec::new() };
        self.conditions.as_deref().unwrap_or(&NONE)
    }

    /// Last stream number within an account.
    pub fn stream_number(&self, account: AccountId) -> u64 {
        self.stream(account).map_or(0, |at| self.streams[at].number)
    }

    /// Notes the stream number of a record and where it is.
    pub fn set_stream_number(&mut self, account: AccountId, number: u64, position: Position) {
        let stream = Stream { account, number, position };
        match self.stream(account) {
            Ok(at) => self.streams[at] = stream,
            Err(at) => self.streams.insert(at, stream),
        }
    }

    /// Where an account's stream number is, or belongs.
    fn stream(&self, account: AccountId) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&account, |stream| stream.account)
    }

    /// Who acts where it is shown: its owner; of a session whoever signed in, of an OAuth token the application.
    pub fn principal(&self) -> Principal {
        if let Some(authorized) = &self.authorized {
            return Principal::Application(authorized.application);
        }
        match (self.kind, self.owner) {
            (TokenKind::Session, _) => self.created_by,
            (_, Owner::Account(account)) => Principal::Account(account),
            (_, Owner::User(user)) => Principal::User(user),
            (_, Owner::Service) => Principal::Staff(self.id),
        }
    }

    /// The staff token that a session stands for; none of every other token, and of a user's session.
    pub fn stands_for(&self) -> Option<TokenId> {
        match (self.kind, self.created_by) {
            (TokenKind::Session, Principal::Staff(staff)) => Some(staff),
            _ => None,
        }
    }

    /// Hint of the newest secret.
    pub fn hint(&self) -> [u8; 4] {
        self.secrets.last().map_or([b'.'; 4], |secret| secret.hint)
    }
}
