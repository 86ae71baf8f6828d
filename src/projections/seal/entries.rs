//! Keys and values of the two maps, in the order of their keys. Tables are in the order of their numbers, so nothing is
//! sorted here: a number in a key is 8 bytes, the highest first.

use crate::domain::access::Access;
use crate::domain::conditions::Conditions;
use crate::domain::directory::{Account, Plan, Research, Resource, ResourceKind};
use crate::domain::gateway::GatewayReach;
use crate::domain::ids::{AccountId, ApplicationId, Position, TextNumber, TokenId, UserId, Version};
use crate::domain::oauth::{Authorization, Authorized, ClientId, ClientKind};
use crate::domain::sign_in::Link;
use crate::domain::state::{MapInForce, State};
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, Principal, Token, TokenKind};
use crate::domain::token_text::TokenDigest;
use crate::log::codec::{self, CodecError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

// What a key of the streams begins with.
const LOG: u8 = 0;
const ACCOUNT_STREAM: u8 = 1;
const TOKEN_STREAM: u8 = 2;

// What a key of the state begins with.
const SERVICE: u8 = 1;
const GROUP: u8 = 2;
const ACCOUNT: u8 = 3;
const MEMBER: u8 = 4;
const USER: u8 = 5;
const RESOURCE: u8 = 6;
const TOKEN: u8 = 7;
const SIGN_IN_LINK: u8 = 8;
const APPLICATION: u8 = 9;
const AUTHORIZATION: u8 = 10;
const CODE: u8 = 11;

/// An entry of a map.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// Told every entry; may break off.
pub type Visit<'a> = &'a mut dyn FnMut(Entry<'_>) -> ControlFlow<()>;

/// Whether all entries were visited.
type Visited = Result<ControlFlow<()>, CodecError>;

fn key(kind: u8, numbers: &[u64]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + 8 * numbers.len());
    key.push(kind);
    numbers.iter().for_each(|number| key.extend_from_slice(&number.to_be_bytes()));
    key
}

/// Streams: the log itself.
pub fn log_key() -> Vec<u8> {
    key(LOG, &[])
}

/// Streams: an account's.
pub fn account_stream_key(account: AccountId) -> Vec<u8> {
    key(ACCOUNT_STREAM, &[account.0])
}

/// Streams: a token's within an account.
pub fn token_stream_key(token: TokenId, account: AccountId) -> Vec<u8> {
    key(TOKEN_STREAM, &[token.0, account.0])
}

/// Streams: how the keys of all of a token's begin.
pub fn token_streams_prefix(token: TokenId) -> Vec<u8> {
    key(TOKEN_STREAM, &[token.0])
}

/// State: an account.
pub fn account_key(account: AccountId) -> Vec<u8> {
    key(ACCOUNT, &[account.0])
}

/// State: a token.
pub fn token_key(token: TokenId) -> Vec<u8> {
    key(TOKEN, &[token.0])
}

/// The entries of the map of streams.
pub fn stream_entries(state: &State, visit: Visit<'_>) -> Visited {
    let pair = |first: u64, second: u64| [first.to_be_bytes(), second.to_be_bytes()].concat();
    let mut put = |key: &[u8], value: &[u8]| visit(Entry { key, value });
    let mut flow = put(&log_key(), &pair(state.head.0, state.last_recorded_at.0));
    for account in state.accounts.iter() {
        if flow.is_break() {
            return Ok(flow);
        }
        flow = put(&account_stream_key(account.id), &pair(account.stream_number, account.last_record.0));
    }
    for token in state.tokens.iter() {
        for stream in &token.streams {
            if flow.is_break() {
                return Ok(flow);
            }
            flow = put(&token_stream_key(token.id, stream.account), &pair(stream.number, stream.position.0));
        }
    }
    Ok(flow)
}

// The values, in the layout of records (`schema/codec.md`). Their fields are frozen with the version.

#[derive(Serialize)]
struct ServiceValue<'a> {
    origin: &'a str,
    log_vkey: &'a str,
    scope_map: Option<MapInForce>,
}

