//! Under which keys a record is found. Pure, and the one place that says it: indexes are built by it, and what is not
//! indexed yet is looked through by it.

use crate::domain::access::{GroupNumber, RequiredScope, Target, Verb};
use crate::domain::event::{EVENT_TYPES, Event, Header, Outcome, Route};
use crate::domain::ids::{AccountId, TextNumber, TokenId, UserId};
use crate::domain::state::by_of;
use crate::domain::text::Subject;
use crate::domain::token::{Owner, Principal};

/// What records are looked up by. Of an account and of a token what changes them is apart from what comes with
/// requests, since there is a thousand times more of the latter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    /// Changes of the service itself: its beginning, groups, maps, starts and stops, outages, its own tokens' beginnings.
    Service,
    /// Changes of an account: of itself, its members, resources and tokens.
    AccountChanges(AccountId),
    /// All other records of an account.
    AccountTraffic(AccountId),
    /// Uses of an account that drew from its month of Domain Research.
    AccountResearch(AccountId),
    /// Changes of a token.
    TokenChanges(TokenId),
    /// All other records of a token.
    TokenTraffic(TokenId),
    /// Changes of a user: itself, its memberships, what it authorised, and the beginnings of its tokens and of those that
    /// it authorised.
    User(UserId),
    /// Uses, refusals and reports whose scope names this text; resources that have it as their name.
    Name(TextNumber),
    /// Uses, refusals and reports that ask for the list of a group, or for all of it: they name nothing.
    Whole(AccountId, GroupNumber),
    /// Allowed requests of an account that needed a scope, by what they needed and how they ended. With a name's or a whole
    /// group's, and a token's, it says all that counting uses takes, so that they need not be read.
    Uses(AccountId, UseShape),
    /// What a user, staff or a person on the machine did. An account's or the service's own is found elsewhere.
    Principal(Principal),
    /// What was done with a token beside being used itself: changes, reports, questions of a gateway.
    Credential(TokenId),
    /// What came from this address.
    Address(TextNumber),
    /// Records of a type, but `TokenUsed`: most are.
    Type(u16),
}

/// Bits of an account's number in [`Key::Uses`]: it has the others for the shape. One with a greater number has no such keys.
pub(super) const SHAPED_ACCOUNT_BITS: u32 = 27;

/// What an allowed request needed, but for the name, and how it ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UseShape {
    /// The scope group.
    pub group: GroupNumber,
    /// What was done.
    pub verb: Verb,
    /// What of the group.
    pub reach: Reach,
    /// How it ended.
    pub outcome: Outcome,
}

/// What of a group a request needed. Numbers are in the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// One name.
    Name,
    /// What a list shows.
    List,
    /// All of it.
    All,
}

impl Key {
    /// Of uses of a shape; none where the index has no such keys.
    pub fn of_uses(account: AccountId, shape: UseShape) -> Option<Self> {
        (!account.is_none() && account.0 < 1 << SHAPED_ACCOUNT_BITS).then_some(Self::Uses(account, shape))
    }

    /// Of a type by its name, as in `UserCreated`; under that of no type nothing is found.
    pub fn of_type(name: &str) -> Self {
        Self::Type(EVENT_TYPES.iter().find(|(_, _, known)| *known == name).map_or(0, |(number, _, _)| *number))
    }
}

/// Whether a record changes what somebody may do, or what there is; all others come with requests.
pub fn is_change(event: &Event) -> bool {
    !matches!(
        event,
        Event::TokenUsed(_)
            | Event::TokenUseRefused(_)
            | Event::RefusalsSummed(_)
            | Event::QuotaRefusalsTotalled(_)
            | Event::ManagementRefused(_)
            | Event::UseReported(_)
            | Event::TextSeen(_)
            | Event::IdempotencyKeyKept(_)
            | Event::HistoryRead(_)
            | Event::HistoryStreamOpened(_)
            | Event::HistoryStreamClosed(_)
            | Event::AccessReviewOpened(_)
            | Event::AccessReviewDecided(_)
            | Event::AccessReviewClosed(_)
            | Event::SignInRefused(_)
    )
}

