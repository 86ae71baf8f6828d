//! Uses and refusals.

use super::texts::Texts;
use super::{int, some};
use crate::audit::describe::group_name;
use crate::domain::access::{RequiredScope, Target};
use crate::domain::event::{
    AccessSource, Header, ManagementRefused, MappedRoute, RefusalsSummed, Route, TokenUseRefused, TokenUsed,
    UseReported,
};
use crate::domain::ids::Position;
use crate::domain::state::State;
use crate::log::LogError;
use rusqlite::{Connection, params};

/// What it takes to write a row.
pub(super) struct Row<'a, 'b> {
    pub connection: &'a Connection,
    pub texts: &'b mut Texts<'a>,
    pub state: &'b State,
    pub position: Position,
    pub header: &'b Header,
}

/// The cells of a scope: group, verb, target, name, number.
type ScopeCells = (Option<String>, Option<&'static str>, Option<&'static str>, Option<i64>, Option<String>);
/// The cells of a route: itself, map, line, gateway.
type RouteCells = (&'static str, Option<i64>, Option<i64>, Option<i64>);

impl Row<'_, '_> {
    /// The cells, with the name among those that are asked about.
    fn scope(&mut self, scope: Option<RequiredScope>) -> Result<ScopeCells, LogError> {
        let Some(RequiredScope { group, verb, target }) = scope else { return Ok((None, None, None, None, None)) };
        let found = self.state.groups.get(u64::from(group));
        let (target, name, number) = match target {
            Target::List => ("list", None, None),
            Target::All => ("all", None, None),
            Target::Number(number) => ("number", None, Some(number.to_string())),
            Target::Name(name) => {
                self.texts.cell(name)?;
                if let Some(group) = found {
                    self.texts.name(self.header.account, group, name)?;
                }
                ("name", Some(int(name.0)), None)
            }
        };
        let group = group_name(&self.state.groups, group).into_owned();
        Ok((Some(group), Some(verb.name()), Some(target), name, number))
    }

    pub(super) fn used(&mut self, used: &TokenUsed) -> Result<(), LogError> {
        let (group, verb, target, name, number) = self.scope(used.scope)?;
        let (source, version) = source(used.source);
        let (route, map, line, gateway) = route(used.route);
        let (address, agent) = (self.texts.cell(used.address)?, self.texts.cell(used.agent)?);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO uses (position, recorded_at, account_id, token_id, secret, source, source_version, scope_group, verb,
                target, name_text, target_number, route, map, map_line, gateway_token_id, resource_id, address_text,
                agent_text, general, research, outcome, is_reported)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, 0)",
        )?;
        statement.execute(params![
            int(self.position.0),
            self.header.recorded_at.to_micros_text(),
            some(self.header.account.0),
            int(self.header.token.0),
            used.secret,
            source,
            version,
            group,
            verb,
            target,
            name,
            number,
            route,
            map,
            line,
            gateway,
            some(used.resource.0),
            address,
            agent,
            used.general,
            used.research,
            used.outcome.name(),
        ])?;
        Ok(())
    }

    pub(super) fn reported(&mut self, reported: &UseReported) -> Result<(), LogError> {
        let (group, verb, target, name, number) = self.scope(reported.scope)?;
        let route = reported.mapped.map(|mapped| route(Route::Mapped(mapped)));
        let address = self.texts.cell(reported.address)?;
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO uses (position, recorded_at, account_id, token_id, secret, scope_group, verb, target, name_text,
                target_number, route, map, map_line, gateway_token_id, address_text, general, research, is_reported,
                occurred_at, status, known_position)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, 0, 1, ?16, ?17, ?18)",
        )?;
        statement.execute(params![
            int(self.position.0),
            self.header.recorded_at.to_micros_text(),
            some(self.header.account.0),
            int(self.header.token.0),
            some(u64::from(reported.secret)),
            group,
            verb,
            target,
            name,
            number,
            route.map(|(route, ..)| route),
            route.and_then(|(_, map, ..)| map),
            route.and_then(|(_, _, line, _)| line),
            some(self.header.credential.0),
            address,
            reported.occurred_at.to_micros_text(),
            some(u64::from(reported.status)),
            int(reported.known_position.0),
        ])?;
        Ok(())
    }

    pub(super) fn refused(&mut self, refused: &TokenUseRefused) -> Result<(), LogError> {
        let (group, verb, target, name, number) = self.scope(refused.scope)?;
        let (source, version) = source(refused.source);
        let (route, map, line, gateway) = route(refused.route);
        let (address, agent) = (self.texts.cell(refused.address)?, self.texts.cell(refused.agent)?);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO refusals (position, recorded_at, account_id, token_id, secret, cause, source, source_version,
                scope_group, verb, target, name_text, target_number, route, map, map_line, gateway_token_id,
                asked_account_id, address_text, agent_text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
        )?;
        statement.execute(params![
            int(self.position.0),
            self.header.recorded_at.to_micros_text(),
            some(self.header.account.0),
            int(self.header.token.0),
            refused.secret,
            refused.cause.name(),
            source,
            version,
            group,
            verb,
            target,
            name,
            number,
            route,
            map,
            line,
            gateway,
            some(refused.asked_account.0),
            address,
            agent,
        ])?;
        Ok(())
    }

    pub(super) fn management_refused(&mut self, refused: &ManagementRefused) -> Result<(), LogError> {
        let (address, agent) = (self.texts.cell(refused.address)?, self.texts.cell(refused.agent)?);
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO refusals (position, recorded_at, account_id, token_id, secret, cause, operation, address_text,
                agent_text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        statement.execute(params![
            int(self.position.0),
            self.header.recorded_at.to_micros_text(),
            some(self.header.account.0),
            int(self.header.token.0),
            refused.secret,
            refused.cause.name(),
            refused.operation.name(),
            address,
            agent,
        ])?;
        Ok(())
    }

    pub(super) fn summed(&mut self, summed: &RefusalsSummed) -> Result<(), LogError> {
        for &address in &summed.addresses {
            self.texts.cell(address)?;
        }
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO refusal_sums (position, cause, account_id, token_id, count, first_at, last_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for (cause, count) in &summed.counts {
            statement.execute(params![
                int(self.position.0),
                cause.name(),
                some(self.header.account.0),
                int(self.header.token.0),
                int(*count),
                summed.first.to_micros_text(),
                summed.last.to_micros_text(),
            ])?;
        }
        Ok(())
    }
}

fn source(source: AccessSource) -> (&'static str, i64) {
    match source {
        AccessSource::Token(version) => ("token", int(version.0)),
        AccessSource::Membership(version) => ("membership", int(version.0)),
        AccessSource::Identity(version) => ("identity", int(version.0)),
        AccessSource::Authorization(version, _) => ("authorization", int(version.0)),
    }
}

fn route(route: Route) -> RouteCells {
    let place = |mapped: MappedRoute| (i64::from(mapped.map), i64::from(mapped.line));
    match route {
        Route::Mapped(mapped) => (route.template(), Some(place(mapped).0), Some(place(mapped).1), None),
        Route::Asked(asked) => {
            let (map, line) = asked.mapped.map(place).unzip();
            (route.template(), map, line, some(asked.gateway.0))
        }
        own => (own.template(), None, None, None),
    }
}
