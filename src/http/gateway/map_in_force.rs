//! The scope map that gateways' questions are read by, and whom the service takes for a gateway.

use crate::domain::access::GroupNumber;
use crate::domain::command::{Actor, Change, Command, MapDefinition, Origin};
use crate::domain::decide::Answer;
use crate::domain::scope_map::{DNSIMPLE_V2, ScopeMap, parse};
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
    pub fn read(text: &str) -> Result<Self, String> {
        let map = parse::parse(text).map_err(|faults| {
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            told.join("\n")
        })?;
        Ok(Self { map, hash: Sha256::digest(text.as_bytes()).into() })
    }

    /// The map of DNSimple's API v2.
    pub fn built_in() -> Result<Self, String> {
        Self::read(DNSIMPLE_V2)
    }
}

/// What the gateway check needs beside the ledger. By itself it answers nobody.
#[derive(Debug, Default)]
pub struct Gateway {
    in_force: RwLock<Arc<MapInForce>>,
    peers: Vec<IpNet>,
}

impl Gateway {
    /// Answers gateways at these addresses. No request is decidable before a map is in force.
    pub fn new(peers: Vec<IpNet>) -> Self {
        Self { in_force: RwLock::default(), peers }
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

    /// Records that a map is in force, then reads questions by it. A crash in between leaves a record of a map that
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
        Ok(())
    }
}
