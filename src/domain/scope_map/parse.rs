//! Reading a map's text (TOML). The grammar stands in `schema/scope-map.md`. Every fault is told, with its line.

use super::template::{Template, Variable};
use super::{MAP_BYTES_MAX, MAP_GROUPS_MAX, MapGroup, MapRoute, Needs, ROUTES_MAX, Resource, ScopeMap};
use crate::domain::access::{BUILT_IN_GROUPS, Verb};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;

/// Something wrong in a map.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MapFault {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl std::fmt::Display for MapFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Spanned<String>,
    #[serde(default)]
    prefix: Option<Spanned<String>>,
    #[serde(default)]
    group: Vec<Spanned<Group>>,
    #[serde(default)]
    route: Vec<Spanned<Route>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    #[serde(default)]
    restrictable: bool,
    #[serde(default = "yes")]
    has_write: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    methods: Vec<Spanned<String>>,
    path: Spanned<String>,
    #[serde(default)]
    scope: Option<Spanned<String>>,
}

fn yes() -> bool {
    true
}

/// A group as routes are checked against it.
struct Known<'a> {
    name: &'a str,
    restrictable: bool,
    has_write: bool,
}

/// Reads and checks a map.
pub fn parse(text: &str) -> Result<ScopeMap, Vec<MapFault>> {
    let lines = Lines(text);
    if text.len() > MAP_BYTES_MAX {
        return Err(vec![MapFault { line: 1, what: format!("a scope map has at most {MAP_BYTES_MAX} bytes") }]);
    }
    let file: File = toml::from_str(text).map_err(|error| vec![lines.unreadable(&error)])?;
    let mut faults = Vec::new();
    let name = check_name(&file.name, &lines, &mut faults);
    let groups = check_groups(&file.group, &lines, &mut faults);
    let routes = check_routes(&file, &groups, &lines, &mut faults);
    if file.route.is_empty() {
        // Whatever it was meant to be: cut off while it was written, it would refuse everything.
        faults.push(MapFault { line: 1, what: "a scope map has at least one route".to_owned() });
    }
    faults.sort();
    if faults.is_empty() { Ok(ScopeMap { name, groups, routes }) } else { Err(faults) }
}

/// From places in the text to lines.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn of(&self, span: &Range<usize>) -> usize {
        self.0.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
    }

    fn fault(&self, span: Range<usize>, what: impl Into<String>) -> MapFault {
        MapFault { line: self.of(&span), what: what.into() }
    }

    fn unreadable(&self, error: &toml::de::Error) -> MapFault {
        self.fault(error.span().unwrap_or_default(), error.message())
    }
}

