//! Lists of positions that go up, as the index gives them.

use crate::domain::ids::Position;
use std::cmp::Ordering;

/// Tells the places of those that are at any of the positions; both go up.
pub fn each_common<T>(
    these: &[T],
    positions: &[Position],
    place: impl Fn(&T) -> Position,
    mut found: impl FnMut(usize),
) {
    let (mut at, mut next) = (0, 0);
    while let (Some(one), Some(position)) = (these.get(at), positions.get(next)) {
        match place(one).cmp(position) {
            Ordering::Less => at += 1,
            Ordering::Greater => next += 1,
            Ordering::Equal => {
                found(at);
                (at, next) = (at + 1, next + 1);
            }
        }
    }
}

/// Those that are in both.
pub fn common(these: &[Position], others: &[Position]) -> Vec<Position> {
    let mut common = Vec::new();
    each_common(these, others, |position| *position, |at| common.push(these[at]));
    common
}

/// Those that are not among the others.
pub fn without(these: &[Position], others: &[Position]) -> Vec<Position> {
    let mut others = others.iter().peekable();
    let is_left = |position: &&Position| {
        while others.next_if(|other| other < position).is_some() {}
        others.peek() != Some(position)
    };
    these.iter().filter(is_left).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_both_and_what_is_left_are_all_there_is() {
        let list = |numbers: &[u64]| numbers.iter().copied().map(Position).collect::<Vec<_>>();
        let rows: [[&[u64]; 4]; 5] = [
            [&[1, 2, 5, 9], &[2, 3, 9, 11], &[2, 9], &[1, 5]],
            [&[1, 2], &[], &[], &[1, 2]],
            [&[], &[1, 2], &[], &[]],
            [&[4, 5], &[4, 5], &[4, 5], &[]],
            [&[7], &[1, 2, 3, 8], &[], &[7]],
        ];
        for row in rows {
            let [these, others, both, left] = row.map(list);
            assert_eq!((common(&these, &others), without(&these, &others)), (both, left));
        }
    }
}
