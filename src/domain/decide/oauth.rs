//! Rules of OAuth applications, of what members authorise them to do, and of the codes that they exchange for tokens.
//!
//! A code is exchanged once. Whatever else is tried with a code that waits ends it, and is recorded; so one code makes a
//! handful of records, whoever tries. A second exchange ends the token of the first (RFC 6749 section 4.1.2).

use super::access;
use super::directory::{Faults, account_of, check_version};
use super::draft::{Context, Draft};
use super::management::{Acting, Deciding, Done, Ruled, Subject, nothing};
use super::narrowing::is_within;
use super::tokens::{OVERLAP_SECONDS_MAX, check_room};
use super::{Answer, Decision};
use crate::domain::access::Access;
use crate::domain::command::{Exchange, NewAuthorization, NewSecret, OAuthChange};
use crate::domain::digests::Digests;
use crate::domain::directory::Membership;
use crate::domain::event::{
    ApplicationChanged, ApplicationDeleted, ApplicationRegistered, ApplicationSecretRotated, AuthorizationCodeIssued,
    AuthorizationGranted, AuthorizationRevoked, By, CodeExchangeRefused, TokenCreated, TokenDeleted,
};
use crate::domain::ids::{AccountId, ApplicationId, AuthorizationId, TextNumber, TokenId, UserId, Version};
use crate::domain::names::check_name;
use crate::domain::oauth::{
    APPLICATIONS_MAX, AUTHORIZATIONS_MAX, Application, Authorization, Authorized, CODE_SECONDS, ClientId, ClientKind,
    Code, CodeState, EndReason, ExchangeFault, REDIRECT_URIS_MAX, TOKENS_OF_AUTHORIZATION_MAX,
};
use crate::domain::redirect_uri::{check_redirect_uri, is_under};
use crate::domain::rejection::{Conflict, FieldFault, Missing, Rejection};
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Subject as TextSubject, TextKind, Texts};
use crate::domain::token::{Authority, Owner, Principal, SECRETS_MAX, Secret, TokenKind};

pub(super) fn rule(deciding: &Deciding<'_>, texts: &mut dyn Texts, change: &OAuthChange) -> Ruled {
    match change {
        OAuthChange::Register { account, name, redirect_uris, kind, client, secret } => {
            register(deciding, texts, *account, (name, redirect_uris), *kind, (*client, *secret))
        }
        OAuthChange::Update { account, application, name, redirect_uris, if_match } => {
            let application = application_of(deciding, *account, *application, *if_match)?;
            update(deciding, texts, application, name.as_ref(), redirect_uris.as_deref())
        }
        OAuthChange::RotateSecret { account, application, overlap_seconds, secret, if_match } => {
            let application = application_of(deciding, *account, *application, *if_match)?;
            rotate(deciding, texts, application, *overlap_seconds, *secret)
        }
        OAuthChange::Delete { account, application, if_match } => {
            delete(deciding, texts, application_of(deciding, *account, *application, *if_match)?)
        }
        OAuthChange::RevokeAll { account, application } => {
            revoke_all(deciding, texts, application_of(deciding, *account, *application, None)?)
        }
        OAuthChange::Authorize(new) => authorize(deciding, texts, new),
        OAuthChange::Revoke { account, authorization } => {
            account_of(deciding, *account)?;
            let is_it = |found: &&Authorization| found.account == *account;
            revoke(deciding, texts, deciding.state.authorization(*authorization).filter(is_it))
        }
        OAuthChange::RevokeOwn { user, authorization } => {
            let is_own = |found: &&Authorization| found.user == *user;
            revoke(deciding, texts, deciding.state.authorization(*authorization).filter(is_own))
        }
    }
}

fn done(draft: Draft<'_>, subject: Subject, created: bool) -> Ruled {
    Ok((draft.finish(), Done { subject, created }))
}

