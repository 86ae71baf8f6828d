//! Entities by dense number.

use serde::{Deserialize, Serialize};

/// Rows numbered 1, 2, 3 … without gaps: the number is the place, so a look-up is one array access.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    /// The row with this number.
    pub fn get(&self, number: u64) -> Option<&T> {
        self.0.get(Self::index(number)?)
    }

    /// The row with this number, to be changed.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.0.get_mut(Self::index(number)?)
    }

    /// Adds the row numbered `number`, which must be the next one: any other number is ignored, because only the
    /// next number is ever given out and `evolve` cannot fail.
    pub fn add(&mut self, number: u64, row: T) {
        if number == self.next_number() {
            self.0.push(row);
        }
    }

    /// The number that the next row gets.
    pub fn next_number(&self) -> u64 {
        self.0.len() as u64 + 1
    }

    /// All rows in the order of their numbers.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn index(number: u64) -> Option<usize> {
        usize::try_from(number).ok()?.checked_sub(1)
    }
}
