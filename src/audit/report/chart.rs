//! Charts of a report: SVG, told apart by form and not by colour alone; the numbers are in the tables below them.

use crate::audit::answer::{Answer, Table};
use crate::domain::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Units of a chart's width.
const WIDTH: f64 = 1_000.0;
/// Units of the names beside it.
const NAMES: f64 = 190.0;
/// Tokens that have a line of their own.
const LINES_MAX: usize = 40;
/// Columns at most; more windows are added up by day.
const COLUMNS_MAX: usize = 168;
const LINE: f64 = 26.0;
const HEIGHT: f64 = 180.0;

/// The charts of an answer, as elements.
pub(super) fn of(answer: &Answer) -> Vec<String> {
    let table = |name: &str| answer.tables.iter().find(|table| table.name == name);
    let chart = match answer.question {
        "who-could" => table("could").and_then(|could| timeline(answer, could, table("did"))),
        "quota" => table("windows").and_then(columns),
        "review" => decisions(answer),
        _ => None,
    };
    chart.into_iter().collect()
}

fn column(table: &Table, name: &str) -> Option<usize> {
    table.columns.iter().position(|column| *column == name)
}

fn time(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_str).and_then(Timestamp::parse).map(|at| at.0 as f64)
}

fn figure(title: &str, height: f64, content: &str) -> String {
    format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH:.0} {height:.0}\" role=\"img\" aria-label=\"{}\">{content}</svg></figure>",
        escaped(title),
        escaped(title),
    )
}

