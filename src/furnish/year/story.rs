//! What was changed in the year, by whom and when.

use super::super::asks::{all, granted, named};
use super::Year;
use super::cast::*;
use super::troubles;
use crate::domain::access::Level::{FullAccess, ReadOnly};
use crate::domain::command::{
    AccessRequest, CertificateTexts, Change, Decided, GatewayChange, ImportLine, NewImport, ResourceRequest,
    ReviewChange,
};
use crate::domain::conditions::{AddressRange, Conditions};
use crate::domain::decide::DoneSubject;
use crate::domain::directory::{CertificateFacts, DomainFacts, DomainState, Plan, ZoneFacts};
use crate::domain::event::OutageCause;
use crate::domain::gateway::{GatewayReach, GatewayRight};
use crate::domain::ids::{AccountId, ResourceId, TokenId, UserId};
use crate::domain::review::{ReviewRow, ReviewVerdict};
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, TokenKind};
use crate::domain::token_text::TokenDigest;
use crate::furnish::FurnishError;

/// Something that is done at one time.
pub(super) type Step = fn(&mut Year<'_>) -> Made;
type Made = Result<(), FurnishError>;

/// Minutes of a day.
const NIGHT: u64 = 150;
const MORNING: u64 = 9 * 60;
const NOON: u64 = 12 * 60;

/// Day, minute of the day, what.
pub(super) const STORY: &[(u64, u64, Step)] = &[
    (0, 0, |year| year.service(Change::StartRecording)),
    (0, 1, begin),
    (1, MORNING, hire_staff),
    (2, 1, open_enterprise),
    (3, 1, stand_a_gateway_before_it),
    (5, 1, |year| year.create(CI, Owner::Account(TEAMS), Some(granted([named("zones", ReadOnly, &["example.com"])])))),
    (6, 1, |year| {
        let expires_at = Some(year.time(180, 0));
        year.create_with(
            STATUS_PAGE,
            Owner::Account(TEAMS),
            Some(granted([all("domains", ReadOnly)])),
            expires_at,
            none(),
        )
    }),
    (7, MORNING, |year| year.create(OLD_BACKUP, Owner::Account(TEAMS), Some(AccessRequest::Full))),
    (8, 1, |year| year.create(GRACE_LAPTOP, Owner::User(GRACE), None)),
    (30, MORNING, |year| year.plan(ENTERPRISE, Plan::Enterprise)),
    (40, NOON, |year| {
        year.user("Alan Example", "alan@contractor.example", ALAN)?;
        year.member(TEAMS, ALAN, granted([all("domains", ReadOnly), named("zones", FullAccess, &["example.net"])]))
    }),
    (41, 1, |year| year.create(ALAN_LAPTOP, Owner::User(ALAN), None)),
    (60, 1, open_startup),
    (70, 1, take_over_old_tokens),
    (90, NOON, |year| year.access(ROBOT, granted([named("zones", FullAccess, &["example.com", "example.net"])]))),
    (92, 185, troubles::robot_tries_on),
    (100, NOON, |year| year.rotate(SHOP_BACKEND, 86_400)),
    (110, 1, |year| {
        let office = AddressRange::parse("198.51.100.0/24").into_iter().collect();
        let access = Some(granted([all("zones", ReadOnly)]));
        year.create_with(OFFICE_ONLY, Owner::Account(ENTERPRISE), access, None, Conditions::new(None, office))
    }),
    (120, MORNING, |year| year.plan(STARTUP, Plan::Teams)),
    (125, 1, |year| {
        let access = granted([named("zones", ReadOnly, &["startup.example"])]);
        year.create(LANDING_PAGE, Owner::Account(STARTUP), Some(access))
    }),
    (130, NIGHT, troubles::night_shift_widens),
    (140, MORNING, |year| year.delete(NIGHT_SHIFT, Owner::Service)),
    (141, NIGHT, troubles::night_shift_comes_back),
    (150, NIGHT, |year| {
        let since = year.at;
        year.at = since.plus_seconds(1_260);
        year.service(Change::ResumeRecording { since, cause: OutageCause::DiskFull, turned_away: 42 })
    }),
    (155, MORNING, |year| year.domain_and_zone(STARTUP, "startup-app.example")),
    (170, MORNING, |year| year.member(TEAMS, GRACE, granted([all("zones", ReadOnly)]))),
    (180, NOON, |year| year.remove_resources(TEAMS, "example.net")),
    (181, MORNING, |year| year.rename(STATUS_PAGE, "status page (old)")),
    (200, NIGHT, restart),
    (200, NOON, |year| year.change(Change::RemoveMember { account: TEAMS, user: ALAN, if_match: None }).map(drop)),
    (210, MORNING, |year| year.domain_and_zone(TEAMS, "example.net")),
    (220, MORNING, |year| year.access(CI, granted([named("zones", ReadOnly, &["example.com"])]))),
    (220, NOON, |year| year.rotate(SHOP_BACKEND, 3_600)),
    (240, MORNING, |year| year.access(PARTNER_LIKE, granted([all("zones", ReadOnly), all("domains", ReadOnly)]))),
    (240, NOON, review_teams),
    (250, MORNING, |year| year.limit(ENTERPRISE, 120)),
    (255, NOON, troubles::monitoring_runs_wild),
    (260, MORNING, |year| year.member(TEAMS, GRACE, granted([named("zones", ReadOnly, &["example.com"])]))),
    (262, NIGHT, troubles::monitoring_runs_wild),
    (270, MORNING, |year| year.limit(ENTERPRISE, 600)),
    (290, MORNING, |year| {
        year.change(Change::RemoveMember { account: ENTERPRISE, user: EDSGER, if_match: None }).map(drop)
    }),
    (300, MORNING, |year| year.change(Change::EraseUserTexts { user: EDSGER }).map(drop)),
    (300, NOON, |year| {
        let not_before = Some(year.time(380, 0));
        let conditions = Conditions::new(not_before, Vec::new());
        year.create_with(HOLIDAY_COVER, Owner::Account(ENTERPRISE), Some(AccessRequest::Full), None, conditions)
    }),
    (300, NOON + 1, |year| {
        let expires_at = Some(year.time(340, 0));
        let access = Some(granted([all("domains", ReadOnly)]));
        year.create_with(PARTNER_FEED, Owner::Account(TEAMS), access, expires_at, none())
    }),
    (310, MORNING, |year| year.change(Change::DeactivateResearch { account: ENTERPRISE, if_match: None }).map(drop)),
    (312, MORNING, |year| {
        year.change(Change::ActivateResearch { account: ENTERPRISE, monthly_cap: Some(500), if_match: None }).map(drop)
    }),
    (329, NOON, troubles::startup_cannot_go_down_yet),
    (330, MORNING, |year| year.delete(LANDING_PAGE, Owner::Account(STARTUP))),
    (330, NOON, |year| year.plan(STARTUP, Plan::Solo)),
    (335, MORNING, |year| year.expiry(PARTNER_FEED, 385)),
    (358, NIGHT, troubles::leaked_token_tries_to_manage),
];

/// The imported token that is widened on day 240.
const PARTNER_LIKE: TokenName = LEGACY_CRM;

fn none() -> Conditions {
    Conditions::default()
}

fn begin(year: &mut Year<'_>) -> Made {
    year.user("Ada Example", "ada@example.com", ADA)?;
    year.user("Grace Example", "grace@example.com", GRACE)?;
    year.account("Example Teams", "ops@example.com", Plan::Teams, TEAMS)?;
    year.account("Example Solo", "solo@example.org", Plan::Solo, SOLO)?;
    year.member(TEAMS, ADA, AccessRequest::Full)?;
    year.member(TEAMS, GRACE, granted([named("zones", ReadOnly, &["example.com"])]))?;
    year.member(SOLO, ADA, AccessRequest::Full)?;
    for name in ["example.com", "example.net", "example.org", "bücher.example"] {
        year.domain_and_zone(TEAMS, name)?;
    }
    year.domain_and_zone(SOLO, "solo.example")?;
    year.create(DEPLOY, Owner::Account(TEAMS), Some(AccessRequest::Full))?;
    year.create(ROBOT, Owner::Account(TEAMS), Some(granted([all("zones", FullAccess)])))?;
    year.create(ADA_LAPTOP, Owner::User(ADA), None)?;
    year.create(HOME_SERVER, Owner::Account(SOLO), Some(AccessRequest::Full))
}

fn hire_staff(year: &mut Year<'_>) -> Made {
    year.create_kind(NIGHT_SHIFT, Owner::Service, TokenKind::Operator)?;
    year.create_kind(YEARLY_AUDIT, Owner::Service, TokenKind::Auditor)
}

fn open_enterprise(year: &mut Year<'_>) -> Made {
    year.account("Example Enterprise", "it@enterprise.example", Plan::Teams, ENTERPRISE)?;
    year.user("Barbara Example", "barbara@enterprise.example", BARBARA)?;
    year.user("Edsger Example", "edsger@enterprise.example", EDSGER)?;
    year.member(ENTERPRISE, BARBARA, AccessRequest::Full)?;
    let edsger = granted([all("domains", ReadOnly), named("zones", FullAccess, &["shop.example", "intra.example"])]);
    year.member(ENTERPRISE, EDSGER, edsger)?;
    for name in ["shop.example", "pay.example", "intra.example"] {
        year.domain_and_zone(ENTERPRISE, name)?;
    }
    year.certificate(ENTERPRISE, "shop.example", ResourceId(SHOP_CERTIFICATE))?;
    year.change(Change::ActivateResearch { account: ENTERPRISE, monthly_cap: Some(250), if_match: None })?;
    let shop = granted([all("domains", ReadOnly), named("zones", FullAccess, &["shop.example", "pay.example"])]);
    year.create(SHOP_BACKEND, Owner::Account(ENTERPRISE), Some(shop))?;
    year.create(MONITORING, Owner::Account(ENTERPRISE), Some(granted([all("zones", ReadOnly)])))?;
    let reports = granted([all("domain_research", ReadOnly), all("domains", ReadOnly)]);
    year.create(REPORT_RUNNER, Owner::Account(ENTERPRISE), Some(reports))?;
    year.create(BARBARA_LAPTOP, Owner::User(BARBARA), None)?;
    year.create(EDSGER_NOTEBOOK, Owner::User(EDSGER), None)
}

fn stand_a_gateway_before_it(year: &mut Year<'_>) -> Made {
    let secret = year.new_secret(EDGE_GATEWAY, TokenKind::Gateway);
    let create = GatewayChange::Create {
        name: PersonalText::new(EDGE_GATEWAY),
        reach: GatewayReach { rights: vec![GatewayRight::Authorize], accounts: vec![TEAMS, ENTERPRISE] },
        expires_at: None,
        conditions: none(),
        secret,
    };
    let done = year.change(Change::Gateway(create))?;
    year.expect(done, DoneSubject::Token(number_of(EDGE_GATEWAY)))
}

fn open_startup(year: &mut Year<'_>) -> Made {
    year.account("Example Startup", "hello@startup.example", Plan::Solo, STARTUP)?;
    year.user("Margaret Example", "margaret@startup.example", MARGARET)?;
    year.member(STARTUP, MARGARET, AccessRequest::Full)?;
    year.domain_and_zone(STARTUP, "startup.example")?;
    year.create(SITE, Owner::Account(STARTUP), Some(AccessRequest::Full))?;
    year.create(MARGARET_PHONE, Owner::User(MARGARET), None)
}

fn take_over_old_tokens(year: &mut Year<'_>) -> Made {
    let mut lines = Vec::new();
    for (line, name) in (1..).zip([LEGACY_CRM, LEGACY_CRON]) {
        let token = NewImport {
            name: PersonalText::new(name),
            access: granted([all("domains", ReadOnly)]),
            secret: year.new_secret(name, TokenKind::Account),
            created_at: Some(Timestamp(year.begin.0 - 400 * 86_400_000_000)),
            expires_at: None,
            conditions: none(),
        };
        lines.push(ImportLine { line, token: Ok(token) });
    }
    let done = year.change(Change::ImportTokens { account: ENTERPRISE, lines })?;
    year.expect(done, DoneSubject::Tokens(number_of(LEGACY_CRM), 2))
}

/// A row, by the names of the year.
enum Row {
    Token(TokenName),
    Member(UserId),
}

/// What is decided of some rows, the others being left for another day.
static DECISIONS: [(Row, ReviewVerdict, &str); 6] = [
    (Row::Token(DEPLOY), ReviewVerdict::Narrow, "reads zones, and writes one"),
    (Row::Token(ROBOT), ReviewVerdict::Keep, "needs both zones"),
    (Row::Token(STATUS_PAGE), ReviewVerdict::Delete, "expired, and calls on"),
    (Row::Token(OLD_BACKUP), ReviewVerdict::Delete, "was never used"),
    (Row::Member(ADA), ReviewVerdict::Keep, "owns the account"),
    (Row::Member(GRACE), ReviewVerdict::Narrow, "works on example.com"),
];

/// The access of account 1 is gone through; of what is decided only one thing is carried out, on day 260.
fn review_teams(year: &mut Year<'_>) -> Made {
    let core = year.maker.core()?;
    let (state, position, root) = (core.state(), core.head(), core.log().root());
    let at = state.last_recorded_at;
    let account = state.account(TEAMS);
    let members: Vec<UserId> = account.iter().flat_map(|account| account.members.keys().copied()).collect();
    let own = account.map_or(0, |account| account.tokens.len());
    let theirs: usize = members.iter().filter_map(|user| state.user(*user)).map(|user| user.tokens.len()).sum();
    let rows = (own + theirs + members.len()) as u64;
    let done = year.change(Change::Review(ReviewChange::Open { account: TEAMS, position, root, at, rows }))?;
    year.expect(done, DoneSubject::Review(1))?;
    for (row, verdict, note) in &DECISIONS {
        let row = match row {
            Row::Token(name) => ReviewRow::Token(number_of(name)),
            Row::Member(user) => ReviewRow::Member(*user),
        };
        let (verdict, note) = (*verdict, Some(PersonalText::new(*note)));
        year.change(Change::Review(ReviewChange::Decide(Decided { review: 1, row, verdict, note })))?;
    }
    year.change(Change::Review(ReviewChange::Close { review: 1 })).map(drop)
}

/// A new version is put in its place.
fn restart(year: &mut Year<'_>) -> Made {
    stop(year)?;
    year.at = year.at.plus_seconds(4);
    year.service(Change::StartRecording)
}

/// Recording stops in order. The run's records are counted from the last stop on, or from the beginning.
pub(super) fn stop(year: &mut Year<'_>) -> Made {
    let head = year.maker.core()?.head();
    let appended = head.0 - std::mem::replace(&mut year.run_from, head.0 + 1);
    year.service(Change::StopRecording { appended })
}

impl Year<'_> {
    fn user(&mut self, name: &str, email: &str, number: UserId) -> Made {
        let wanted = Change::CreateUser { email: PersonalText::new(email), name: PersonalText::new(name) };
        let done = self.change(wanted)?;
        self.expect(done, DoneSubject::User(number))
    }

    fn account(&mut self, name: &str, email: &str, plan: Plan, number: AccountId) -> Made {
        let (name, email) = (PersonalText::new(name), PersonalText::new(email));
        let done = self.change(Change::CreateAccount { name, email, plan, hourly_limit: None })?;
        self.expect(done, DoneSubject::Account(number))
    }

    fn member(&mut self, account: AccountId, user: UserId, access: AccessRequest) -> Made {
        self.change(Change::PutMember { account, user, access, if_match: None }).map(drop)
    }

    fn plan(&mut self, account: AccountId, plan: Plan) -> Made {
        self.change(update(account, Some(plan), None)).map(drop)
    }

    fn limit(&mut self, account: AccountId, hourly_limit: u64) -> Made {
        self.change(update(account, None, Some(hourly_limit))).map(drop)
    }

    fn domain_and_zone(&mut self, account: AccountId, name: &str) -> Made {
        let facts = DomainFacts {
            registrant_id: Some(1),
            state: DomainState::Registered,
            auto_renew: true,
            expires_at: Some(self.time(560, 0)),
            ..DomainFacts::default()
        };
        let name = || PersonalText::new(name);
        self.change(Change::AddResource { account, name: name(), resource: ResourceRequest::Domain(facts) })?;
        let zone = ResourceRequest::Zone(ZoneFacts { active: true, ..ZoneFacts::default() });
        self.change(Change::AddResource { account, name: name(), resource: zone }).map(drop)
    }

    fn certificate(&mut self, account: AccountId, domain: &str, number: ResourceId) -> Made {
        let facts = CertificateFacts {
            years: 1,
            issued: true,
            auto_renew: true,
            lets_encrypt: true,
            expires_at: Some(self.time(440, 0)),
            ..CertificateFacts::default()
        };
        let resource = ResourceRequest::Certificate(facts, CertificateTexts::default());
        let done = self.change(Change::AddResource { account, name: PersonalText::new(domain), resource })?;
        self.expect(done, DoneSubject::Resource(number))
    }

    /// Domain and zone of the account's second pair of resources, `example.net`.
    fn remove_resources(&mut self, account: AccountId, name: &str) -> Made {
        debug_assert_eq!(name, "example.net");
        for resource in [ResourceId(3), ResourceId(4)] {
            self.change(Change::RemoveResource { account, resource })?;
        }
        Ok(())
    }

    fn create(&mut self, token: TokenName, owner: Owner, access: Option<AccessRequest>) -> Made {
        self.create_with(token, owner, access, None, none())
    }

    fn create_with(
        &mut self,
        token: TokenName,
        owner: Owner,
        access: Option<AccessRequest>,
        expires_at: Option<Timestamp>,
        conditions: Conditions,
    ) -> Made {
        let kind = if matches!(owner, Owner::User(_)) { TokenKind::User } else { TokenKind::Account };
        self.create_token(token, (owner, kind), access, expires_at, conditions)
    }

    fn create_kind(&mut self, token: TokenName, owner: Owner, kind: TokenKind) -> Made {
        self.create_token(token, (owner, kind), None, None, none())
    }

    fn create_token(
        &mut self,
        token: TokenName,
        (owner, kind): (Owner, TokenKind),
        access: Option<AccessRequest>,
        expires_at: Option<Timestamp>,
        conditions: Conditions,
    ) -> Made {
        let (name, secret) = (PersonalText::new(token), self.new_secret(token, kind));
        let done = self.change(Change::CreateToken { owner, kind, name, access, expires_at, conditions, secret })?;
        self.expect(done, DoneSubject::Token(number_of(token)))
    }

    fn rotate(&mut self, token: TokenName, overlap_seconds: u64) -> Made {
        let (owner, secret) = (self.owner(token)?, self.new_secret(token, TokenKind::Account));
        let token = number_of(token);
        self.change(Change::RotateToken { owner, token, overlap_seconds, secret, if_match: None }).map(drop)
    }

    fn delete(&mut self, token: TokenName, owner: Owner) -> Made {
        self.change(Change::DeleteToken { owner, token: number_of(token), if_match: None }).map(drop)
    }

    fn access(&mut self, token: TokenName, access: AccessRequest) -> Made {
        let change = edit(self.owner(token)?, number_of(token), Edit::Access(access));
        self.change(change).map(drop)
    }

    fn rename(&mut self, token: TokenName, name: &str) -> Made {
        let change = edit(self.owner(token)?, number_of(token), Edit::Name(name));
        self.change(change).map(drop)
    }

    fn expiry(&mut self, token: TokenName, day: u64) -> Made {
        let expires_at = self.time(day, 0);
        let change = edit(self.owner(token)?, number_of(token), Edit::Expiry(expires_at));
        self.change(change).map(drop)
    }

    pub(super) fn owner(&mut self, token: TokenName) -> Result<Owner, FurnishError> {
        let found = self.maker.core()?.state().token(number_of(token)).map(|token| token.owner);
        let at = self.at;
        found.ok_or_else(|| FurnishError::Refused { at, answer: format!("no token {token}") })
    }

    /// The digest of a token's newest secret.
    pub(super) fn held(&self, token: TokenName) -> Result<TokenDigest, FurnishError> {
        let answer = || FurnishError::Refused { at: self.at, answer: format!("no token {token}") };
        self.secret(token, None).ok_or_else(answer)
    }
}

fn update(account: AccountId, plan: Option<Plan>, hourly_limit: Option<u64>) -> Change {
    Change::UpdateAccount { account, name: None, email: None, plan, hourly_limit, if_match: None }
}

/// What of a token is edited.
pub(super) enum Edit<'a> {
    Access(AccessRequest),
    Name(&'a str),
    Expiry(Timestamp),
}

pub(super) fn edit(owner: Owner, token: TokenId, edit: Edit<'_>) -> Change {
    let (mut name, mut access, mut expires_at) = (None, None, None);
    match edit {
        Edit::Access(new) => access = Some(new),
        Edit::Name(new) => name = Some(PersonalText::new(new)),
        Edit::Expiry(at) => expires_at = Some(Some(at)),
    }
    Change::UpdateToken { owner, token, name, access, expires_at, conditions: Default::default(), if_match: None }
}
