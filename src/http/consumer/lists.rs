//! Lists of the guarded API: filtered by scope, then by query, sorted, cut into pages.

use super::{Question, Route, UseAnswer, Value, Verdict, json, shapes};
use crate::domain::access::Visible;
use crate::domain::directory::{Resource, ResourceFacts, ResourceKind};
use crate::domain::rejection::FieldFault;
use crate::domain::time::Timestamp;
use crate::http::App;
use crate::http::answer::{self, Reply};
use crate::http::path;
use crate::ledger::View;
use smol_str::SmolStr;
use std::cmp::Ordering;
use warp::http::StatusCode;

/// Entries of a page where none is asked for.
const PER_PAGE_DEFAULT: usize = 30;
/// Most entries of a page; more is cut down to it.
const PER_PAGE_MAX: usize = 100;

/// What a list can be sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SortField {
    Id,
    Name,
    Expiration,
}

/// Query of a list.
pub(super) struct ListQuery {
    page: usize,
    per_page: usize,
    name_like: Option<String>,
    registrant_id: Option<u64>,
    /// Field and whether it falls.
    sort: Vec<(SortField, bool)>,
}

impl ListQuery {
    /// Reads it. Parameters that DNSimple does not know are ignored, as it does.
    pub fn read(query: &[(String, String)], route: Route, faults: &mut Vec<FieldFault>) -> Self {
        let mut list = Self { page: 1, per_page: PER_PAGE_DEFAULT, name_like: None, registrant_id: None, sort: vec![] };
        if !matches!(route, Route::Domains | Route::Zones | Route::Certificates) {
            return list;
        }
        for (key, value) in query {
            if let Err(fault) = list.read_one(key, value, route) {
                faults.push(FieldFault::new(key, fault));
            }
        }
        list
    }

    fn read_one(&mut self, key: &str, value: &str, route: Route) -> Result<(), String> {
        match key {
            "page" => self.page = positive(value)?,
            "per_page" => self.per_page = positive(value)?.min(PER_PAGE_MAX),
            "name_like" if route != Route::Certificates => self.name_like = Some(value.to_lowercase()),
            "registrant_id" if route == Route::Domains => {
                self.registrant_id = Some(path::whole_number(value).ok_or("must be a number")?);
            }
            "sort" => self.sort = read_sort(value, route)?,
            _ => {}
        }
        Ok(())
    }
}

fn positive(value: &str) -> Result<usize, String> {
    match path::number(value) {
        Ok(number) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        Err(_) => Err("must be a number from 1 on".to_owned()),
    }
}

fn read_sort(value: &str, route: Route) -> Result<Vec<(SortField, bool)>, String> {
    value.split(',').filter(|part| !part.is_empty()).map(|part| read_sort_part(part, route)).collect()
}

fn read_sort_part(part: &str, route: Route) -> Result<(SortField, bool), String> {
    let (field, direction) = part.split_once(':').unwrap_or((part, "asc"));
    let field = match (field, route) {
        ("id", _) => SortField::Id,
        ("name", Route::Domains | Route::Zones) | ("common_name", Route::Certificates) => SortField::Name,
        ("expiration", Route::Domains | Route::Certificates) => SortField::Expiration,
        _ => return Err(format!("can't sort by {field}")),
    };
    match direction {
        "asc" => Ok((field, false)),
        "desc" => Ok((field, true)),
        _ => Err("must be asc or desc".to_owned()),
    }
}

/// One entry with what it is filtered and sorted by.
struct Entry<'a> {
    resource: &'a Resource,
    name: SmolStr,
}

pub(super) async fn answer(app: &App, question: &Question<'_>, used: &UseAnswer) -> Reply {
    let body = app.ledger.view(|view| page(&view, question, used)).await;
    answer::json(StatusCode::OK, &body)
}

