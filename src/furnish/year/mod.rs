//! A year of a small service, with something to find for every question of an audit.
//!
//! It begins on a Monday, 52 weeks before the Monday of this week, and goes on until an hour before now: up to that
//! Monday every run makes the same records at the same positions, only the dates differ (and which of the checks of a
//! month met its cap). So numbers are the same in every demo; `day N` is the N-th day after the beginning:
//!
//! | number | what |
//! | --- | --- |
//! | accounts 1 to 4 | Example Teams, Example Solo, Example Enterprise, Example Startup |
//! | users 1 to 6 | Ada, Grace, Barbara, Edsger (erased), Alan (left), Margaret |
//! | token 2 `deploy` | account 1, full; reads zones only, one of them written through the gateway |
//! | token 3 `certificate robot` | account 1; all zones, from day 90 two of them |
//! | token 4 `laptop` | user token of Ada, member of accounts 1 and 2 |
//! | token 5 `home server` | account 2, full |
//! | token 6 `night shift` | operator, deleted on day 140 |
//! | token 7 `yearly audit` | auditor |
//! | token 8 `shop backend` | account 3; its third secret leaks on day 357 |
//! | token 9 `monitoring` | account 3; uses up the account's hours on days 255 and 262 |
//! | token 10 `report runner` | account 3; meets the month's cap of Domain Research |
//! | tokens 11, 12, 17, 18, 20 | user tokens of Barbara, Edsger, Grace, Alan and Margaret |
//! | token 13 `edge gateway` | gateway token for accounts 1 and 3 |
//! | token 14 `ci pipeline` | account 1; widened in a night on day 130, narrowed on day 220 |
//! | token 15 `status page` | account 1; expired on day 180 and went on calling |
//! | token 16 `old backup job` | account 1, full, never used |
//! | token 19 `site`, 24 `landing page` | account 4; 24 was deleted on day 330 so that the plan could go down to solo |
//! | tokens 21 `legacy crm`, 22 `legacy cron` | account 3, taken over on day 70; the last use of 22 is unknown |
//! | token 23 `office only` | account 3; for 198.51.100.0/24, now and then tried from elsewhere |
//! | token 25 `holiday cover`, 26 `partner feed` | 25 does not begin before day 380, 26 ends on day 385 |
//!
//! What to ask:
//!
//! | question | is interesting for |
//! | --- | --- |
//! | 1 as of | token 14 on days 129, 131 and 221; account 3 on day 260 (limit 120); user 2 in account 1 on days 169, 171, 261 |
//! | 2 who could, who did | `zones:example.org` of account 1, read and write, days 80 to 230; `zones:shop.example` of account 3 since day 350 |
//! | 3 what if | token 2 with `zones` of `example.com` only; account 3 with 150 an hour; user 5 removed from account 1 a month earlier |
//! | 4 least privilege | tokens 2 (full, needs `zones`) and 8 (of the two zones it may write it writes one) |
//! | 5 unused, stale | tokens 16 (never), 22 (unknown), 15 (expired), 12 and 18 (owners removed), 26 (expiring); windows of account 3 on days 255 and 262 |
//! | 6 leak report | token 8, suspected since day 357 |
//! | 7 authority | token 6's change of token 14 on day 130; privilege growth of account 1 |
//! | 8 access review | review 1, of account 1 on day 240: of six decisions one was carried out, on day 260 |
//! | 9 change feed | account 3 |
//! | 10 report | access of account 1; leak of token 8 |
//!
//! There is an outage on day 150 (a full disk) and a restart on day 200.

mod callers;
mod cast;
mod crowd;
mod story;
mod troubles;

use super::asks::{self, Ask, From};
use super::chance::Chance;
use super::maker::PULSE_SECONDS;
use super::{DAY_SECONDS, FurnishError, Made, Maker, ends_before, monday_before};
use crate::domain::access::Verb;
use crate::domain::access::group::ZONES;
use crate::domain::command::{
    Actor, AskedTarget, Change, Client, Command, GatewayCall, GatewayWish, NewSecret, Question,
};
use crate::domain::decide::{Done, DoneSubject};
use crate::domain::ids::AccountId;
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::TokenKind;
use crate::domain::token_text::TokenDigest;
use crate::entropy::Entropy;
use crate::ledger::core::Core;
use callers::{CALLERS, Caller};
use cast::TokenName;
use std::collections::BTreeMap;
use story::STORY;

/// Weeks from the beginning to the Monday of this week.
const WEEKS: u64 = 52;
/// The history's own numbers.
const SEED: u64 = 0x7465_616d;

/// A token of the year, with the text that is shown once.
pub struct FurnishedToken {
    /// What it is for.
    pub purpose: &'static str,
    /// Its bearer text.
    pub text: String,
}