/// Tells every key of a record, each once.
pub fn keys_of(header: &Header, event: &Event, found: &mut impl FnMut(Key)) {
    let change = is_change(event);
    if !header.account.is_none() {
        found(if change { Key::AccountChanges(header.account) } else { Key::AccountTraffic(header.account) });
    } else if change && is_of_service(header, event) {
        found(Key::Service);
    }
    if !header.token.is_none() {
        found(if change { Key::TokenChanges(header.token) } else { Key::TokenTraffic(header.token) });
    }
    if let Event::TokenUsed(used) = event
        && used.research > 0
    {
        found(Key::AccountResearch(header.account));
    }
    if let Some(key) = shape_of(event).and_then(|shape| Key::of_uses(header.account, shape)) {
        found(key);
    }
    if let Some(user) = user_of(event) {
        found(Key::User(user));
    }
    if let Some(name) = name_of(event) {
        found(Key::Name(name));
    }
    if let Some(RequiredScope { group, target: Target::List | Target::All, .. }) = scope_of(event) {
        found(Key::Whole(header.account, group));
    }
    if matches!(header.principal, Principal::User(_) | Principal::Staff(_) | Principal::Local(_)) {
        found(Key::Principal(header.principal));
    }
    for credential in credentials_of(header, event) {
        found(Key::Credential(credential));
    }
    each_address(event, &mut |address| found(Key::Address(address)));
    if !matches!(event, Event::TokenUsed(_)) {
        found(Key::Type(event.type_number()));
    }
}

/// Of a change on no account: whether it is the service's. Later changes of a token do not say whose it is.
fn is_of_service(header: &Header, event: &Event) -> bool {
    let begins = matches!(event, Event::TokenCreated(_) | Event::TokenImported(_));
    user_of(event).is_none() && (header.token.is_none() || begins)
}

/// The user that a change is about.
fn user_of(event: &Event) -> Option<UserId> {
    match event {
        Event::UserCreated(created) => Some(created.user),
        Event::MemberAdded(added) => Some(added.user),
        Event::MemberAccessChanged(changed) => Some(changed.user),
        Event::MemberRemoved(removed) => Some(removed.user),
        Event::TokenCreated(created) => {
            created.authorized.map_or_else(|| user(created.owner), |authorized| Some(authorized.user))
        }
        Event::AuthorizationGranted(granted) => Some(granted.user),
        Event::AuthorizationRevoked(revoked) => Some(revoked.user),
        Event::TokenImported(imported) => user(imported.owner),
        Event::SignInLinkCreated(created) => match created.who {
            Principal::User(user) => Some(user),
            _ => None,
        },
        Event::PersonalDataErased(erased) => match erased.subject {
            Subject::User(user) => Some(user),
            _ => None,
        },
        _ => None,
    }
}

fn user(owner: Owner) -> Option<UserId> {
    match owner {
        Owner::User(user) => Some(user),
        _ => None,
    }
}

/// The scope that was asked for.
pub fn scope_of(event: &Event) -> Option<RequiredScope> {
    match event {
        Event::TokenUsed(used) => used.scope,
        Event::TokenUseRefused(refused) => refused.scope,
        Event::UseReported(reported) => reported.scope,
        _ => None,
    }
}

fn name_of(event: &Event) -> Option<TextNumber> {
    if let Event::ResourceAdded(added) = event {
        return Some(added.name);
    }
    match scope_of(event)?.target {
        Target::Name(name) => Some(name),
        _ => None,
    }
}

/// What an allowed request needed and how it ended; none of one that needed no scope, or was about a number that is nothing's.
fn shape_of(event: &Event) -> Option<UseShape> {
    let Event::TokenUsed(used) = event else { return None };
    let RequiredScope { group, verb, target } = used.scope?;
    let reach = match target {
        Target::Name(_) => Reach::Name,
        Target::List => Reach::List,
        Target::All => Reach::All,
        Target::Number(_) => return None,
    };
    Some(UseShape { group, verb, reach, outcome: used.outcome })
}

/// Tokens other than the header's own that were shown: for a change, a report, or a gateway's question.
fn credentials_of(header: &Header, event: &Event) -> impl Iterator<Item = TokenId> {
    let asked = match event {
        Event::TokenUsed(used) => gateway(used.route),
        Event::TokenUseRefused(refused) => gateway(refused.route),
        _ => None,
    };
    let shown = Some(header.credential).filter(|shown| !shown.is_none() && *shown != header.token);
    shown.into_iter().chain(asked)
}

fn gateway(route: Route) -> Option<TokenId> {
    match route {
        Route::Asked(asked) => Some(asked.gateway),
        _ => None,
    }
}

fn each_address(event: &Event, found: &mut impl FnMut(TextNumber)) {
    let mut one = |address: TextNumber| {
        if !address.is_none() {
            found(address);
        }
    };
    match event {
        Event::TokenUsed(used) => one(used.address),
        Event::TokenUseRefused(refused) => one(refused.address),
        Event::ManagementRefused(refused) => one(refused.address),
        Event::SignInRefused(refused) => one(refused.address),
        Event::RefusalsSummed(summed) => summed.addresses.iter().for_each(|&address| one(address)),
        Event::UseReported(reported) => {
            one(reported.address);
            if reported.by.address != reported.address {
                one(reported.by.address);
            }
        }
        other => one(by_of(other).map_or(TextNumber::NONE, |by| by.address)),
    }
}
