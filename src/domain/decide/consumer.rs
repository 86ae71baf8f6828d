//! Rules of the guarded API: may this token do this now, and what does it draw?
//!
//! In this order, the first that fails answers: the secret opens the door; the kind calls this API; the path names
//! an account the token acts on; the account has the feature; the access covers the scope; the window has room; the
//! month has room. Only then is the resource looked up, so a refusal says nothing of what exists.

use super::draft::{Context, Draft};
use super::totals::TallyNote;
use super::{Answer, Decision, REFUSALS_A_MINUTE_MAX, rules};
use crate::domain::access::{Access, GroupNumber, RequiredScope, Target, Verb, Visible, group, needs_research};
use crate::domain::command::{AskedTarget, Use};
use crate::domain::digests::Digests;
use crate::domain::directory::{Account, Plan, ResourceFacts, ResourceKind};
use crate::domain::event::{AccessSource, Cause, Outcome, Route, TokenUseRefused, TokenUsed};
use crate::domain::ids::{AccountId, ResourceId, TextNumber, TokenId, UserId};
use crate::domain::rejection::Rejection;
use crate::domain::state::State;
use crate::domain::text::{Subject, TextKind, Texts};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Token, TokenKind};
use crate::domain::window::{Window, WindowView};

/// An account's facts for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountCard {
    /// Number.
    pub id: AccountId,
    /// Name.
    pub name: TextNumber,
    /// Contact address.
    pub email: TextNumber,
    /// Plan.
    pub plan: Plan,
    /// Created.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
}

impl From<&Account> for AccountCard {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id,
            name: account.name,
            email: account.email,
            plan: account.plan,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// A user's facts for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserCard {
    /// Number.
    pub id: UserId,
    /// E-mail address.
    pub email: TextNumber,
    /// Created.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
}

/// A refusal of a known token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Why.
    pub cause: Cause,
    /// End of the month whose research cap is reached.
    pub month_ends: Option<Timestamp>,
}

/// How a use was judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Allowed. `resource`: what the path named, if it is there.
    Allowed {
        /// How it ended.
        outcome: Outcome,
        /// The resource found.
        resource: Option<ResourceId>,
        /// What a list shows.
        visible: Visible,
    },
    /// Refused.
    Refused(Refused),
}

/// The answer to a use of a known token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UseAnswer {
    /// How it was judged.
    pub verdict: Verdict,
    /// The token.
    pub token: TokenId,
    /// Its kind.
    pub kind: TokenKind,
    /// The window that counts, after this use; none for a token that opens no door.
    pub window: Option<WindowView>,
    /// The writer's time.
    pub now: Timestamp,
    /// The account acted on, or that an account token is of.
    pub account: Option<AccountCard>,
    /// The user of a user token.
    pub user: Option<UserCard>,
    /// Accounts that the token acts on, where the route lists them.
    pub accounts: Vec<AccountCard>,
    /// The access that counts, for a gateway's answer and for a refusal's.
    pub access: Option<Access>,
    /// When the token stops working by itself; not told where it was shown at an address that it is not for.
    pub expires_at: Option<Timestamp>,
}

/// Scope group that a route is judged in; none where it needs no scope.
pub fn group_of(route: Route) -> Option<GroupNumber> {
    match route {
        Route::Whoami | Route::Accounts => None,
        Route::Domains | Route::Domain => Some(group::DOMAINS),
        Route::Zones | Route::Zone => Some(group::ZONES),
        Route::Certificates | Route::Certificate => Some(group::CERTIFICATES),
        Route::ResearchStatus => Some(group::DOMAIN_RESEARCH),
        // Said by the map, with the question.
        Route::Mapped(_) | Route::Asked(_) => None,
    }
}

/// Scope group and verb that a question is judged in; none where it needs no scope.
fn needed(asked: &Use) -> Option<(GroupNumber, Verb)> {
    match asked.route {
        Route::Mapped(_) | Route::Asked(_) => asked.mapped,
        route => group_of(route).map(|group| (group, Verb::Read)),
    }
}

/// Kind of resource that names and numbers in a route's path are of.
fn kind_of(route: Route) -> ResourceKind {
    match route {
        Route::Zone | Route::Zones => ResourceKind::Zone,
        _ => ResourceKind::Domain,
    }
}

