//! Rules of accounts, users, members and resources.

use super::access;
use super::draft::{Draft, Recorded};
use super::management::{Deciding, Done, Ruled, Subject};
use super::oauth;
use crate::domain::access::Access;
use crate::domain::command::{AccessRequest, CertificateTexts, Change, ResourceRequest};
use crate::domain::directory::{Account, CertificateFacts, Plan, ResourceFacts, ResourceKind};
use crate::domain::event::{
    AccountCreated, AccountRenamed, HourlyLimitChanged, MemberAccessChanged, MemberAdded, MemberRemoved, PlanChanged,
    ResearchActivated, ResearchDeactivated, ResourceAdded, ResourceRemoved, UserCreated,
};
use crate::domain::ids::{AccountId, ResourceId, TokenId, UserId, Version};
use crate::domain::names::{check_email, check_name, normalize_domain_name, normalize_resource_name};
use crate::domain::oauth::EndReason;
use crate::domain::rejection::{Conflict, FieldFault, Missing, Rejection};
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Subject as TextSubject, TextKind, Texts};
use crate::domain::window::{HOURLY_LIMIT_DEFAULT, HOURLY_LIMIT_MAX};

/// Members that one account may have.
pub const MEMBERS_MAX: usize = 10_000;
/// Resources that one account may have.
pub const RESOURCES_MAX: usize = 100_000;
/// Alternate names that one certificate may have.
pub const ALTERNATE_NAMES_MAX: usize = 100;

pub(super) fn rule(deciding: &Deciding<'_>, change: &Change, texts: &mut dyn Texts) -> Ruled {
    match change {
        Change::CreateUser { email, name } => create_user(deciding, texts, email, name),
        Change::CreateAccount { name, email, plan, hourly_limit } => {
            let limit = hourly_limit.unwrap_or(HOURLY_LIMIT_DEFAULT);
            create_account(deciding, texts, (name, email), *plan, limit)
        }
        Change::UpdateAccount { .. } => update_account(deciding, texts, change),
        Change::ActivateResearch { account, monthly_cap, if_match } => {
            activate_research(deciding, texts, (*account, *if_match), *monthly_cap)
        }
        Change::DeactivateResearch { account, if_match } => deactivate_research(deciding, texts, (*account, *if_match)),
        Change::PutMember { account, user, access, if_match } => {
            put_member(deciding, texts, (*account, *user, *if_match), access)
        }
        Change::RemoveMember { account, user, if_match } => {
            remove_member(deciding, texts, (*account, *user, *if_match))
        }
        Change::AddResource { account, name, resource } => add_resource(deciding, texts, *account, name, resource),
        Change::RemoveResource { account, resource } => remove_resource(deciding, texts, *account, *resource),
        _ => Ok((Vec::new(), Done { subject: Subject::Service, created: false })),
    }
}

/// Collects faults of fields, so that a person can mend all at once.
#[derive(Default)]
pub(super) struct Faults(Vec<FieldFault>);

impl Faults {
    pub fn check(&mut self, field: &str, result: Result<(), &'static str>) {
        if let Err(fault) = result {
            self.0.push(FieldFault::new(field, fault));
        }
    }

    pub fn extend(&mut self, faults: Vec<FieldFault>) {
        self.0.extend(faults);
    }

    pub fn finish(self) -> Result<(), Rejection> {
        if self.0.is_empty() { Ok(()) } else { Err(Rejection::Invalid(self.0)) }
    }
}

fn check_limit(limit: u64) -> Result<(), &'static str> {
    if (1..=HOURLY_LIMIT_MAX).contains(&limit) { Ok(()) } else { Err("must be between 1 and 1000000000") }
}

pub(super) fn account_of<'a>(deciding: &Deciding<'a>, id: AccountId) -> Result<&'a Account, Rejection> {
    deciding.state.account(id).ok_or(Rejection::NotFound(Missing::Account))
}

fn changed(events: Vec<Recorded>, subject: Subject) -> Ruled {
    Ok((events, Done { subject, created: false }))
}

