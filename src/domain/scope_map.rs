//! The scope map: from a request's method and path to the account, the scope and the resource name it needs.
//!
//! What guards an API must never read a path in another way than the API does. So a path is taken only in the one
//! form that every server reads alike (see [`path`]), a request that no route of the map names is undecidable and
//! therefore refused, and two routes that fit equally well are an error of the map, found when it is read.

pub mod parse;
pub mod path;
pub mod template;

use super::access::Verb;
use super::ids::AccountId;
use super::names::{NameFault, normalize_domain_name};
use path::PathFault;
use std::borrow::Cow;
use template::{Template, Variable};

/// Most bytes of a map's text.
pub const MAP_BYTES_MAX: usize = 1 << 20;
/// Most routes of a map.
pub const ROUTES_MAX: usize = 2_000;
/// Most scope groups that a map brings.
pub const MAP_GROUPS_MAX: usize = 100;

/// The map for DNSimple's API v2.
pub const DNSIMPLE_V2: &str = include_str!("../../schema/scope-maps/dnsimple-v2.toml");

/// A map that was read and checked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScopeMap {
    /// What it calls itself.
    pub name: String,
    /// Scope groups it brings beside the built-in ones.
    pub groups: Vec<MapGroup>,
    /// Its routes, the most specific first.
    pub routes: Vec<MapRoute>,
}

/// A scope group that a map brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapGroup {
    /// Its name in scopes.
    pub name: String,
    /// Whether grants can name resources.
    pub restrictable: bool,
    /// Whether there is a full-access level.
    pub has_write: bool,
}

/// One route of a map.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapRoute {
    /// Line of the map's text where it begins, from 1.
    pub line: usize,
    /// Methods, upper case, sorted. A route for GET is one for HEAD too.
    pub methods: Vec<String>,
    /// Path.
    pub template: Template,
    /// What it needs.
    pub needs: Needs,
}

/// What a route needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Needs {
    /// A token that works, no scope.
    Token,
    /// A scope.
    Scope {
        /// Name of the scope group.
        group: String,
        /// Read or write.
        verb: Verb,
        /// Of which resources.
        resource: Resource,
    },
}

/// The middle part of a route's scope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// `*`: every resource of the group. Grants of named ones do not do, since the API would show the others too.
    All,
    /// `listed`: those that the token may see; the API filters its list itself.
    Listed,
    /// `{name}`: the one in the path.
    Named,
}

/// What a request needs, as the map says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Required<'m> {
    /// The route.
    pub route: &'m MapRoute,
    /// The account in the path; where there is none the token's own counts.
    pub account: Option<AccountId>,
    /// The resource name in the path, in the one form that grants are compared in.
    pub name: Option<String>,
}

/// The API behind may take another spelling for another resource.
const OTHER_SPELLING: NameFault = "is not in the one spelling that grants have: lower case, no final dot";

/// Why a map says nothing of a request. Such a request is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Undecidable {
    /// The path can be read in more than one way, or in none.
    Path(PathFault),
    /// No route has this path.
    NoRoute,
    /// Routes have this path, for these methods.
    OtherMethods(Vec<String>),
    /// The account in the path is not a number.
    Account,
    /// The resource name in the path is none.
    Name(NameFault),
}

impl std::fmt::Display for Undecidable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(fault) => write!(f, "the path {fault}"),
            Self::NoRoute => f.write_str("no route of the scope map has this path"),
            Self::OtherMethods(methods) => {
                write!(f, "the scope map has this path for {} only", methods.join(", "))
            }
            Self::Account => f.write_str("the account in the path is not a number"),
            Self::Name(fault) => write!(f, "the resource name in the path {fault}"),
        }
    }
}

impl ScopeMap {
    /// What a request needs. `target` is the path as it came, with its query if it has one; the query never decides.
    pub fn find(&self, method: &str, target: &str) -> Result<Required<'_>, Undecidable> {
        let segments = path::segments(target).map_err(Undecidable::Path)?;
        let fitting = |route: &MapRoute| route.template.fits(&segments);
        let first = self.routes.iter().position(fitting).ok_or(Undecidable::NoRoute)?;
        let first = &self.routes[first..];
        // Those of the same paths stand beside each other. A less specific route for another method is not asked: the API
        // behind would not serve it either.
        let same = || first.iter().take_while(|route| route.template.fits_as(&first[0].template));
        let of = |method: &str| same().find(|route| route.has(method));
        let Some(route) = of(method).or_else(|| if method == "HEAD" { of("GET") } else { None }) else {
            let mut methods: Vec<String> = same().flat_map(|route| route.methods.iter().cloned()).collect();
            methods.sort_unstable();
            methods.dedup();
            return Err(Undecidable::OtherMethods(methods));
        };
        route.required(&segments, self)
    }

    /// Whether a group is the map's own: its names are what the API says they are. Names of the ledger's own groups are
    /// domain names, which have many spellings.
    pub fn is_own(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own.name == group)
    }
}

impl MapRoute {
    fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|own| own == method)
    }

    fn required(&self, segments: &[Cow<'_, str>], map: &ScopeMap) -> Result<Required<'_>, Undecidable> {
        let value = |wanted| self.template.value(wanted, segments);
        let account = value(Variable::Account).map(account_number).transpose()?;
        let sent = value(Variable::Name);
        let name = sent.map(normalize_domain_name).transpose().map_err(Undecidable::Name)?;
        let is_own = matches!(&self.needs, Needs::Scope { group, .. } if map.is_own(group));
        if is_own && name.as_deref() != sent {
            return Err(Undecidable::Name(OTHER_SPELLING));
        }
        Ok(Required { route: self, account, name })
    }
}

fn account_number(text: &str) -> Result<AccountId, Undecidable> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && number > 0 => Ok(AccountId(number)),
        _ => Err(Undecidable::Account),
    }
}