/// One use while it is judged.
struct Judging<'a> {
    state: &'a State,
    context: &'a Context<'a>,
    asked: &'a Use,
    token: &'a Token,
    secret: u32,
}

/// What was found out on the way to a verdict.
struct Judged<'a> {
    /// Account whose stream and window it is; none for a user's own.
    account: Option<&'a Account>,
    source: AccessSource,
    /// The scope judged. A name that has no number yet keeps `TextNumber::NONE` until it is written down.
    scope: Option<RequiredScope>,
    verdict: Verdict,
}

pub(super) fn decide_use(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    asked: &Use,
    texts: &mut dyn Texts,
) -> Decision {
    match begin(state, digests, context, asked) {
        Ok(judging) => {
            let judged = judging.judge(texts);
            judging.write_down(&judged, texts)
        }
        Err(rejection) => Decision { events: Vec::new(), answer: Answer::Rejected(rejection), tally: None },
    }
}

/// What [`decide_use`] would answer, with nothing recorded and nothing drawn.
pub(super) fn look_at_use(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    asked: &Use,
    texts: &mut dyn Texts,
) -> Result<Box<UseAnswer>, Rejection> {
    let judging = begin(state, digests, context, asked)?;
    let judged = judging.judge(texts);
    let (_, window) = judging.pool(judged.account);
    Ok(Box::new(judging.answer(&judged, window)))
}

fn begin<'a>(
    state: &'a State,
    digests: &Digests,
    context: &'a Context<'a>,
    asked: &'a Use,
) -> Result<Judging<'a>, Rejection> {
    let (token, secret) = digests.find(&state.tokens, &asked.digest).ok_or(Rejection::UnknownToken)?;
    if asked.target == AskedTarget::Unreadable && token.check(secret, context.now, context.origin.from).is_ok() {
        return Err(Rejection::Unreadable);
    }
    Ok(Judging { state, context, asked, token, secret })
}

