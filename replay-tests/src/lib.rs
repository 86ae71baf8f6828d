//! Golden logs, cases and faults.
//!
//! Here: [`random`] (foreseeable numbers), [`generator`] (random commands of every kind), [`checks`] (what must hold
//! of every log). The tests are in `tests/`.

pub mod checks;
pub mod generator;
pub mod random;
