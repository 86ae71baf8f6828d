//! Accounts, users, members and resources.

use super::access::Access;
use super::ids::{
    AccountId, ApplicationId, AuthorizationId, Position, ResourceId, TextNumber, TokenId, UserId, Version,
};
use super::table::Shared;
use super::time::Timestamp;
use super::window::{MonthCount, Window};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What an account has subscribed to. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Plan {
    /// One person; tokens always have full access.
    Solo,
    /// Members and grants.
    Teams,
    /// Members and grants, by contract.
    Enterprise,
}

impl Plan {
    /// Reads the spelling of bodies.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Solo, Self::Teams, Self::Enterprise].into_iter().find(|plan| plan.name() == text)
    }

    /// Spelling in bodies, and DNSimple's `plan_identifier`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Teams => "teams",
            Self::Enterprise => "enterprise",
        }
    }

    /// Whether tokens and memberships may carry grants.
    pub fn has_grants(self) -> bool {
        self != Self::Solo
    }
}

/// Domain Research, where active.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Research {
    /// Most checks a calendar month, if capped.
    pub monthly_cap: Option<u64>,
}

/// A person's place in an account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Membership {
    /// What the person may do there.
    pub access: Access,
    /// Counts its changes. Goes on counting when a removed member comes back.
    pub version: Version,
    /// When it began.
    pub since: Timestamp,
}

/// Kinds of resources. In no record: there the facts say the kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ResourceKind {
    /// A domain.
    Domain,
    /// A DNS zone.
    Zone,
    /// An X.509 certificate.
    Certificate,
}

impl ResourceKind {
    /// Reads the spelling of bodies.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Domain, Self::Zone, Self::Certificate].into_iter().find(|kind| kind.name() == text)
    }

    /// Spelling in bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Zone => "zone",
            Self::Certificate => "certificate",
        }
    }
}

/// State of a domain (DNSimple's values). Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum DomainState {
    /// DNS only.
    #[default]
    Hosted,
    /// Registered here.
    Registered,
    /// Registration ran out.
    Expired,
}

impl DomainState {
    /// Reads the spelling of bodies.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hosted, Self::Registered, Self::Expired].into_iter().find(|state| state.name() == text)
    }

    /// Spelling in bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hosted => "hosted",
            Self::Registered => "registered",
            Self::Expired => "expired",
        }
    }
}

/// DNSimple's fields of a domain that its name does not say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct DomainFacts {
    /// Contact that registered it; none for a hosted one.
    pub registrant_id: Option<u64>,
    /// Its state.
    pub state: DomainState,
    /// Renews by itself.
    pub auto_renew: bool,
    /// Registration data is masked.
    pub private_whois: bool,
    /// A trustee service stands in for a local presence.
    pub trustee: bool,
    /// End of the registration.
    pub expires_at: Option<Timestamp>,
}

/// DNSimple's fields of a zone that its name does not say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct ZoneFacts {
    /// A reverse zone.
    pub reverse: bool,
    /// Transferred from elsewhere.
    pub secondary: bool,
    /// Answers queries.
    pub active: bool,
    /// Last transfer of a secondary zone.
    pub last_transferred_at: Option<Timestamp>,
}

/// DNSimple's fields of a certificate. Its name in grants is its domain's.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// Common name it is issued for.
    pub common_name: TextNumber,
    /// Further names.
    pub alternate_names: Vec<TextNumber>,
    /// Contact it was ordered for.
    pub contact_id: Option<u64>,
    /// Validity in years.
    pub years: u8,
    /// The signing request.
    pub signing_request: TextNumber,
    /// Whether it is issued (else it is still requested).
    pub issued: bool,
    /// Renews by itself.
    pub auto_renew: bool,
    /// Issued by Let's Encrypt (else Sectigo).
    pub lets_encrypt: bool,
    /// End of its validity.
    pub expires_at: Option<Timestamp>,
}

/// What a resource is. Numbers are part of the record format: append only.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ResourceFacts {
    /// A domain.
    Domain(DomainFacts),
    /// A zone.
    Zone(ZoneFacts),
    /// A certificate.
    Certificate(CertificateFacts),
}

impl ResourceFacts {
    /// The kind alone.
    pub fn kind(&self) -> ResourceKind {
        match self {
            Self::Domain(_) => ResourceKind::Domain,
            Self::Zone(_) => ResourceKind::Zone,
            Self::Certificate(_) => ResourceKind::Certificate,
        }
    }
}

/// A resource, removed ones too: their numbers are never given again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Resource {
    /// Its number.
    pub id: ResourceId,
    /// Whose it is.
    pub account: AccountId,
    /// Name that grants and paths say: the domain or zone name.
    pub name: TextNumber,
    /// Its facts.
    pub facts: ResourceFacts,
    /// When it was added.
    pub added_at: Timestamp,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
}

/// An account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: TextNumber,
    /// Its contact address.
    pub email: TextNumber,
    /// Its plan.
    pub plan: Plan,
    /// Requests an hour, shared by all its tokens.
    pub hourly_limit: u64,
    /// Domain Research, if active.
    pub research: Option<Research>,
    /// Its members.
    pub members: Shared<BTreeMap<UserId, Membership>>,
    /// Versions of memberships that ended, so that a returning member's go on counting.
    pub past_members: BTreeMap<UserId, Version>,
    /// Its domains and zones by name (a certificate is found by its number).
    pub by_name: Shared<BTreeMap<(ResourceKind, TextNumber), ResourceId>>,
    /// All its resources that are not removed.
    pub resources: Shared<BTreeMap<ResourceId, ResourceKind>>,
    /// Its live tokens.
    pub tokens: Shared<BTreeSet<TokenId>>,
    /// OAuth applications that it registered and that are not deleted.
    pub applications: Shared<BTreeSet<ApplicationId>>,
    /// Live authorizations of OAuth applications to act on it.
    pub authorizations: Shared<BTreeSet<AuthorizationId>>,
    /// The running general window.
    pub window: Window,
    /// Domain Research checks of the month.
    pub research_month: MonthCount,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub version: Version,
    /// Last stream number of its records.
    pub stream_number: u64,
    /// Position of the last of them.
    pub last_record: Position,
}

/// A person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct User {
    /// Its number.
    pub id: UserId,
    /// Name.
    pub name: TextNumber,
    /// E-mail address.
    pub email: TextNumber,
    /// Accounts it is a member of.
    pub accounts: BTreeSet<AccountId>,
    /// Its live tokens.
    pub tokens: Shared<BTreeSet<TokenId>>,
    /// Requests an hour on no account.
    pub hourly_limit: u64,
    /// Window of its calls on no account.
    pub window: Window,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub version: Version,
}
