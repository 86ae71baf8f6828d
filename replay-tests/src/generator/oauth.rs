//! OAuth: applications, what members authorise, and codes that come back.

use super::Generator;
use token_ledger::domain::access::Level;
use token_ledger::domain::command::{
    AccessRequest, Actor, Change, Command, CoverageRequest, Exchange, GrantRequest, NewAuthorization, OAuthChange,
    SignInChange,
};
use token_ledger::domain::directory::Plan;
use token_ledger::domain::ids::{AccountId, ApplicationId, AuthorizationId, UserId, Version};
use token_ledger::domain::oauth::{Bindings, BoundText, ClientId, ClientKind, Code};
use token_ledger::domain::state::State;
use token_ledger::domain::text::PersonalText;
use token_ledger::domain::token::{Owner, Principal, Token, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

/// Redirect URIs that are registered, and one that cannot be.
const URIS: [&str; 4] =
    ["https://app.example/cb", "http://127.0.0.1/cb", "https://app.example/other", "ftp://x.example"];

/// What is authorised: parts of several groups, by name and all.
pub(super) fn some_access() -> AccessRequest {
    AccessRequest::Granted(vec![
        grant("zones", Level::FullAccess, None),
        grant("domains", Level::ReadOnly, Some(&["a.example", "b.example"])),
        grant("certificates", Level::FullAccess, Some(&["b.example", "c.example"])),
    ])
}

/// What a member has in turn: all of it, and accesses that have each some of what is authorised.
pub(super) fn members_access(turn: usize) -> AccessRequest {
    match turn % 5 {
        0 => AccessRequest::Granted(vec![
            grant("zones", Level::ReadOnly, None),
            grant("domains", Level::FullAccess, None),
            grant("certificates", Level::FullAccess, Some(&["a.example", "b.example"])),
        ]),
        1 => AccessRequest::Granted(vec![
            grant("zones", Level::FullAccess, Some(&["a.example"])),
            grant("domains", Level::FullAccess, Some(&["b.example", "c.example"])),
        ]),
        2 => AccessRequest::Full,
        3 => AccessRequest::Granted(vec![grant("certificates", Level::ReadOnly, None)]),
        _ => AccessRequest::Granted(vec![]),
    }
}

fn grant(group: &str, level: Level, names: Option<&[&str]>) -> GrantRequest {
    let named = |names: &[&str]| names.iter().map(|name| PersonalText::new((*name).to_owned())).collect();
    let coverage = names.map_or(CoverageRequest::All, |names| CoverageRequest::Named(named(names)));
    GrantRequest { group: group.to_owned(), level, coverage }
}

impl Generator {
    /// The first user, signed in, who authorises the first account's application for each code with an access, of which some
    /// codes are exchanged: by chance alone that hardly comes together.
    pub(super) fn authorized(&mut self, codes: &[(&str, AccessRequest, bool)]) -> Vec<Command> {
        let (account, user, uri) = (AccountId(1), UserId(1), URIS[0]);
        let text = |text: &str| PersonalText::new(text.to_owned());
        let (link, session, client_secret) =
            (TokenDigest(self.random.bytes_32()), self.secret(None), self.secret(None));
        let client = ClientId([7; 8]);
        let local = |change| Command::Manage(Actor::Local(1_000), Box::new(change));
        let plan = Plan::Teams;
        let mut commands = vec![
            local(Change::CreateUser { email: text("first@example.com"), name: text("First") }),
            local(Change::CreateAccount {
                name: text("First"),
                email: text("ops@example.com"),
                plan,
                hourly_limit: None,
            }),
            local(Change::PutMember { account, user, access: AccessRequest::Full, if_match: None }),
            local(Change::SignIn(SignInChange::CreateLink { who: Principal::User(user), digest: link })),
        ];
        let entered = SignInChange::UseLink { name: text("a browser"), secret: session };
        commands.push(Command::Manage(Actor::Link(link), Box::new(Change::SignIn(entered))));
        commands.push(local(Change::OAuth(OAuthChange::Register {
            account,
            name: text("first application"),
            redirect_uris: vec![text(uri)],
            kind: ClientKind::Confidential,
            client,
            secret: client_secret,
        })));
        for &(code, ref access, is_exchanged) in codes {
            let bindings = Bindings {
                redirect_uri: BoundText::redirect_uri(code, uri),
                redirect_uri_sent: true,
                state: BoundText::state(code, "state"),
                challenge: None,
            };
            let new = NewAuthorization {
                account,
                client,
                access: access.clone(),
                redirect_uri: text(uri),
                registered_uri: text(uri),
                code: TokenDigest::of(code),
                bindings,
            };
            let change = Change::OAuth(OAuthChange::Authorize(Box::new(new)));
            commands.push(Command::Manage(Actor::Session(session.digest), Box::new(change)));
            if is_exchanged {
                commands.push(Command::Exchange(Box::new(Exchange {
                    client,
                    client_secret: Some(client_secret.digest),
                    code: TokenDigest::of(code),
                    redirect_uri: Some(bindings.redirect_uri),
                    state: Some(bindings.state),
                    verifier: None,
                    secret: self.secret(None),
                })));
            }
        }
        commands
    }

    pub(super) fn oauth(&mut self, state: &State) -> Command {
        if self.random.percent(30) {
            return Command::Exchange(Box::new(self.exchange(state)));
        }
        let change = match self.random.below(20) {
            0..4 => self.registration(state),
            4..11 => OAuthChange::Authorize(Box::new(self.authorization(state))),
            11..13 => {
                let authorization = AuthorizationId(self.number(state.authorizations.len()));
                let found = state.authorization(authorization).filter(|_| self.random.percent(80));
                let account = found.map_or_else(|| self.account(state), |found| found.account);
                OAuthChange::Revoke { account, authorization }
            }
            13 => {
                let authorization = AuthorizationId(self.number(state.authorizations.len()));
                let found = state.authorization(authorization).filter(|_| self.random.percent(90));
                let user = found.map_or_else(|| self.user(state), |found| found.user);
                OAuthChange::RevokeOwn { user, authorization }
            }
            _ => self.application_change(state),
        };
        let change = Change::OAuth(change);
        let actor = match &change {
            Change::OAuth(own @ (OAuthChange::Authorize(_) | OAuthChange::RevokeOwn { .. })) => {
                self.member_for(state, own)
            }
            other => self.actor(state, other),
        };
        Command::Manage(actor, Box::new(change))
    }

    /// Whoever makes a change that is a member's own: mostly the member.
    fn member_for(&mut self, state: &State, change: &OAuthChange) -> Actor {
        let of_user = |user: UserId| {
            let is_open = |it: &&Token| {
                it.kind == TokenKind::Session
                    && it.owner == Owner::User(user)
                    && it.deleted_at.is_none()
                    && it.expires_at.is_none_or(|at| at > state.last_recorded_at)
            };
            let session = state.tokens.iter().filter(is_open).last();
            session.and_then(|session| session.secrets.last()).map(|secret| secret.digest)
        };
        let digest = match change {
            OAuthChange::Authorize(new) => {
                let members = state.account(new.account).into_iter().flat_map(|account| account.members.keys());
                members.copied().find_map(of_user)
            }
            OAuthChange::RevokeOwn { user, .. } => of_user(*user),
            _ => None,
        };
        let other = self.digest(state);
        Actor::Session(digest.filter(|_| self.random.percent(92)).unwrap_or(other))
    }

    fn uris(&mut self) -> Vec<PersonalText> {
        let known = URIS.len() as u64 - u64::from(self.random.percent(85));
        let count = self.random.below(3) + u64::from(self.random.percent(90));
        (0..count).map(|_| PersonalText::new(URIS[usize::try_from(self.random.below(known)).unwrap_or(0)])).collect()
    }

    fn registration(&mut self, state: &State) -> OAuthChange {
        let kind = if self.random.percent(50) { ClientKind::Confidential } else { ClientKind::Public };
        let [a, b, c, d, e, f, g, h, ..] = self.random.bytes_32();
        let taken = state.applications.get(1).map(|application| application.client);
        let client = taken.filter(|_| self.random.percent(3)).unwrap_or(ClientId([a, b, c, d, e, f, g, h]));
        OAuthChange::Register {
            account: self.account(state),
            name: self.name(),
            redirect_uris: self.uris(),
            kind,
            client,
            secret: self.secret(Some(state)),
        }
    }

    fn application_change(&mut self, state: &State) -> OAuthChange {
        let application = ApplicationId(self.number(state.applications.len()));
        let known = state.application(application);
        let if_match = self.if_match(known.map_or(Version(1), |application| application.version));
        let account = match known {
            Some(known) if self.random.percent(90) => known.account,
            _ => self.account(state),
        };
        match self.random.below(9) {
            0..4 => OAuthChange::Update {
                account,
                application,
                name: self.random.percent(50).then(|| self.name()),
                redirect_uris: self.random.percent(50).then(|| self.uris()),
                if_match,
            },
            4..7 => {
                let overlap_seconds = *self.random.pick(&[0, 60, 86_400, u64::MAX]);
                let secret = self.secret(Some(state));
                OAuthChange::RotateSecret { account, application, overlap_seconds, secret, if_match }
            }
            7 => OAuthChange::RevokeAll { account, application },
            _ => OAuthChange::Delete { account, application, if_match },
        }
    }

    /// Mostly of an application that is there, on an account with members.
    fn authorization(&mut self, state: &State) -> NewAuthorization {
        let live: Vec<ClientId> =
            state.applications.iter().filter(|it| it.deleted_at.is_none()).map(|it| it.client).collect();
        let client = live.last().copied().filter(|_| self.random.percent(90));
        let client = client.or_else(|| live.first().copied()).unwrap_or_default();
        let peopled: Vec<AccountId> =
            state.accounts.iter().filter(|account| !account.members.is_empty()).map(|account| account.id).collect();
        let account = if peopled.is_empty() { self.account(state) } else { *self.random.pick(&peopled) };
        let random = self.random.bytes_32();
        let code = format!("{random:?}");
        let uri = URIS[usize::try_from(self.random.below(3)).unwrap_or(0)];
        NewAuthorization {
            account,
            client,
            access: if self.random.percent(60) { AccessRequest::Full } else { self.access() },
            redirect_uri: PersonalText::new(uri),
            registered_uri: PersonalText::new(uri),
            code: TokenDigest::of(&code),
            bindings: Bindings {
                redirect_uri: BoundText::redirect_uri(&code, uri),
                redirect_uri_sent: self.random.percent(70),
                state: BoundText::state(&code, "state"),
                challenge: self.random.percent(75).then(|| BoundText::verifier(&code, "verifier")),
            },
        }
    }

    /// Mostly of a code that waits, with all that belongs to it; what was asked for is in the state.
    fn exchange(&mut self, state: &State) -> Exchange {
        let waiting: Vec<(TokenDigest, Code)> = state.codes.iter().map(|(digest, code)| (digest, *code)).collect();
        let picked = if waiting.is_empty() { None } else { Some(*self.random.pick(&waiting)) };
        let nothing = BoundText([0; 32]);
        let bindings = picked.map(|(_, code)| code.bindings).unwrap_or(Bindings {
            redirect_uri: nothing,
            redirect_uri_sent: true,
            state: nothing,
            challenge: None,
        });
        let application = picked
            .and_then(|(_, code)| state.authorization(code.authorization))
            .and_then(|authorization| state.application(authorization.application));
        let any = state.applications.get(self.number(state.applications.len()));
        let application = application.filter(|_| self.random.percent(90)).or(any);
        let shown = application.and_then(|application| application.secrets.last()).map(|secret| secret.digest);
        let is_right = self.random.percent(85);
        Exchange {
            client: application.map_or(ClientId::default(), |application| application.client),
            client_secret: shown.filter(|_| is_right || self.random.percent(50)),
            code: picked.map_or(TokenDigest([0; 32]), |(digest, _)| digest),
            redirect_uri: (bindings.redirect_uri_sent || self.random.percent(50)).then_some(bindings.redirect_uri),
            state: self.random.percent(60).then_some(if is_right { bindings.state } else { nothing }),
            verifier: if is_right { bindings.challenge } else { None },
            secret: self.secret(Some(state)),
        }
    }
}