fn created(events: Vec<Recorded>, subject: Subject) -> Ruled {
    Ok((events, Done { subject, created: true }))
}

fn create_user(deciding: &Deciding<'_>, texts: &mut dyn Texts, email: &PersonalText, name: &PersonalText) -> Ruled {
    let mut faults = Faults::default();
    faults.check("email", check_email(email.as_str()));
    faults.check("name", check_name(name.as_str()));
    faults.finish()?;
    let user = UserId(deciding.state.users.next_number());
    let subject = TextSubject::User(user);
    let mut draft = deciding.draft(texts, AccountId::NONE, TokenId::NONE);
    let email = draft.intern(subject, TextKind::Email, email.as_str());
    let name = draft.intern(subject, TextKind::UserName, name.as_str());
    let by = deciding.by(&mut draft);
    draft.record(UserCreated { user, email, name, hourly_limit: HOURLY_LIMIT_DEFAULT, by });
    created(draft.finish(), Subject::User(user))
}

fn create_account(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    (name, email): (&PersonalText, &PersonalText),
    plan: Plan,
    hourly_limit: u64,
) -> Ruled {
    let mut faults = Faults::default();
    faults.check("name", check_name(name.as_str()));
    faults.check("email", check_email(email.as_str()));
    faults.check("hourly_limit", check_limit(hourly_limit));
    faults.finish()?;
    let account = AccountId(deciding.state.accounts.next_number());
    let subject = TextSubject::Account(account);
    let mut draft = deciding.draft(texts, account, TokenId::NONE);
    let name = draft.intern(subject, TextKind::AccountName, name.as_str());
    let email = draft.intern(subject, TextKind::Email, email.as_str());
    let by = deciding.by(&mut draft);
    draft.record(AccountCreated { name, email, plan, hourly_limit, by });
    created(draft.finish(), Subject::Account(account))
}

pub(super) fn check_version(current: Version, if_match: Option<Version>) -> Result<(), Rejection> {
    match if_match {
        Some(seen) if seen != current => Err(Rejection::VersionMismatch(current)),
        _ => Ok(()),
    }
}

fn update_account(deciding: &Deciding<'_>, texts: &mut dyn Texts, change: &Change) -> Ruled {
    let Change::UpdateAccount { account, name, email, plan, hourly_limit, if_match } = change else {
        return changed(Vec::new(), Subject::Service);
    };
    let account = account_of(deciding, *account)?;
    check_version(account.version, *if_match)?;
    let mut faults = Faults::default();
    faults.check("name", name.as_ref().map_or(Ok(()), |name| check_name(name.as_str())));
    faults.check("email", email.as_ref().map_or(Ok(()), |email| check_email(email.as_str())));
    faults.check("hourly_limit", hourly_limit.map_or(Ok(()), check_limit));
    faults.finish()?;
    let plan = plan.filter(|plan| *plan != account.plan);
    if plan == Some(Plan::Solo) {
        refuse_downgrade(deciding.state, account)?;
    }
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    rename(&mut draft, deciding, account, name.as_ref(), email.as_ref());
    if let Some(to) = plan {
        let by = deciding.by(&mut draft);
        draft.record(PlanChanged { from: account.plan, to, by });
    }
    if let Some(to) = hourly_limit.filter(|limit| *limit != account.hourly_limit) {
        let by = deciding.by(&mut draft);
        draft.record(HourlyLimitChanged { from: account.hourly_limit, to, by });
    }
    changed(draft.finish(), Subject::Account(account.id))
}

fn rename(
    draft: &mut Draft<'_>,
    deciding: &Deciding<'_>,
    account: &Account,
    name: Option<&PersonalText>,
    email: Option<&PersonalText>,
) {
    let subject = TextSubject::Account(account.id);
    let name = name.map_or(account.name, |name| draft.intern(subject, TextKind::AccountName, name.as_str()));
    let email = email.map_or(account.email, |email| draft.intern(subject, TextKind::Email, email.as_str()));
    if (name, email) != (account.name, account.email) {
        let by = deciding.by(draft);
        draft.record(AccountRenamed { name, email, by });
    }
}