impl std::fmt::Debug for FurnishedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FurnishedToken({})", self.purpose)
    }
}

/// What the year left.
#[derive(Debug)]
pub struct Furnished {
    /// The account that most of it belongs to.
    pub account: AccountId,
    /// The tokens to try, in the order they are shown.
    pub tokens: Vec<FurnishedToken>,
    /// What was made.
    pub made: Made,
}

/// When the year begins that ends an hour before now: the time to give the ledger's clock before it is initialized.
pub fn begins(now: Timestamp) -> Timestamp {
    Timestamp::from_seconds(monday_before(ends_before(now)).seconds() - WEEKS * 7 * DAY_SECONDS)
}

/// Fills a ledger that was just initialized, by a clock that is set by hand and stands at [`begins`]. `operator` is the
/// digest of its first token; `tell` hears what was made, and how far the year is, in days of the year's.
pub fn furnish(
    core: &mut Core,
    operator: TokenDigest,
    now: Timestamp,
    entropy: Entropy,
    tell: &mut dyn FnMut(Made),
) -> Result<Furnished, FurnishError> {
    furnish_crowded(core, operator, now, (entropy, 0), tell)
}

/// The same year, with so many more busy tokens in the account that most of it belongs to: for benches of pages.
pub fn furnish_crowded(
    core: &mut Core,
    operator: TokenDigest,
    now: Timestamp,
    (entropy, crowd): (Entropy, u64),
    tell: &mut dyn FnMut(Made),
) -> Result<Furnished, FurnishError> {
    let (begin, end) = (begins(now), ends_before(now));
    let run_from = core.head().0;
    let mut year = Year {
        maker: Maker::new(core, PULSE_SECONDS, tell),
        entropy,
        chance: Chance::of(SEED, 0, 0),
        begin,
        at: begin,
        operator,
        tokens: BTreeMap::new(),
        crowd,
        crowd_digests: Vec::new(),
        run_from,
    };
    let mut day = 0;
    while year.time(day, 0) < end {
        year.live_through(day, end)?;
        day += 1;
    }
    year.at = end;
    story::stop(&mut year)?;
    let Year { maker, tokens, .. } = year;
    let made = maker.finish(end)?;
    Ok(Furnished { account: cast::TEAMS, tokens: shown(tokens), made })
}

/// Tokens that the guide shows, by their newest secrets.
fn shown(mut tokens: BTreeMap<TokenName, Vec<Held>>) -> Vec<FurnishedToken> {
    let mut newest = |name| tokens.remove(name).and_then(|mut secrets| secrets.pop());
    let show = |&(name, purpose): &(TokenName, &'static str)| {
        newest(name).map(|held| FurnishedToken { purpose, text: held.text })
    };
    cast::SHOWN.iter().filter_map(show).collect()
}

/// A secret of a token of the year.
struct Held {
    digest: TokenDigest,
    text: String,
}

/// The year while it is made.
struct Year<'a> {
    maker: Maker<'a>,
    entropy: Entropy,
    chance: Chance,
    begin: Timestamp,
    /// When the running step of the story is.
    at: Timestamp,
    /// The operator who acts.
    operator: TokenDigest,
    tokens: BTreeMap<TokenName, Vec<Held>>,
    /// Tokens that the story does not know: how many there are to be, and those that are there.
    crowd: u64,
    crowd_digests: Vec<TokenDigest>,
    /// The last position before the running run's records.
    run_from: u64,
}

/// What happens at a time of a day.
enum Happening {
    Step(story::Step),
    Call(&'static Caller, u64),
    OfCrowd(u64, u64),
}

impl Year<'_> {
    /// A time of a day, in minutes.
    fn time(&self, day: u64, minute: u64) -> Timestamp {
        self.begin.plus_seconds(day * DAY_SECONDS + minute * 60)
    }

    /// Everything of one day up to the end of the history, in order.
    fn live_through(&mut self, day: u64, end: Timestamp) -> Result<(), FurnishError> {
        let mut happenings = Vec::new();
        for &(of_day, minute, step) in STORY.iter().filter(|(of_day, ..)| *of_day == day) {
            happenings.push((self.time(of_day, minute), Happening::Step(step)));
        }
        for (number, caller) in (1..).zip(CALLERS) {
            self.call(day, number, caller, &mut happenings);
        }
        crowd::of_day(self, day, &mut happenings);
        // Stable: of one instant, the story goes first.
        happenings.sort_by_key(|(at, _)| *at);
        for (at, happening) in happenings.into_iter().take_while(|(at, _)| *at < end) {
            self.at = at;
            match happening {
                Happening::Step(step) => step(self)?,
                Happening::Call(caller, draw) => self.make_call(caller, &mut Chance::new(draw))?,
                Happening::OfCrowd(member, draw) => crowd::ask(self, member, &mut Chance::new(draw))?,
            }
        }
        Ok(())
    }

