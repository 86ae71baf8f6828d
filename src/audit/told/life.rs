//! A token's life: what was changed, each with what it was before.

use super::access::{access, difference};
use super::sentences::{conditions, expiry, rotated};
use super::{Part, Phrase};
use crate::audit::biography::Placed;
use crate::domain::access::{Access, ScopeGroup};
use crate::domain::conditions::Conditions;
use crate::domain::event::{By, Event, Header};
use crate::domain::ids::{Position, TextNumber};
use crate::domain::state::by_of;
use crate::domain::table::Table;
use crate::domain::time::Timestamp;

/// A change of a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chapter {
    /// Where.
    pub position: Position,
    /// When, and by whom.
    pub header: Header,
    /// By what right, and from where.
    pub by: Option<By>,
    /// What, in a word: `created`, `edited`, `rotated`, …
    pub what: &'static str,
    /// What exactly.
    pub lines: Vec<Phrase>,
}

/// What a token was before the next change.
#[derive(Default)]
struct Before {
    name: TextNumber,
    access: Option<Access>,
    member: Option<Access>,
    expires_at: Option<Timestamp>,
    conditions: Conditions,
}

/// The life of a token, oldest change first. Of a user's token `changes` may have those of the membership that it follows,
/// too.
pub fn life(groups: &Table<ScopeGroup>, changes: &[Placed]) -> Vec<Chapter> {
    let mut before = Before::default();
    let chapters = changes.iter().filter_map(|(position, header, event)| {
        let (what, lines) = chapter(groups, &mut before, header, event)?;
        Some(Chapter { position: *position, header: *header, by: by_of(event).copied(), what, lines })
    });
    chapters.collect()
}

fn chapter(
    groups: &Table<ScopeGroup>,
    before: &mut Before,
    header: &Header,
    event: &Event,
) -> Option<(&'static str, Vec<Phrase>)> {
    Some(match event {
        Event::TokenCreated(e) => ("created", begun(groups, before, (e.name, e.expires_at), &e.access, &e.secret.hint)),
        Event::TokenImported(e) => {
            let mut lines = begun(groups, before, (e.name, e.expires_at), &e.access, &e.secret.hint);
            lines.push(match e.created_at {
                Some(at) => Phrase::of("the other system made it ").part(Part::Time(at)),
                None => Phrase::of("when the other system made it was not told"),
            });
            ("imported", lines)
        }
        Event::TokenRenamed(e) => {
            let line = Phrase::of("name: was ").text(before.name).words(", now ").text(e.name);
            before.name = e.name;
            ("renamed", vec![line])
        }
        Event::TokenAccessChanged(e) => {
            let was = before.access.replace(e.access.clone());
            ("access changed", compared(groups, was.as_ref(), &e.access))
        }
        Event::TokenExpiryChanged(e) => {
            let line = Phrase::of("was: ").then(expiry(before.expires_at)).words("; now: ").then(expiry(e.expires_at));
            before.expires_at = e.expires_at;
            ("expiry changed", vec![line])
        }
        Event::TokenConditionsChanged(e) => {
            let was = std::mem::replace(&mut before.conditions, e.conditions.clone());
            let line = Phrase::of("was: ").then(conditions(&was)).words("; now: ").then(conditions(&e.conditions));
            ("conditions changed", vec![line])
        }
        Event::TokenRotated(e) => ("rotated", vec![rotated(&e.secret, e.ends, e.ends_at, header.recorded_at)]),
        Event::TokenDeleted(_) => ("deleted", vec![Phrase::of("final: it works no more, and its history stays")]),
        Event::MemberAdded(e) => {
            before.member = Some(e.access.clone());
            ("became a member", vec![member(header).words(": ").then(access(groups, &e.access))])
        }
        Event::MemberAccessChanged(e) => {
            let was = before.member.replace(e.access.clone());
            ("membership changed", compared(groups, was.as_ref(), &e.access))
        }
        Event::MemberRemoved(_) => {
            before.member = None;
            ("membership ended", vec![member(header).words(" ended: the token does nothing here any more")])
        }
        _ => return None,
    })
}

fn member(header: &Header) -> Phrase {
    Phrase::of(format!("membership of account {}", header.account))
}

