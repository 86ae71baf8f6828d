//! The replay: the past as it was and as it would have been, side by side.

use super::anchor::beginning_of_windows;
use super::found::{Found, Group};
use super::lists::Lists;
use super::scene::Scene;
use crate::audit::archive::{Archive, Range};
use crate::audit::biography::Placed;
use crate::domain::access::{RequiredScope, Target};
use crate::domain::decide::{Again, CameFrom, PastUse};
use crate::domain::event::{
    AccessSource, Cause, Event, Header, Outcome, Route, TokenUseRefused, TokenUsed, UseReported,
};
use crate::domain::ids::{AccountId, Position, ResourceId, TextNumber, TokenId, Version};
use crate::domain::state::State;
use crate::domain::supposition::Supposition;
use crate::domain::time::Month;
use crate::domain::token::Token;
use crate::log::LogError;
use crate::projections::keys::Key;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::ControlFlow;

pub(super) struct Replay<'a> {
    archive: &'a Archive,
    scene: &'a Scene<'a>,
    changes: Vec<Placed>,
    next_change: usize,
    after: Position,
    /// Whether everything that draws is there, so that windows mean something.
    has_windows: bool,
    facts: State,
    supposed: State,
    lists: Lists,
    addresses: HashMap<TextNumber, CameFrom>,
    found: Found,
    failure: Option<LogError>,
    is_supposing: bool,
}

impl<'a> Replay<'a> {
    /// Only what the change speaks of, where windows do not matter.
    pub fn of_subject(archive: &'a Archive, scene: &'a Scene<'a>, range: Range) -> Result<Found, LogError> {
        let changes = scene.changes(archive, range.1, false)?;
        let keys = scene.subject_keys();
        Self::new(archive, scene, changes, range.0, false).run(&keys, range)
    }

    /// All that draws from windows of the scene, from where on they can be counted.
    pub fn of_windows(archive: &'a Archive, scene: &'a Scene<'a>, range: Range) -> Result<Found, LogError> {
        let changes = scene.changes(archive, range.1, true)?;
        let mut begin = range.0;
        let mut keys = scene.subject_keys();
        for pool in scene.pools() {
            begin = begin.min(beginning_of_windows(archive, &pool, range.0)?);
            keys.extend(pool.keys());
        }
        keys.sort_unstable();
        keys.dedup();
        let research = scene.accounts.iter().any(|account| has_cap(&changes, scene.supposed, *account));
        if research && let Some((header, _)) = archive.record(range.0.next())? {
            let month_began = Month(header.recorded_at.month().0.saturating_sub(1)).end();
            begin = begin.min(archive.range(Some(month_began), None)?.0);
        }
        Self::new(archive, scene, changes, range.0, true).run(&keys, (begin, range.1))
    }

    fn new(
        archive: &'a Archive,
        scene: &'a Scene<'a>,
        changes: Vec<Placed>,
        after: Position,
        has_windows: bool,
    ) -> Self {
        Self {
            archive,
            scene,
            changes,
            next_change: 0,
            after,
            has_windows,
            facts: State::default(),
            supposed: State::default(),
            lists: Lists::default(),
            addresses: HashMap::new(),
            found: Found::default(),
            failure: None,
            is_supposing: false,
        }
    }

