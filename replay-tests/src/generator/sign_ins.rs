//! Sign-in links, sessions, and what is done by them.

use super::Generator;
use token_ledger::domain::command::{Actor, Change, SignInChange};
use token_ledger::domain::event::ManagementOperation;
use token_ledger::domain::ids::TokenId;
use token_ledger::domain::state::State;
use token_ledger::domain::token::{Owner, Principal, Token, TokenKind};
use token_ledger::domain::token_text::TokenDigest;

impl Generator {
    pub(super) fn sign_in(&mut self, state: &State) -> Change {
        let change = match self.random.below(10) {
            0..3 => SignInChange::CreateLink { who: self.who(state), digest: self.link_digest(state) },
            3..7 => SignInChange::UseLink { name: self.name(), secret: self.secret(Some(state)) },
            _ => {
                let session = self.session(state);
                let who = session.filter(|_| self.random.percent(90)).map(Token::principal);
                let session = session.map_or(TokenId(self.number(state.tokens.len())), |session| session.id);
                SignInChange::EndSession { who: who.unwrap_or_else(|| self.who(state)), session }
            }
        };
        Change::SignIn(change)
    }

    /// Mostly a user that is there or staff, now and then one who signs in nowhere.
    fn who(&mut self, state: &State) -> Principal {
        match self.random.below(10) {
            0 => Principal::Local(1_000),
            1..4 => Principal::Staff(self.staff(state)),
            _ => Principal::User(self.user(state)),
        }
    }

    fn session<'a>(&mut self, state: &'a State) -> Option<&'a Token> {
        let sessions: Vec<&Token> = state.tokens.iter().filter(|token| token.kind == TokenKind::Session).collect();
        (!sessions.is_empty()).then(|| *self.random.pick(&sessions))
    }

    /// That of a link that is there, or of none.
    fn link_digest(&mut self, state: &State) -> TokenDigest {
        let unknown = TokenDigest(self.random.bytes_32());
        if self.random.percent(85) {
            return unknown;
        }
        self.random
            .pick_of(state.sign_ins.links().collect::<Vec<_>>().into_iter())
            .map_or(unknown, |(_, link)| link.digest)
    }

    /// Whoever shows a link, mostly the newest.
    pub(super) fn link(&mut self, state: &State) -> Actor {
        let newest = state.sign_ins.links().last().map(|(_, link)| link.digest);
        let digest = newest.filter(|_| self.random.percent(70)).unwrap_or_else(|| self.link_digest(state));
        Actor::Link(digest)
    }

    /// Whoever has a session; of a secret that is none's where there is none.
    pub(super) fn session_actor(&mut self, state: &State) -> Actor {
        let digest = self.session(state).and_then(|session| session.secrets.last()).map(|secret| secret.digest);
        Actor::Session(digest.unwrap_or_else(|| self.digest(state)))
    }

    /// What a look or an attempt may be about.
    pub(super) fn whose(&mut self, state: &State) -> Owner {
        match self.random.below(3) {
            0 => Owner::Service,
            1 => Owner::Account(self.account(state)),
            _ => Owner::User(self.user(state)),
        }
    }

    pub(super) fn look(&mut self, state: &State) -> Change {
        let operation = *self.random.pick(&[ManagementOperation::ReadEvents, ManagementOperation::ReadSessions]);
        Change::Look(operation, self.whose(state))
    }
}