fn page(view: &View<'_>, question: &Question<'_>, used: &UseAnswer) -> Value {
    let query = &question.list;
    let mut entries = entries(view, question, used);
    entries.retain(|entry| query.name_like.as_ref().is_none_or(|part| entry.name.contains(part.as_str())));
    if let Some(wanted) = query.registrant_id {
        entries.retain(|entry| matches!(&entry.resource.facts, ResourceFacts::Domain(facts) if facts.registrant_id == Some(wanted)));
    }
    sort(&mut entries, query, question.route);
    let total = entries.len();
    let start = (query.page - 1).saturating_mul(query.per_page);
    let shapes: Vec<Value> =
        entries.iter().skip(start).take(query.per_page).map(|entry| shape(view, entry.resource)).collect();
    json!({
        "data": shapes,
        "pagination": {
            "current_page": query.page,
            "per_page": query.per_page,
            "total_entries": total,
            "total_pages": total.div_ceil(query.per_page).max(1),
        },
    })
}

fn entries<'a>(view: &View<'a>, question: &Question<'_>, used: &UseAnswer) -> Vec<Entry<'a>> {
    let state = &view.projections.state;
    let Some(account) = used.account.and_then(|card| state.account(card.id)) else { return Vec::new() };
    let kind = match question.route {
        Route::Zones => ResourceKind::Zone,
        Route::Certificates => ResourceKind::Certificate,
        _ => ResourceKind::Domain,
    };
    let domain = match used.verdict {
        Verdict::Allowed { resource: Some(id), .. } => state.resources.get(id.0).map(|resource| resource.name),
        _ => None,
    };
    let is_visible = |resource: &Resource| match (&used.verdict, kind) {
        (_, ResourceKind::Certificate) => Some(resource.name) == domain,
        (Verdict::Allowed { visible: Visible::Named(names), .. }, _) => names.binary_search(&resource.name).is_ok(),
        (Verdict::Allowed { .. }, _) => true,
        (Verdict::Refused(_), _) => false,
    };
    let of_kind =
        account.resources.iter().filter(|(_, of)| **of == kind).filter_map(|(id, _)| state.resources.get(id.0));
    of_kind.filter(|resource| is_visible(resource)).filter_map(|resource| entry(view, resource)).collect()
}

/// An entry; a resource whose name was erased is in no list.
fn entry<'a>(view: &View<'a>, resource: &'a Resource) -> Option<Entry<'a>> {
    let number = match &resource.facts {
        ResourceFacts::Certificate(facts) => facts.common_name,
        _ => resource.name,
    };
    Some(Entry { resource, name: shapes::text(view.texts, number)? })
}

fn sort(entries: &mut [Entry<'_>], query: &ListQuery, route: Route) {
    let default = match route {
        Route::Certificates => [(SortField::Id, true)],
        _ => [(SortField::Name, false)],
    };
    let order = if query.sort.is_empty() { &default[..] } else { &query.sort };
    entries.sort_by(|a, b| {
        let by_field = |(field, falls): &(SortField, bool)| {
            let ordering = compare(a, b, *field);
            if *falls { ordering.reverse() } else { ordering }
        };
        let first = order.iter().map(by_field).find(|ordering| ordering.is_ne());
        first.unwrap_or_else(|| a.resource.id.cmp(&b.resource.id))
    });
}

fn compare(a: &Entry<'_>, b: &Entry<'_>, field: SortField) -> Ordering {
    match field {
        SortField::Id => a.resource.id.cmp(&b.resource.id),
        SortField::Name => a.name.cmp(&b.name),
        SortField::Expiration => expiration(a.resource).cmp(&expiration(b.resource)),
    }
}

/// What never expires comes last.
fn expiration(resource: &Resource) -> Timestamp {
    let expires_at = match &resource.facts {
        ResourceFacts::Domain(facts) => facts.expires_at,
        ResourceFacts::Certificate(facts) => facts.expires_at,
        ResourceFacts::Zone(_) => None,
    };
    expires_at.unwrap_or(Timestamp(u64::MAX))
}

fn shape(view: &View<'_>, resource: &Resource) -> Value {
    match &resource.facts {
        ResourceFacts::Domain(facts) => shapes::domain(view.texts, resource, facts),
        ResourceFacts::Zone(facts) => shapes::zone(view.texts, resource, facts),
        ResourceFacts::Certificate(facts) => shapes::certificate(view, resource, facts),
    }
}
