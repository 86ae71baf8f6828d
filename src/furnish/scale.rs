//! A year of as many events as are asked for: accounts and tokens of very different sizes, for benches.
//!
//! Of the tokens the first is used most, the n-th about one n-th as often (Zipf), so that of ten million events some
//! token has a hundred thousand uses and most have a few. They are narrowed, widened, rotated, deleted and made anew all
//! year; members and limits change, too.

mod changes;
mod population;

use super::chance::Chance;
use super::rhythm::Rhythm;
use super::{DAY_SECONDS, FurnishError, Made, Maker, ends_before, monday_before};
use crate::domain::command::{AskedTarget, Command, Origin, Use};
use crate::domain::event::Route;
use crate::domain::ids::RequestId;
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token_text::TokenDigest;
use crate::entropy::Entropy;
use crate::ledger::core::Core;
use population::{Place, Population, Slot};

const DAYS: u64 = 364;
const HOURS: u64 = DAYS * 24;
/// Sums of refusals may be recorded that much later than the service would have: batches are large for it.
const PULSE_SECONDS: u64 = 3_600;
/// Changes in a thousand events.
const CHANGES_PER_MILLE: f64 = 2.0;

/// How large.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scale {
    /// Events of the log, at least; a few more come by texts that are seen first in the last batch.
    pub events: u64,
    /// Accounts.
    pub accounts: u64,
    /// Tokens that live at a time.
    pub tokens: u64,
    /// One seed, one history.
    pub seed: u64,
}

/// When the year begins: 52 weeks before the Monday of this week.
pub fn begins(now: Timestamp) -> Timestamp {
    Timestamp::from_seconds(monday_before(ends_before(now)).seconds() - DAYS * DAY_SECONDS)
}

/// Fills a ledger that was just initialized, by a clock that is set by hand and stands at [`begins`]. `operator` is the
/// digest of its first token; `tell` hears of every batch.
pub fn make(
    core: &mut Core,
    scale: Scale,
    operator: TokenDigest,
    entropy: Entropy,
    tell: &mut dyn FnMut(Made),
) -> Result<Made, FurnishError> {
    let begin = core.state().last_recorded_at;
    let maker = Maker::new(core, PULSE_SECONDS, tell);
    let population = Population::new(scale, operator, entropy);
    let mut history = History { maker, population, chance: Chance::of(scale.seed, 1, 0), at: begin, due_changes: 0.0 };
    history.settle_in()?;
    let settled = history.head()?;
    let wanted = scale.events.saturating_sub(settled);
    let week: f64 = (0..7 * 24).map(share).sum();
    let (weeks, mut so_far) = (DAYS as f64 / 7.0, 0.0);
    for hour in 0..HOURS {
        so_far += share(hour) / (week * weeks);
        // What was made up to here may be off by what waits or was only counted; the next hour takes it in.
        let goal = settled + (wanted as f64 * so_far) as u64;
        let head = history.maker.made().head.0 + history.maker.waiting() as u64;
        history.live_an_hour(begin.plus_seconds(hour * 3_600), goal.saturating_sub(head))?;
    }
    let end = begin.plus_seconds(DAYS * DAY_SECONDS);
    loop {
        match scale.events.saturating_sub(history.head()?) {
            0 => break,
            missing => history.live_an_hour(Timestamp(end.0 - 1), missing)?,
        }
    }
    history.maker.finish(end)
}

/// Which part of a day's uses an hour has.
fn share(hour: u64) -> f64 {
    Rhythm::Customers.share(hour / 24 % 7, usize::try_from(hour % 24).unwrap_or(0))
}

/// The year while it is made.
struct History<'a> {
    maker: Maker<'a>,
    population: Population,
    chance: Chance,
    at: Timestamp,
    /// Changes that are to come, and the part of one.
    due_changes: f64,
}

impl History<'_> {
    fn head(&mut self) -> Result<u64, FurnishError> {
        Ok(self.maker.core()?.head().0)
    }

    fn live_an_hour(&mut self, begin: Timestamp, uses: u64) -> Result<(), FurnishError> {
        self.at = self.at.max(begin);
        self.due_changes += uses as f64 * CHANGES_PER_MILLE / 1_000.0;
        while self.due_changes >= 1.0 {
            self.due_changes -= 1.0;
            self.change_something()?;
        }
        let mut times: Vec<u64> = (0..uses).map(|_| begin.0 + self.chance.below(3_600_000_000)).collect();
        times.sort_unstable();
        for at in times {
            self.at = Timestamp(at).max(self.at);
            self.use_something()?;
        }
        Ok(())
    }

    fn use_something(&mut self) -> Result<(), FurnishError> {
        let chance = &mut self.chance;
        let slot = self.population.draw(chance);
        let digest = self.population.digest_of(slot, chance);
        let slot = &self.population.slots[slot];
        let place = &self.population.places[slot.place];
        let command = ask(slot, place, digest, chance);
        let origin = origin(slot, chance);
        self.maker.put(self.at, command, origin)
    }
}

fn origin(slot: &Slot, chance: &mut Chance) -> Origin {
    let (address, from) = &slot.addresses[chance.index(slot.addresses.len())];
    Origin {
        request: RequestId(chance.bytes_16()),
        address: Some(address.clone()),
        from: Some(*from),
        agent: Some(slot.agent.clone()),
    }
}

fn ask(slot: &Slot, place: &Place, digest: TokenDigest, chance: &mut Chance) -> Command {
    let favourite = &place.names[slot.favourite % place.names.len()];
    let any = &place.names[chance.index(place.names.len())];
    let name = |name: &PersonalText| AskedTarget::Name(name.clone());
    let (route, target) = match chance.below(1_000) {
        0..500 => (Route::Zone, name(favourite)),
        500..650 => (Route::Zone, name(any)),
        650..760 => (Route::Zones, AskedTarget::List),
        760..850 => (Route::Domain, name(any)),
        850..910 => (Route::Domains, AskedTarget::List),
        910..930 => (Route::Certificates, name(any)),
        930..990 => (Route::Whoami, AskedTarget::None),
        _ => (Route::Zone, AskedTarget::Name(PersonalText::new("nowhere.example"))),
    };
    let account = (route != Route::Whoami).then_some(place.account);
    Command::Use(Use { digest, route, account, target, mapped: None, certificate: None, valid: true })
}
