//! Access: what a token or membership may do. Rules as small tables.

use super::ids::TextNumber;
use serde::{Deserialize, Serialize};

/// Number of a scope group in records. The built-in ones are 1 to 11.
pub type GroupNumber = u16;

/// What one scope group is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScopeGroup {
    /// Its number in records.
    pub number: GroupNumber,
    /// Its name in scopes, as in `zones:example.com:read`.
    pub name: String,
    /// Whether a grant can be restricted to named resources.
    pub restrictable: bool,
    /// Whether there is a full-access level (else read only).
    pub has_write: bool,
    /// Whether the group exists only where Domain Research is active.
    pub needs_research: bool,
}

/// Numbers of the built-in groups that rules refer to.
pub mod group {
    use super::GroupNumber;
    /// The account itself.
    pub const ACCOUNT: GroupNumber = 1;
    /// Certificates.
    pub const CERTIFICATES: GroupNumber = 3;
    /// Domain Research.
    pub const DOMAIN_RESEARCH: GroupNumber = 5;
    /// Domains.
    pub const DOMAINS: GroupNumber = 6;
    /// Registrations of domains.
    pub const REGISTRAR: GroupNumber = 8;
    /// Zones.
    pub const ZONES: GroupNumber = 11;
}

/// Whether requests of a group are refused on an account without Domain Research, whatever the access.
pub fn needs_research(group: GroupNumber) -> bool {
    group == group::DOMAIN_RESEARCH
}

/// The groups every ledger starts with: name, restrictable, has_write, needs_research.
pub const BUILT_IN_GROUPS: [(&str, bool, bool, bool); 11] = [
    ("account", false, true, false),
    ("billing", false, true, false),
    ("certificates", true, true, false),
    ("contacts", false, true, false),
    ("domain_research", false, false, true),
    ("domains", true, true, false),
    ("platform", false, true, false),
    ("registrar", true, true, false),
    ("templates", false, true, false),
    ("webhooks", false, true, false),
    ("zones", true, true, false),
];

/// How far a grant goes. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Level {
    /// Reads only.
    ReadOnly,
    /// Reads and writes.
    FullAccess,
}

impl Level {
    /// Spelling in bodies.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::FullAccess => "full_access",
        }
    }
}

/// What a request does to a resource. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Verb {
    /// Looks.
    Read,
    /// Changes.
    Write,
}

impl Verb {
    /// Spelling in scopes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Which resources of a group a grant covers. Numbers are part of the record format: append only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Coverage {
    /// All, including ones added later.
    All,
    /// These names, sorted, each once. Empty: covers nothing.
    Named(Vec<TextNumber>),
}

/// One grant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The scope group.
    pub group: GroupNumber,
    /// How far.
    pub level: Level,
    /// Over which resources.
    pub coverage: Coverage,
}

/// Access: full, or exactly these grants. No grants grant nothing. Numbers are part of the record format: append only.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Access {
    /// Everything in the account, also what is added later.
    Full,
    /// These grants, sorted by group, one a group.
    Granted(Vec<Grant>),
}

/// What a request asks of a group. Numbers are part of the record format: append only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Target {
    /// The group's list: every resource the caller may see.
    List,
    /// The resource with this name. `NONE`: a name that was never seen in the account.
    Name(TextNumber),
    /// A resource number that is unknown in the account.
    Number(u64),
    /// Every resource of the group, ones added later included: grants of named ones do not do.
    All,
}

/// The scope that a request needs: `group:resource:verb`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RequiredScope {
    /// The scope group.
    pub group: GroupNumber,
    /// Read or write.
    pub verb: Verb,
    /// What of it.
    pub target: Target,
}

/// What of a group an access lets see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Visible {
    /// Everything.
    All,
    /// These names only.
    Named(Vec<TextNumber>),
}

impl Access {
    /// The grant in a group, if this access is made of grants and has one.
    fn grant(&self, group: GroupNumber, verb: Verb) -> Option<&Grant> {
        let Self::Granted(grants) = self else { return None };
        let grant = grants.iter().find(|grant| grant.group == group)?;
        (verb == Verb::Read || grant.level == Level::FullAccess).then_some(grant)
    }

