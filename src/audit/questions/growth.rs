//! Privilege growth: how much all tokens of an account together could do, from change to change or month by month, and
//! the events by which it grew.
//!
//! It grew where a token's access allows something that it did not allow before. Full access counts in every group.

use super::{Asked, AuditError, FROM, Kind, Question, TO, optional, required};
use crate::audit::access_over_time::{AccessOverTime, Held, Holding, stretches_of};
use crate::audit::answer::{Answer, Basis, Table};
use crate::audit::archive::Archive;
use crate::audit::biography::{Biography, Placed};
use crate::audit::describe;
use crate::audit::stretches::{Edge, Period, Place, Stretch, Turn, place_of};
use crate::domain::access::{Access, GroupNumber, Level, ScopeGroup, needs_research};
use crate::domain::event::{Event, ScopeGroupDefined};
use crate::domain::ids::{AccountId, Position, TokenId};
use crate::domain::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The question.
pub(super) const GROWTH: Question = Question {
    name: "growth",
    about: "What all tokens of an account together could do, over time, and by which events it grew",
    example: "audit growth --account 1 --by month",
    parameters: &[
        required("account", Kind::Number, "The account"),
        optional("by", Kind::Word(&["change", "month"]), "A row at each change (the default), or one a month"),
        FROM,
        TO,
    ],
    answer,
};

fn answer(archive: &Archive, asked: &Asked) -> Result<Answer, AuditError> {
    let account = AccountId(asked.number("account").unwrap_or_default());
    let period = Period::of(archive, asked)?;
    let biography = Biography::of_account(archive, account, period.through)?;
    let over_time = AccessOverTime::of_account(archive, &biography, account, &period)?;
    if over_time.state.account(account).is_none_or(|account| account.id.is_none()) {
        return Err(AuditError::NotFound(format!("there was no account {account} then")));
    }
    let research = stretches_of(biography.changes(), &period, |(_, header, event)| match event {
        Event::ResearchActivated(_) if header.account == account => Some(true),
        Event::ResearchDeactivated(_) if header.account == account => Some(false),
        _ => None,
    });
    let mut series = Series::new(archive, &biography);
    for (edge, steps) in steps_of(&over_time, biography.changes(), &research, &period) {
        series.take(edge, &steps);
    }
    let points = match asked.text("by") {
        Some("month") => series.by_month(archive, &period)?,
        _ => std::mem::take(&mut series.points),
    };
    let mut answer = Answer::new(GROWTH.name, Basis::new(archive, period.through, period.last_instant())?);
    let (first, last) = (points.first().map(|point| point.sum.clone()), points.last().map(|point| point.sum.clone()));
    answer.say("tokens_first", first.unwrap_or_default().tokens);
    answer.say("tokens_last", last.unwrap_or_default().tokens);
    answer.say("events_that_grew_it", series.grew.rows.len());
    answer.tables = vec![series.points_table(&points), series.groups_table(&points), series.grew];
    Ok(answer)
}

