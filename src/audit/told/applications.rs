//! One sentence for an event of an OAuth application, an authorization or a code.

use super::access::access;
use super::sentences::rotated;
use super::{Part, Phrase};
use crate::domain::access::ScopeGroup;
use crate::domain::event::{Event, Header};
use crate::domain::ids::ApplicationId;
use crate::domain::oauth::{EndReason, ExchangeFault};
use crate::domain::table::Table;

/// What happened; none of what is no such event.
pub(super) fn tell(groups: &Table<ScopeGroup>, header: &Header, event: &Event) -> Option<Phrase> {
    Some(match event {
        Event::ApplicationRegistered(e) => {
            Phrase::of("application ").text(e.name).words(format!(" registered: {}", e.kind.name()))
        }
        Event::ApplicationChanged(e) => application(e.application)
            .words(" is called ")
            .text(e.name)
            .words(" now, and sends people back to ")
            .texts(&e.redirect_uris),
        Event::ApplicationSecretRotated(e) => {
            application(e.application).words(" got ").then(rotated(&e.secret, e.ends, e.ends_at, header.recorded_at))
        }
        Event::ApplicationDeleted(e) => application(e.application).words(" deleted"),
        Event::AuthorizationGranted(e) => {
            let line = Phrase::new().part(Part::User(e.user)).words(" authorized ").then(application(e.application));
            line.words(": ").then(access(groups, &e.access))
        }
        Event::AuthorizationCodeIssued(e) => {
            Phrase::of(format!("code given out under authorization {}, for ", e.authorization)).text(e.redirect_uri)
        }
        Event::CodeExchangeRefused(e) => {
            Phrase::of(format!("code of authorization {} refused: {}", e.authorization, fault(e.cause)))
        }
        Event::AuthorizationRevoked(e) => {
            let line = Phrase::of("authorization of ").then(application(e.application)).words(" by ");
            line.part(Part::User(e.user)).words(" ended").words(ended(e.reason))
        }
        _ => return None,
    })
}

fn application(id: ApplicationId) -> Phrase {
    Phrase::new().part(Part::Application(id))
}

/// Why an authorization, or a token, ended; nothing where somebody just wanted it.
pub(super) fn ended(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Asked => "",
        EndReason::MemberRemoved => ": its member was removed",
        EndReason::ApplicationDeleted => ": the application was deleted",
        EndReason::AllRevoked => ": all of the application were revoked",
        EndReason::AuthorizationRevoked => ": its authorization was revoked",
        EndReason::CodeReused => ": its code was used a second time",
        EndReason::Replaced => ": its authorization has newer ones",
        EndReason::StaffTokenDeleted => ": its staff token was deleted",
    }
}

fn fault(fault: ExchangeFault) -> &'static str {
    match fault {
        ExchangeFault::Reused => "it had been exchanged before",
        ExchangeFault::Expired => "its time was over",
        ExchangeFault::OtherClient => "it was given to another application",
        ExchangeFault::RedirectUri => "it came with another redirect URI",
        ExchangeFault::State => "it came with another state",
        ExchangeFault::Verifier => "its PKCE verifier was not right",
        ExchangeFault::AuthorizationEnded => "the authorization had ended",
        ExchangeFault::PlanWithoutGrants => "the account's plan has no grants any more",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{groups, header, plain};
    use super::*;
    use crate::domain::access::Access;
    use crate::domain::event::{
        ApplicationDeleted, ApplicationRegistered, AuthorizationGranted, AuthorizationRevoked, By, CodeExchangeRefused,
    };
    use crate::domain::ids::{AuthorizationId, TextNumber, UserId, Version};
    use crate::domain::oauth::{ClientId, ClientKind};
    use crate::domain::token::Authority;
    use crate::domain::token_text::TokenDigest;

    const BY: By = By { authority: Authority::Local, secret: 0, address: TextNumber::NONE, agent: TextNumber::NONE };

    #[test]
    fn what_people_authorised_is_told_in_sentences() {
        let (application, authorization, user) = (ApplicationId(3), AuthorizationId(4), UserId(5));
        let registered = ApplicationRegistered {
            application,
            client: ClientId([0; 8]),
            name: TextNumber(9),
            redirect_uris: Vec::new(),
            kind: ClientKind::Public,
            secret: None,
            by: BY,
        };
        let (membership, access) = (Version(1), Access::Full);
        let revoked = |reason| AuthorizationRevoked { authorization, application, user, reason, by: BY };
        let refused =
            CodeExchangeRefused { authorization, code: TokenDigest([0; 32]), cause: ExchangeFault::Expired, by: BY };
        let rows: [(Event, &str); 6] = [
            (registered.into(), "application t9 registered: public"),
            (
                AuthorizationGranted { authorization, application, user, membership, access, by: BY }.into(),
                "user 5 authorized application 3: full access to everything",
            ),
            (refused.into(), "code of authorization 4 refused: its time was over"),
            (revoked(EndReason::Asked).into(), "authorization of application 3 by user 5 ended"),
            (
                revoked(EndReason::MemberRemoved).into(),
                "authorization of application 3 by user 5 ended: its member was removed",
            ),
            (ApplicationDeleted { application, by: BY }.into(), "application 3 deleted"),
        ];
        for (event, expected) in rows {
            let told = tell(&groups(), &header(), &event).map(|phrase| plain(&phrase));
            assert_eq!(told.as_deref(), Some(expected), "{}", event.type_name());
        }
    }
}
