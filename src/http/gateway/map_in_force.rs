//! The scope map that gateways' questions are read by, and whom the service takes for a gateway.

use super::broken_map::{BrokenMap, RejectedMap};
use crate::domain::access::{GroupNumber, Verb};
use crate::domain::command::{Actor, AskedTarget, Change, Command, MapDefinition, Origin};
use crate::domain::decide::Answer;
use crate::domain::event::MappedRoute;
use crate::domain::scope_map::{DNSIMPLE_V2, Needs, Required, Resource, ScopeMap, parse};
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::ledger::{Ledger, Unavailable};
use ipnet::IpNet;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use thiserror::Error;

/// A map with its numbers in this log.
#[derive(Debug, Default)]
pub struct MapInForce {
    /// The map.
    pub map: ScopeMap,
    /// Its number in the log.
    pub number: u32,
    groups: HashMap<String, GroupNumber>,
    names: HashMap<GroupNumber, String>,
}

impl MapInForce {
    /// Name of a scope group of the ledger.
    pub fn group_name(&self, number: GroupNumber) -> &str {
        self.names.get(&number).map_or("?", String::as_str)
    }

    /// What a route asks of a token, and for which scope group and verb, wherever a gateway asks by method and path.
    pub fn asked(&self, required: &Required<'_>) -> (AskedTarget, Option<(GroupNumber, Verb)>) {
        let Needs::Scope { group, verb, resource } = &required.route.needs else { return (AskedTarget::None, None) };
        let target = match (resource, &required.name) {
            (Resource::Named, Some(name)) => AskedTarget::Name(PersonalText::new(name)),
            (Resource::Listed, _) => AskedTarget::List,
            // A name that is not there would be a fault of the map; the whole group is the stricter reading.
            (Resource::All | Resource::Named, _) => AskedTarget::All,
        };
        (target, Some((self.group(group), *verb)))
    }

    /// Where a route stands: this map's number, and its line.
    pub fn place(&self, required: &Required<'_>) -> MappedRoute {
        MappedRoute { map: self.number, line: u32::try_from(required.route.line).unwrap_or(u32::MAX) }
    }

    /// Number of one of the map's scope groups.
    pub fn group(&self, name: &str) -> GroupNumber {
        self.groups.get(name).copied().unwrap_or_default()
    }
}

/// A map's text that was read and checked, not yet in force.
#[derive(Debug)]
pub struct CheckedMap {
    map: ScopeMap,
    hash: [u8; 32],
}

/// Why a map cannot come into force.
#[derive(Debug, Error)]
pub enum MapError {
    /// The ledger has its groups with other properties.
    #[error("the ledger refuses the scope map: {0}")]
    Refused(String),
    /// It could not be recorded.
    #[error("the scope map could not be recorded: {0}")]
    NotRecorded(#[from] Unavailable),
}

impl CheckedMap {
    /// Reads a map's text. Every fault is told with its line.
    pub fn read(bytes: &[u8]) -> Result<Self, BrokenMap> {
        let text = std::str::from_utf8(bytes).map_err(|error| BrokenMap::not_text(bytes, error.to_string()))?;
        let hash = Sha256::digest(bytes).into();
        let map = parse::parse(text).map_err(|faults| BrokenMap::faulty(hash, &faults))?;
        Ok(Self { map, hash })
    }

    /// The map of DNSimple's API v2.
    pub fn built_in() -> Result<Self, BrokenMap> {
        Self::read(DNSIMPLE_V2.as_bytes())
    }

    /// What it calls itself.
    pub fn name(&self) -> &str {
        &self.map.name
    }

    /// It as one that the ledger cannot take.
    pub fn not_taken(&self, why: String) -> BrokenMap {
        BrokenMap::not_taken(self.hash, why)
    }
}

/// What the gateway check needs beside the ledger. By itself it answers nobody.
#[derive(Debug, Default)]
pub struct Gateway {
    in_force: RwLock<Arc<MapInForce>>,
    rejected: RwLock<Option<RejectedMap>>,
    peers: Vec<IpNet>,
}

impl Gateway {
    /// Answers gateways at these addresses. No request is decidable before a map is in force.
    pub fn new(peers: Vec<IpNet>) -> Self {
        Self { in_force: RwLock::default(), rejected: RwLock::default(), peers }
    }

    /// Whether whoever is at this address is believed about the requests it asks for.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.peers.iter().any(|network| network.contains(&peer))
    }

    /// The map in force; none before the first is recorded.
    pub fn map(&self) -> Option<Arc<MapInForce>> {
        let map = Arc::clone(&self.in_force.read());
        (map.number > 0).then_some(map)
    }

    /// What came after the map in force and is none; none while the file is as the map in force, or nobody looked.
    pub fn rejected(&self) -> Option<RejectedMap> {
        self.rejected.read().clone()
    }

    /// Keeps the map in force, and says so: at once where somebody asks, and in the ledger. The same text again is not
    /// recorded again. A crash before the record loses that this was tried; the next start refuses the text.
    pub async fn reject(&self, ledger: &Ledger, broken: &BrokenMap) -> Result<(), Unavailable> {
        if self.note_rejected(broken, ledger.clock().now()) {
            return Ok(());
        }
        let command = Command::Manage(Actor::Init, Box::new(Change::RejectScopeMap(broken.faults)));
        ledger.submit(command, Origin::default()).await?;
        if let Some(rejected) = self.rejected.write().as_mut() {
            rejected.is_recorded = true;
        }
        Ok(())
    }

    /// Whether it is noted and recorded already.
    fn note_rejected(&self, broken: &BrokenMap, now: Timestamp) -> bool {
        let mut noted = self.rejected.write();
        let since = noted.as_ref().map_or(now, |before| before.since);
        let is_recorded = noted.as_ref().is_some_and(|before| before.is_recorded && before.broken == *broken);
        *noted = Some(RejectedMap { broken: broken.clone(), since, is_recorded });
        is_recorded
    }

    /// Records that a map is in force, then reads questions by it. Those on their way are answered by the map they
    /// began with, and their records name it. A crash in between leaves a record of a map that
    /// no question was read by; the next start finds the same map recorded and goes on.
    pub async fn put_in_force(&self, ledger: &Ledger, checked: &CheckedMap) -> Result<(), MapError> {
        let definition = MapDefinition {
            name: checked.map.name.clone(),
            hash: checked.hash,
            routes: u32::try_from(checked.map.routes.len()).unwrap_or(u32::MAX),
            groups: checked.map.groups.clone(),
        };
        let command = Command::Manage(Actor::Init, Box::new(Change::DefineScopeMap(definition)));
        if let Answer::Rejected(rejection) = ledger.submit(command, Origin::default()).await?.answer {
            return Err(MapError::Refused(rejection.to_string()));
        }
        let (number, groups) = ledger
            .view(|view| {
                let state = &view.projections.state;
                let groups: Vec<_> = state.groups.iter().map(|group| (group.name.clone(), group.number)).collect();
                (state.scope_map.map_or(0, |map| map.number), groups)
            })
            .await;
        let names = groups.iter().map(|(name, number)| (*number, name.clone())).collect();
        let groups = groups.into_iter().collect();
        *self.in_force.write() = Arc::new(MapInForce { map: checked.map.clone(), number, groups, names });
        *self.rejected.write() = None;
        Ok(())
    }
}