/// What changes at an edge.
enum Step<'a> {
    Ends(TokenId, &'a Holding),
    Begins(TokenId, &'a Holding),
    Research(bool),
    /// A scope group is there from here on.
    Group(ScopeGroup),
}

/// Everything that changes, by place: what ends there first.
fn steps_of<'a>(
    over_time: &'a AccessOverTime,
    changes: &[Placed],
    research: &[Stretch],
    period: &Period,
) -> Vec<(Edge, Vec<Step<'a>>)> {
    let mut steps: BTreeMap<Place, (Edge, Vec<Step<'a>>)> = BTreeMap::new();
    let start = period.whole().from;
    if start.place.at.0 > 0 {
        steps.insert(start.place, (start, Vec::new()));
    }
    let mut add = |edge: Edge, step| {
        let (at, steps) = steps.entry(edge.place).or_insert((edge, Vec::new()));
        // A record says more than that it was so before.
        if at.by == Turn::Before {
            *at = edge;
        }
        steps.push(step);
    };
    for (token, holdings) in &over_time.holdings {
        for holding in holdings {
            add(holding.stretch.from, Step::Begins(*token, holding));
            if let Some(until) = holding.stretch.until {
                add(until, Step::Ends(*token, holding));
            }
        }
    }
    for stretch in research {
        add(stretch.from, Step::Research(true));
        if let Some(until) = stretch.until {
            add(until, Step::Research(false));
        }
    }
    for (position, header, event) in changes.iter().take_while(|(position, ..)| *position <= period.through) {
        if let Event::ScopeGroupDefined(defined) = event {
            let edge = Edge::at_record(header.recorded_at, *position);
            add(if edge.place < start.place { start } else { edge }, Step::Group(group_of(defined)));
        }
    }
    let mut steps: Vec<(Edge, Vec<Step<'a>>)> = steps.into_values().collect();
    for (_, at_once) in &mut steps {
        at_once.sort_by_key(|step| !matches!(step, Step::Ends(..)));
    }
    steps
}

fn group_of(defined: &ScopeGroupDefined) -> ScopeGroup {
    ScopeGroup {
        number: defined.group,
        name: defined.name.clone(),
        restrictable: defined.restrictable,
        has_write: defined.has_write,
        needs_research: defined.needs_research,
    }
}

/// How much all tokens together can do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Sum {
    tokens: u64,
    full: u64,
    grants: u64,
    /// Tokens that can read, and write, something of a group; of a sum that is not told yet those with grants.
    groups: BTreeMap<GroupNumber, (u64, u64)>,
}

impl Sum {
    fn add(&mut self, access: &Access) {
        self.step(access, |count| *count += 1);
    }

    fn take(&mut self, access: &Access) {
        self.step(access, |count| *count = count.saturating_sub(1));
    }

    fn step(&mut self, access: &Access, step: impl Fn(&mut u64)) {
        step(&mut self.tokens);
        match access {
            Access::Full => step(&mut self.full),
            Access::Granted(grants) => {
                for grant in grants {
                    step(&mut self.grants);
                    let (read, write) = self.groups.entry(grant.group).or_default();
                    step(read);
                    if grant.level == Level::FullAccess {
                        step(write);
                    }
                }
            }
        }
    }

    /// Full access in every group that there is; without the groups that the account does not have.
    fn as_told(&self, groups: &[ScopeGroup], research: bool) -> Self {
        let mut told = self.clone();
        for group in groups {
            let (read, write) = told.groups.entry(group.number).or_default();
            *read += self.full;
            *write += if group.has_write { self.full } else { 0 };
        }
        told.groups.retain(|group, counts| (research || !needs_research(*group)) && *counts != (0, 0));
        told
    }
}

/// The sum from a place on.
#[derive(Clone, Debug)]
struct Point {
    edge: Edge,
    sum: Sum,
    /// Tokens that can do more from here on than before; in a month all of it.
    grew: u64,
}

struct Series<'a> {
    archive: &'a Archive,
    biography: &'a Biography,
    groups: Vec<ScopeGroup>,
    sum: Sum,
    research: bool,
    points: Vec<Point>,
    grew: Table,
}

impl<'a> Series<'a> {
    fn new(archive: &'a Archive, biography: &'a Biography) -> Self {
        let columns = &["at", "position", "type", "token_id", "user_id", "principal", "access"];
        Self {
            archive,
            biography,
            groups: Vec::new(),
            sum: Sum::default(),
            research: false,
            points: Vec::new(),
            grew: Table::new("grew", "Events by which a token could do more", columns),
        }
    }

