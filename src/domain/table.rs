//! Entities by dense number, and values that copies share.
//!
//! The writer and the projector each keep the whole state, and a snapshot is taken of a third copy. A copy is cheap
//! because rows lie in chunks that all copies share until one of them changes a row; then that one takes a chunk of
//! its own.

use arrayvec::ArrayVec;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Rows that are copied together at the first change. Fewer would cost every copy of a table more, more would cost
/// the first change more.
const CHUNK_ROWS: usize = 64;

/// Rows of a chunk, in the place that the copies share: where a row is follows from where its chunk is, so that a look-up
/// does not wait for memory once more to be told. How many there are stands before them, beside the count of copies.
type Chunk<T> = ArrayVec<T, CHUNK_ROWS>;

/// Rows numbered 1, 2, 3 … without gaps: the number is the place, so a look-up is two array accesses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Table<T> {
    chunks: Vec<Arc<Chunk<T>>>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Table<T> {
    /// The row with this number.
    pub fn get(&self, number: u64) -> Option<&T> {
        let index = Self::index(number)?;
        self.chunks.get(index / CHUNK_ROWS)?.get(index % CHUNK_ROWS)
    }

    /// The number that the next row gets.
    pub fn next_number(&self) -> u64 {
        self.len as u64 + 1
    }

    /// All rows in the order of their numbers.
    pub fn iter(&self) -> Rows<'_, T> {
        Rows { table: self, at: 0 }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn index(number: u64) -> Option<usize> {
        usize::try_from(number).ok()?.checked_sub(1)
    }
}

/// A chunk to be changed, after it was made our own. There are no weak references, so it always is.
fn own<T: Clone>(chunk: &mut Arc<Chunk<T>>) -> Option<&mut Chunk<T>> {
    if Arc::strong_count(chunk) > 1 {
        copy(chunk);
    }
    Arc::get_mut(chunk)
}

/// By itself, because it takes a stack of a chunk's size: a change of a row that needs no copy is not to wait for that.
#[cold]
#[inline(never)]
fn copy<T: Clone>(chunk: &mut Arc<Chunk<T>>) {
    *chunk = Arc::new(Chunk::clone(chunk));
}

/// A new chunk; by itself for the same reason.
#[cold]
#[inline(never)]
fn begin<T>(row: T) -> Arc<Chunk<T>> {
    Arc::new(std::iter::once(row).collect())
}

impl<T: Clone> Table<T> {
    /// The row with this number, to be changed.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let index = Self::index(number)?;
        if index >= self.len {
            // Asking for a row that is not there must not make a chunk our own.
            return None;
        }
        own(self.chunks.get_mut(index / CHUNK_ROWS)?)?.get_mut(index % CHUNK_ROWS)
    }

    /// Adds the row numbered `number`, which must be the next one: any other number is ignored, because only the
    /// next number is ever given out and `evolve` cannot fail.
    pub fn add(&mut self, number: u64, row: T) {
        if number == self.next_number() {
            self.push(row);
        }
    }

    /// Fills the numbers before `number` that no row has with blanks, so that it is the next. Whole chunks of them are one
    /// chunk, shared, so that a million blanks take no room of their own and hardly any time.
    pub fn leave_out_until(&mut self, number: u64, blank: impl Fn() -> T) {
        let mut shared: Option<Arc<Chunk<T>>> = None;
        while self.next_number() < number {
            if self.len.is_multiple_of(CHUNK_ROWS) && number - self.next_number() >= CHUNK_ROWS as u64 {
                let chunk = shared.get_or_insert_with(|| Arc::new((0..CHUNK_ROWS).map(|_| blank()).collect()));
                self.chunks.push(Arc::clone(chunk));
                self.len += CHUNK_ROWS;
            } else {
                self.push(blank());
            }
        }
    }

    fn push(&mut self, row: T) {
        match self.chunks.last_mut().filter(|_| !self.len.is_multiple_of(CHUNK_ROWS)).and_then(own) {
            Some(chunk) => chunk.push(row),
            None => self.chunks.push(begin(row)),
        }
        self.len += 1;
    }
}