#[derive(Serialize)]
struct GroupValue<'a> {
    name: &'a str,
    restrictable: bool,
    has_write: bool,
    needs_research: bool,
}

#[derive(Serialize)]
struct AccountValue {
    plan: Plan,
    hourly_limit: u64,
    research: Option<Research>,
    version: Version,
}

/// Without access: a membership that ended.
#[derive(Serialize)]
struct MemberValue<'a> {
    access: Option<&'a Access>,
    version: Version,
}

#[derive(Serialize)]
struct UserValue {
    hourly_limit: u64,
    version: Version,
}

#[derive(Serialize)]
struct ResourceValue {
    account: AccountId,
    kind: u8,
    name: TextNumber,
    removed_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct SecretValue {
    number: u32,
    digest: TokenDigest,
    not_after: Option<Timestamp>,
}

#[derive(Serialize)]
struct TokenValue<'a> {
    kind: TokenKind,
    owner: Owner,
    access: &'a Access,
    gateway: Option<&'a GatewayReach>,
    authorized: Option<Authorized>,
    secrets: Vec<SecretValue>,
    expires_at: Option<Timestamp>,
    conditions: &'a Conditions,
    version: Version,
    deleted_at: Option<Timestamp>,
    stands_for: Option<TokenId>,
}

/// A link that has not expired, by the time of the last record.
#[derive(Serialize)]
struct SignInLinkValue {
    who: Principal,
    digest: TokenDigest,
    expires_at: Timestamp,
    session: TokenId,
}

#[derive(Serialize)]
struct ApplicationValue<'a> {
    account: AccountId,
    client: ClientId,
    redirect_uris: &'a [TextNumber],
    kind: ClientKind,
    secrets: Vec<SecretValue>,
    version: Version,
    deleted_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct AuthorizationValue<'a> {
    account: AccountId,
    application: ApplicationId,
    user: UserId,
    membership: Version,
    access: &'a Access,
    tokens: &'a [TokenId],
    revoked_at: Option<Timestamp>,
}

/// Puts entries together in one buffer.
struct Putting<'a> {
    value: Vec<u8>,
    visit: Visit<'a>,
}

impl Putting<'_> {
    fn put(&mut self, key: &[u8], value: &impl Serialize) -> Visited {
        self.value.clear();
        codec::append_bytes(value, &mut self.value)?;
        Ok((self.visit)(Entry { key, value: &self.value }))
    }

    /// Puts an entry for each; stops where it is broken off.
    fn each<T>(&mut self, rows: impl Iterator<Item = T>, mut put: impl FnMut(&mut Self, T) -> Visited) -> Visited {
        for row in rows {
            if put(self, row)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The entries of the map of what decisions depend on.
pub fn state_entries(state: &State, visit: Visit<'_>) -> Visited {
    let mut putting = Putting { value: Vec::new(), visit };
    let service = ServiceValue { origin: &state.origin, log_vkey: &state.log_vkey, scope_map: state.scope_map };
    if putting.put(&key(SERVICE, &[]), &service)?.is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let parts =
        [groups, accounts, members, users, resources, tokens, sign_in_links, applications, authorizations, codes];
    for part in parts {
        if part(state, &mut putting)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn groups(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.groups.iter(), |putting, group| {
        let (restrictable, has_write, needs_research) = (group.restrictable, group.has_write, group.needs_research);
        let value = GroupValue { name: &group.name, restrictable, has_write, needs_research };
        putting.put(&key(GROUP, &[u64::from(group.number)]), &value)
    })
}

fn accounts(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.accounts.iter(), |putting, account| {
        let Account { plan, hourly_limit, research, version, .. } = *account;
        putting.put(&account_key(account.id), &AccountValue { plan, hourly_limit, research, version })
    })
}

fn members(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.accounts.iter(), |putting, account| {
        let present = account.members.iter().map(|(user, member)| (*user, (Some(&member.access), member.version)));
        let past = account.past_members.iter().map(|(user, version)| (*user, (None, *version)));
        let all: BTreeMap<UserId, (Option<&Access>, Version)> = present.chain(past).collect();
        putting.each(all.into_iter(), |putting, (user, (access, version))| {
            putting.put(&key(MEMBER, &[account.id.0, user.0]), &MemberValue { access, version })
        })
    })
}

fn users(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.users.iter(), |putting, user| {
        let value = UserValue { hourly_limit: user.hourly_limit, version: user.version };
        putting.put(&key(USER, &[user.id.0]), &value)
    })
}