fn begun(
    groups: &Table<ScopeGroup>,
    before: &mut Before,
    (name, expires_at): (TextNumber, Option<Timestamp>),
    own: &Access,
    hint: &[u8],
) -> Vec<Phrase> {
    (before.name, before.expires_at, before.access) = (name, expires_at, Some(own.clone()));
    let hint = String::from_utf8_lossy(hint).into_owned();
    let mut lines = vec![Phrase::of("name: ").text(name).words(format!(", secret 1 (…{hint})"))];
    // A user's token has no access of its own.
    if *own != Access::Granted(Vec::new()) {
        lines.push(access(groups, own));
    }
    lines.extend(expires_at.map(|at| expiry(Some(at))));
    lines
}

fn compared(groups: &Table<ScopeGroup>, was: Option<&Access>, now: &Access) -> Vec<Phrase> {
    let Some(was) = was else { return vec![access(groups, now)] };
    let lines = difference(groups, was, now);
    if lines.is_empty() { vec![Phrase::of("set again, the same as before")] } else { lines }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{groups, plain};
    use super::*;
    use crate::domain::access::group::ZONES;
    use crate::domain::access::{Coverage, Grant, Level};
    use crate::domain::event::{TokenAccessChanged, TokenConditionsChanged, TokenCreated, TokenDeleted, TokenRenamed};
    use crate::domain::ids::{AccountId, RequestId, TokenId};
    use crate::domain::oauth::EndReason;
    use crate::domain::token::{Authority, Owner, Principal, Secret, TokenKind};
    use crate::domain::token_text::TokenDigest;

    const BY: By = By { authority: Authority::Local, secret: 0, address: TextNumber(90), agent: TextNumber::NONE };

    fn placed(position: u64, event: Event) -> Placed {
        let header = Header {
            recorded_at: Timestamp::from_seconds(1_772_366_400 + position),
            account: AccountId(1),
            account_number: position,
            token: TokenId(2),
            token_number: position,
            principal: Principal::Local(0),
            credential: TokenId::NONE,
            request: RequestId([1; 16]),
        };
        (Position(position), header, event)
    }

    #[test]
    fn a_life_says_of_each_change_what_was_before() {
        let zones = |level, coverage| Access::Granted(vec![Grant { group: ZONES, level, coverage }]);
        let one = zones(Level::ReadOnly, Coverage::Named(vec![TextNumber(4)]));
        let all = zones(Level::FullAccess, Coverage::All);
        let created = TokenCreated {
            kind: TokenKind::Account,
            owner: Owner::Account(AccountId(1)),
            name: TextNumber(7),
            access: one,
            gateway: None,
            authorized: None,
            secret: Secret { number: 1, digest: TokenDigest([0; 32]), hint: *b"abcd", not_after: None },
            expires_at: None,
            by: BY,
        };
        let ranges = crate::domain::conditions::AddressRange::parse("192.0.2.0/24").into_iter().collect();
        let changes = [
            placed(5, created.into()),
            placed(6, TokenAccessChanged { access: all.clone(), by: BY }.into()),
            placed(7, TokenAccessChanged { access: all, by: BY }.into()),
            placed(8, TokenRenamed { name: TextNumber(8), by: BY }.into()),
            placed(9, TokenConditionsChanged { conditions: Conditions::new(None, ranges), by: BY }.into()),
            placed(10, TokenDeleted { reason: EndReason::Asked, by: BY }.into()),
        ];
        let told: Vec<(u64, &str, String)> = life(&groups(), &changes)
            .iter()
            .map(|chapter| {
                let lines: Vec<String> = chapter.lines.iter().map(plain).collect();
                (chapter.position.0, chapter.what, lines.join(" | "))
            })
            .collect();
        let expected = [
            (5, "created", "name: t7, secret 1 (…abcd) | zones: read only on t4"),
            (6, "access changed", "zones: was read only on t4, now full access on all"),
            (7, "access changed", "set again, the same as before"),
            (8, "renamed", "name: was t7, now t8"),
            (
                9,
                "conditions changed",
                "was: works at once, from any address; now: works at once, from 192.0.2.0/24 only",
            ),
            (10, "deleted", "final: it works no more, and its history stays"),
        ];
        let expected = expected.map(|(position, what, lines)| (position, what, lines.to_owned()));
        assert_eq!(told, expected);
    }
}
