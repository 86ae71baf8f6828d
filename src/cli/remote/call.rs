//! What a person said, as a request.

use super::arguments::ids;
use super::failure::RemoteFailure;
use super::table::{Field, Kind, Place, Shows, Verb, path_variables};
use crate::domain::ids::RequestId;
use crate::entropy::Entropy;
use crate::http::operations::Operation;
use clap::ArgMatches;
use form_urlencoded::Serializer;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of an import of many; the service takes no more.
const LINES_BYTES_MAX: u64 = 1 << 20;

/// Name on the wire of what makes a change a trial.
const DRY_RUN: &str = "dry_run";

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    pub method: &'static str,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub if_match: Option<u64>,
    /// The idempotency key.
    pub key: Option<String>,
    /// Whether it changes nothing.
    pub only_looks: bool,
    pub body: Option<Body>,
}

/// A body with its media type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Body {
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

impl Call {
    /// From what was said. Files are read here.
    pub fn new(verb: &Verb, said: &ArgMatches) -> Result<Self, RemoteFailure> {
        let (path, method) = Verb::route(operation(verb, said));
        let mut call = Self {
            method,
            path: filled(path, said),
            query: Vec::new(),
            if_match: None,
            key: (verb.creates() && !said.get_flag(ids::NO_KEY)).then(|| key(said)),
            only_looks: method == "GET" || matches!(verb.shows, Shows::Found),
            body: None,
        };
        let mut members = Map::new();
        for field in verb.fields {
            match field.place {
                Place::Body => members.extend(value(field, said).map(|value| (field.wire(), value))),
                Place::Query => call.query.extend(value(field, said).map(|value| (field.wire(), bare(&value)))),
                Place::IfMatch => call.if_match = said.get_one(field.flag).copied(),
                Place::Lines => call.body = said.get_one::<PathBuf>(field.flag).map(|path| lines(path)).transpose()?,
                Place::Here => {}
            }
        }
        // Tried twice is as good as tried once.
        call.only_looks |= call.is_dry_run();
        let has_members = verb.fields.iter().any(|field| field.place == Place::Body);
        if has_members && call.body.is_none() {
            let bytes = Value::Object(members).to_string().into_bytes();
            call.body = Some(Body { kind: "application/json", bytes });
        }
        Ok(call)
    }

    /// A look at a path.
    pub fn look(path: &str, query: Vec<(String, String)>) -> Self {
        Self { method: "GET", path: path.to_owned(), query, if_match: None, key: None, only_looks: true, body: None }
    }

    /// Whether a change is only tried.
    pub fn is_dry_run(&self) -> bool {
        self.query.iter().any(|(name, value)| name == DRY_RUN && value == "true")
    }

    /// With a parameter of the query in place of the one before.
    pub fn set_query(&mut self, name: &str, value: String) {
        self.query.retain(|(other, _)| other != name);
        self.query.push((name.to_owned(), value));
    }

    /// Path and query.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let query = Serializer::new(String::new()).extend_pairs(&self.query).finish();
        format!("{}?{query}", self.path)
    }

    /// Headers of its own.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let if_match = self.if_match.map(|version| ("If-Match", format!("\"{version}\"")));
        let key = self.key.clone().map(|key| ("Idempotency-Key", key));
        if_match.into_iter().chain(key).collect()
    }

    /// Whether sending it twice is as sending it once: reads, whole puts, and what carries an idempotency key.
    pub fn can_be_repeated(&self) -> bool {
        self.only_looks || self.method == "PUT" || self.key.is_some()
    }
}

/// The operation whose path has just the variables that were given.
fn operation(verb: &Verb, said: &ArgMatches) -> Operation {
    let is_meant = |operation: &&Operation| {
        path_variables(Verb::route(**operation).0).all(|variable| said.get_one::<u64>(variable).is_some())
    };
    let meant = verb.operations.iter().find(is_meant).or(verb.operations.first());
    meant.copied().unwrap_or(Operation::GetSelf)
}

fn filled(template: &'static str, said: &ArgMatches) -> String {
    let mut path = template.to_owned();
    for variable in path_variables(template) {
        let number = said.get_one::<u64>(variable).copied().unwrap_or_default();
        path = path.replace(&format!("{{{variable}}}"), &number.to_string());
    }
    path
}

fn key(said: &ArgMatches) -> String {
    let random = || RequestId(Entropy::system().bytes_16()).to_string();
    said.get_one::<String>(ids::KEY).cloned().unwrap_or_else(random)
}

/// What was said in a field, if anything was.
fn value(field: &Field, said: &ArgMatches) -> Option<Value> {
    let id = field.flag;
    match field.kind {
        Kind::Text | Kind::Time | Kind::Word(_) => said.get_one::<String>(id).map(|text| json!(text)),
        Kind::TimeOrNever => said.get_one::<String>(id).map(|text| match text.as_str() {
            "never" => Value::Null,
            time => json!(time),
        }),
        Kind::TimeOrNow => said.get_one::<String>(id).map(|text| match text.as_str() {
            "now" => Value::Null,
            time => json!(time),
        }),
        Kind::Ranges => said.get_many::<String>(id).map(|ranges| match ranges.collect::<Vec<_>>()[..] {
            [one] if one == "anywhere" => Value::Null,
            ref ranges => json!(ranges),
        }),
        Kind::Number => said.get_one::<u64>(id).map(|number| json!(number)),
        Kind::Bool => said.get_one::<bool>(id).map(|yes| json!(yes)),
        Kind::Texts | Kind::Words(_) => said.get_many::<String>(id).map(|texts| json!(texts.collect::<Vec<_>>())),
        Kind::Numbers => said.get_many::<u64>(id).map(|numbers| json!(numbers.collect::<Vec<_>>())),
        Kind::Access => match said.get_many::<Value>(ids::GRANT) {
            Some(grants) => Some(json!({ "grants": grants.collect::<Vec<_>>() })),
            None => said.get_one::<Value>(id).cloned(),
        },
        Kind::Flag => said.get_flag(id).then_some(json!(true)),
        Kind::File | Kind::Switch => None,
    }
}

/// A value as a parameter of a query.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A body of many, out of a file or standard input.
fn lines(path: &Path) -> Result<Body, RemoteFailure> {
    let is_stdin = path.as_os_str() == "-";
    let shown = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
    let unread = |error: std::io::Error| RemoteFailure::Usage(format!("{shown} cannot be read: {error}"));
    let source: Box<dyn Read> =
        if is_stdin { Box::new(std::io::stdin()) } else { Box::new(File::open(path).map_err(unread)?) };
    let mut bytes = Vec::new();
    source.take(LINES_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > LINES_BYTES_MAX {
        let words = format!("{shown} has more than {LINES_BYTES_MAX} bytes, which is what one import takes; split it");
        return Err(RemoteFailure::Usage(words));
    }
    Ok(Body { kind: "application/x-ndjson", bytes })
}
