//! What is changed: at the beginning everything is made, then a little all year.

use super::super::asks::{self, all, granted, named};
use super::super::chance::Chance;
use super::History;
use super::population::{Place, Slot};
use crate::domain::access::Level::{FullAccess, ReadOnly};
use crate::domain::command::{AccessRequest, Actor, Change, Command, NewSecret, ResourceRequest};
use crate::domain::directory::{DomainFacts, Plan, ZoneFacts};
use crate::domain::text::PersonalText;
use crate::domain::token::{Owner, TokenKind};
use crate::furnish::FurnishError;

/// Where operators work.
const OPERATOR_CLIENT: asks::From<'static> = ("192.0.2.10", "token-ledger/0.1");
/// Micros between two changes.
const CHANGE_MICROS: u64 = 1_000;
/// Overlap of a rotation, seconds.
const OVERLAP_SECONDS: u64 = 86_400;
/// Hourly limits, most of them never met.
const LIMITS: [u64; 4] = [60, 600, 2_400, 10_000];

type Made = Result<(), FurnishError>;

impl History<'_> {
    /// Accounts, people, resources and tokens.
    pub(super) fn settle_in(&mut self) -> Made {
        for place in 0..self.population.places.len() {
            for change in opening(&self.population.places[place], &mut self.chance) {
                self.manage(change)?;
            }
        }
        for rank in 0..self.population.scale.tokens.max(1) {
            let (slot, secret) = self.population.slot(rank, &mut self.chance);
            let create = create(&slot, &self.population.places[slot.place], secret, &mut self.chance);
            self.population.slots.push(slot);
            self.manage(create)?;
        }
        Ok(())
    }

    pub(super) fn change_something(&mut self) -> Made {
        let number = self.chance.index(self.population.slots.len());
        match self.chance.below(100) {
            0..40 => self.change_access(number),
            40..60 => self.rotate(number),
            60..75 => self.replace(number),
            75..90 => self.change_member(number),
            _ => self.change_limit(number),
        }
    }

    fn manage(&mut self, change: Change) -> Made {
        let origin = asks::origin(OPERATOR_CLIENT, &mut self.chance);
        self.at.0 += CHANGE_MICROS;
        self.maker.put(self.at, Command::Manage(Actor::Bearer(self.population.operator), Box::new(change)), origin)
    }

    fn change_access(&mut self, number: usize) -> Made {
        let slot = &self.population.slots[number];
        let Owner::Account(_) = slot.owner else { return Ok(()) };
        let access = access(&self.population.places[slot.place], &mut self.chance);
        self.manage(Change::UpdateToken {
            owner: slot.owner,
            token: slot.token,
            name: None,
            access: Some(access),
            expires_at: None,
            conditions: Default::default(),
            if_match: None,
        })
    }

    fn rotate(&mut self, number: usize) -> Made {
        let (owner, token) = (self.population.slots[number].owner, self.population.slots[number].token);
        let secret = self.population.new_secret(kind_of(owner));
        let slot = &mut self.population.slots[number];
        slot.before = Some(std::mem::replace(&mut slot.digest, secret.digest));
        self.manage(Change::RotateToken { owner, token, overlap_seconds: OVERLAP_SECONDS, secret, if_match: None })
    }

    /// A token is deleted and another one takes its place.
    fn replace(&mut self, number: usize) -> Made {
        let (owner, token) = (self.population.slots[number].owner, self.population.slots[number].token);
        self.population.stray(number);
        self.manage(Change::DeleteToken { owner, token, if_match: None })?;
        let (token, secret) = self.population.next(kind_of(owner));
        let slot = &mut self.population.slots[number];
        (slot.token, slot.digest, slot.before) = (token, secret.digest, None);
        let slot = &self.population.slots[number];
        let create = create(slot, &self.population.places[slot.place], secret, &mut self.chance);
        self.manage(create)
    }

    /// The second member comes, goes, or may do something else.
    fn change_member(&mut self, number: usize) -> Made {
        let place = &mut self.population.places[self.population.slots[number].place];
        let (account, user) = (place.account, place.members[1]);
        if place.second && self.chance.per_mille(400) {
            place.second = false;
            return self.manage(Change::RemoveMember { account, user, if_match: None });
        }
        place.second = true;
        let access = access(place, &mut self.chance);
        self.manage(Change::PutMember { account, user, access, if_match: None })
    }

    fn change_limit(&mut self, number: usize) -> Made {
        let account = self.population.places[self.population.slots[number].place].account;
        let hourly_limit = Some(LIMITS[self.chance.index(LIMITS.len())]);
        self.manage(Change::UpdateAccount {
            account,
            name: None,
            email: None,
            plan: None,
            hourly_limit,
            if_match: None,
        })
    }
}

fn opening(place: &Place, chance: &mut Chance) -> Vec<Change> {
    let number = place.account.0;
    let text = |text: String| PersonalText::new(text);
    let plan = if place.has_grants { Plan::Teams } else { Plan::Solo };
    let (name, email) = (text(format!("Account {number}")), text(format!("ops@account{number}.example")));
    let mut changes = vec![Change::CreateAccount { name, email, plan, hourly_limit: Some(10_000) }];
    for (member, user) in (1..).zip(place.members) {
        let (name, email) = (text(format!("Person {}", user.0)), text(format!("p{member}@account{number}.example")));
        changes.push(Change::CreateUser { email, name });
    }
    for (member, user) in place.members.into_iter().enumerate() {
        let access = if member == 0 { AccessRequest::Full } else { access(place, chance) };
        changes.push(Change::PutMember { account: place.account, user, access, if_match: None });
    }
    for name in &place.names {
        let resources = [ResourceRequest::Domain(DomainFacts::default()), ResourceRequest::Zone(ZoneFacts::default())];
        let add = |resource| Change::AddResource { account: place.account, name: name.clone(), resource };
        changes.extend(resources.into_iter().map(add));
    }
    changes
}

fn create(slot: &Slot, place: &Place, secret: NewSecret, chance: &mut Chance) -> Change {
    let access = matches!(slot.owner, Owner::Account(_)).then(|| access(place, chance));
    Change::CreateToken {
        owner: slot.owner,
        kind: kind_of(slot.owner),
        name: PersonalText::new(format!("token {}", slot.token)),
        access,
        expires_at: None,
        conditions: Default::default(),
        secret,
    }
}

fn kind_of(owner: Owner) -> TokenKind {
    if matches!(owner, Owner::User(_)) { TokenKind::User } else { TokenKind::Account }
}

/// What a token or member of an account may do: where the plan has grants, not always everything.
fn access(place: &Place, chance: &mut Chance) -> AccessRequest {
    if !place.has_grants {
        return AccessRequest::Full;
    }
    let first = place.names[chance.index(place.names.len())].as_str();
    match chance.below(10) {
        0..4 => AccessRequest::Full,
        4..7 => granted([all("domains", ReadOnly), all("zones", FullAccess), all("certificates", ReadOnly)]),
        7..9 => granted([all("domains", ReadOnly), named("zones", ReadOnly, &[first])]),
        _ => granted([named("zones", FullAccess, &[first])]),
    }
}