impl Required<'_> {
    /// The scope it needs, as `group:resource:verb`; none where a working token does.
    pub fn scope(&self) -> Option<String> {
        let Needs::Scope { group, verb, resource } = &self.route.needs else { return None };
        let resource = match (resource, &self.name) {
            (Resource::Named, Some(name)) => name,
            _ => "*",
        };
        Some(format!("{group}:{resource}:{}", verb.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built_in() -> ScopeMap {
        parse::parse(DNSIMPLE_V2).expect("the built-in map is right")
    }

    fn asked(map: &ScopeMap, method: &str, path: &str) -> Result<(Option<u64>, Option<String>), Undecidable> {
        map.find(method, path).map(|required| (required.account.map(|id| id.0), required.scope()))
    }

    #[test]
    fn the_built_in_map_is_this_table() {
        let map = built_in();
        let rows = [
            ("GET", "/v2/whoami", None, ""),
            ("HEAD", "/v2/whoami", None, ""),
            ("GET", "/v2/accounts", None, ""),
            ("GET", "/v2/7/billing/charges?page=2", Some(7), "billing:*:read"),
            ("GET", "/v2/7/domains", Some(7), "domains:*:read"),
            ("POST", "/v2/7/domains", Some(7), "domains:*:write"),
            ("GET", "/v2/7/domains/Example.COM.", Some(7), "domains:example.com:read"),
            ("DELETE", "/v2/7/domains/example.com", Some(7), "domains:example.com:write"),
            ("GET", "/v2/7/domains/research/status?domain=a.example", Some(7), "domain_research:*:read"),
            ("GET", "/v2/7/domains/example.com/certificates/3/private_key", Some(7), "certificates:example.com:write"),
            ("GET", "/v2/7/domains/example.com/certificates/3", Some(7), "certificates:example.com:read"),
            ("POST", "/v2/7/domains/example.com/services/wordpress", Some(7), "zones:example.com:write"),
            ("PUT", "/v2/7/registrar/domains/example.com/auto_renewal", Some(7), "registrar:example.com:write"),
            ("PATCH", "/v2/7/zones/example.com/records/5", Some(7), "zones:example.com:write"),
            ("GET", "/v2/7/zones/b%C3%BCcher.example/file", Some(7), "zones:xn--bcher-kva.example:read"),
            ("GET", "/v2/tlds/com", None, ""),
        ];
        for (method, path, account, scope) in rows {
            let expected = (account, (!scope.is_empty()).then(|| scope.to_owned()));
            assert_eq!(asked(&map, method, path), Ok(expected), "{method} {path}");
        }
    }

    #[test]
    fn what_the_map_does_not_name_is_undecidable() {
        let map = built_in();
        let only_get = Undecidable::OtherMethods(vec!["GET".to_owned()]);
        let rows = [
            ("GET", "/v2/7/secrets", Undecidable::NoRoute),
            ("GET", "/", Undecidable::NoRoute),
            ("GET", "/V2/whoami", Undecidable::NoRoute),
            ("GET", "/v2/whoami/", Undecidable::Path(PathFault::EmptySegment)),
            ("DELETE", "/v2/whoami", only_get),
            ("get", "/v2/whoami", Undecidable::OtherMethods(vec!["GET".to_owned()])),
            ("GET", "/v2/seven/zones", Undecidable::Account),
            ("GET", "/v2/0/zones", Undecidable::Account),
            ("GET", "/v2/7/zones/a%20b", Undecidable::Name("is not a domain name")),
        ];
        for (method, path, why) in rows {
            assert_eq!(asked(&map, method, path), Err(why), "{method} {path}");
        }
    }

    #[test]
    fn head_is_judged_as_get_unless_a_route_says_otherwise() {
        let get = "[[route]]\nmethods = [\"GET\"]\npath = \"/a\"\nscope = \"billing:*:read\"\n";
        let head = "[[route]]\nmethods = [\"HEAD\"]\npath = \"/a\"\nscope = \"contacts:*:read\"\n";
        let scope = |text: &str| asked(&parse::parse(text).expect("a map"), "HEAD", "/a").map(|(_, scope)| scope);
        assert_eq!(scope(&format!("name = \"t\"\n{get}")), Ok(Some("billing:*:read".to_owned())));
        for text in [format!("name = \"t\"\n{get}{head}"), format!("name = \"t\"\n{head}{get}")] {
            assert_eq!(scope(&text), Ok(Some("contacts:*:read".to_owned())));
        }
    }

    #[test]
    fn the_more_specific_route_is_meant_wherever_it_stands() {
        let text = |routes: [&str; 2]| format!("name = \"t\"\n{}{}", routes[0], routes[1]);
        let one = "[[route]]\nmethods = [\"GET\"]\npath = \"/{account}/{any}\"\nscope = \"billing:*:read\"\n";
        let other = "[[route]]\nmethods = [\"GET\"]\npath = \"/{account}/status\"\n";
        for order in [[one, other], [other, one]] {
            let map = parse::parse(&text(order)).expect("a map");
            assert_eq!(asked(&map, "GET", "/7/status"), Ok((Some(7), None)));
            assert_eq!(asked(&map, "GET", "/7/x"), Ok((Some(7), Some("billing:*:read".to_owned()))));
        }
    }
}