/// Names of maps and groups: they stand in scopes and answers.
fn is_word(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

const WORD: &str = "has 1 to 64 lower-case letters, digits, _ and -";

fn check_name(name: &Spanned<String>, lines: &Lines<'_>, faults: &mut Vec<MapFault>) -> String {
    if !is_word(name.get_ref()) {
        faults.push(lines.fault(name.span(), format!("a map's name {WORD}")));
    }
    name.get_ref().clone()
}

fn check_groups(groups: &[Spanned<Group>], lines: &Lines<'_>, faults: &mut Vec<MapFault>) -> Vec<MapGroup> {
    let mut checked: Vec<MapGroup> = Vec::new();
    for spanned in groups {
        let group = spanned.get_ref();
        let mut fault = |what: String| faults.push(lines.fault(spanned.span(), what));
        if !is_word(&group.name) {
            fault(format!("a group's name {WORD}"));
        } else if BUILT_IN_GROUPS.iter().any(|(name, ..)| *name == group.name) {
            fault(format!("{} is a built-in group already", group.name));
        } else if checked.iter().any(|other| other.name == group.name) {
            fault(format!("the group {} is there twice", group.name));
        }
        let Group { name, restrictable, has_write } = group;
        checked.push(MapGroup { name: name.clone(), restrictable: *restrictable, has_write: *has_write });
    }
    if checked.len() > MAP_GROUPS_MAX {
        faults.push(lines.fault(0..0, format!("a scope map brings at most {MAP_GROUPS_MAX} groups")));
    }
    checked
}

fn check_routes(file: &File, groups: &[MapGroup], lines: &Lines<'_>, faults: &mut Vec<MapFault>) -> Vec<MapRoute> {
    let built_in = BUILT_IN_GROUPS.iter().map(|&(name, restrictable, has_write, _)| (name, restrictable, has_write));
    let own = groups.iter().map(|group| (group.name.as_str(), group.restrictable, group.has_write));
    let known: Vec<Known<'_>> =
        built_in.chain(own).map(|(name, restrictable, has_write)| Known { name, restrictable, has_write }).collect();
    if file.route.len() > ROUTES_MAX {
        faults.push(lines.fault(0..0, format!("a scope map has at most {ROUTES_MAX} routes")));
        return Vec::new();
    }
    let prefix = file.prefix.as_ref().map_or("", |prefix| prefix.get_ref().as_str());
    if let Some(spanned) = &file.prefix
        && (prefix.ends_with('/') || Template::parse(prefix).is_err())
    {
        faults.push(lines.fault(spanned.span(), "a prefix is a path such as /v2, without a slash at its end"));
        return Vec::new();
    }
    let read = file.route.iter().filter_map(|spanned| check_route(spanned, prefix, &known, lines, faults));
    let mut routes: Vec<MapRoute> = read.collect();
    routes.sort_by_cached_key(|route| route.template.key());
    find_doubles(&routes, faults);
    routes
}

fn check_route(
    spanned: &Spanned<Route>,
    prefix: &str,
    known: &[Known<'_>],
    lines: &Lines<'_>,
    faults: &mut Vec<MapFault>,
) -> Option<MapRoute> {
    let (route, line) = (spanned.get_ref(), lines.of(&spanned.span()));
    let before = faults.len();
    let methods = check_methods(spanned, lines, faults);
    let template = Template::parse(&format!("{prefix}{}", route.path.get_ref()))
        .map_err(|what| faults.push(lines.fault(route.path.span(), what)))
        .ok()?;
    let needs = match &route.scope {
        None => Needs::Token,
        Some(scope) => scope_of(scope.get_ref(), known, &template)
            .map_err(|what| faults.push(lines.fault(scope.span(), what)))
            .ok()?,
    };
    (faults.len() == before).then_some(MapRoute { line, methods, template, needs })
}

fn check_methods(spanned: &Spanned<Route>, lines: &Lines<'_>, faults: &mut Vec<MapFault>) -> Vec<String> {
    let methods = &spanned.get_ref().methods;
    if methods.is_empty() {
        faults.push(lines.fault(spanned.span(), "a route has at least one method"));
    }
    for method in methods {
        if method.get_ref().is_empty() || !method.get_ref().bytes().all(|byte| byte.is_ascii_uppercase()) {
            faults.push(lines.fault(method.span(), "a method is written as in GET"));
        }
    }
    let mut methods: Vec<String> = methods.iter().map(|method| method.get_ref().clone()).collect();
    methods.sort_unstable();
    methods.dedup();
    methods
}

fn scope_of(text: &str, known: &[Known<'_>], template: &Template) -> Result<Needs, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [group, resource, verb] = parts[..] else {
        return Err(format!("{text:?} is no scope; it has the form group:resource:verb, as in zones:{{name}}:read"));
    };
    let Some(group) = known.iter().find(|known| known.name == group) else {
        let names: Vec<&str> = known.iter().map(|known| known.name).collect();
        return Err(format!("there is no group {group:?}; there are {}", names.join(", ")));
    };
    let verb = match verb {
        "read" => Verb::Read,
        "write" if group.has_write => Verb::Write,
        "write" => return Err(format!("{} can only be read", group.name)),
        _ => return Err(format!("{verb:?} is no verb; there are read and write")),
    };
    let resource = match resource {
        "*" => Resource::All,
        "listed" => Resource::Listed,
        "{name}" if !group.restrictable => {
            return Err(format!("grants in {} cannot name resources; write {}:*", group.name, group.name));
        }
        "{name}" if template.has(Variable::Name) => Resource::Named,
        "{name}" => return Err("the scope says {name}, the path does not".to_owned()),
        _ => return Err(format!("{resource:?} is no resource; there are *, listed and {{name}}")),
    };
    if template.has(Variable::Name) && resource != Resource::Named {
        return Err("the path says {name}, the scope does not; write {any} for a part that does not matter".to_owned());
    }
    Ok(Needs::Scope { group: group.name.to_owned(), verb, resource })
}

/// Two routes for one method and the same paths: which one is meant nobody could say.
fn find_doubles(sorted: &[MapRoute], faults: &mut Vec<MapFault>) {
    for (at, route) in sorted.iter().enumerate() {
        let key = route.template.key();
        let same = sorted[at + 1..].iter().take_while(|other| other.template.key() == key);
        for other in same {
            if let Some(method) = route.methods.iter().find(|method| other.methods.contains(method)) {
                let (line, first) = (route.line.max(other.line), route.line.min(other.line));
                faults.push(MapFault {
                    line,
                    what: format!("{method} of these paths is mapped in line {first} already"),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = r#"name = "Bad Name"

[[group]]
name = "zones"

[[group]]
name = "buckets"
has_write = false

[[route]]
methods = ["GET"]
path = "/{account}/buckets/{name}"
scope = "buckets:{name}:read"

[[route]]
methods = []
path = "/{acount}/x"

[[route]]
methods = ["PUT"]
path = "/{account}/buckets"
scope = "buckets:*:write"

[[route]]
methods = ["GET", "POST"]
path = "/{account}/zones/{name}"
scope = "zones:{name}:read"

[[route]]
methods = ["POST"]
path = "/{any}/zones/{any}"
scope = "nothing"
[[route]]
methods = ["POST"]
path = "/{any}/zones/{any}"
scope = "zone:*:read"
[[route]]
methods = ["POST"]
path = "/{any}/zones/{any}"
scope = "zones:listed:read"
[[route]]
methods = ["get"]
path = "/{rest}/a"
"#;
        let faults = parse(text).expect_err("it is wrong all over");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn what_is_not_toml_or_has_other_fields_says_where() {
        for (text, line, part) in [
            ("name = \"a\"\nroute = 5\n", 2, "invalid type"),
            ("name = \"a\"\n[[route]]\nmethod = [\"GET\"]\n", 3, "unknown field `method`"),
            ("name = \"a\"\n\nprefix = /v2\n", 3, ""),
            ("prefix = \"/v2\"\n", 1, "missing field `name`"),
        ] {
            let faults = parse(text).expect_err(text);
            assert_eq!((faults.len(), faults[0].line), (1, line), "{faults:?}");
            assert!(faults[0].what.contains(part), "{faults:?}");
        }
    }
}