    /// Whether this access covers a required scope. The whole rule.
    pub fn allows(&self, required: RequiredScope) -> bool {
        if *self == Self::Full {
            return true;
        }
        let Some(grant) = self.grant(required.group, required.verb) else { return false };
        match (&grant.coverage, required.target) {
            (Coverage::All, _) | (Coverage::Named(_), Target::List) => true,
            (Coverage::Named(names), Target::Name(name)) => names.binary_search(&name).is_ok(),
            (Coverage::Named(_), Target::Number(_) | Target::All) => false,
        }
    }

    /// What a list of this group shows.
    pub fn visible(&self, group: GroupNumber) -> Visible {
        match self {
            Self::Full => Visible::All,
            Self::Granted(_) => match self.grant(group, Verb::Read).map(|grant| &grant.coverage) {
                Some(Coverage::All) => Visible::All,
                Some(Coverage::Named(names)) => Visible::Named(names.clone()),
                None => Visible::Named(Vec::new()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(numbers: &[u64]) -> Coverage {
        Coverage::Named(numbers.iter().map(|&n| TextNumber(n)).collect())
    }

    fn granted(group: GroupNumber, level: Level, coverage: Coverage) -> Access {
        Access::Granted(vec![Grant { group, level, coverage }])
    }

    fn asks(group: GroupNumber, verb: Verb, target: Target) -> RequiredScope {
        RequiredScope { group, verb, target }
    }

    #[test]
    fn allows_is_this_table() {
        use Level::{FullAccess, ReadOnly};
        use Target::{All, List, Name, Number};
        use Verb::{Read, Write};
        let (one, two) = (Name(TextNumber(1)), Name(TextNumber(2)));
        let zones = group::ZONES;
        let rows = [
            (Access::Full, asks(zones, Write, one), true),
            (Access::Full, asks(zones, Read, Number(9)), true),
            (Access::Granted(vec![]), asks(zones, Read, one), false),
            (Access::Granted(vec![]), asks(zones, Read, List), false),
            (granted(zones, ReadOnly, Coverage::All), asks(zones, Read, one), true),
            (granted(zones, ReadOnly, Coverage::All), asks(zones, Read, Number(9)), true),
            (granted(zones, ReadOnly, Coverage::All), asks(zones, Write, one), false),
            (granted(zones, FullAccess, Coverage::All), asks(zones, Write, one), true),
            (granted(zones, FullAccess, Coverage::All), asks(zones, Read, List), true),
            (granted(zones, FullAccess, Coverage::All), asks(group::DOMAINS, Read, one), false),
            (granted(zones, ReadOnly, named(&[1])), asks(zones, Read, one), true),
            (granted(zones, ReadOnly, named(&[1])), asks(zones, Read, two), false),
            (granted(zones, ReadOnly, named(&[1])), asks(zones, Read, Name(TextNumber::NONE)), false),
            (granted(zones, ReadOnly, named(&[1])), asks(zones, Read, Number(1)), false),
            (granted(zones, ReadOnly, named(&[1])), asks(zones, Read, List), true),
            (granted(zones, ReadOnly, named(&[1])), asks(zones, Write, one), false),
            (granted(zones, FullAccess, named(&[1])), asks(zones, Write, one), true),
            (granted(zones, ReadOnly, named(&[])), asks(zones, Read, List), true),
            (granted(zones, ReadOnly, named(&[])), asks(zones, Read, one), false),
            (Access::Full, asks(zones, Write, All), true),
            (granted(zones, FullAccess, Coverage::All), asks(zones, Write, All), true),
            (granted(zones, ReadOnly, Coverage::All), asks(zones, Write, All), false),
            (granted(zones, FullAccess, named(&[1])), asks(zones, Read, All), false),
            (Access::Granted(vec![]), asks(zones, Read, All), false),
        ];
        for (access, required, expected) in rows {
            assert_eq!(access.allows(required), expected, "{access:?} {required:?}");
        }
    }

    #[test]
    fn a_list_shows_what_the_grant_covers() {
        let zones = group::ZONES;
        assert_eq!(Access::Full.visible(zones), Visible::All);
        assert_eq!(granted(zones, Level::ReadOnly, Coverage::All).visible(zones), Visible::All);
        let one = granted(zones, Level::ReadOnly, named(&[1])).visible(zones);
        assert_eq!(one, Visible::Named(vec![TextNumber(1)]));
        assert_eq!(Access::Granted(vec![]).visible(zones), Visible::Named(vec![]));
    }
}
