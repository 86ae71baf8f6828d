//! OAuth: applications that accounts register, and what members authorise them to do.
//!
//! A member of an account authorises an application to act there. For that the application gets a code, once, for a few
//! minutes, and exchanges it for a token. The token is the account's; what it may is what was authorised, as far as the
//! member's own access goes at the time of each use; and it ends with the membership, the authorization or the
//! application, by events that say so.
//!
//! What a client sends along with a code (where it is to be sent to, its `state`, its PKCE challenge) is kept as digests
//! whose key is the code itself: nobody can guess at it who does not hold the code, and nobody keeps the code.

use super::access::Access;
use super::ids::{AccountId, ApplicationId, AuthorizationId, TextNumber, TokenId, UserId, Version};
use super::table::Shared;
use super::time::Timestamp;
use super::token::{Principal, Secret};
use super::token_text::TokenDigest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use subtle::ConstantTimeEq;

/// How long a code can be exchanged. RFC 6749 section 4.1.2: short, ten minutes at most.
pub const CODE_SECONDS: u64 = 300;
/// Live applications that one account may have.
pub const APPLICATIONS_MAX: usize = 100;
/// Live authorizations that one application, or one account, may have: all of them end in one change.
pub const AUTHORIZATIONS_MAX: usize = 10_000;
/// Live tokens of one authorization. A further one ends the oldest.
pub const TOKENS_OF_AUTHORIZATION_MAX: usize = 10;
/// Redirect URIs that one application may have.
pub const REDIRECT_URIS_MAX: usize = 20;

/// The public name of an application: 8 random bytes, which say nothing of it, in 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub [u8; 8]);

impl ClientId {
    /// Reads the 16 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 16 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Whether an application can keep a secret. Chosen once. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ClientKind {
    /// It runs where nobody else looks, and shows its secret.
    Confidential,
    /// It runs on other people's machines, has no secret, and shows by PKCE that it is the one that asked.
    Public,
}

impl ClientKind {
    /// Reads the spelling of bodies.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Confidential, Self::Public].into_iter().find(|kind| kind.name() == text)
    }

    /// Spelling in bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

/// An application, deleted ones too: their numbers are never given again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Application {
    /// Its number.
    pub id: ApplicationId,
    /// The account that registered it. It acts on any account whose member authorises it.
    pub account: AccountId,
    /// Its public name.
    pub client: ClientId,
    /// What it calls itself.
    pub name: TextNumber,
    /// Where browsers may be sent back to.
    pub redirect_uris: Vec<TextNumber>,
    /// Whether it has secrets.
    pub kind: ClientKind,
    /// Its secrets, oldest first; ended ones stay. None of a public one.
    pub secrets: Vec<Secret>,
    /// Its live authorizations, on any account.
    pub authorizations: Shared<BTreeSet<AuthorizationId>>,
    /// When it was registered.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Principal,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub version: Version,
    /// When it was deleted. Final.
    pub deleted_at: Option<Timestamp>,
}

impl Application {
    /// The secret with this digest, if it works at `now`. All are compared, in constant time.
    pub fn secret_shown(&self, digest: TokenDigest, now: Timestamp) -> Option<u32> {
        let works = |secret: &&Secret| secret.not_after.is_none_or(|end| end > now);
        let mut shown = None;
        for secret in self.secrets.iter().filter(works) {
            if secret.digest == digest {
                shown = Some(secret.number);
            }
        }
        shown
    }

    /// Hint of the newest secret.
    pub fn hint(&self) -> Option<[u8; 4]> {
        self.secrets.last().map(|secret| secret.hint)
    }
}

/// A member's word that an application may act on an account; ended ones too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Authorization {
    /// Its number.
    pub id: AuthorizationId,
    /// On which account.
    pub account: AccountId,
    /// Which application.
    pub application: ApplicationId,
    /// Whose word it is.
    pub user: UserId,
    /// The membership that the word was given under.
    pub membership: Version,
    /// What was authorised: never more than the member may, whatever it says.
    pub access: Access,
    /// Its live tokens, oldest first.
    pub tokens: Vec<TokenId>,
    /// When it was given.
    pub granted_at: Timestamp,
    /// When it ended. Final.
    pub revoked_at: Option<Timestamp>,
}

/// By whose word a token was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Authorized {
    /// The authorization.
    pub authorization: AuthorizationId,
    /// The application that holds the token.
    pub application: ApplicationId,
    /// The member that authorised it, whose access it follows.
    pub user: UserId,
    /// The membership that the authorization was given under.
    pub membership: Version,
    /// The code that it was given for.
    pub code: TokenDigest,
}

/// SHA-256(code ‖ 0 ‖ label ‖ 0 ‖ text): what is kept of a text that came with a code.
#[derive(Clone, Copy, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BoundText(pub [u8; 32]);

impl BoundText {
    fn of(code: &str, label: &str, text: &[u8]) -> Self {
        let parts = [code.as_bytes(), &[0], label.as_bytes(), &[0], text];
        let digest = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
        Self(digest.finalize().into())
    }

    /// Of the redirect URI.
    pub fn redirect_uri(code: &str, uri: &str) -> Self {
        Self::of(code, "redirect_uri", uri.as_bytes())
    }

    /// Of the `state`.
    pub fn state(code: &str, state: &str) -> Self {
        Self::of(code, "state", state.as_bytes())
    }

    /// Of a PKCE challenge of method S256: the SHA-256 of the verifier.
    pub fn challenge(code: &str, challenge: &[u8; 32]) -> Self {
        Self::of(code, "code_challenge", challenge)
    }

    /// Of the challenge that this verifier answers (RFC 7636 section 4.6).
    pub fn verifier(code: &str, verifier: &str) -> Self {
        Self::challenge(code, &Sha256::digest(verifier.as_bytes()).into())
    }
}

