//! The state at a moment of only what is asked for, from the records that it follows from, without a replay of the
//! whole log: what a read of it shows is what it showed then.
//!
//! Tables of it have blanks where something is not asked for. Windows are in it only where they are asked for, and only
//! if they are open then; of uses only what reads show: the time and position of each token's last.

mod windows;

use super::answer::Basis;
use super::archive::{Archive, Range};
use super::past::{Moment, Point};
use super::questions::AuditError;
use crate::domain::event::{Event, Header};
use crate::domain::ids::{AccountId, Position, TokenId, UserId};
use crate::domain::state::State;
use crate::domain::token::{Owner, Principal, Token};
use crate::ledger::{TextReader, View};
use crate::projections::Projections;
use crate::projections::index::find::Wanted;
use crate::projections::keys::Key;
use crate::projections::last_used::used_by;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Records folded for one answer at most. What takes more is asked for in smaller pages, or offline, where nobody waits.
pub const RECORDS_MAX: u64 = 2_000_000;

/// Types of changes of an account itself.
const OF_ACCOUNT: [&str; 6] = [
    "AccountCreated",
    "AccountRenamed",
    "PlanChanged",
    "HourlyLimitChanged",
    "ResearchActivated",
    "ResearchDeactivated",
];

/// Types of refusals: they are no uses.
const REFUSALS: [&str; 3] = ["TokenUseRefused", "RefusalsSummed", "ManagementRefused"];

/// Rows of a list that are asked for: how many are skipped, and how many then follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rows {
    /// Rows before them.
    pub skip: usize,
    /// Rows at most.
    pub take: usize,
}

impl Rows {
    /// All of them.
    pub const ALL: Self = Self { skip: 0, take: usize::MAX };

    /// Numbers of rows that are numbered from 1 to `count`.
    fn numbers(self, count: u64) -> std::ops::RangeInclusive<u64> {
        let skip = self.skip as u64;
        let last = skip.saturating_add(self.take as u64).min(count);
        skip.saturating_add(1)..=last
    }

    fn of<T: Copy>(self, ids: impl Iterator<Item = T>) -> Vec<T> {
        ids.skip(self.skip).take(self.take).collect()
    }
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Rows of the list of all accounts.
    Accounts(Rows),
    /// An account, with its resources.
    Account(AccountId),
    /// Rows of the list of an account's members.
    Members(AccountId, Rows),
    /// Rows of the list of an account's tokens.
    AccountTokens(AccountId, Rows),
    /// An account itself, without members, resources and tokens, with its open windows.
    Usage(AccountId),
    /// Rows of the list of all users.
    Users(Rows),
    /// A user.
    User(UserId),
    /// Rows of the list of a user's tokens.
    UserTokens(UserId, Rows),
    /// Rows of the list of the service's own tokens: those of gateways, or those of staff.
    ServiceTokens {
        /// Whether those of gateways.
        of_gateways: bool,
        /// Which rows.
        rows: Rows,
    },
    /// A token, deleted or not.
    Token(TokenId),
}

/// The read models at a moment, as far as they are of the subject.
pub fn state_of(archive: &Archive, moment: Moment, subject: Subject) -> Result<Projections, AuditError> {
    let mut part = Part::new(archive, moment);
    match subject {
        Subject::Accounts(rows) => part.accounts(rows)?,
        Subject::Account(account) => part.fold(&[Key::AccountChanges(account)])?,
        Subject::Members(account, rows) => part.members(account, rows)?,
        Subject::AccountTokens(account, rows) => {
            part.fold(&[Key::AccountChanges(account)])?;
            let tokens = part.state().account(account).map(|account| rows.of(account.tokens.iter().copied()));
            part.uses(&tokens.unwrap_or_default())?;
        }
        Subject::Usage(account) => {
            part.account_itself(account)?;
            part.account_windows(account)?;
        }
        Subject::Users(rows) => part.users(rows)?,
        Subject::User(user) => part.fold(&[Key::User(user)])?,
        Subject::UserTokens(user, rows) => {
            part.person(user)?;
            let tokens = part.state().user(user).map(|user| rows.of(user.tokens.iter().copied()));
            part.uses(&tokens.unwrap_or_default())?;
        }
        Subject::ServiceTokens { of_gateways, rows } => {
            part.service()?;
            let tokens = rows.of(part.state().live_service_tokens(of_gateways));
            part.uses(&tokens)?;
        }
        Subject::Token(token) => {
            let account = match part.follows(token)? {
                // What it may hangs on a membership, too.
                Some(_) => part.owner_of(token)?.and_then(account_of),
                None => None,
            };
            part.fold(&[account.map_or(Key::TokenChanges(token), Key::AccountChanges)])?;
            part.uses(&[token])?;
        }
    }
    Ok(part.end())
}

fn account_of(owner: Owner) -> Option<AccountId> {
    match owner {
        Owner::Account(account) => Some(account),
        Owner::User(_) | Owner::Service => None,
    }
}

