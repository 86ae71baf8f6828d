//! How OAuth applications, authorizations and codes begin, change and end.

use super::State;
use crate::domain::event::{ApplicationRegistered, AuthorizationGranted, Event, Header};
use crate::domain::ids::{AccountId, ApplicationId, AuthorizationId, TokenId, UserId, Version};
use crate::domain::oauth::{Application, Authorization, Authorized, ClientId, Code, CodeState};
use crate::domain::table::Shared;
use crate::domain::token::Secret;

impl State {
    /// An application that is not deleted.
    pub fn application(&self, id: ApplicationId) -> Option<&Application> {
        self.applications.get(id.0).filter(|application| application.deleted_at.is_none())
    }

    /// An application by its public name, if it is not deleted.
    pub fn application_of(&self, client: ClientId) -> Option<&Application> {
        self.applications.iter().find(|application| application.client == client && application.deleted_at.is_none())
    }

    /// An authorization that has not ended.
    pub fn authorization(&self, id: AuthorizationId) -> Option<&Authorization> {
        self.authorizations.get(id.0).filter(|authorization| authorization.revoked_at.is_none())
    }

    /// Live authorizations on an account by one of its members.
    pub fn authorizations_by(&self, account: AccountId, user: UserId) -> impl Iterator<Item = &Authorization> {
        let on_account = self.account(account).into_iter().flat_map(|account| account.authorizations.iter());
        on_account.filter_map(|&id| self.authorization(id)).filter(move |authorization| authorization.user == user)
    }

    pub(super) fn evolve_application(&mut self, header: &Header, event: &Event) {
        if let Event::ApplicationRegistered(registered) = event {
            self.applications.add(registered.application.0, new_application(header, registered));
            if let Some(account) = self.accounts.get_mut(header.account.0) {
                account.applications.insert(registered.application);
            }
            return;
        }
        let id = match event {
            Event::ApplicationChanged(changed) => changed.application,
            Event::ApplicationSecretRotated(rotated) => rotated.application,
            Event::ApplicationDeleted(deleted) => deleted.application,
            _ => return,
        };
        let Some(application) = self.applications.get_mut(id.0) else { return };
        match event {
            Event::ApplicationChanged(changed) => {
                application.name = changed.name;
                application.redirect_uris.clone_from(&changed.redirect_uris);
            }
            Event::ApplicationSecretRotated(rotated) => {
                for secret in &mut application.secrets {
                    let latest = if secret.number == rotated.ends { rotated.ends_at } else { header.recorded_at };
                    secret.not_after = Some(secret.not_after.map_or(latest, |end| end.min(latest)));
                }
                application.secrets.push(rotated.secret);
            }
            _ => application.deleted_at = Some(header.recorded_at),
        }
        application.version = application.version.next();
        application.updated_at = header.recorded_at;
        if application.deleted_at.is_some()
            && let Some(account) = self.accounts.get_mut(header.account.0)
        {
            account.applications.remove(&id);
        }
    }

    pub(super) fn evolve_authorization(&mut self, header: &Header, event: &Event) {
        match event {
            Event::AuthorizationGranted(granted) => self.begin_authorization(header, granted),
            Event::AuthorizationCodeIssued(issued) => {
                let (authorization, expires_at, bindings) = (issued.authorization, issued.expires_at, issued.bindings);
                let code = Code { authorization, expires_at, bindings, state: CodeState::Issued };
                self.codes.issue(issued.code, code, header.recorded_at);
            }
            Event::CodeExchangeRefused(refused) => self.codes.spend(refused.code),
            Event::AuthorizationRevoked(revoked) => {
                if let Some(authorization) = self.authorizations.get_mut(revoked.authorization.0) {
                    authorization.revoked_at = Some(header.recorded_at);
                }
                if let Some(account) = self.accounts.get_mut(header.account.0) {
                    account.authorizations.remove(&revoked.authorization);
                }
                if let Some(application) = self.applications.get_mut(revoked.application.0) {
                    application.authorizations.remove(&revoked.authorization);
                }
            }
            _ => {}
        }
    }

    fn begin_authorization(&mut self, header: &Header, granted: &AuthorizationGranted) {
        let AuthorizationGranted { authorization: id, application, user, membership, access, .. } = granted;
        let authorization = Authorization {
            id: *id,
            account: header.account,
            application: *application,
            user: *user,
            membership: *membership,
            access: access.clone(),
            tokens: Vec::new(),
            granted_at: header.recorded_at,
            revoked_at: None,
        };
        self.authorizations.add(id.0, authorization);
        if let Some(account) = self.accounts.get_mut(header.account.0) {
            account.authorizations.insert(*id);
        }
        if let Some(application) = self.applications.get_mut(application.0) {
            application.authorizations.insert(*id);
        }
    }

    /// Takes in that a token was made for a code.
    pub(super) fn begin_authorized(&mut self, token: TokenId, authorized: &Authorized) {
        self.codes.exchange(authorized.code, token);
        if let Some(authorization) = self.authorizations.get_mut(authorized.authorization.0) {
            authorization.tokens.push(token);
        }
    }

    /// Takes in that a token ended, if it was made for a code.
    pub(super) fn end_authorized(&mut self, token: TokenId) {
        let Some(authorized) = self.token(token).and_then(|token| token.authorized.as_deref()).copied() else { return };
        self.codes.forget(authorized.code);
        if let Some(authorization) = self.authorizations.get_mut(authorized.authorization.0) {
            authorization.tokens.retain(|kept| *kept != token);
        }
    }
}

fn new_application(header: &Header, registered: &ApplicationRegistered) -> Application {
    Application {
        id: registered.application,
        account: header.account,
        client: registered.client,
        name: registered.name,
        redirect_uris: registered.redirect_uris.clone(),
        kind: registered.kind,
        secrets: registered.secret.into_iter().collect::<Vec<Secret>>(),
        authorizations: Shared::default(),
        created_at: header.recorded_at,
        created_by: header.principal,
        updated_at: header.recorded_at,
        version: Version(1),
        deleted_at: None,
    }
}