/// Nothing is silently widened or dropped: whoever goes down to Solo takes the grants away first.
pub(super) fn refuse_downgrade(state: &State, account: &Account) -> Result<(), Rejection> {
    let carries_grants = |access: &Access| *access != Access::Full;
    let granted_token = |id: &&TokenId| state.token(**id).is_some_and(|token| carries_grants(&token.access));
    let tokens: Vec<TokenId> = account.tokens.iter().filter(granted_token).copied().collect();
    let members: Vec<UserId> =
        account.members.iter().filter(|(_, member)| carries_grants(&member.access)).map(|(id, _)| *id).collect();
    if tokens.is_empty() && members.is_empty() {
        Ok(())
    } else {
        Err(Rejection::Conflict(Conflict::GrantsExist { tokens, members }))
    }
}

fn activate_research(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    (account, if_match): (AccountId, Option<Version>),
    monthly_cap: Option<u64>,
) -> Ruled {
    let account = account_of(deciding, account)?;
    check_version(account.version, if_match)?;
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    if account.research.map(|research| research.monthly_cap) != Some(monthly_cap) {
        let by = deciding.by(&mut draft);
        draft.record(ResearchActivated { monthly_cap, by });
    }
    changed(draft.finish(), Subject::Account(account.id))
}

fn deactivate_research(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    (account, if_match): (AccountId, Option<Version>),
) -> Ruled {
    let account = account_of(deciding, account)?;
    check_version(account.version, if_match)?;
    if account.research.is_none() {
        return Err(Rejection::NotFound(Missing::Feature));
    }
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(ResearchDeactivated { by });
    changed(draft.finish(), Subject::Account(account.id))
}

fn put_member(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    (account, user, if_match): (AccountId, UserId, Option<Version>),
    request: &AccessRequest,
) -> Ruled {
    let account = account_of(deciding, account)?;
    deciding.state.user(user).ok_or(Rejection::NotFound(Missing::User))?;
    match account.members.get(&user) {
        Some(member) => check_version(member.version, if_match)?,
        // Whoever saw a version saw a membership, and it ended.
        None if if_match.is_some() => return Err(Rejection::NotFound(Missing::Member)),
        None => {}
    }
    let checked = access::check(deciding.state, account, request)?;
    if account.members.len() >= MEMBERS_MAX && !account.members.contains_key(&user) {
        return Err(Rejection::LimitReached("an account has at most 10000 members"));
    }
    let subject = Subject::Member(account.id, user);
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    match account.members.get(&user) {
        None => {
            let access = access::write(&mut draft, account.id, &checked);
            let by = deciding.by(&mut draft);
            draft.record(MemberAdded { user, access, by });
            created(draft.finish(), subject)
        }
        Some(member) => {
            if !access::is_same(&mut draft, account.id, &checked, &member.access) {
                let access = access::write(&mut draft, account.id, &checked);
                let by = deciding.by(&mut draft);
                draft.record(MemberAccessChanged { user, access, by });
            }
            changed(draft.finish(), subject)
        }
    }
}

fn remove_member(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    (account, user, if_match): (AccountId, UserId, Option<Version>),
) -> Ruled {
    let account = account_of(deciding, account)?;
    let member = account.members.get(&user).ok_or(Rejection::NotFound(Missing::Member))?;
    check_version(member.version, if_match)?;
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(MemberRemoved { user, by });
    for authorization in deciding.state.authorizations_by(account.id, user) {
        oauth::end(&mut draft, authorization, EndReason::MemberRemoved, by);
    }
    changed(draft.finish(), Subject::Member(account.id, user))
}