fn resources(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.resources.iter(), |putting, resource| {
        let Resource { account, name, removed_at, .. } = *resource;
        let kind = match resource.facts.kind() {
            ResourceKind::Domain => 0,
            ResourceKind::Zone => 1,
            ResourceKind::Certificate => 2,
        };
        putting.put(&key(RESOURCE, &[resource.id.0]), &ResourceValue { account, kind, name, removed_at })
    })
}

fn tokens(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.tokens.iter(), |putting, token| {
        let Token { kind, owner, access, gateway, authorized, expires_at, version, deleted_at, .. } = token;
        let value = TokenValue {
            kind: *kind,
            owner: *owner,
            access,
            gateway: gateway.as_deref(),
            authorized: authorized.as_deref().copied(),
            secrets: token.secrets.iter().map(SecretValue::of).collect(),
            expires_at: *expires_at,
            conditions: token.conditions(),
            version: *version,
            deleted_at: *deleted_at,
            stands_for: token.stands_for(),
        };
        putting.put(&token_key(token.id), &value)
    })
}

fn sign_in_links(state: &State, putting: &mut Putting<'_>) -> Visited {
    let links = state.sign_ins.links().filter(|(_, link)| state.last_recorded_at < link.expires_at);
    putting.each(links, |putting, (number, link)| {
        let Link { who, digest, expires_at, session, .. } = *link;
        putting.put(&key(SIGN_IN_LINK, &[number]), &SignInLinkValue { who, digest, expires_at, session })
    })
}

fn applications(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.applications.iter(), |putting, application| {
        let value = ApplicationValue {
            account: application.account,
            client: application.client,
            redirect_uris: &application.redirect_uris,
            kind: application.kind,
            secrets: application.secrets.iter().map(SecretValue::of).collect(),
            version: application.version,
            deleted_at: application.deleted_at,
        };
        putting.put(&key(APPLICATION, &[application.id.0]), &value)
    })
}

fn authorizations(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.authorizations.iter(), |putting, authorization| {
        let Authorization { account, application, user, membership, ref access, ref tokens, revoked_at, .. } =
            *authorization;
        let value = AuthorizationValue { account, application, user, membership, access, tokens, revoked_at };
        putting.put(&key(AUTHORIZATION, &[authorization.id.0]), &value)
    })
}

fn codes(state: &State, putting: &mut Putting<'_>) -> Visited {
    putting.each(state.codes.iter(), |putting, (digest, code)| {
        let key = [&[CODE], &digest.0[..]].concat();
        putting.put(&key, code)
    })
}

impl SecretValue {
    fn of(secret: &crate::domain::token::Secret) -> Self {
        Self { number: secret.number, digest: secret.digest, not_after: secret.not_after }
    }
}

/// What a value of the map of streams says: the last number and its position; of the log itself its last position and
/// that record's time in microseconds.
pub fn read_pair(value: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = value.split_first_chunk::<8>()?;
    let second: [u8; 8] = second.try_into().ok()?;
    Some((u64::from_be_bytes(*first), u64::from_be_bytes(second)))
}

/// The account that a key of a token's stream names.
pub fn account_of_stream(token: TokenId, key: &[u8]) -> Option<AccountId> {
    let account = key.strip_prefix(token_streams_prefix(token).as_slice())?;
    Some(AccountId(u64::from_be_bytes(account.try_into().ok()?)))
}

/// A stream's last number and position, as a value of the map says it.
pub fn read_stream(value: &[u8]) -> Option<(u64, Position)> {
    read_pair(value).map(|(number, position)| (number, Position(position)))
}