/// Whose last uses are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LastUses {
    /// Nobody's.
    None,
    /// This token's.
    Of(TokenId),
    /// Those of all live tokens of the account.
    OfAccount,
}

/// An account as it was, whole: itself, everybody who was ever a member with their tokens, its tokens and resources, its open
/// windows, and last uses as they are asked for.
#[derive(Debug)]
pub struct AccountThen {
    projections: Projections,
    /// What it rests on.
    pub basis: Basis,
}

impl AccountThen {
    /// At a point.
    pub fn at(archive: &Archive, point: Point, account: AccountId, last_uses: LastUses) -> Result<Self, AuditError> {
        let moment = archive.moment(point)?;
        let mut part = Part::new(archive, moment);
        part.account_with_people(account)?;
        part.account_windows(account)?;
        match last_uses {
            LastUses::None => {}
            LastUses::Of(token) => part.uses(&[token])?,
            LastUses::OfAccount => {
                let account = part.state().account(account);
                let tokens: Vec<_> = account.into_iter().flat_map(|account| account.tokens.iter().copied()).collect();
                part.uses(&tokens)?;
            }
        }
        let basis = Basis::new(archive, moment.position, moment.at)?;
        Ok(Self { projections: part.end(), basis })
    }

    /// To be looked at as the present is.
    pub fn view<'a>(&'a self, texts: &'a TextReader) -> View<'a> {
        View { projections: &self.projections, texts, now: self.basis.at }
    }
}

/// A state in the making.
#[derive(Debug)]
pub struct Part<'a> {
    archive: &'a Archive,
    moment: Moment,
    projections: Projections,
    /// Records folded so far.
    folded: u64,
}

impl<'a> Part<'a> {
    /// With nothing in it yet.
    pub fn new(archive: &'a Archive, moment: Moment) -> Self {
        let mut projections = Projections::default();
        // What a group is called never changes, and no access names one that was not there then.
        projections.state.groups = archive.groups().clone();
        Self { archive, moment, projections, folded: 0 }
    }

    /// What was folded.
    pub fn end(mut self) -> Projections {
        self.projections.position = self.moment.position;
        self.projections
    }

    /// The state so far.
    pub fn state(&self) -> &State {
        &self.projections.state
    }

    fn everything(&self) -> Range {
        (Position::NONE, self.moment.position)
    }

    /// Visits records, as many as an answer may take.
    fn visit(
        &mut self,
        wanted: &Wanted,
        range: Range,
        take: &mut dyn FnMut(&mut Projections, Position, &Header, &Event),
    ) -> Result<(), AuditError> {
        let (projections, folded) = (&mut self.projections, &mut self.folded);
        self.archive.visit_wanted(wanted, range, &mut |position, header, event| {
            *folded += 1;
            if *folded > RECORDS_MAX {
                return ControlFlow::Break(());
            }
            take(projections, position, header, event);
            ControlFlow::Continue(())
        })?;
        if *folded > RECORDS_MAX {
            return Err(AuditError::TooLarge(RECORDS_MAX));
        }
        Ok(())
    }

    /// Folds all changes that have any of the keys.
    pub fn fold(&mut self, keys: &[Key]) -> Result<(), AuditError> {
        self.visit(&Wanted::any(keys), self.everything(), &mut Projections::fold_part)
    }

    /// An account itself: its plan, limit and features, and not what comes and goes in it, which may be much.
    pub fn account_itself(&mut self, account: AccountId) -> Result<(), AuditError> {
        let wanted = Wanted::any(&[Key::AccountChanges(account)]).and_any(&OF_ACCOUNT.map(Key::of_type));
        self.visit(&wanted, self.everything(), &mut Projections::fold_part)
    }

    /// How many of what was ever numbered there were, by the record that gave the last number.
    fn count(&self, type_name: &str, number: fn(&Header, &Event) -> u64) -> Result<u64, AuditError> {
        let last = self.archive.last(&[Key::of_type(type_name)], self.everything(), &mut |_, _| true)?;
        Ok(last.map_or(0, |(position, header, event)| number(&header, &event).min(position.0)))
    }

    fn accounts(&mut self, rows: Rows) -> Result<(), AuditError> {
        let count = self.count("AccountCreated", |header, _| header.account.0)?;
        let keys: Vec<Key> = rows.numbers(count).map(|number| Key::AccountChanges(AccountId(number))).collect();
        self.fold(&keys)?;
        self.projections.state.leave_out_accounts(count);
        Ok(())
    }

    fn users(&mut self, rows: Rows) -> Result<(), AuditError> {
        let count = self.count("UserCreated", |_, event| match event {
            Event::UserCreated(created) => created.user.0,
            _ => 0,
        })?;
        let keys: Vec<Key> = rows.numbers(count).map(|number| Key::User(UserId(number))).collect();
        self.fold(&keys)?;
        self.projections.state.leave_out_users(count);
        Ok(())
    }

