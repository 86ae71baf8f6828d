//! What a table of nouns and verbs is made of. Paths and methods are not in it: they are those of
//! [`OPERATIONS`].

use crate::http::operations::{OPERATIONS, Operation};

/// A kind of thing, as in `token-ledger accounts`.
#[derive(Debug)]
pub struct Noun {
    /// The word.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// The variable of paths that is the number of such a thing: given bare, while others are options.
    pub own: Option<&'static str>,
    /// What can be done; one verb without a name is the noun itself.
    pub verbs: &'static [Verb],
}

/// What can be done with a kind of thing, as in `token-ledger accounts create`.
#[derive(Debug)]
pub struct Verb {
    /// The word.
    pub name: &'static str,
    /// The operation; of several the one whose path has just the variables that were given.
    pub operations: &'static [Operation],
    /// What it does.
    pub about: &'static str,
    /// An example, without the program's name.
    pub example: &'static str,
    /// What can be said beside the variables of its path.
    pub fields: &'static [Field],
    /// What the answer is, and how it is shown.
    pub shows: Shows,
}

/// Something that can be said: an option.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The option's name. With `_` for `-` it is the name on the wire, unless that is another one.
    pub flag: &'static str,
    wire: Option<&'static str>,
    /// Where it goes.
    pub place: Place,
    /// What can be said.
    pub kind: Kind,
    /// Whether it must be said.
    pub required: bool,
    /// What it means.
    pub help: &'static str,
}

/// Where a field goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A member of the JSON body.
    Body,
    /// The body whole, out of a file.
    Lines,
    /// A parameter of the query.
    Query,
    /// The header `If-Match`.
    IfMatch,
    /// Nowhere: the person says it, or says yes to it.
    Here,
}

/// What can be said in a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each says it by its name")]
pub enum Kind {
    Text,
    Texts,
    Number,
    Numbers,
    Bool,
    Time,
    /// A time, or `never` for none.
    TimeOrNever,
    /// A time, or `now` for none.
    TimeOrNow,
    /// Address ranges, or `anywhere` for none.
    Ranges,
    Word(&'static [&'static str]),
    Words(&'static [&'static str]),
    /// `--access` or `--grant`.
    Access,
    File,
    /// Said by being there: yes, to what would be asked otherwise.
    Switch,
    /// Said by being there: true.
    Flag,
}

/// What an answer is, and how it is shown.
#[derive(Clone, Copy, Debug)]
pub enum Shows {
    /// A thing, by its members.
    Thing,
    /// A thing that was looked for: its call asks by its body, and changes nothing.
    Found,
    /// What a question answers.
    Answer,
    /// A thing and its secret, which no other answer shows.
    Secret,
    /// Nothing but that it was done: in this word.
    Done(&'static str),
    /// A list in numbered pages.
    Pages(&'static Columns),
    /// A list whose pages say where the next one begins.
    Chain(&'static Columns, Next),
}

/// Where a page's `next` goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// A position: `after`, or `before` in descending order.
    Position,
    /// A time: `from`.
    From,
}

/// The columns of a list.
#[derive(Debug)]
pub struct Columns {
    /// What is listed.
    pub title: &'static str,
    /// Heads with the members that they show.
    pub columns: &'static [(&'static str, &'static str)],
}

impl Noun {
    /// The verb of a name.
    pub fn verb(&self, name: &str) -> Option<&Verb> {
        self.verbs.iter().find(|verb| verb.name == name)
    }
}

impl Verb {
    /// Path template and method of an operation. Each is in the table of routes: a test holds it.
    pub fn route(operation: Operation) -> (&'static str, &'static str) {
        let row = OPERATIONS.iter().find(|(_, _, other)| *other == operation);
        row.map_or(("/", "GET"), |(path, method, _)| (path, method))
    }

    /// The method of all its operations.
    pub fn method(&self) -> &'static str {
        self.operations.first().map_or("GET", |&operation| Self::route(operation).1)
    }

    /// Whether it makes something new, so that sending it twice without an idempotency key could make two.
    pub fn creates(&self) -> bool {
        self.method() == "POST" && !matches!(self.shows, Shows::Found)
    }

    /// The variables of its paths, each once, with whether every path has it.
    pub fn variables(&self) -> Vec<(&'static str, bool)> {
        let mut variables: Vec<(&'static str, bool)> = Vec::new();
        for &operation in self.operations {
            for variable in path_variables(Self::route(operation).0) {
                let is_in_all =
                    self.operations.iter().all(|&other| path_variables(Self::route(other).0).any(|v| v == variable));
                if !variables.iter().any(|(known, _)| *known == variable) {
                    variables.push((variable, is_in_all));
                }
            }
        }
        variables
    }
}

/// The variables of a path template in their order.
pub fn path_variables(template: &'static str) -> impl Iterator<Item = &'static str> {
    template.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// A member of the body.
pub(super) const fn body(flag: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { flag, wire: None, place: Place::Body, kind, required: false, help }
}

/// A parameter of the query.
pub(super) const fn query(flag: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { flag, wire: None, place: Place::Query, kind, required: false, help }
}

impl Field {
    /// One that goes elsewhere.
    pub(super) const fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// One that must be said.
    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// One that has another name on the wire.
    pub(super) const fn on_the_wire(self, name: &'static str) -> Self {
        Self { wire: Some(name), ..self }
    }

    /// Its name on the wire.
    pub fn wire(&self) -> String {
        self.wire.map_or_else(|| self.flag.replace('-', "_"), str::to_owned)
    }
}

/// Carried out only if nothing was changed meanwhile.
pub(super) const IF_MATCH: Field = Field {
    flag: "if-match",
    wire: None,
    place: Place::IfMatch,
    kind: Kind::Number,
    required: false,
    help: "Only if its version is still this one",
};

/// Erasing asks first.
pub(super) const YES: Field = Field {
    flag: "yes",
    wire: None,
    place: Place::Here,
    kind: Kind::Switch,
    required: false,
    help: "Do not ask. Needed where nobody can be asked",
};

/// As of when, for reads of state: a time, or a position.
pub(super) const AS_OF: [Field; 2] = [
    query(AS_OF_FLAGS[0], Kind::Time, "As of this time; now unless said"),
    query(AS_OF_FLAGS[1], Kind::Number, "As of this position of the log"),
];

/// Flags of [`AS_OF`]: one of them at most.
pub(super) const AS_OF_FLAGS: [&str; 2] = ["as-of", "as-of-position"];
/// Only tried.
pub(super) const DRY_RUN: Field =
    query("dry-run", Kind::Flag, "Change nothing: show which uses of the last days the change would have refused");
/// How far back.
pub(super) const DAYS: Field = query("days", Kind::Number, "How many days back --dry-run looks, 90 unless said");