/// The application of this account. Another account's, a deleted one and one that never was look the same.
fn application_of<'a>(
    deciding: &Deciding<'a>,
    account: AccountId,
    id: ApplicationId,
    if_match: Option<Version>,
) -> Result<&'a Application, Rejection> {
    account_of(deciding, account)?;
    let application = deciding.state.application(id).filter(|application| application.account == account);
    let application = application.ok_or(Rejection::NotFound(Missing::Application))?;
    check_version(application.version, if_match)?;
    Ok(application)
}

fn check_uris(faults: &mut Faults, uris: &[PersonalText]) {
    if uris.is_empty() {
        faults.check("redirect_uris", Err("can't be blank"));
    }
    if uris.len() > REDIRECT_URIS_MAX {
        faults.check("redirect_uris", Err("has too many URIs (maximum is 20)"));
        return;
    }
    let faulty = uris.iter().enumerate().filter_map(|(at, uri)| {
        check_redirect_uri(uri.as_str()).err().map(|fault| FieldFault::new(format!("redirect_uris[{at}]"), fault))
    });
    faults.extend(faulty.collect());
}

fn write_uris(draft: &mut Draft<'_>, account: AccountId, uris: &[PersonalText]) -> Vec<TextNumber> {
    let mut numbers: Vec<TextNumber> = Vec::with_capacity(uris.len());
    for uri in uris {
        let number = draft.intern(TextSubject::Account(account), TextKind::RedirectUri, uri.as_str());
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

fn register(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    account: AccountId,
    (name, redirect_uris): (&PersonalText, &[PersonalText]),
    kind: ClientKind,
    (client, secret): (ClientId, NewSecret),
) -> Ruled {
    let account = account_of(deciding, account)?;
    let mut faults = Faults::default();
    faults.check("name", check_name(name.as_str()));
    check_uris(&mut faults, redirect_uris);
    faults.finish()?;
    if account.applications.len() >= APPLICATIONS_MAX {
        return Err(Rejection::LimitReached("an account has at most 100 OAuth applications"));
    }
    // Deleted ones too: what was written down of one must never be taken for another's.
    if deciding.state.applications.iter().any(|other| other.client == client) {
        return Err(Rejection::Conflict(Conflict::DigestExists));
    }
    let application = ApplicationId(deciding.state.applications.next_number());
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    let name = draft.intern(TextSubject::Account(account.id), TextKind::ApplicationName, name.as_str());
    let redirect_uris = write_uris(&mut draft, account.id, redirect_uris);
    let by = deciding.by(&mut draft);
    let secret = (kind == ClientKind::Confidential).then_some(first(secret));
    draft.record(ApplicationRegistered { application, client, name, redirect_uris, kind, secret, by });
    done(draft, Subject::Application(application), true)
}

fn first(secret: NewSecret) -> Secret {
    Secret { number: 1, digest: secret.digest, hint: secret.hint, not_after: None }
}

fn update(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    application: &Application,
    name: Option<&PersonalText>,
    redirect_uris: Option<&[PersonalText]>,
) -> Ruled {
    let mut faults = Faults::default();
    faults.check("name", name.map_or(Ok(()), |name| check_name(name.as_str())));
    if let Some(uris) = redirect_uris {
        check_uris(&mut faults, uris);
    }
    faults.finish()?;
    let (id, account) = (application.id, application.account);
    let mut draft = deciding.draft(texts, account, TokenId::NONE);
    let intern_name =
        |name: &PersonalText| draft.intern(TextSubject::Account(account), TextKind::ApplicationName, name.as_str());
    let name = name.map_or(application.name, intern_name);
    let redirect_uris = match redirect_uris {
        Some(uris) => write_uris(&mut draft, account, uris),
        None => application.redirect_uris.clone(),
    };
    if (name, &redirect_uris) != (application.name, &application.redirect_uris) {
        let by = deciding.by(&mut draft);
        draft.record(ApplicationChanged { application: id, name, redirect_uris, by });
    }
    done(draft, Subject::Application(id), false)
}

fn rotate(
    deciding: &Deciding<'_>,
    texts: &mut dyn Texts,
    application: &Application,
    overlap_seconds: u64,
    secret: NewSecret,
) -> Ruled {
    if application.kind == ClientKind::Public {
        return Err(Rejection::Conflict(Conflict::PublicClient));
    }
    if overlap_seconds > OVERLAP_SECONDS_MAX {
        return Err(Rejection::field("overlap_seconds", "must be at most 2592000 (30 days)"));
    }
    if application.secrets.len() >= SECRETS_MAX {
        return Err(Rejection::LimitReached("an application has at most 1000 secrets; register a new one"));
    }
    let ends = application.secrets.last().map_or(0, |secret| secret.number);
    let mut draft = deciding.draft(texts, application.account, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(ApplicationSecretRotated {
        application: application.id,
        secret: Secret { number: ends + 1, ..first(secret) },
        ends,
        ends_at: deciding.context.now.plus_seconds(overlap_seconds),
        by,
    });
    done(draft, Subject::Application(application.id), true)
}

fn delete(deciding: &Deciding<'_>, texts: &mut dyn Texts, application: &Application) -> Ruled {
    let mut draft = deciding.draft(texts, application.account, TokenId::NONE);
    let by = deciding.by(&mut draft);
    draft.record(ApplicationDeleted { application: application.id, by });
    end_all(deciding.state, &mut draft, application, EndReason::ApplicationDeleted, by);
    done(draft, Subject::Application(application.id), false)
}

fn revoke_all(deciding: &Deciding<'_>, texts: &mut dyn Texts, application: &Application) -> Ruled {
    let mut draft = deciding.draft(texts, application.account, TokenId::NONE);
    if !application.authorizations.is_empty() {
        let by = deciding.by(&mut draft);
        end_all(deciding.state, &mut draft, application, EndReason::AllRevoked, by);
    }
    done(draft, Subject::Application(application.id), false)
}

fn end_all(state: &State, draft: &mut Draft<'_>, application: &Application, reason: EndReason, by: By) {
    for authorization in application.authorizations.iter().filter_map(|&id| state.authorization(id)) {
        end(draft, authorization, reason, by);
    }
}

/// Ends an authorization and its tokens, in the stream of the account that it is on.
pub(super) fn end(draft: &mut Draft<'_>, authorization: &Authorization, reason: EndReason, by: By) {
    draft.turn_to_account(authorization.account);
    let (id, application, user) = (authorization.id, authorization.application, authorization.user);
    draft.record(AuthorizationRevoked { authorization: id, application, user, reason, by });
    let reason = if reason == EndReason::Asked { EndReason::AuthorizationRevoked } else { reason };
    for &token in &authorization.tokens {
        draft.turn_to(token);
        draft.record(TokenDeleted { reason, by });
    }
    draft.turn_to(TokenId::NONE);
}

fn revoke(deciding: &Deciding<'_>, texts: &mut dyn Texts, authorization: Option<&Authorization>) -> Ruled {
    let authorization = authorization.ok_or(Rejection::NotFound(Missing::Authorization))?;
    let mut draft = deciding.draft(texts, authorization.account, TokenId::NONE);
    let by = deciding.by(&mut draft);
    end(&mut draft, authorization, EndReason::Asked, by);
    done(draft, Subject::Authorization(authorization.id), false)
}

fn authorize(deciding: &Deciding<'_>, texts: &mut dyn Texts, new: &NewAuthorization) -> Ruled {
    let state = deciding.state;
    let application = state.application_of(new.client).ok_or(Rejection::UnknownClient)?;
    let Principal::User(user) = deciding.acting.principal else {
        return Err(Rejection::NotFound(Missing::Account));
    };
    let account = account_of(deciding, new.account)?;
    let member = account.members.get(&user).ok_or(Rejection::NotFound(Missing::Account))?;
    let redirect_uri = registered(texts, application, new)?;
    if application.kind == ClientKind::Public && new.bindings.challenge.is_none() {
        return Err(Rejection::field("code_challenge", "is required of a public client"));
    }
    let request = access::check(state, account, &new.access)?;
    if !matches!(request, crate::domain::command::AccessRequest::Full)
        && !is_within(state, account.id, &request, &member.access, texts)
    {
        return Err(Rejection::field("access", "goes beyond what the member may do on the account"));
    }
    if state.codes.get(new.code).is_some() {
        return Err(Rejection::Conflict(Conflict::DigestExists));
    }
    let mut draft = deciding.draft(texts, account.id, TokenId::NONE);
    let own = || state.authorizations_by(account.id, user).filter(|own| own.application == application.id);
    let same = own().find(|own| access::is_same(&mut draft, account.id, &request, &own.access));
    let authorization = match same {
        Some(same) => same.id,
        None => {
            if account.authorizations.len().max(application.authorizations.len()) >= AUTHORIZATIONS_MAX {
                return Err(Rejection::LimitReached(
                    "an account, and an application, has at most 10000 authorizations at a time",
                ));
            }
            let access = access::write(&mut draft, account.id, &request);
            grant(deciding, &mut draft, (application.id, user), member, access)
        }
    };
    let by = deciding.by(&mut draft);
    draft.record(AuthorizationCodeIssued {
        authorization,
        code: new.code,
        expires_at: deciding.context.now.plus_seconds(CODE_SECONDS),
        redirect_uri,
        bindings: new.bindings,
        by,
    });
    done(draft, Subject::Authorization(authorization), same.is_none())
}

/// The registered redirect URI that the asked one is, or is below.
fn registered(
    texts: &mut dyn Texts,
    application: &Application,
    new: &NewAuthorization,
) -> Result<TextNumber, Rejection> {
    let (asked, registered) = (new.redirect_uri.as_str(), new.registered_uri.as_str());
    let number = texts.find(TextSubject::Account(application.account), TextKind::RedirectUri, registered);
    let number = number.filter(|number| application.redirect_uris.contains(number) && is_under(asked, registered));
    number.ok_or_else(|| Rejection::field("redirect_uri", "is not one of the application's"))
}

fn grant(
    deciding: &Deciding<'_>,
    draft: &mut Draft<'_>,
    (application, user): (ApplicationId, UserId),
    member: &Membership,
    access: Access,
) -> AuthorizationId {
    let authorization = AuthorizationId(deciding.state.authorizations.next_number());
    let by = deciding.by(draft);
    let membership = member.version;
    draft.record(AuthorizationGranted { authorization, application, user, membership, access, by });
    authorization
}

/// Decides on a code that a client brings.
pub(super) fn decide_exchange(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    exchange: &Exchange,
    texts: &mut dyn Texts,
) -> Decision {
    let rejected = |rejection| nothing(Answer::Rejected(rejection));
    let Some((application, secret)) = client_shown(state, context, exchange) else {
        return rejected(Rejection::UnknownClient);
    };
    let known =
        state.codes.get(exchange.code).and_then(|code| Some((code, state.authorizations.get(code.authorization.0)?)));
    let Some((code, authorization)) = known else { return rejected(Rejection::NotExchanged(None)) };
    if code.state == CodeState::Spent {
        return rejected(Rejection::NotExchanged(None));
    }
    let acting = Acting {
        principal: Principal::Application(application.id),
        credential: TokenId::NONE,
        authority: Authority::Application(application.version),
        secret,
    };
    let deciding = Deciding { state, digests, context, acting };
    let exchanging = Exchanging { deciding, application, code, authorization, exchange };
    let decided = match exchanging.fault() {
        Some(fault) => exchanging.refuse(texts, fault),
        None => exchanging.give(texts),
    };
    decided.unwrap_or_else(rejected)
}

/// The application that the client is, with the number of the secret that it shows: 0 of one that has none.
fn client_shown<'a>(state: &'a State, context: &Context<'_>, exchange: &Exchange) -> Option<(&'a Application, u32)> {
    let application = state.application_of(exchange.client)?;
    let secret = match (application.kind, exchange.client_secret) {
        (ClientKind::Confidential, Some(shown)) => application.secret_shown(shown, context.now)?,
        (ClientKind::Public, None) => 0,
        _ => return None,
    };
    Some((application, secret))
}

/// A code that a client brings, while it is decided on.
struct Exchanging<'a> {
    deciding: Deciding<'a>,
    application: &'a Application,
    code: &'a Code,
    authorization: &'a Authorization,
    exchange: &'a Exchange,
}

impl Exchanging<'_> {
    fn fault(&self) -> Option<ExchangeFault> {
        let (now, sent, bound) = (self.deciding.context.now, self.exchange, &self.code.bindings);
        if matches!(self.code.state, CodeState::Exchanged(_)) {
            return Some(ExchangeFault::Reused);
        }
        if self.authorization.application != self.application.id {
            return Some(ExchangeFault::OtherClient);
        }
        if self.code.expires_at <= now {
            return Some(ExchangeFault::Expired);
        }
        // A challenge that nobody answers, and an answer to none, which would be a challenge taken away on the way (RFC
        // 9700 section 2.1.1).
        if sent.verifier != bound.challenge {
            return Some(ExchangeFault::Verifier);
        }
        let is_uri = match sent.redirect_uri {
            Some(uri) => uri == bound.redirect_uri,
            None => !bound.redirect_uri_sent,
        };
        if !is_uri {
            return Some(ExchangeFault::RedirectUri);
        }
        if sent.state.is_some_and(|state| state != bound.state) {
            return Some(ExchangeFault::State);
        }
        let account = self.deciding.state.account(self.authorization.account);
        let is_member = account.is_some_and(|account| account.members.contains_key(&self.authorization.user));
        if self.authorization.revoked_at.is_some() || !is_member {
            return Some(ExchangeFault::AuthorizationEnded);
        }
        let has_plan = self.authorization.access == Access::Full || account.is_some_and(|it| it.plan.has_grants());
        (!has_plan).then_some(ExchangeFault::PlanWithoutGrants)
    }

    fn by(&self, draft: &mut Draft<'_>) -> By {
        let Acting { authority, secret, .. } = self.deciding.acting;
        draft.by_client(authority, secret, TextSubject::Account(self.authorization.account))
    }

    /// Ends the code, and the token that it has given.
    fn refuse(&self, texts: &mut dyn Texts, cause: ExchangeFault) -> Result<Decision, Rejection> {
        let mut draft = self.deciding.draft(texts, self.authorization.account, TokenId::NONE);
        let by = self.by(&mut draft);
        draft.record(CodeExchangeRefused { authorization: self.authorization.id, code: self.exchange.code, cause, by });
        if let CodeState::Exchanged(token) = self.code.state {
            draft.turn_to(token);
            draft.record(TokenDeleted { reason: EndReason::CodeReused, by });
        }
        let answer = Answer::Rejected(Rejection::NotExchanged(Some(cause)));
        Ok(Decision { events: draft.finish(), answer, tally: None })
    }

    fn give(&self, texts: &mut dyn Texts) -> Result<Decision, Rejection> {
        let (deciding, authorization, new) = (&self.deciding, self.authorization, self.exchange.secret);
        let owner = Owner::Account(authorization.account);
        check_room(deciding, owner, 1)?;
        if deciding.digest_exists(&new.digest) {
            return Err(Rejection::Conflict(Conflict::DigestExists));
        }
        let token = TokenId(deciding.state.tokens.next_number());
        let mut draft = deciding.draft(texts, authorization.account, token);
        let by = self.by(&mut draft);
        draft.record(TokenCreated {
            kind: TokenKind::OAuth,
            owner,
            name: self.application.name,
            access: authorization.access.clone(),
            gateway: None,
            authorized: Some(Authorized {
                authorization: authorization.id,
                application: self.application.id,
                user: authorization.user,
                membership: authorization.membership,
                code: self.exchange.code,
            }),
            secret: first(new),
            expires_at: None,
            by,
        });
        let too_many = (authorization.tokens.len() + 1).saturating_sub(TOKENS_OF_AUTHORIZATION_MAX);
        for &oldest in authorization.tokens.iter().take(too_many) {
            draft.turn_to(oldest);
            draft.record(TokenDeleted { reason: EndReason::Replaced, by });
        }
        let answer = Answer::Done(Done { subject: Subject::Token(token), created: true });
        Ok(Decision { events: draft.finish(), answer, tally: None })
    }
}
