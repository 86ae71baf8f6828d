//! Which of an account's events a page of history shows, and its exports: read from the query, and said again in links.

use super::form::time;
use crate::audit::history::{Filter, Sort};
use crate::domain::event::EVENT_TYPES;
use crate::domain::ids::{AccountId, TokenId};
use crate::domain::names::normalize_domain_name;
use crate::domain::time::Timestamp;
use crate::http::entry::Query;
use crate::http::path;
use crate::http::problem::Problem;

/// What can be shown, by its word in links: the first where nothing is said.
pub const SORTS: [(&str, &str, Sort); 5] = [
    ("", "All but internal records", Sort::Plain),
    ("changes", "Changes", Sort::Changes),
    ("uses", "Uses", Sort::Uses),
    ("refusals", "Refusals", Sort::Refusals),
    ("everything", "Every record", Sort::Everything),
];

/// The filter as it was typed, and as it is understood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// As it is understood.
    pub filter: Filter,
    /// As it was typed: field and text, each once, none empty.
    typed: Vec<(String, String)>,
}

/// Fields of the filter.
const FIELDS: [&str; 7] = ["show", "type", "token", "resource", "outcome", "from", "to"];

impl Wish {
    /// Reads a query. Fields that are none of the filter's are left to others.
    pub fn read(query: &Query, account: AccountId) -> Result<Self, Box<Problem>> {
        let mut wish =
            Self { filter: Filter { sort: Sort::Plain, account: Some(account), ..Filter::default() }, typed: vec![] };
        for (name, text) in
            query.iter().filter(|(name, text)| FIELDS.contains(&name.as_str()) && !text.trim().is_empty())
        {
            let malformed = |fault: &str| Box::new(Problem::malformed(format!("{name} {fault}")));
            if wish.typed.iter().any(|(other, _)| other == name) {
                return Err(malformed("is given twice"));
            }
            wish.read_one(name, text.trim()).map_err(malformed)?;
            wish.typed.push((name.clone(), text.trim().to_owned()));
        }
        // Who asks for one type means it, of whatever sort it is.
        if wish.filter.type_name.is_some() {
            wish.filter.sort = Sort::Everything;
        }
        Ok(wish)
    }

    fn read_one(&mut self, name: &str, text: &str) -> Result<(), &'static str> {
        let filter = &mut self.filter;
        let at = || time(text).ok_or("must be a time such as 2026-03-01 12:00");
        match name {
            "show" => {
                let found = SORTS.iter().find(|(word, ..)| *word == text);
                filter.sort = found.map(|(.., sort)| *sort).ok_or("is none of the sorts that there are")?;
            }
            "type" if EVENT_TYPES.iter().any(|(.., known)| *known == text) => filter.type_name = Some(text.to_owned()),
            "type" => return Err("is not an event type"),
            "token" => filter.token = Some(TokenId(path::whole_number(text).ok_or("must be a token's number")?)),
            "resource" => {
                // As names are kept; what is no name matches none.
                filter.resource = Some(normalize_domain_name(text).unwrap_or_else(|_| text.to_lowercase()));
            }
            "outcome" => filter.outcome = Some(text.to_owned()),
            "from" => filter.from = Some(at()?),
            _ => filter.to = Some(at()?),
        }
        Ok(())
    }

    /// What was typed in a field.
    pub fn typed(&self, field: &str) -> &str {
        self.typed.iter().find(|(name, _)| name == field).map_or("", |(_, text)| text)
    }

    /// Whether anything is left out by it.
    pub fn is_any(&self) -> bool {
        !self.typed.is_empty()
    }

    /// As the query of a link, with more pairs.
    pub fn query(&self, more: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.typed.iter()).extend_pairs(more);
        query.finish()
    }

    /// A time for a browser's field of times.
    pub fn local(at: Option<Timestamp>) -> String {
        at.map_or_else(String::new, |at| at.to_seconds_text().trim_end_matches('Z').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Wish, String> {
        let query: Query = pairs.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        Wish::read(&query, AccountId(7)).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_filter_is_read_and_said_again() {
        let wish = read(&[
            ("show", "refusals"),
            ("token", " 2 "),
            ("resource", "Example.COM."),
            ("from", "2026-03-01 12:00"),
            ("to", ""),
            ("as_of", "9"),
        ]);
        let wish = wish.unwrap_or_default();
        let expected = Filter {
            sort: Sort::Refusals,
            account: Some(AccountId(7)),
            token: Some(TokenId(2)),
            from: Timestamp::parse("2026-03-01T12:00:00Z"),
            resource: Some("example.com".to_owned()),
            ..Filter::default()
        };
        assert_eq!(wish.filter, expected);
        assert_eq!(
            wish.query(&[("before", "5")]),
            "show=refusals&token=2&resource=Example.COM.&from=2026-03-01+12%3A00&before=5"
        );
        assert_eq!(Wish::local(wish.filter.from), "2026-03-01T12:00:00");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (pairs, told) in [
            (&[("token", "x")][..], "token must be a token's number"),
            (&[("type", "Nothing")], "type is not an event type"),
            (&[("from", "yesterday")], "from must be a time such as 2026-03-01 12:00"),
            (&[("show", "x")], "show is none of the sorts that there are"),
            (&[("token", "1"), ("token", "2")], "token is given twice"),
        ] {
            assert_eq!(read(pairs).err().as_deref(), Some(told));
        }
    }

    #[test]
    fn nothing_said_leaves_out_internal_records_only_and_a_type_is_meant() {
        assert_eq!(read(&[]).map(|wish| (wish.filter.sort, wish.is_any())), Ok((Sort::Plain, false)));
        assert_eq!(read(&[("type", "TextSeen")]).map(|wish| wish.filter.sort), Ok(Sort::Everything));
    }
}