    /// A caller's calls of one day.
    fn call(&self, day: u64, number: u64, caller: &'static Caller, happenings: &mut Vec<(Timestamp, Happening)>) {
        if !(caller.days.0..caller.days.1).contains(&day) {
            return;
        }
        let mut chance = Chance::of(SEED, number, day);
        for hour in 0..24 {
            let calls = chance.about(caller.a_day * caller.rhythm.share(day % 7, hour));
            for _ in 0..calls {
                let begins = self.time(day, hour as u64 * 60);
                let at = Timestamp(begins.0 + chance.below(3_600_000_000));
                happenings.push((at, Happening::Call(caller, chance.number())));
            }
        }
    }

    fn make_call(&mut self, caller: &Caller, chance: &mut Chance) -> Result<(), FurnishError> {
        let total = caller.asks.iter().map(|(weight, ..)| weight).sum();
        let mut drawn = chance.below(total);
        let chosen = caller.asks.iter().find(|(weight, ..)| match drawn.checked_sub(*weight) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        });
        let Some(&(_, account, ask)) = chosen else { return Ok(()) };
        let from = caller.from[chance.index(caller.from.len())];
        let Some(digest) = self.secret(caller.token, caller.secret) else { return Ok(()) };
        self.put(ask, (digest, account), from, chance)
    }

    /// One request into the running batch.
    fn put(
        &mut self,
        ask: Wish,
        (digest, account): (TokenDigest, AccountId),
        from: From<'static>,
        chance: &mut Chance,
    ) -> Result<(), FurnishError> {
        match ask {
            Wish::Api(ask) => self.maker.put(self.at, ask.command(digest, account), asks::origin(from, chance)),
            Wish::Write(zone) => {
                let Some(gateway) = self.secret(cast::EDGE_GATEWAY, None) else { return Ok(()) };
                let command = write_through(gateway, digest, account, zone, from);
                self.maker.put(self.at, command, asks::origin(cast::GATEWAY_CLIENT, chance))
            }
        }
    }

    /// A secret of a token, by its number, or the newest.
    fn secret(&self, token: TokenName, number: Option<usize>) -> Option<TokenDigest> {
        let secrets = self.tokens.get(token)?;
        let held = match number {
            Some(number) => secrets.get(number - 1),
            None => secrets.last(),
        };
        held.map(|held| held.digest)
    }

    /// A new secret for a token, which is kept under its name.
    fn new_secret(&mut self, token: TokenName, kind: TokenKind) -> NewSecret {
        let (new, text) = asks::secret(kind, &mut self.entropy);
        self.tokens.entry(token).or_default().push(Held { digest: new.digest, text });
        new
    }

    /// A change by the operator in charge, from where operators work.
    fn change(&mut self, change: Change) -> Result<Done, FurnishError> {
        self.change_by(self.operator, cast::OPERATOR_CLIENT, change)
    }

    fn change_by(&mut self, who: TokenDigest, from: From<'_>, change: Change) -> Result<Done, FurnishError> {
        let origin = asks::origin(from, &mut self.chance);
        // One change takes a second: those of one step have times of their own.
        self.at = self.at.plus_seconds(1);
        self.maker.change(self.at, Command::Manage(Actor::Bearer(who), Box::new(change)), origin)
    }

    /// What the service itself records.
    fn service(&mut self, change: Change) -> Result<(), FurnishError> {
        let origin = crate::domain::command::Origin::default();
        self.maker.change(self.at, Command::Manage(Actor::Init, Box::new(change)), origin).map(drop)
    }

    /// The history counts on numbers: they are in its description.
    fn expect(&self, done: Done, wanted: DoneSubject) -> Result<(), FurnishError> {
        if done.subject == wanted {
            return Ok(());
        }
        let answer = format!("{:?} instead of {wanted:?}", done.subject);
        Err(FurnishError::Refused { at: self.at, answer })
    }
}

/// What a caller wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    /// Something of the guarded API.
    Api(Ask),
    /// To write to a zone of another API, behind the gateway.
    Write(&'static str),
}

fn write_through(
    gateway: TokenDigest,
    shown: TokenDigest,
    account: AccountId,
    zone: &str,
    (address, agent): From<'_>,
) -> Command {
    let question = Question {
        account: Some(account),
        target: AskedTarget::Name(PersonalText::new(zone)),
        scope: Some((ZONES, Verb::Write)),
        mapped: None,
    };
    let client = Client { address: address.parse().ok(), agent: Some(PersonalText::new(agent)) };
    let wish = GatewayWish::Authorize { shown, client, questions: vec![question], dry_run: false };
    Command::Gateway(Box::new(GatewayCall { gateway, wish }))
}
