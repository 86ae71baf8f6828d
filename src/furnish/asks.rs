//! What is asked, by whom, from where: commands of made-up histories.

use super::chance::Chance;
use crate::domain::access::Level;
use crate::domain::command::{
    AccessRequest, AskedTarget, Command, CoverageRequest, GrantRequest, NewSecret, Origin, Use,
};
use crate::domain::event::Route;
use crate::domain::ids::{AccountId, RequestId};
use crate::domain::text::PersonalText;
use crate::domain::token::TokenKind;
use crate::domain::token_text::{TokenDigest, TokenSecret};
use crate::entropy::Entropy;

/// A client: address and agent.
pub(super) type From<'a> = (&'a str, &'a str);

/// Where a command comes from. The request's number is drawn, not random: it shows nothing and hides nothing here.
pub(super) fn origin((address, agent): From<'_>, chance: &mut Chance) -> Origin {
    Origin {
        request: RequestId(chance.bytes_16()),
        address: Some(PersonalText::new(address)),
        from: address.parse().ok(),
        agent: Some(PersonalText::new(agent)),
    }
}

/// A request to the guarded API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ask {
    /// Who am I?
    Whoami,
    /// Which accounts are mine?
    Accounts,
    /// The list of domains.
    Domains,
    /// One domain.
    Domain(&'static str),
    /// The list of zones.
    Zones,
    /// One zone.
    Zone(&'static str),
    /// The certificates of a domain.
    Certificates(&'static str),
    /// One certificate of a domain, by its number.
    Certificate(&'static str, u64),
    /// Is this name free?
    Research,
}

impl Ask {
    /// The command, with a token, in an account.
    pub(super) fn command(self, digest: TokenDigest, account: AccountId) -> Command {
        let name = |name: &str| AskedTarget::Name(PersonalText::new(name));
        let (route, target) = match self {
            Self::Whoami => (Route::Whoami, AskedTarget::None),
            Self::Accounts => (Route::Accounts, AskedTarget::None),
            Self::Domains => (Route::Domains, AskedTarget::List),
            Self::Domain(domain) => (Route::Domain, name(domain)),
            Self::Zones => (Route::Zones, AskedTarget::List),
            Self::Zone(zone) => (Route::Zone, name(zone)),
            Self::Certificates(domain) => (Route::Certificates, name(domain)),
            Self::Certificate(domain, _) => (Route::Certificate, name(domain)),
            Self::Research => (Route::ResearchStatus, AskedTarget::List),
        };
        let certificate = match self {
            Self::Certificate(_, number) => Some(number),
            _ => None,
        };
        let names_account = !matches!(self, Self::Whoami | Self::Accounts);
        let account = names_account.then_some(account);
        Command::Use(Use { digest, route, account, target, mapped: None, certificate, valid: true })
    }
}

/// A new secret: what the writer is told of it, and its text.
pub(super) fn secret(kind: TokenKind, entropy: &mut Entropy) -> (NewSecret, String) {
    let secret = TokenSecret::from_random(kind, &entropy.bytes_32());
    (NewSecret { digest: secret.digest(), hint: secret.hint() }, secret.reveal_once())
}

/// A grant over everything of a group.
pub(super) fn all(group: &str, level: Level) -> GrantRequest {
    GrantRequest { group: group.to_owned(), level, coverage: CoverageRequest::All }
}

/// A grant over these names.
pub(super) fn named(group: &str, level: Level, names: &[&str]) -> GrantRequest {
    let coverage = CoverageRequest::Named(names.iter().map(|name| PersonalText::new(*name)).collect());
    GrantRequest { group: group.to_owned(), level, coverage }
}

/// An access of these grants.
pub(super) fn granted<const N: usize>(grants: [GrantRequest; N]) -> AccessRequest {
    AccessRequest::Granted(grants.into())
}