    /// An account, and the people who are its members in these rows.
    pub fn members(&mut self, account: AccountId, rows: Rows) -> Result<(), AuditError> {
        let mut without_names = Self::new(self.archive, self.moment);
        without_names.fold(&[Key::AccountChanges(account)])?;
        let found = without_names.state().account(account);
        let members = found.map(|account| rows.of(account.members.keys().copied())).unwrap_or_default();
        let mut keys = vec![Key::AccountChanges(account)];
        keys.extend(members.into_iter().map(Key::User));
        self.fold(&keys)
    }

    /// An account, everybody who was ever a member of it, their tokens, and the staff that made tokens there.
    fn account_with_people(&mut self, account: AccountId) -> Result<(), AuditError> {
        let (mut users, mut staff) = (BTreeSet::new(), BTreeSet::new());
        let types = ["MemberAdded", "TokenCreated", "TokenImported"].map(Key::of_type);
        let people = Wanted::any(&[Key::AccountChanges(account)]).and_any(&types);
        self.archive.visit_wanted(&people, self.everything(), &mut |_, header, event| {
            match (event, header.principal) {
                (Event::MemberAdded(added), _) => drop(users.insert(added.user)),
                (_, Principal::Staff(token)) => drop(staff.insert(token)),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        let mut keys = vec![Key::AccountChanges(account)];
        keys.extend(staff.into_iter().map(Key::TokenChanges));
        for user in users {
            keys.extend(self.begun(&[Key::User(user)], Owner::User(user))?);
            keys.push(Key::User(user));
        }
        self.fold(&keys)
    }

    /// A user with its tokens.
    pub fn person(&mut self, user: UserId) -> Result<(), AuditError> {
        let tokens = self.begun(&[Key::User(user)], Owner::User(user))?;
        let keys: Vec<Key> = [Key::User(user)].into_iter().chain(tokens).collect();
        self.fold(&keys)
    }

    /// The service with its own tokens.
    fn service(&mut self) -> Result<(), AuditError> {
        let tokens = self.begun(&[Key::Service], Owner::Service)?;
        let keys: Vec<Key> = [Key::Service].into_iter().chain(tokens).collect();
        self.fold(&keys)
    }

    /// Keys of the changes of all tokens that ever began for an owner: only their beginnings are found with it.
    fn begun(&self, keys: &[Key], wanted: Owner) -> Result<Vec<Key>, AuditError> {
        let mut begun = Vec::new();
        self.archive.visit(keys, self.everything(), &mut |_, header, event| {
            let owner = match event {
                Event::TokenCreated(created) => Some(created.owner),
                Event::TokenImported(imported) => Some(imported.owner),
                _ => None,
            };
            if owner == Some(wanted) {
                begun.push(Key::TokenChanges(header.token));
            }
            ControlFlow::Continue(())
        })?;
        Ok(begun)
    }

    /// Whose a token is, by its beginning: that never changes.
    pub fn owner_of(&self, token: TokenId) -> Result<Option<Owner>, AuditError> {
        Ok(self.alone(token)?.state().token(token).map(|token| token.owner))
    }

    /// The member whose access a token follows, by its beginning, too.
    pub fn follows(&self, token: TokenId) -> Result<Option<UserId>, AuditError> {
        Ok(self.alone(token)?.state().token(token).and_then(Token::follows))
    }

    fn alone(&self, token: TokenId) -> Result<Self, AuditError> {
        let mut part = Self::new(self.archive, self.moment);
        part.fold(&[Key::TokenChanges(token)])?;
        Ok(part)
    }

    /// The last use of each token, and what was reported of it.
    pub fn uses(&mut self, tokens: &[TokenId]) -> Result<(), AuditError> {
        let traffic: Vec<Key> = tokens.iter().map(|&token| Key::TokenTraffic(token)).collect();
        let reports = Wanted::any(&traffic).and_any(&[Key::of_type("UseReported")]);
        self.visit(&reports, self.everything(), &mut Projections::fold_use)?;
        let mut last = Vec::new();
        for token in tokens.iter().copied().collect::<BTreeSet<_>>() {
            let keys = [Key::TokenTraffic(token), Key::TokenChanges(token), Key::Credential(token)];
            let is_use = |header: &Header, event: &Event| used_by(header, event).contains(&token);
            // A token that ended may be refused for ever after.
            let wanted = Wanted::any(&keys).and_none(&REFUSALS.map(Key::of_type));
            last.extend(self.archive.last_wanted(&wanted, self.everything(), &mut { is_use })?);
        }
        // A record can be the use of two tokens, and each is to end with its last.
        last.sort_unstable_by_key(|(position, _, _)| *position);
        for (position, header, event) in last {
            self.projections.fold_use(position, &header, &event);
        }
        Ok(())
    }
}
