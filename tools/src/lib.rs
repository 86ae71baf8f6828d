//! Benches and generators.