    fn take(&mut self, edge: Edge, steps: &[Step<'_>]) {
        let mut before: BTreeMap<TokenId, &Access> = BTreeMap::new();
        let mut grew = 0;
        for step in steps {
            match step {
                Step::Ends(token, Holding { held, .. }) => {
                    self.sum.take(&held.access);
                    before.insert(*token, &held.access);
                }
                Step::Begins(token, Holding { held, stretch }) => {
                    self.sum.add(&held.access);
                    // What was there when the period began did not grow in it.
                    let is_more = stretch.from.by != Turn::Before
                        && before.get(token).is_none_or(|before| !held.access.is_within(before));
                    if is_more {
                        grew += 1;
                        self.note_growth(edge, *token, held);
                    }
                }
                Step::Research(active) => self.research = *active,
                Step::Group(group) => self.groups.push(group.clone()),
            }
        }
        let sum = self.sum.as_told(&self.groups, self.research);
        // A group that nobody can do anything in yet is no change.
        let is_of_groups = !steps.is_empty() && steps.iter().all(|step| matches!(step, Step::Group(_)));
        let before = self.points.last().map(|point| point.sum.clone()).unwrap_or_default();
        if !is_of_groups || sum != before {
            self.points.push(Point { edge, sum, grew });
        }
    }

    fn note_growth(&mut self, edge: Edge, token: TokenId, held: &Held) {
        let (name, principal) = self.turn(edge);
        self.grew.add(vec![
            json!(edge.place.at.to_micros_text()),
            json!(edge.place.position.0),
            json!(name),
            json!(token.0),
            json!(held.member.map(|user| user.0)),
            principal,
            self.archive.words().access(&held.access),
        ]);
    }

    /// What made an edge, and who.
    fn turn(&self, edge: Edge) -> (&'static str, Value) {
        let changes = self.biography.changes();
        let found = match edge.by {
            Turn::Record(position) => changes.binary_search_by_key(&position, |(at, ..)| *at).ok(),
            _ => None,
        };
        match (found.map(|at| &changes[at]), edge.by) {
            (Some((_, header, event)), _) => (event.type_name(), describe::principal(header.principal)),
            (None, Turn::Begun) => ("not_before", Value::Null),
            (None, Turn::Expired) => ("expires_at", Value::Null),
            (None, Turn::SecretsEnded) => ("secrets_ended", Value::Null),
            (None, _) => ("before", Value::Null),
        }
    }

    /// What it is at the beginning of each month, and at the end.
    fn by_month(&self, archive: &Archive, period: &Period) -> Result<Vec<Point>, AuditError> {
        let mut months = Vec::new();
        // Before the first change there is nothing to tell.
        let first = self.points.iter().map(|point| point.edge.place.at).find(|at| at.0 > 0);
        let mut at = first.map_or(period.until, |first| first.month().end());
        while at < period.until {
            months.push(at);
            at = at.month().end();
        }
        months.push(period.last_instant());
        let (mut points, mut told): (Vec<Point>, u64) = (Vec::new(), 0);
        for at in months {
            let until = self.points.partition_point(|point| point.edge.place.at <= at);
            let grew: u64 = self.points[..until].iter().map(|point| point.grew).sum();
            let sum = self.points[..until].last().map(|point| point.sum.clone()).unwrap_or_default();
            let edge = Edge { place: month_place(archive, at)?, by: Turn::Before };
            points.push(Point { edge, sum, grew: grew - told });
            told = grew;
        }
        Ok(points)
    }

    fn points_table(&self, points: &[Point]) -> Table {
        let columns =
            &["at", "position", "by", "principal", "tokens", "full", "grants", "can_read", "can_write", "grew"];
        let mut table = Table::new("growth", "What all tokens together could do", columns);
        for point in points {
            let (name, principal) = self.turn(point.edge);
            let total = |of: fn(&(u64, u64)) -> u64| point.sum.groups.values().map(of).sum::<u64>();
            table.add(vec![
                json!(point.edge.place.at.to_micros_text()),
                json!(point.edge.place.position.0),
                json!(name),
                principal,
                json!(point.sum.tokens),
                json!(point.sum.full),
                json!(point.sum.grants),
                json!(total(|(read, _)| *read)),
                json!(total(|(_, write)| *write)),
                json!(point.grew),
            ]);
        }
        table
    }

    /// Only groups whose numbers are others than at the point before.
    fn groups_table(&self, points: &[Point]) -> Table {
        let columns = &["at", "position", "group", "can_read", "can_write"];
        let mut table = Table::new("groups", "By scope group, where that changed", columns);
        let mut before = Sum::default();
        for point in points {
            for group in &self.groups {
                let of = |sum: &Sum| sum.groups.get(&group.number).copied().unwrap_or_default();
                let (read, write) = of(&point.sum);
                if of(&before) != (read, write) {
                    table.add(vec![
                        json!(point.edge.place.at.to_micros_text()),
                        json!(point.edge.place.position.0),
                        json!(group.name),
                        json!(read),
                        json!(write),
                    ]);
                }
            }
            before = point.sum.clone();
        }
        table
    }
}

/// Up to an instant, inclusive: the last position at it.
fn month_place(archive: &Archive, at: Timestamp) -> Result<Place, AuditError> {
    let next = place_of(archive, Timestamp(at.0 + 1))?;
    Ok(Place { at, position: Position(next.position.0.saturating_sub(1)) })
}