impl PartialEq for BoundText {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for BoundText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundText(…)")
    }
}

/// What a code was asked for with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bindings {
    /// Where the browser was sent.
    pub redirect_uri: BoundText,
    /// Whether the client said so itself: then it has to say it again.
    pub redirect_uri_sent: bool,
    /// The client's `state`.
    pub state: BoundText,
    /// The PKCE challenge, if there was one. A public client always has one.
    pub challenge: Option<BoundText>,
}

/// What has become of a code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CodeState {
    /// It waits.
    Issued,
    /// It was exchanged for this token.
    Exchanged(TokenId),
    /// It is worth nothing any more.
    Spent,
}

/// A code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Code {
    /// The authorization it is of.
    pub authorization: AuthorizationId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it was asked for with.
    pub bindings: Bindings,
    /// What has become of it.
    pub state: CodeState,
}

/// Codes that wait, and those whose token lives, so that a second use of one ends it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Codes(BTreeMap<TokenDigest, Code>);

impl Codes {
    /// A code by its digest.
    pub fn get(&self, digest: TokenDigest) -> Option<&Code> {
        self.0.get(&digest)
    }

    /// Every code, in the order of their digests.
    pub fn iter(&self) -> impl Iterator<Item = (TokenDigest, &Code)> {
        self.0.iter().map(|(digest, code)| (*digest, code))
    }

    /// Takes in a new one. Those that came to nothing go, so that the log alone says what is here.
    pub fn issue(&mut self, digest: TokenDigest, code: Code, now: Timestamp) {
        self.0.retain(|_, code| matches!(code.state, CodeState::Exchanged(_)) || code.expires_at > now);
        self.0.insert(digest, code);
    }

    /// Takes in that one was exchanged.
    pub fn exchange(&mut self, digest: TokenDigest, token: TokenId) {
        if let Some(code) = self.0.get_mut(&digest) {
            code.state = CodeState::Exchanged(token);
        }
    }

    /// Takes in that one is worth nothing any more.
    pub fn spend(&mut self, digest: TokenDigest) {
        if let Some(code) = self.0.get_mut(&digest) {
            code.state = CodeState::Spent;
        }
    }

    /// Takes in that the token of one has ended.
    pub fn forget(&mut self, digest: TokenDigest) {
        self.0.remove(&digest);
    }
}

/// Why a code was not exchanged. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum ExchangeFault {
    /// It had been exchanged before: the token that it gave is ended.
    Reused,
    /// Its time was over.
    Expired,
    /// It was given to another client.
    OtherClient,
    /// The redirect URI is not the one of the authorization request, or is not there.
    RedirectUri,
    /// The `state` is not the one of the authorization request.
    State,
    /// The verifier does not answer the challenge, is not there, or answers none.
    Verifier,
    /// The authorization has ended.
    AuthorizationEnded,
    /// The account's plan has no grants any more.
    PlanWithoutGrants,
}

impl ExchangeFault {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reused => "reused",
            Self::Expired => "expired",
            Self::OtherClient => "other_client",
            Self::RedirectUri => "redirect_uri",
            Self::State => "state",
            Self::Verifier => "verifier",
            Self::AuthorizationEnded => "authorization_ended",
            Self::PlanWithoutGrants => "plan_without_grants",
        }
    }
}

/// Why something ended. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum EndReason {
    /// Somebody wanted it.
    Asked,
    /// The member whose word it rested on was removed.
    MemberRemoved,
    /// The application was deleted.
    ApplicationDeleted,
    /// All authorizations of the application were revoked at once.
    AllRevoked,
    /// The authorization was revoked.
    AuthorizationRevoked,
    /// The code that it was given for was used again.
    CodeReused,
    /// The authorization has newer tokens, as many as it may have.
    Replaced,
    /// The staff token that the session stood for was deleted.
    StaffTokenDeleted,
}

impl EndReason {
    /// Spelling in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::MemberRemoved => "member_removed",
            Self::ApplicationDeleted => "application_deleted",
            Self::AllRevoked => "all_revoked",
            Self::AuthorizationRevoked => "authorization_revoked",
            Self::CodeReused => "code_reused",
            Self::Replaced => "replaced",
            Self::StaffTokenDeleted => "staff_token_deleted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_is_sixteen_small_hexadecimal_digits() {
        assert_eq!(ClientId::parse("00ff00000000abcd").map(|id| id.to_string()).as_deref(), Some("00ff00000000abcd"));
        for bad in
            ["", "00ff00000000abc", "00FF00000000abcd", "+0ff00000000abcd", "00ff00000000abcd0", "é0ff0000000abcd"]
        {
            assert_eq!(ClientId::parse(bad), None, "{bad}");
        }
    }

    /// The example of RFC 7636 appendix B.
    #[test]
    fn a_verifier_answers_its_challenge_and_no_other() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = [
            19, 211, 30, 150, 26, 26, 216, 236, 47, 22, 177, 12, 76, 152, 46, 8, 118, 168, 120, 173, 109, 241, 68, 86,
            110, 225, 137, 74, 203, 112, 249, 195,
        ];
        assert_eq!(BoundText::verifier("code", verifier), BoundText::challenge("code", &challenge));
        assert_ne!(BoundText::verifier("code", &verifier[1..]), BoundText::challenge("code", &challenge));
        assert_ne!(BoundText::verifier("other", verifier), BoundText::challenge("code", &challenge));
    }

    #[test]
    fn texts_of_one_kind_are_none_of_another() {
        assert_ne!(BoundText::state("code", "x"), BoundText::redirect_uri("code", "x"));
        assert!(!format!("{:?}", BoundText::state("code", "x")).contains("code"));
    }
}