    fn run(mut self, keys: &[Key], range: Range) -> Result<Found, LogError> {
        if !keys.is_empty() {
            self.archive.visit(keys, range, &mut |position, header, event| {
                self.take(position, header, event);
                if self.failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        self.failure.map_or(Ok(self.found), Err)
    }

    /// Takes in every change before a position. What is supposed holds from the beginning of the range on.
    fn catch_up(&mut self, position: Position) {
        let mut is_other = position > self.after && !self.is_supposing;
        while let Some((_, header, event)) = self.changes.get(self.next_change).filter(|(at, ..)| *at < position) {
            self.facts.evolve_part(header, event);
            self.supposed.evolve_part(header, event);
            self.next_change += 1;
            self.lists.something_changed();
            is_other = true;
        }
        if is_other && position > self.after {
            self.is_supposing = true;
            for supposition in self.scene.supposed {
                self.supposed.suppose(supposition);
            }
        }
    }

    fn take(&mut self, position: Position, header: &Header, event: &Event) {
        self.catch_up(position);
        let owner = self.facts.token(header.token).map(|token| token.owner);
        let is_judged = position > self.after;
        match event {
            Event::TokenUsed(used) if self.scene.is_of_pools(header, owner) => match is_judged {
                true => self.judge_use(position, header, used),
                false => self.supposed.evolve_part(header, event),
            },
            Event::TokenUseRefused(refused) if is_judged && self.is_to_be_judged(header, refused) => {
                self.judge_refusal(position, header, refused);
            }
            Event::UseReported(reported) if is_judged && self.scene.is_subject(header) => {
                self.judge_report(position, header, reported);
            }
            Event::RefusalsSummed(summed) if is_judged && self.scene.is_subject(header) => {
                self.found.summed += summed.counts.iter().map(|(_, count)| count).sum::<u64>();
            }
            Event::QuotaRefusalsTotalled(totalled) if is_judged && self.has_windows => {
                self.found.totalled += totalled.counts.iter().map(|(_, count)| count).sum::<u64>();
            }
            _ => {}
        }
    }

    fn judge_use(&mut self, position: Position, header: &Header, used: &TokenUsed) {
        let is_subject = self.scene.is_subject(header);
        self.found.uses += u64::from(is_subject);
        let past = PastUse::allowed(header, used);
        let from = self.came_from(header.token, used.address, true);
        let group = |cause| Group::of(header, used.scope, cause);
        let judged = match self.has_windows {
            true => past.judge(&self.supposed, from),
            false => past.judge_access(&self.supposed, from).unwrap_or(Again::Passes(header.account)),
        };
        match judged {
            Again::Refused(cause) => return self.found.refuse(position, group(cause), header.recorded_at),
            Again::HangsOnAddress => {
                let seen = self.found.undeterminable.entry(group(Cause::AddressNotAllowed)).or_default();
                seen.add(position, header.recorded_at);
            }
            Again::Passes(_) | Again::HangsOnScope => {
                let by_gateway = matches!(used.route, Route::Mapped(_)) && matches!(from, CameFrom::Known(Some(_)));
                self.found.asked_from_gateways += u64::from(by_gateway);
                self.note_list(position, header, used, is_subject);
            }
        }
        if self.has_windows {
            self.supposed.evolve_part(header, &Event::TokenUsed(used.clone()));
        }
    }

    fn note_list(&mut self, position: Position, header: &Header, used: &TokenUsed, is_subject: bool) {
        let Some(RequiredScope { group, target: Target::List, .. }) = used.scope.filter(|_| is_subject) else { return };
        if used.outcome == Outcome::Invalid {
            return;
        }
        let Some(missing) = self.lists.missing((&self.facts, &self.supposed), header, group, used.route) else {
            return;
        };
        let list = self.found.narrowed.entry((header.token, header.account, group)).or_default();
        list.seen.add(position, header.recorded_at);
        list.without.extend(&missing.names);
        list.of_everything |= missing.of_everything;
    }

    /// Whether a refused request is one that the change may let pass. Without windows those for quota are left out: where
    /// there are any, windows matter.
    fn is_to_be_judged(&self, header: &Header, refused: &TokenUseRefused) -> bool {
        let is_quota = matches!(refused.cause, Cause::QuotaExceeded | Cause::MonthlyCapReached);
        match is_quota {
            true => {
                let owner = self.facts.token(header.token).map(|token| token.owner);
                self.has_windows && self.scene.is_of_pools(header, owner)
            }
            false => self.scene.is_subject(header) || self.scene.accounts.contains(&refused.asked_account),
        }
    }

    fn judge_refusal(&mut self, position: Position, header: &Header, refused: &TokenUseRefused) {
        let past = PastUse::refused(header, refused);
        let from = self.came_from(header.token, refused.address, false);
        let judged = match self.has_windows {
            true => past.judge(&self.supposed, from),
            false => past.judge_access(&self.supposed, from).unwrap_or(Again::Passes(past.drawn_from())),
        };
        let group = Group::of(header, refused.scope, refused.cause);
        match judged {
            Again::Passes(pool) => {
                self.found.newly_allowed.entry(group).or_default().add(position, header.recorded_at);
                if self.has_windows {
                    let used = self.as_if_used(&past, refused);
                    self.supposed.evolve_part(&Header { account: pool, ..*header }, &used);
                }
            }
            Again::HangsOnScope => self.found.let_in.entry(group).or_default().add(position, header.recorded_at),
            Again::HangsOnAddress if refused.cause == Cause::AddressNotAllowed => {
                self.found.let_in.entry(group).or_default().add(position, header.recorded_at);
            }
            Again::HangsOnAddress | Again::Refused(_) => {}
        }
    }

    /// The use that a refused request would have been, as far as it draws.
    fn as_if_used(&self, past: &PastUse, refused: &TokenUseRefused) -> Event {
        Event::TokenUsed(TokenUsed {
            secret: refused.secret,
            source: AccessSource::Identity(Version::NONE),
            scope: refused.scope,
            route: refused.route,
            resource: ResourceId::NONE,
            address: refused.address,
            agent: refused.agent,
            general: 1,
            research: u8::from(past.is_research()),
            outcome: Outcome::Ok,
        })
    }

    /// A use that a gateway decided draws from no window here. Only what was covered is held against the change.
    fn judge_report(&mut self, position: Position, header: &Header, reported: &UseReported) {
        let past = PastUse::reported(header, reported);
        let from = self.came_from(header.token, reported.address, false);
        if past.judge_access(&self.facts, from).is_some() {
            return;
        }
        if let Some(Again::Refused(cause)) = past.judge_access(&self.supposed, from) {
            let group = Group::of(header, reported.scope, cause);
            self.found.reported.entry(group).or_default().add(position, reported.occurred_at);
        }
    }

    /// Where a request came from. Only read where a token has ranges, and where it is not known to have been let in.
    fn came_from(&mut self, token: TokenId, address: TextNumber, was_let_in: bool) -> CameFrom {
        let has_ranges = |state: &State| {
            state.token(token).is_some_and(|token: &Token| !token.conditions().allowed_addresses.is_empty())
        };
        if !has_ranges(&self.supposed) && !has_ranges(&self.facts) {
            return CameFrom::Known(None);
        }
        let supposes =
            |supposition: &Supposition| matches!(supposition, Supposition::TokenConditions(of, _) if *of == token);
        if was_let_in && !self.scene.supposed.iter().any(supposes) {
            return CameFrom::Admitted;
        }
        if address.is_none() {
            return CameFrom::Known(None);
        }
        if let Some(&known) = self.addresses.get(&address) {
            return known;
        }
        let from = match self.archive.texts().text(address) {
            Ok(Some(text)) => CameFrom::Known(text.parse::<IpAddr>().ok()),
            Ok(None) => CameFrom::Erased,
            Err(error) => {
                self.failure = Some(error);
                CameFrom::Erased
            }
        };
        self.addresses.insert(address, from);
        from
    }
}

/// Whether the account's research is capped at some time, or supposed to be.
fn has_cap(changes: &[Placed], supposed: &[Supposition], account: AccountId) -> bool {
    let was = changes.iter().any(|(_, header, event)| {
        header.account == account && matches!(event, Event::ResearchActivated(on) if on.monthly_cap.is_some())
    });
    let is = |supposition: &Supposition| matches!(supposition, Supposition::Research(of, Some(research)) if *of == account && research.monthly_cap.is_some());
    was || supposed.iter().any(is)
}