impl<T: Clone + Default> Table<T> {
    /// The row with this number, to be changed; rows up to it are made where there are none. For read models whose
    /// rows follow another table's: the caller bounds the number by that table's length.
    pub fn get_or_fill(&mut self, number: u64) -> Option<&mut T> {
        if number >= self.next_number() {
            self.fill_up_to(number);
        }
        self.get_mut(number)
    }

    #[cold]
    #[inline(never)]
    fn fill_up_to(&mut self, number: u64) {
        self.leave_out_until(number.saturating_add(1), T::default);
    }
}

/// The rows of a table.
#[derive(Debug)]
pub struct Rows<'a, T> {
    table: &'a Table<T>,
    at: usize,
}

impl<'a, T> Iterator for Rows<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        self.nth(0)
    }

    fn nth(&mut self, skipped: usize) -> Option<&'a T> {
        let index = self.at.saturating_add(skipped).min(self.table.len);
        self.at = (index + 1).min(self.table.len);
        self.table.chunks.get(index / CHUNK_ROWS)?.get(index % CHUNK_ROWS)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.table.len - self.at;
        (left, Some(left))
    }
}

impl<T> ExactSizeIterator for Rows<'_, T> {}

impl<T: Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Clone + Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Into<T>(PhantomData<T>);

        impl<'de, T: Clone + Deserialize<'de>> Visitor<'de> for Into<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Table<T>, A::Error> {
                let mut table = Table::default();
                while let Some(row) = rows.next_element()? {
                    table.push(row);
                }
                Ok(table)
            }
        }

        deserializer.deserialize_seq(Into(PhantomData))
    }
}

/// A value that copies share until one of them changes it: for the large parts of rows, so that a chunk whose rows
/// have many members or resources is copied as fast as any other.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shared<T>(Arc<T>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Reaching for a change makes the value our own.
impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: u64) -> Table<u64> {
        let mut table = Table::default();
        (1..=count).for_each(|number| table.add(number, number * 10));
        table
    }

    #[test]
    fn rows_are_found_by_number_across_chunks() {
        let table = numbers(200);
        assert_eq!(
            (table.get(0), table.get(1), table.get(64), table.get(65)),
            (None, Some(&10), Some(&640), Some(&650))
        );
        assert_eq!((table.get(200), table.get(201), table.next_number()), (Some(&2_000), None, 201));
        assert!(table.iter().copied().eq((1..=200).map(|number| number * 10)));
        assert_eq!((table.iter().skip(130).len(), table.iter().nth(130)), (70, Some(&1_310)));
        assert_eq!(table.iter().nth(200), None);
    }

    #[test]
    fn only_the_next_number_is_added() {
        let mut table = numbers(64);
        table.add(66, 0);
        table.add(64, 0);
        assert_eq!((table.len(), table.get_mut(65)), (64, None));
    }

    #[test]
    fn a_copy_keeps_its_rows_when_the_other_changes() {
        let mut table = numbers(130);
        let copy = table.clone();
        *table.get_mut(70).expect("it is there") = 7;
        table.add(131, 8);
        assert_eq!((copy.get(70), copy.len()), (Some(&700), 130));
        assert_eq!((table.get(70), table.get(131)), (Some(&7), Some(&8)));
        let shared = |chunk: usize| Arc::ptr_eq(&table.chunks[chunk], &copy.chunks[chunk]);
        assert_eq!([shared(0), shared(1), shared(2)], [true, false, false], "only what changed is copied");
    }

    #[test]
    fn a_shared_value_is_copied_by_whoever_changes_it() {
        let mut one = Shared::<Vec<u8>>::default();
        one.push(1);
        let other = one.clone();
        one.push(2);
        assert_eq!((one.len(), other.len()), (2, 1));
    }
}
