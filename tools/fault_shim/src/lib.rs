//! A library to be loaded before the C library (`LD_PRELOAD`). It makes one chosen file operation of a program fail:
//! not done at all, done and reported as failed, or reported as failed with everything before it lost. strace can only
//! do the first. For tests; no part of the service.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `FAULT` | the rule, see below; without it, or if it is malformed, the program ends at once with exit code 99 |
//! | `FAULT_REPORT` | file that gets a line for each injected fault: a run that has none injected nothing |
//! | `FAULT_ARM` | optional: operations count only while this file exists |
//!
//! `FAULT=<operation>:<path>:<n>:<how>:<error>[:once|persistent]`, with
//!
//! - operation: `write` (write, pwrite64), `sync` (fsync, fdatasync), `truncate` (ftruncate), `rename` (rename,
//!   renameat; by the new name), `create` (open, openat with `O_CREAT` of what is not there), `unlink`, or `any`;
//! - path: a part of the file's path without `:`; ending in `$`: the path's end;
//! - n: the first, second … matching operation, from 1;
//! - how: `before` (fails without being done), `after` (is done, then fails), or, of a sync, `lost` (fails, and what was
//!   written to the file since its last sync is gone: the worst that a failed sync may leave);
//! - error: `EIO`, `ENOSPC`, or `KILL` (the process ends there, and the kernel keeps what was done);
//! - `persistent`: all later matching operations fail as well.

mod calls;
mod rule;
mod shadow;
