//! More tokens in account 1 than the story needs, all of them busy: what a page looks like, and what it costs, where a
//! list is long. The demo has none of them.

use super::super::asks::{Ask, all, granted, named};
use super::super::chance::Chance;
use super::super::rhythm::Rhythm;
use super::cast::TEAMS;
use super::{Happening, SEED, Wish, Year};
use crate::domain::access::Level::{FullAccess, ReadOnly};
use crate::domain::command::{AccessRequest, Change};
use crate::domain::text::PersonalText;
use crate::domain::time::Timestamp;
use crate::domain::token::{Owner, TokenKind};
use crate::furnish::{FurnishError, asks};

/// The day that they are made on: the last token of the story is there by then, so that the story's numbers stay.
const FROM_DAY: u64 = 301;
/// Minute of that day.
const FROM_MINUTE: u64 = 60;
/// Calls of each on an average day.
const A_DAY: f64 = 12.0;
/// Of the year's chances, the crowd's own; the callers' begin with 1.
const PART: u64 = 1_000;

/// How a member of the crowd is reached, and what it asks for.
const PLACES: [(&str, &str); 4] = [
    ("192.0.2.101", "worker/1.0"),
    ("192.0.2.102", "worker/1.0"),
    ("192.0.2.103", "worker/1.1"),
    ("2001:db8:1::7", "dnsimple-go/6.0.0"),
];
const ASKS: [Ask; 4] = [Ask::Zone("example.com"), Ask::Zone("example.org"), Ask::Domains, Ask::Whoami];

/// What of a day is the crowd's.
pub(super) fn of_day(year: &Year<'_>, day: u64, happenings: &mut Vec<(Timestamp, Happening)>) {
    if year.crowd == 0 || day < FROM_DAY {
        return;
    }
    if day == FROM_DAY {
        happenings.push((year.time(day, FROM_MINUTE), Happening::Step(gather)));
    }
    for member in 0..year.crowd {
        let mut chance = Chance::of(SEED, PART + member, day);
        for hour in 0..24 {
            let calls = chance.about(A_DAY * Rhythm::Customers.share(day % 7, hour));
            let begins = year.time(day, hour as u64 * 60);
            happenings.extend((0..calls).map(|_| {
                let at = Timestamp(begins.0 + chance.below(3_600_000_000));
                (at, Happening::OfCrowd(member, chance.number()))
            }));
        }
    }
}

fn gather(year: &mut Year<'_>) -> Result<(), FurnishError> {
    for member in 0..year.crowd {
        let (secret, _) = asks::secret(TokenKind::Account, &mut year.entropy);
        year.crowd_digests.push(secret.digest);
        year.change(Change::CreateToken {
            owner: Owner::Account(TEAMS),
            kind: TokenKind::Account,
            name: PersonalText::new(format!("worker {:03}", member + 1)),
            access: Some(access(member)),
            expires_at: (member % 10 == 9).then(|| year.time(400 + member, 0)),
            conditions: Default::default(),
            secret,
        })?;
    }
    Ok(())
}

fn access(member: u64) -> AccessRequest {
    match member % 4 {
        0 => AccessRequest::Full,
        1 => granted([all("domains", ReadOnly), named("zones", FullAccess, &["example.com", "example.org"])]),
        2 => granted([all("domains", ReadOnly), all("zones", ReadOnly), all("certificates", ReadOnly)]),
        _ => granted([named("zones", ReadOnly, &["example.com"])]),
    }
}

/// One request of a member; none while it is not there yet.
pub(super) fn ask(year: &mut Year<'_>, member: u64, chance: &mut Chance) -> Result<(), FurnishError> {
    let index = usize::try_from(member).unwrap_or(usize::MAX);
    let Some(&digest) = year.crowd_digests.get(index) else { return Ok(()) };
    // Mostly from its own place and for one thing, now and then otherwise.
    let at = |chance: &mut Chance, length| if chance.per_mille(850) { index % length } else { chance.index(length) };
    let (place, wish) = (at(chance, PLACES.len()), at(chance, ASKS.len()));
    year.put(Wish::Api(ASKS[wish]), (digest, TEAMS), PLACES[place], chance)
}