/// A stretch on a line: from, until if it ended, and its kind.
type Bar = (f64, Option<f64>, &'static str, String);

/// A line for each token: when it could, and from its first use to its last.
fn timeline(answer: &Answer, could: &Table, did: Option<&Table>) -> Option<String> {
    let (token, from, until) = (column(could, "token_id")?, column(could, "from")?, column(could, "until")?);
    let (name, coverage, there) =
        (column(could, "token_name")?, column(could, "coverage")?, column(could, "resource_there")?);
    let mut lines: BTreeMap<u64, (String, Vec<Bar>)> = BTreeMap::new();
    for row in &could.rows {
        let Some((id, begin)) = row[token].as_u64().zip(time(row.get(from))) else { continue };
        let (_, bars) = lines.entry(id).or_insert_with(|| (named(id, &row[name]), Vec::new()));
        let class = if row[there] == false { "away" } else { "could" };
        let said = row[coverage].as_str().unwrap_or_default().to_owned();
        bars.push((begin, time(row.get(until)), class, said));
    }
    if lines.is_empty() {
        return None;
    }
    if let Some(did) = did {
        add_uses(&mut lines, did);
    }
    let hidden = lines.len().saturating_sub(LINES_MAX);
    let end = answer.basis.at.0 as f64;
    let asked = answer.asked.get("from").and_then(Value::as_str).and_then(Timestamp::parse).map(|at| at.0 as f64);
    let first = lines.values().flat_map(|(_, bars)| bars).map(|bar| bar.0).fold(end, f64::min);
    let begin = asked.unwrap_or(first).min(end);
    let title = "Who could (bars; hatched: while the resource was not there) and who did (line from first to last use)";
    let mut content = hatch();
    let height = lines.len().min(LINES_MAX) as f64 * LINE + 30.0;
    for (at, (name, bars)) in lines.values().take(LINES_MAX).enumerate() {
        line(&mut content, at as f64 * LINE, (name, bars), (begin, end));
    }
    axis(&mut content, (begin, end), height);
    let more = if hidden > 0 { format!("; {hidden} further tokens are in the table") } else { String::new() };
    Some(figure(&format!("{title}{more}"), height, &content))
}

fn named(id: u64, name: &Value) -> String {
    name.as_str().map_or_else(|| format!("token {id}"), |name| format!("{id} {name}"))
}

fn add_uses(lines: &mut BTreeMap<u64, (String, Vec<Bar>)>, did: &Table) {
    let (Some(token), Some(first), Some(last)) = (column(did, "token_id"), column(did, "first"), column(did, "last"))
    else {
        return;
    };
    let mut spans: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for row in &did.rows {
        let span = time(row.get(first)).zip(time(row.get(last)));
        let Some((id, (from, until))) = row[token].as_u64().zip(span) else { continue };
        let all = spans.entry(id).or_insert((from, until));
        *all = (all.0.min(from), all.1.max(until));
    }
    for (id, (from, until)) in spans {
        if let Some((_, bars)) = lines.get_mut(&id) {
            bars.push((from, Some(until), "did", "uses".to_owned()));
        }
    }
}

fn place(at: f64, (begin, end): (f64, f64)) -> f64 {
    let span = (end - begin).max(1.0);
    NAMES + ((at - begin) / span).clamp(0.0, 1.0) * (WIDTH - NAMES)
}

fn line(content: &mut String, y: f64, (name, bars): (&String, &Vec<Bar>), period: (f64, f64)) {
    let short: String = name.chars().take(24).collect();
    let text_y = y + 17.0;
    let _ =
        write!(content, "<text x=\"0\" y=\"{text_y:.0}\"><title>{}</title>{}</text>", escaped(name), escaped(&short));
    for (from, until, class, said) in bars {
        let x = place(*from, period);
        let width = (place(until.unwrap_or(period.1), period) - x).max(2.0);
        let (top, height) = if *class == "did" { (y + 10.0, 4.0) } else { (y + 4.0, 16.0) };
        let _ = write!(
            content,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\"><title>{}</title></rect>",
            escaped(said)
        );
    }
}

fn axis(content: &mut String, (begin, end): (f64, f64), height: f64) {
    let day = |at: f64| Timestamp(at as u64).to_seconds_text().chars().take(16).collect::<String>().replace('T', " ");
    let y = height - 6.0;
    let _ = write!(content, "<text x=\"{NAMES}\" y=\"{y:.0}\">{}</text>", day(begin));
    let _ = write!(content, "<text class=\"end\" x=\"{WIDTH}\" y=\"{y:.0}\">{}</text>", day(end));
}

fn hatch() -> String {
    "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><path class=\"hatch\" d=\"M0 6L6 0\"/></pattern></defs>"
        .to_owned()
}

/// A column for each window, or each day where there are many: drawn, and hatched above it what was refused.
fn columns(windows: &Table) -> Option<String> {
    let (opened, used, refused) =
        (column(windows, "opened_at")?, column(windows, "used")?, column(windows, "refused")?);
    let by_day = windows.rows.len() > COLUMNS_MAX;
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for row in &windows.rows {
        let Some(at) = row[opened].as_str() else { continue };
        let key: String = at.chars().take(if by_day { 10 } else { 16 }).collect();
        let sum = sums.entry(key).or_default();
        sum.0 += row[used].as_u64().unwrap_or(0);
        sum.1 += row[refused].as_u64().unwrap_or(0);
    }
    let most = sums.values().map(|(used, refused)| used + refused).max().filter(|most| *most > 0)?;
    let width = WIDTH / sums.len() as f64;
    let units = |count: u64| count as f64 / most as f64 * (HEIGHT - 40.0);
    let mut content = hatch();
    for (at, (label, (used, refused))) in sums.iter().enumerate() {
        let (x, wide) = (at as f64 * width, (width * 0.85).min(60.0));
        let (drawn, over) = (units(*used), units(*refused));
        let base = HEIGHT - 24.0;
        let _ = write!(content, "<g><title>{}: {used} used, {refused} refused</title>", escaped(label));
        let y = base - drawn;
        let _ = write!(
            content,
            "<rect class=\"could\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{drawn:.1}\"/>"
        );
        let y = y - over;
        let _ = write!(
            content,
            "<rect class=\"away\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{over:.1}\"/></g>"
        );
    }
    let (first, last) = (sums.first_key_value()?.0, sums.last_key_value()?.0);
    let y = HEIGHT - 6.0;
    let _ = write!(content, "<text x=\"0\" y=\"{y}\">{}</text>", escaped(&first.replace('T', " ")));
    if sums.len() > 1 {
        let _ =
            write!(content, "<text class=\"end\" x=\"{WIDTH}\" y=\"{y}\">{}</text>", escaped(&last.replace('T', " ")));
    }
    let _ = write!(content, "<text x=\"0\" y=\"12\">at most {most}</text>");
    let unit = if by_day { "by day (UTC)" } else { "window by window" };
    Some(figure(&format!("Requests {unit}: drawn (full) and refused for the limit (hatched)"), HEIGHT, &content))
}

/// How rows were decided, as parts of one bar.
fn decisions(answer: &Answer) -> Option<String> {
    let names = ["kept", "narrowed", "deleted", "undecided"];
    let counts = names.map(|name| answer.summary.get(name).and_then(Value::as_u64).unwrap_or(0));
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let (mut content, mut x) = (hatch(), 0.0);
    for (at, (name, count)) in names.iter().zip(counts).enumerate().filter(|(_, (_, count))| *count > 0) {
        let width = count as f64 / all as f64 * WIDTH;
        let class = ["could", "part-1", "part-2", "away"][at];
        let _ = write!(
            content,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"4\" width=\"{:.1}\" height=\"26\"/>",
            width - 2.0
        );
        let _ = write!(content, "<text x=\"{:.1}\" y=\"48\">{name} {count}</text>", x + 2.0);
        x += width;
    }
    Some(figure("How the rows were decided", 56.0, &content))
}

/// A text within elements and attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
