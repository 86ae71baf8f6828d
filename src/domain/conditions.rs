//! Conditions on a token, beside its expiry: from when on it works, and from which addresses.
//!
//! Addresses are values here (`core::net` has no sockets); the arithmetic of networks is the library's. The record has
//! bytes of its own, so that no library's form is frozen with it.

use super::time::Timestamp;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Address ranges that one token may have.
pub const ADDRESS_RANGES_MAX: usize = 64;
/// Bits of an IPv6 address that say "an IPv4 address follows" (RFC 4291 section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// A range of addresses, as CIDR writes it (RFC 4632, RFC 4291 section 2.3). No bit is set past the prefix; one address
/// is a range of the longest prefix. Never an IPv4 range written as IPv6. Numbers are part of the record format: append
/// only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum AddressRange {
    /// IPv4 addresses.
    V4 {
        /// First address.
        network: [u8; 4],
        /// Bits that count, at most 32.
        prefix: u8,
    },
    /// IPv6 addresses.
    V6 {
        /// First address.
        network: [u8; 16],
        /// Bits that count, at most 128.
        prefix: u8,
    },
}

impl AddressRange {
    /// Reads `192.0.2.0/24`, `2001:db8::/32`, or one address. Else a sentence part that says what is wrong. A range with
    /// bits set past its prefix is refused, not cut: who wrote it meant another range, or one address. Octets with a
    /// leading zero are refused too, since some read them as octal.
    pub fn parse(text: &str) -> Result<Self, String> {
        const WANTED: &str = "is not an address or a range such as 192.0.2.0/24 or 2001:db8::/32";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(read_prefix(prefix).ok_or(WANTED)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| WANTED)?;
        let all_bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(all_bits);
        let network = IpNet::new(address, prefix).map_err(|_| format!("has a prefix over {all_bits}"))?;
        let range = Self::of(network.trunc());
        if network.network() != address {
            return Err(format!("has bits set past its prefix; the range is {range}"));
        }
        Ok(range)
    }

    fn of(network: IpNet) -> Self {
        match (network.addr(), network.prefix_len()) {
            (IpAddr::V4(address), prefix) => Self::V4 { network: address.octets(), prefix },
            (IpAddr::V6(address), prefix) => match address.to_ipv4_mapped() {
                Some(mapped) if prefix >= MAPPED_PREFIX => {
                    Self::V4 { network: mapped.octets(), prefix: prefix - MAPPED_PREFIX }
                }
                _ => Self::V6 { network: address.octets(), prefix },
            },
        }
    }

    /// None for a record with a prefix that there is not: such a range holds no address.
    fn network(&self) -> Option<IpNet> {
        let (address, prefix) = match *self {
            Self::V4 { network, prefix } => (IpAddr::V4(Ipv4Addr::from(network)), prefix),
            Self::V6 { network, prefix } => (IpAddr::V6(Ipv6Addr::from(network)), prefix),
        };
        IpNet::new(address, prefix).ok()
    }

    /// Whether an address is in it. An IPv4 address is in no IPv6 range, whichever way it is written.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.network().is_some_and(|network| network.contains(&address.to_canonical()))
    }
}

fn read_prefix(text: &str) -> Option<u8> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// In CIDR, a single address too: `192.0.2.7/32`.
impl std::fmt::Display for AddressRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::V4 { network, prefix } => write!(f, "{}/{prefix}", Ipv4Addr::from(network)),
            Self::V6 { network, prefix } => write!(f, "{}/{prefix}", Ipv6Addr::from(network)),
        }
    }
}

/// What must hold, beside the expiry, for a token to work.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Conditions {
    /// When it begins to work; none: at once.
    pub not_before: Option<Timestamp>,
    /// Where it works: sorted, each once. None at all: anywhere.
    pub allowed_addresses: Vec<AddressRange>,
}

impl Conditions {
    /// With ranges in their one order, each once.
    pub fn new(not_before: Option<Timestamp>, mut allowed_addresses: Vec<AddressRange>) -> Self {
        allowed_addresses.sort_unstable();
        allowed_addresses.dedup();
        Self { not_before, allowed_addresses }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.not_before.is_none() && self.allowed_addresses.is_empty()
    }

    /// Its ranges for answers; none stands for anywhere.
    pub fn ranges_in_words(&self) -> Option<Vec<String>> {
        let ranges = &self.allowed_addresses;
        (!ranges.is_empty()).then(|| ranges.iter().map(ToString::to_string).collect())
    }

    /// Whether its time has come. At the instant itself it has.
    pub fn has_begun(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|begin| begin <= now)
    }

    /// Whether it works for a client at this address. Where there are ranges, an address nobody knows is in none.
    pub fn admits(&self, from: Option<IpAddr>) -> bool {
        self.allowed_addresses.is_empty()
            || from.is_some_and(|address| self.allowed_addresses.iter().any(|range| range.contains(address)))
    }

    /// Whether whatever these let through, the others did too.
    pub fn are_within(&self, others: &Self) -> bool {
        others.not_before.is_none_or(|begin| self.not_before.is_some_and(|own| begin <= own))
            && (others.allowed_addresses.is_empty() || self.ranges_are_within(others))
    }

    /// Each range in one of the others, where those that lie side by side count as one.
    fn ranges_are_within(&self, others: &Self) -> bool {
        let others = IpNet::aggregate(&others.allowed_addresses.iter().filter_map(AddressRange::network).collect());
        let is_within = |range: IpNet| others.iter().any(|other| other.contains(&range));
        let mut own = self.allowed_addresses.iter().map(AddressRange::network);
        !self.allowed_addresses.is_empty() && own.all(|range| range.is_some_and(is_within))
    }
}

/// An edit of conditions; what is absent stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConditionsEdit {
    /// Beginning; `Some(None)` takes it away.
    pub not_before: Option<Option<Timestamp>>,
    /// Ranges, replacing all before; none at all take the condition away.
    pub allowed_addresses: Option<Vec<AddressRange>>,
}

impl ConditionsEdit {
    /// The conditions after the edit of those before.
    pub fn applied_to(&self, before: &Conditions) -> Conditions {
        let not_before = self.not_before.unwrap_or(before.not_before);
        let ranges = self.allowed_addresses.clone().unwrap_or_else(|| before.allowed_addresses.clone());
        Conditions::new(not_before, ranges)
    }
}