impl<'a> Judging<'a> {
    fn judge(&self, texts: &mut dyn Texts) -> Judged<'a> {
        let identity = AccessSource::Identity(self.token.version);
        let own_account = match self.token.owner {
            Owner::Account(account) => self.state.account(account),
            _ => None,
        };
        let refused = |cause| Judged { account: own_account, source: identity, scope: None, verdict: refusal(cause) };
        let (now, from) = (self.context.now, self.context.origin.from);
        if let Err(cause) = rules::check_door(self.token, self.secret, now, from) {
            return refused(cause);
        }
        let own = own_account.map(|account| account.id).filter(|_| needed(self.asked).is_some());
        let Some(path_account) = self.asked.account.or(own) else {
            if needed(self.asked).is_some() {
                return refused(Cause::NoAccount);
            }
            let judged = Judged { account: own_account, source: identity, scope: None, verdict: self.allowed(None) };
            return self.with_room(judged);
        };
        match self.state.access_on(self.token, path_account) {
            None => refused(Cause::ForeignAccount),
            Some((account, access, source)) => self.judge_scope(account, &access, source, texts),
        }
    }

    fn judge_scope(
        &self,
        account: &'a Account,
        access: &Access,
        source: AccessSource,
        texts: &mut dyn Texts,
    ) -> Judged<'a> {
        let scope =
            needed(self.asked).map(|(group, verb)| RequiredScope { group, verb, target: self.target(account, texts) });
        let judged = |verdict| Judged { account: Some(account), source, scope, verdict };
        if let Err(cause) = rules::check_scope(account, access, scope) {
            return judged(refusal(cause));
        }
        self.with_room(judged(self.allowed(Some((account, access, scope)))))
    }

    /// Whether this draws from the month's research, too.
    fn is_research(&self) -> bool {
        needed(self.asked).is_some_and(|(group, _)| needs_research(group))
    }

    /// What the path asks for, by number where the account knows it.
    fn target(&self, account: &Account, texts: &mut dyn Texts) -> Target {
        match &self.asked.target {
            AskedTarget::None | AskedTarget::List | AskedTarget::Unreadable => Target::List,
            AskedTarget::All => Target::All,
            AskedTarget::Name(name) => {
                let subject = Subject::Account(account.id);
                Target::Name(texts.find(subject, TextKind::ResourceName, name.as_str()).unwrap_or_default())
            }
            AskedTarget::Number(number) => {
                let resource = self.state.resource_of(account, ResourceId(*number));
                match resource.filter(|resource| resource.facts.kind() == kind_of(self.asked.route)) {
                    Some(resource) => Target::Name(resource.name),
                    None => Target::Number(*number),
                }
            }
        }
    }

    /// The verdict of a use that nothing refuses but, perhaps, the windows.
    fn allowed(&self, inside: Option<(&Account, &Access, Option<RequiredScope>)>) -> Verdict {
        let all = |outcome, resource| Verdict::Allowed { outcome, resource, visible: Visible::All };
        match (self.asked.route, inside) {
            (Route::Asked(_), Some((_, access, Some(RequiredScope { group, target: Target::List, .. })))) => {
                let visible = access.visible(group);
                return Verdict::Allowed { outcome: Outcome::UnknownUpstream, resource: None, visible };
            }
            (Route::Mapped(_) | Route::Asked(_), _) => return all(Outcome::UnknownUpstream, None),
            _ => {}
        }
        let Some((account, access, Some(scope))) = inside else { return all(Outcome::Ok, None) };
        if !self.asked.valid {
            return all(Outcome::Invalid, None);
        }
        match scope.target {
            Target::List => {
                Verdict::Allowed { outcome: Outcome::Ok, resource: None, visible: access.visible(scope.group) }
            }
            Target::Number(_) | Target::All => all(Outcome::NotFound, None),
            Target::Name(name) => match self.look_up(account, name) {
                Some(resource) => all(Outcome::Ok, Some(resource)),
                None => all(Outcome::NotFound, None),
            },
        }
    }

    fn look_up(&self, account: &Account, name: TextNumber) -> Option<ResourceId> {
        let named = *account.by_name.get(&(kind_of(self.asked.route), name))?;
        let Some(certificate) = self.asked.certificate else { return Some(named) };
        let resource = self.state.resource_of(account, ResourceId(certificate))?;
        let matches = resource.name == name && matches!(resource.facts, ResourceFacts::Certificate(_));
        matches.then_some(resource.id)
    }

    fn with_room(&self, mut judged: Judged<'a>) -> Judged<'a> {
        let now = self.context.now;
        let (limit, window) = self.pool(judged.account);
        let research = judged.account.filter(|_| self.is_research() && self.asked.valid);
        if let Err(cause) = rules::check_room((limit, &window), research, now) {
            let month_ends = (cause == Cause::MonthlyCapReached).then(|| now.month().end());
            judged.verdict = Verdict::Refused(Refused { cause, month_ends });
        }
        judged
    }

    /// Limit and window that count: the account's, or the user's own. Staff has none.
    fn pool(&self, account: Option<&Account>) -> (u64, Window) {
        let account = account.map_or(AccountId::NONE, |account| account.id);
        self.state.pool(account, self.token.owner).unwrap_or_default()
    }

    fn write_down(&self, judged: &Judged<'a>, texts: &mut dyn Texts) -> Decision {
        let (_, window) = self.pool(judged.account);
        if let Verdict::Refused(refused) = judged.verdict
            && let Some(tally) = self.only_counted(judged, refused.cause, window)
        {
            let answer = Answer::Use(Box::new(self.answer(judged, window)));
            return Decision { events: Vec::new(), answer, tally: Some(tally) };
        }
        let account = judged.account.map_or(AccountId::NONE, |account| account.id);
        let about = (account, self.token.id);
        let mut draft = Draft::new(self.state, self.context, texts, about, (self.token.principal(), self.token.id));
        let scope = self.write_scope(&mut draft, judged);
        let (address, agent) = draft.intern_client(self.token);
        let (secret, source, route) = (self.secret, judged.source, self.asked.route);
        let mut drawn = window;
        match &judged.verdict {
            Verdict::Refused(Refused { cause, .. }) => {
                let (asked_account, cause) = (self.asked.account.unwrap_or_default(), *cause);
                draft.record(TokenUseRefused { secret, source, scope, route, asked_account, address, agent, cause });
            }
            Verdict::Allowed { outcome, resource, .. } => {
                let (resource, general, outcome) = (resource.unwrap_or_default(), 1, *outcome);
                let research = u8::from(self.is_research() && self.asked.valid);
                drawn.draw(u64::from(general), self.context.now);
                draft.record(TokenUsed {
                    secret,
                    source,
                    scope,
                    route,
                    resource,
                    address,
                    agent,
                    general,
                    research,
                    outcome,
                });
            }
        }
        let tally = match judged.verdict {
            Verdict::Refused(Refused { cause: Cause::QuotaExceeded, .. }) => Some(self.quota_note(judged, window)),
            _ => None,
        };
        let answer = Answer::Use(Box::new(self.answer(judged, drawn)));
        Decision { events: draft.finish(), answer, tally }
    }

    /// The scope with the asked name's number, taking up a name never seen before.
    fn write_scope(&self, draft: &mut Draft<'_>, judged: &Judged<'_>) -> Option<RequiredScope> {
        let mut scope = judged.scope?;
        if let (Target::Name(number), AskedTarget::Name(name), Some(account)) =
            (scope.target, &self.asked.target, judged.account)
            && number.is_none()
        {
            let subject = Subject::Account(account.id);
            scope.target = Target::Name(draft.intern(subject, TextKind::ResourceName, name.as_str()));
        }
        Some(scope)
    }

    /// A refusal that makes no event now: past the first of a window, or past the number a minute.
    fn only_counted(&self, judged: &Judged<'_>, cause: Cause, window: Window) -> Option<TallyNote> {
        let now = self.context.now;
        if cause == Cause::QuotaExceeded {
            let first = !(window.is_open(now) && window.refusal_recorded);
            return (!first).then(|| self.quota_note(judged, window));
        }
        (self.token.refusals.in_unit(now.minute()) >= REFUSALS_A_MINUTE_MAX).then(|| TallyNote::Refusal {
            account: judged.account.map_or(AccountId::NONE, |account| account.id),
            token: self.token.id,
            cause,
            at: now,
            address: self.context.origin.address.clone(),
        })
    }

    fn quota_note(&self, judged: &Judged<'_>, window: Window) -> TallyNote {
        let user = match (judged.account, self.token.owner) {
            (None, Owner::User(user)) => user,
            _ => UserId::NONE,
        };
        TallyNote::Quota {
            account: judged.account.map_or(AccountId::NONE, |account| account.id),
            user,
            window_opened_at: window.opened_at,
            token: self.token.id,
        }
    }

    fn answer(&self, judged: &Judged<'_>, window: Window) -> UseAnswer {
        let now = self.context.now;
        let closed = self.token.check_time(self.secret, now).is_err();
        let (limit, _) = self.pool(judged.account);
        UseAnswer {
            verdict: judged.verdict.clone(),
            token: self.token.id,
            kind: self.token.kind,
            window: (!closed && self.token.kind.is_consumer()).then(|| window.view(limit, now)),
            now,
            account: judged.account.map(AccountCard::from),
            user: self.user_card(),
            accounts: self.listed_accounts(judged),
            access: self.told_access(judged),
            expires_at: self.token.expires_at.filter(|_| !is_elsewhere(&judged.verdict)),
        }
    }

    fn told_access(&self, judged: &Judged<'_>) -> Option<Access> {
        let is_refused = matches!(judged.verdict, Verdict::Refused(_));
        let is_told = matches!(self.asked.route, Route::Mapped(_)) || is_refused;
        if !is_told || is_elsewhere(&judged.verdict) {
            return None;
        }
        let counts = judged.account.and_then(|account| self.state.access_on(self.token, account.id));
        Some(counts.map_or_else(|| self.token.access.clone(), |(_, access, _)| access.into_owned()))
    }

    fn user_card(&self) -> Option<UserCard> {
        let Owner::User(user) = self.token.owner else { return None };
        let user = self.state.user(user)?;
        Some(UserCard { id: user.id, email: user.email, created_at: user.created_at, updated_at: user.updated_at })
    }

    fn listed_accounts(&self, judged: &Judged<'_>) -> Vec<AccountCard> {
        if self.asked.route != Route::Accounts {
            return Vec::new();
        }
        match self.token.owner {
            Owner::User(user) => {
                let accounts = self.state.user(user).map(|user| user.accounts.iter());
                accounts.into_iter().flatten().filter_map(|&id| self.state.account(id)).map(AccountCard::from).collect()
            }
            _ => judged.account.map(AccountCard::from).into_iter().collect(),
        }
    }
}

/// Whether the token was shown at an address that it is not for: whoever did may not be its holder, and is told nothing
/// of it.
fn is_elsewhere(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(Refused { cause: Cause::AddressNotAllowed, .. }))
}

fn refusal(cause: Cause) -> Verdict {
    Verdict::Refused(Refused { cause, month_ends: None })
}
