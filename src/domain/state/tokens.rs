//! How tokens begin, change and end.

use super::State;
use crate::domain::conditions::Conditions;
use crate::domain::event::{Event, Header, TokenCreated, TokenImported, TokenRotated};
use crate::domain::ids::{Position, TokenId, Version};
use crate::domain::time::Timestamp;
use crate::domain::token::{Stream, Token, TokenKind};
use crate::domain::window::UnitCount;
use smallvec::smallvec;

impl State {
    pub(super) fn begin_token(&mut self, header: &Header, event: &Event) {
        let token = match event {
            Event::TokenCreated(created) => created_token(header, self.head, created),
            Event::TokenImported(imported) => imported_token(header, self.head, imported),
            _ => return,
        };
        // Sessions are listed by whose they are, not by their owner: they come and go.
        if token.kind != TokenKind::Session
            && let Some(tokens) = self.live_tokens_mut(token.owner)
        {
            tokens.insert(token.id);
        }
        if let Some(authorized) = token.authorized.as_deref() {
            self.begin_authorized(token.id, authorized);
        }
        self.tokens.add(token.id.0, token);
    }

    pub(super) fn begin_session(&mut self, header: &Header, link: u64) {
        let (tokens, now) = (&self.tokens, header.recorded_at);
        let is_over = |id: TokenId| tokens.get(id.0).and_then(|token| token.expires_at).is_some_and(|end| end <= now);
        self.sign_ins.begin_session(link, header.token, header.principal, is_over);
    }

    pub(super) fn evolve_token(&mut self, header: &Header, event: &Event) {
        let Some(token) = self.tokens.get_mut(header.token.0) else { return };
        match event {
            Event::TokenRenamed(renamed) => token.name = renamed.name,
            Event::TokenAccessChanged(changed) => token.access = changed.access.clone(),
            Event::TokenExpiryChanged(changed) => token.expires_at = changed.expires_at,
            Event::TokenConditionsChanged(changed) => token.conditions = kept(&changed.conditions),
            Event::GatewayRightsChanged(changed) => token.gateway = Some(Box::new(changed.gateway.clone())),
            Event::TokenRotated(rotated) => rotate(token, rotated, header.recorded_at),
            Event::TokenDeleted(_) => token.deleted_at = Some(header.recorded_at),
            _ => return,
        }
        token.version = token.version.next();
        let (owner, deleted) = (token.owner, token.deleted_at.is_some());
        if token.kind == TokenKind::Session && deleted {
            let who = token.principal();
            self.sign_ins.end_session(header.token, who);
        }
        if deleted && let Some(tokens) = self.live_tokens_mut(owner) {
            tokens.remove(&header.token);
        }
        if deleted {
            self.end_authorized(header.token);
        }
        // Reaching for a change would make a shared value our own.
        if deleted && self.reports.has(header.token) {
            self.reports.forget(header.token);
        }
    }
}

/// One form for "no conditions", so that equal states are equal.
fn kept(conditions: &Conditions) -> Option<Box<Conditions>> {
    (!conditions.is_empty()).then(|| Box::new(conditions.clone()))
}

fn created_token(header: &Header, position: Position, created: &TokenCreated) -> Token {
    Token {
        id: header.token,
        kind: created.kind,
        owner: created.owner,
        name: created.name,
        access: created.access.clone(),
        gateway: created.gateway.clone().map(Box::new),
        authorized: created.authorized.map(Box::new),
        secrets: smallvec![created.secret],
        created_at: header.recorded_at,
        created_by: header.principal,
        version: Version(1),
        expires_at: created.expires_at,
        conditions: None,
        deleted_at: None,
        imported_at: None,
        streams: smallvec![Stream { account: header.account, number: header.token_number, position }],
        refusals: UnitCount::default(),
        new_agents: UnitCount::default(),
    }
}

fn imported_token(header: &Header, position: Position, imported: &TokenImported) -> Token {
    Token {
        id: header.token,
        kind: imported.kind,
        owner: imported.owner,
        name: imported.name,
        access: imported.access.clone(),
        gateway: None,
        authorized: None,
        secrets: smallvec![imported.secret],
        created_at: imported.created_at.unwrap_or(header.recorded_at),
        created_by: header.principal,
        version: Version(1),
        expires_at: imported.expires_at,
        conditions: None,
        deleted_at: None,
        imported_at: Some(header.recorded_at),
        streams: smallvec![Stream { account: header.account, number: header.token_number, position }],
        refusals: UnitCount::default(),
        new_agents: UnitCount::default(),
    }
}

/// At most two secrets work: the one before the new one until its end, any older one no longer.
fn rotate(token: &mut Token, rotated: &TokenRotated, at: Timestamp) {
    for secret in &mut token.secrets {
        let latest = if secret.number == rotated.ends { rotated.ends_at } else { at };
        secret.not_after = Some(secret.not_after.map_or(latest, |end| end.min(latest)));
    }
    token.secrets.push(rotated.secret);
}