fn add_resource(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    account: AccountId,
    name: &PersonalText,
    request: &ResourceRequest,
) -> Ruled {
    let account = account_of(deciding, account)?;
    let name = normalize_resource_name(name.as_str()).map_err(|fault| Rejection::field("name", fault))?;
    if account.resources.len() >= RESOURCES_MAX {
        return Err(Rejection::LimitReached("an account has at most 100000 resources"));
    }
    check_resource(texts, account, &name, request)?;
    let resource = ResourceId(deciding.state.resources.next_number());
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    let subject = TextSubject::Account(account.id);
    let number = draft.intern(subject, TextKind::ResourceName, &name);
    let facts = match request {
        ResourceRequest::Domain(facts) => ResourceFacts::Domain(*facts),
        ResourceRequest::Zone(facts) => ResourceFacts::Zone(*facts),
        ResourceRequest::Certificate(facts, texts) => {
            ResourceFacts::Certificate(write_certificate(&mut draft, subject, number, facts, texts))
        }
    };
    let by = deciding.by(&mut draft);
    draft.record(ResourceAdded { resource, name: number, facts, by });
    created(draft.finish(), Subject::Resource(resource))
}

fn check_resource(
    texts: &mut dyn Texts,
    account: &Account,
    name: &str,
    request: &ResourceRequest,
) -> Result<(), Rejection> {
    let number = texts.find(TextSubject::Account(account.id), TextKind::ResourceName, name).unwrap_or_default();
    let taken = |kind| account.by_name.get(&(kind, number)).copied();
    let exists = |id| Err(Rejection::Conflict(Conflict::ResourceExists(id)));
    match request {
        ResourceRequest::Domain(_) => taken(ResourceKind::Domain).map_or(Ok(()), exists),
        ResourceRequest::Zone(_) => taken(ResourceKind::Zone).map_or(Ok(()), exists),
        ResourceRequest::Certificate(facts, texts) => {
            if taken(ResourceKind::Domain).is_none() {
                return Err(Rejection::field("name", "is not a domain of this account"));
            }
            check_certificate(facts, texts)
        }
    }
}

fn check_certificate(facts: &CertificateFacts, texts: &CertificateTexts) -> Result<(), Rejection> {
    let mut faults = Faults::default();
    if !(1..=10).contains(&facts.years) {
        faults.check("years", Err("must be between 1 and 10"));
    }
    if texts.alternate_names.len() > ALTERNATE_NAMES_MAX {
        faults.check("alternate_names", Err("has too many names (maximum is 100)"));
    }
    if let Some(name) = &texts.common_name {
        faults.check("common_name", normalize_domain_name(name.as_str()).map(drop));
    }
    for name in &texts.alternate_names {
        faults.check("alternate_names", normalize_domain_name(name.as_str()).map(drop));
    }
    faults.finish()
}

fn write_certificate(
    draft: &mut Draft<'_>,
    subject: TextSubject,
    domain: crate::domain::ids::TextNumber,
    facts: &CertificateFacts,
    texts: &CertificateTexts,
) -> CertificateFacts {
    let name_number = |draft: &mut Draft<'_>, name: &PersonalText| {
        let name = normalize_domain_name(name.as_str()).unwrap_or_default();
        draft.intern(subject, TextKind::ResourceName, &name)
    };
    let common_name = texts.common_name.as_ref().map_or(domain, |name| name_number(draft, name));
    let alternate_names = texts.alternate_names.iter().map(|name| name_number(draft, name)).collect();
    let signing_request = texts
        .signing_request
        .as_ref()
        .map(|text| draft.intern(subject, TextKind::SigningRequest, text.as_str()))
        .unwrap_or_default();
    CertificateFacts { common_name, alternate_names, signing_request, ..facts.clone() }
}

fn remove_resource(deciding: &Deciding<'_>, texts: &mut dyn Texts, account: AccountId, resource: ResourceId) -> Ruled {
    let account = account_of(deciding, account)?;
    if !account.resources.contains_key(&resource) {
        return Err(Rejection::NotFound(Missing::Resource));
    }
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(ResourceRemoved { resource, by });
    changed(draft.finish(), Subject::Resource(resource))
}
