//! An example ledger: two accounts, three people, domains and zones, and a token of each kind.

use super::Failure;
use super::init::change;
use crate::domain::access::Level;
use crate::domain::command::{AccessRequest, Change, CoverageRequest, GrantRequest, NewSecret, ResourceRequest};
use crate::domain::conditions::Conditions;
use crate::domain::decide::DoneSubject;
use crate::domain::directory::{DomainFacts, DomainState, Plan, ZoneFacts};
use crate::domain::ids::{AccountId, UserId};
use crate::domain::text::PersonalText;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::TokenSecret;
use crate::entropy::Entropy;
use crate::ledger::core::Core;

/// A token of the example, with the text that is shown once.
#[derive(Debug)]
pub struct FurnishedToken {
    /// What it is for.
    pub purpose: &'static str,
    /// Its bearer text.
    pub text: String,
}

/// What the example holds.
#[derive(Debug)]
pub struct Furnished {
    /// The account that most of it belongs to.
    pub account: AccountId,
    /// The tokens, in the order they are shown.
    pub tokens: Vec<FurnishedToken>,
}

struct Furnishing<'a> {
    core: &'a mut Core,
    entropy: Entropy,
}

/// Fills a new ledger.
pub fn furnish(core: &mut Core, entropy: Entropy) -> Result<Furnished, Failure> {
    let mut furnishing = Furnishing { core, entropy };
    let owner = furnishing.user("Ada Example", "ada@example.com")?;
    let member = furnishing.user("Grace Example", "grace@example.com")?;
    let teams = furnishing.account("Example Teams", "ops@example.com", Plan::Teams)?;
    let solo = furnishing.account("Example Solo", "solo@example.org", Plan::Solo)?;
    furnishing.member(teams, owner, AccessRequest::Full)?;
    furnishing.member(teams, member, named("zones", Level::ReadOnly, &["example.com"]))?;
    furnishing.member(solo, owner, AccessRequest::Full)?;
    for name in ["example.com", "example.net", "example.org", "bücher.example"] {
        furnishing.domain_and_zone(teams, name)?;
    }
    furnishing.domain_and_zone(solo, "solo.example")?;
    let tokens = vec![
        furnishing.account_token(teams, "deploy", AccessRequest::Full, "account token, full access")?,
        furnishing.account_token(
            teams,
            "certificate robot",
            named("zones", Level::FullAccess, &["example.com", "example.net"]),
            "account token, zones example.com and example.net only",
        )?,
        furnishing.user_token(owner, "laptop", "user token of Ada, member of both accounts")?,
        furnishing.account_token(solo, "home server", AccessRequest::Full, "account token of the Solo account")?,
    ];
    Ok(Furnished { account: teams, tokens })
}

fn named(group: &str, level: Level, names: &[&str]) -> AccessRequest {
    let coverage = CoverageRequest::Named(names.iter().map(|name| PersonalText::new(*name)).collect());
    AccessRequest::Granted(vec![GrantRequest { group: group.to_owned(), level, coverage }])
}

impl Furnishing<'_> {
    fn user(&mut self, name: &str, email: &str) -> Result<UserId, Failure> {
        let wanted = Change::CreateUser { email: PersonalText::new(email), name: PersonalText::new(name) };
        match change(self.core, wanted)?.subject {
            DoneSubject::User(user) => Ok(user),
            other => Err(unexpected(other)),
        }
    }

    fn account(&mut self, name: &str, email: &str, plan: Plan) -> Result<AccountId, Failure> {
        let (name, email) = (PersonalText::new(name), PersonalText::new(email));
        match change(self.core, Change::CreateAccount { name, email, plan, hourly_limit: None })?.subject {
            DoneSubject::Account(account) => Ok(account),
            other => Err(unexpected(other)),
        }
    }

    fn member(&mut self, account: AccountId, user: UserId, access: AccessRequest) -> Result<(), Failure> {
        change(self.core, Change::PutMember { account, user, access }).map(drop)
    }

    fn domain_and_zone(&mut self, account: AccountId, name: &str) -> Result<(), Failure> {
        let facts = DomainFacts {
            registrant_id: Some(1),
            state: DomainState::Registered,
            auto_renew: true,
            expires_at: Some(self.core.clock().now().plus_seconds(200 * 86_400)),
            ..DomainFacts::default()
        };
        let name = || PersonalText::new(name);
        change(self.core, Change::AddResource { account, name: name(), resource: ResourceRequest::Domain(facts) })?;
        let zone = ResourceRequest::Zone(ZoneFacts { active: true, ..ZoneFacts::default() });
        change(self.core, Change::AddResource { account, name: name(), resource: zone }).map(drop)
    }

    fn account_token(
        &mut self,
        account: AccountId,
        name: &str,
        access: AccessRequest,
        purpose: &'static str,
    ) -> Result<FurnishedToken, Failure> {
        self.token(Owner::Account(account), TokenKind::Account, name, Some(access), purpose)
    }

    fn user_token(&mut self, user: UserId, name: &str, purpose: &'static str) -> Result<FurnishedToken, Failure> {
        self.token(Owner::User(user), TokenKind::User, name, None, purpose)
    }

    fn token(
        &mut self,
        owner: Owner,
        kind: TokenKind,
        name: &str,
        access: Option<AccessRequest>,
        purpose: &'static str,
    ) -> Result<FurnishedToken, Failure> {
        let secret = TokenSecret::from_random(kind, &self.entropy.bytes_32());
        let new = NewSecret { digest: secret.digest(), hint: secret.hint() };
        let name = PersonalText::new(name);
        let (expires_at, conditions) = (None, Conditions::default());
        change(self.core, Change::CreateToken { owner, kind, name, access, expires_at, conditions, secret: new })?;
        Ok(FurnishedToken { purpose, text: secret.reveal_once() })
    }
}

fn unexpected(subject: DoneSubject) -> Failure {
    Failure::Finding(format!("the example could not be furnished: it came to {subject:?}"))
}
