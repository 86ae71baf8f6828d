//! Golden logs, cases and faults.
//!
//! Here: [`again`] (a story decided again, with something supposed), [`random`] (foreseeable numbers), [`generator`]
//! (random commands of every kind), [`checks`] (what must hold of every log), [`story`] (a random history to ask),
//! [`sources`] (the service's own sources, read), [`uses`] (requests that many stories make). The tests are in `tests/`.

pub mod again;
pub mod checks;
pub mod generator;
pub mod random;
pub mod sources;
pub mod story;
pub mod uses;
