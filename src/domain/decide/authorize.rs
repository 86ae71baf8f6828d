//! Rules of gateway tokens that ask, or that revoke what is shown to them.
//!
//! First the gateway: its token works and has the right. Then its reach: a token of an account that it does not name is
//! as unknown to it as one that never was, and leaves nothing anywhere. Only then the question, judged as any use.

use super::consumer::{decide_use, look_at_use};
use super::draft::Context;
use super::management::{Acting, Deciding, Shown, nothing, refuse, shown};
use super::{Answer, Decision, Done, DoneSubject, tokens};
use crate::domain::command::{GatewayCall, GatewayWish, Origin, Question, Use};
use crate::domain::digests::Digests;
use crate::domain::event::{AskedRoute, Cause, ManagementOperation, Route};
use crate::domain::gateway::{GatewayReach, GatewayRight};
use crate::domain::ids::AccountId;
use crate::domain::rejection::Rejection;
use crate::domain::state::State;
use crate::domain::text::{PersonalText, Texts};
use crate::domain::token::{Authority, Closed, Owner, Principal, Token, TokenKind};
use crate::domain::token_text::TokenDigest;

/// Whether a gateway that names these accounts may know of a token: an account's, if it names the account; a user's,
/// if it names one that the user is a member of. Sessions and tokens of the service are no gateway's business.
pub fn is_within_reach(state: &State, reach: &GatewayReach, token: &Token) -> bool {
    token.kind.is_consumer()
        && match token.owner {
            Owner::Account(account) => reach.names(account),
            Owner::User(_) => accounts_of(state, token).any(|account| reach.names(account)),
            Owner::Service => false,
        }
}

/// Whether deleting a token touches named accounts only: a user's token ends for every account of the user.
pub(super) fn is_wholly_within_reach(state: &State, reach: &GatewayReach, token: &Token) -> bool {
    is_within_reach(state, reach, token) && accounts_of(state, token).all(|account| reach.names(account))
}

/// Accounts that the user of a user's token is a member of; none of any other token.
fn accounts_of<'a>(state: &'a State, token: &Token) -> impl Iterator<Item = AccountId> + use<'a> {
    let user = match token.owner {
        Owner::User(user) => state.user(user),
        _ => None,
    };
    user.into_iter().flat_map(|user| user.accounts.iter().copied())
}

/// Whether the gateway may, and all of the call but its questions.
pub(super) fn decide_call(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    call: &GatewayCall,
    texts: &mut dyn Texts,
) -> Decision {
    let (right, operation) = match &call.wish {
        GatewayWish::Authorize { .. } => (GatewayRight::Authorize, ManagementOperation::Authorize),
        GatewayWish::Revoke { .. } => (GatewayRight::Revoke, ManagementOperation::DeleteToken),
        GatewayWish::Report { .. } => (GatewayRight::Report, ManagementOperation::ReportUses),
        GatewayWish::Look(right, operation) => (*right, *operation),
    };
    let (gateway, secret) =
        match shown(state, digests, call.gateway, (context.now, context.origin.from), &[TokenKind::Gateway]) {
            Shown::Unknown => return nothing(Answer::Rejected(Rejection::UnknownToken)),
            Shown::Refused(token, secret, rejection, cause) => {
                return refuse(state, context, texts, (token, secret), (rejection, cause), operation);
            }
            Shown::May(token, secret) => (token, secret),
        };
    let reach = match &gateway.gateway {
        Some(reach) if reach.has(right) => &**reach,
        _ => {
            let cause = Cause::MissingRight;
            return refuse(state, context, texts, (gateway, secret), (Rejection::Forbidden(cause), cause), operation);
        }
    };
    match &call.wish {
        GatewayWish::Authorize { .. } => nothing(Answer::Authorized(Vec::new())),
        GatewayWish::Report { .. } => nothing(Answer::Reported(Vec::new())),
        GatewayWish::Look(..) => nothing(Answer::Done(Done { subject: DoneSubject::Service, created: false })),
        GatewayWish::Revoke { shown } => {
            let acting = Acting {
                principal: Principal::Staff(gateway.id),
                credential: gateway.id,
                authority: Authority::Gateway(gateway.version),
                secret,
            };
            revoke(&Deciding { state, digests, context, acting }, reach, *shown, texts)
        }
    }
}

/// Deletes the token, with all its secrets. One that does not work any more, is unknown or is out of reach stays as it
/// is, and the answer does not say which it was (RFC 7009 section 2.2).
fn revoke(deciding: &Deciding<'_>, reach: &GatewayReach, shown: TokenDigest, texts: &mut dyn Texts) -> Decision {
    let unchanged = Answer::Done(Done { subject: DoneSubject::Service, created: false });
    let Some((token, secret)) = deciding.digests.find(&deciding.state.tokens, &shown) else {
        return nothing(unchanged);
    };
    // One that has not begun yet, or works from elsewhere only, can do something some time: it is revoked, too.
    let has_ended = match token.check_time(secret, deciding.context.now) {
        Ok(()) | Err(Closed::NotYetValid | Closed::AddressNotAllowed) => false,
        Err(Closed::Deleted | Closed::Expired | Closed::SecretEnded) => true,
    };
    if has_ended || !is_wholly_within_reach(deciding.state, reach, token) {
        return nothing(unchanged);
    }
    match tokens::delete(deciding, texts, token) {
        Ok((events, done)) => Decision { events, answer: Answer::Done(done), tally: None },
        Err(rejection) => nothing(Answer::Rejected(rejection)),
    }
}

/// Decides one question of a call that [`super::decide`] let pass, on what the questions before it drew.
pub fn decide_question(
    state: &State,
    digests: &Digests,
    context: &Context<'_>,
    call: &GatewayCall,
    question: &Question,
    texts: &mut dyn Texts,
) -> Decision {
    let unknown = || nothing(Answer::Rejected(Rejection::UnknownToken));
    let GatewayWish::Authorize { shown, client, dry_run, .. } = &call.wish else { return unknown() };
    let known = |digest| digests.find(&state.tokens, digest);
    let (Some((gateway, secret)), Some((token, _))) = (known(&call.gateway), known(shown)) else { return unknown() };
    let Some(reach) = &gateway.gateway else { return unknown() };
    if !reaches(state, reach, token, question.account) {
        return unknown();
    }
    let origin = Origin {
        request: context.origin.request,
        address: client.address.map(|address| PersonalText::new(address.to_string())),
        from: client.address,
        agent: client.agent.clone(),
    };
    let context = Context { now: context.now, origin: &origin };
    let route = Route::Asked(AskedRoute { gateway: gateway.id, secret, mapped: question.mapped });
    let asked = Use {
        digest: *shown,
        route,
        account: question.account,
        target: question.target.clone(),
        mapped: question.scope,
        certificate: None,
        valid: true,
    };
    if *dry_run {
        return nothing(match look_at_use(state, digests, &context, &asked, texts) {
            Ok(answer) => Answer::Use(answer),
            Err(rejection) => Answer::Rejected(rejection),
        });
    }
    decide_use(state, digests, &context, &asked, texts)
}

/// Whether the gateway may ask this of the token. Of a user's it may not where it does not name the account asked about:
/// it would draw from that account, and leave a record there.
fn reaches(state: &State, reach: &GatewayReach, token: &Token, account: Option<AccountId>) -> bool {
    let is_named = match (token.owner, account) {
        (Owner::User(_), Some(account)) => reach.names(account),
        _ => true,
    };
    is_named && is_within_reach(state, reach, token)
}
