//! Lists: page after page, until the end or as many as were asked for.

use super::arguments::ids;
use super::call::Call;
use super::connection::Connection;
use super::show::List;
use super::table::Next;
use super::{Failure, RemoteFailure, good_json};
use clap::ArgMatches;
use serde_json::{Map, Value, json};

/// Entries that the service puts on one numbered page at most.
const PAGE_MAX: u64 = 100;
/// Entries that the service puts on one page of a chain at most.
const CHAIN_PAGE_MAX: u64 = 1_000;

/// A list in numbered pages.
pub(super) fn pages(
    connection: &Connection,
    mut call: Call,
    said: &ArgMatches,
    mut list: List<'_>,
) -> Result<(), Failure> {
    if let Some(&page) = said.get_one::<u64>(ids::PAGE) {
        call.set_query("page", page.to_string());
        if let Some(size) = said.get_one::<u64>(ids::PER_PAGE) {
            call.set_query("per_page", size.to_string());
        }
        let body = body(connection, &call)?;
        list.add(items(&body)?)?;
        let note = format!("Page {page} of {}", body["pagination"]["total_pages"]);
        return list.end(&body, Some(note));
    }
    let limit = said.get_one::<u64>(ids::LIMIT).copied().unwrap_or(u64::MAX);
    // The size stays the same from page to page: pages are counted in it.
    call.set_query("per_page", limit.min(PAGE_MAX).to_string());
    let mut first_total = None;
    for page in 1.. {
        call.set_query("page", page.to_string());
        let mut body = body(connection, &call)?;
        let wanted = limit.saturating_sub(list.count() as u64);
        let items = items(&body)?;
        list.add(&items[..items.len().min(usize::try_from(wanted).unwrap_or(usize::MAX))])?;
        let number = |name: &str| body["pagination"][name].as_u64().unwrap_or_default();
        let (total, last) = (number("total_entries"), number("total_pages"));
        if *first_total.get_or_insert(total) != total {
            first_total = Some(total);
            say_aside!("token-ledger: the list has changed while it was read; entries may be missing, or there twice");
        }
        if page >= last || list.count() as u64 >= limit {
            let count = list.count() as u64;
            let per_page = count.max(1);
            body.insert(
                "pagination".to_owned(),
                json!({ "current_page": 1, "per_page": per_page, "total_entries": total,
                    "total_pages": total.div_ceil(per_page).max(1) }),
            );
            let note = (count < total).then(|| format!("{count} of {total}"));
            return list.end(&body, note);
        }
    }
    Ok(())
}

/// A list whose pages say where the next one begins.
pub(super) fn chain(
    connection: &Connection,
    mut call: Call,
    said: &ArgMatches,
    next_as: Next,
    mut list: List<'_>,
) -> Result<(), Failure> {
    let limit = said.get_one::<u64>(ids::LIMIT).copied().unwrap_or(u64::MAX);
    let is_descending = call.query.iter().any(|(name, value)| name == "order" && value == "desc");
    let parameter = match next_as {
        Next::From => "from",
        Next::Position if is_descending => "before",
        Next::Position => "after",
    };
    loop {
        let wanted = limit.saturating_sub(list.count() as u64);
        call.set_query("limit", wanted.min(CHAIN_PAGE_MAX).to_string());
        let body = body(connection, &call)?;
        list.add(items(&body)?)?;
        let next = body.get("next").filter(|next| !next.is_null()).map(bare);
        match next {
            Some(next) if (list.count() as u64) < limit => call.set_query(parameter, next),
            Some(next) => return list.end(&body, Some(format!("There may be more: --{parameter} {next} goes on"))),
            None => return list.end(&body, None),
        }
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn body(connection: &Connection, call: &Call) -> Result<Map<String, Value>, Failure> {
    Ok(good_json(&connection.ask(call)?)?)
}

fn items(body: &Map<String, Value>) -> Result<&[Value], RemoteFailure> {
    let items = body.get("data").and_then(Value::as_array);
    items.map(Vec::as_slice).ok_or_else(|| RemoteFailure::Unreachable("the answer has no list in it".to_owned()))
}
