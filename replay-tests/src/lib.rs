//! Golden logs, cases and faults.
