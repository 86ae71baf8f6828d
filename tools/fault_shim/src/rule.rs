//! The rule from the environment, and whether an operation is the one it names.

use crate::shadow;
use libc::{c_int, c_long};
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Exit code where the rule cannot be understood: a test must not pass because of it.
const EXIT_MALFORMED: c_int = 99;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Write,
    Sync,
    Truncate,
    Rename,
    Create,
    Unlink,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Before,
    After,
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Error(c_int),
    Kill,
}

pub struct Rule {
    /// None: any.
    operation: Option<Operation>,
    path: String,
    first: u64,
    how: How,
    fault: Fault,
    persistent: bool,
    report: CString,
    arm: Option<CString>,
    seen: AtomicU64,
}

impl Rule {
    /// The rule of this process.
    pub fn get() -> &'static Self {
        static RULE: OnceLock<Rule> = OnceLock::new();
        RULE.get_or_init(|| {
            Self::from_environment().unwrap_or_else(|| {
                // SAFETY: ends the process and touches nothing of it.
                unsafe { libc::_exit(EXIT_MALFORMED) }
            })
        })
    }

    fn from_environment() -> Option<Self> {
        let path_of = |name| std::env::var_os(name).and_then(|path| CString::new(path.into_vec()).ok());
        let text = std::env::var("FAULT").ok()?;
        let parts: Vec<&str> = text.split(':').collect();
        let (&[operation, path, first, how, fault], repeat) = parts.split_first_chunk::<5>()?;
        Some(Self {
            operation: parse_operation(operation)?,
            path: path.to_owned(),
            first: first.parse().ok().filter(|&first| first > 0)?,
            how: parse_how(how)?,
            fault: parse_fault(fault)?,
            persistent: match repeat {
                [] | ["once"] => false,
                ["persistent"] => true,
                _ => return None,
            },
            report: path_of("FAULT_REPORT")?,
            arm: path_of("FAULT_ARM"),
            seen: AtomicU64::new(0),
        })
    }

    pub fn matches(&self, operation: Operation, path: &str) -> bool {
        self.operation.is_none_or(|named| named == operation)
            && match self.path.strip_suffix('$') {
                Some(end) => path.ends_with(end),
                None => path.contains(&self.path),
            }
    }

    /// Whether written bytes may have to be taken back.
    pub fn loses(&self) -> bool {
        self.how == How::Lost
    }

    /// Counts a matching operation; says how it fails, if it does, and reports that.
    fn strike(&self, operation: Operation, path: &str) -> Option<How> {
        if self.arm.as_ref().is_some_and(|arm| !exists(arm)) {
            return None;
        }
        let number = self.seen.fetch_add(1, Ordering::SeqCst) + 1;
        let strikes = number == self.first || (self.persistent && number > self.first);
        if !strikes {
            return None;
        }
        let lost_too = if self.how == How::Lost && operation != Operation::Sync { How::Before } else { self.how };
        self.tell(&format!("{operation:?} {path} {number}\n"));
        Some(lost_too)
    }

    fn tell(&self, line: &str) {
        // SAFETY: the path ends with a zero, the buffer is as long as is said; the descriptor is our own.
        unsafe {
            let flags = libc::O_CREAT | libc::O_APPEND | libc::O_WRONLY | libc::O_CLOEXEC;
            let file = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, self.report.as_ptr(), flags, 0o600);
            libc::syscall(libc::SYS_write, file, line.as_ptr(), line.len());
            libc::syscall(libc::SYS_close, file);
        }
    }

    /// What the program sees of an operation that failed.
    fn fail(&self) -> c_long {
        match self.fault {
            Fault::Error(number) => {
                // SAFETY: the pointer is to this thread's own number.
                unsafe { *libc::__errno_location() = number };
                -1
            }
            // SAFETY: sends a signal to this very process, which does not live on.
            Fault::Kill => unsafe {
                libc::kill(libc::getpid(), libc::SIGKILL);
                libc::_exit(EXIT_MALFORMED)
            },
        }
    }

    /// Does an operation on a path the way the rule says; `undo` gives back what a done one gave.
    pub fn apply(
        &self,
        operation: Operation,
        path: &str,
        done: impl FnOnce() -> c_long,
        undo: impl FnOnce(c_long),
    ) -> c_long {
        match self.strike(operation, path) {
            None => done(),
            Some(How::Before) => self.fail(),
            Some(How::After) => {
                undo(done());
                self.fail()
            }
            Some(How::Lost) => {
                shadow::take_back(path);
                self.fail()
            }
        }
    }
}

fn parse_operation(text: &str) -> Option<Option<Operation>> {
    Some(match text {
        "write" => Some(Operation::Write),
        "sync" => Some(Operation::Sync),
        "truncate" => Some(Operation::Truncate),
        "rename" => Some(Operation::Rename),
        "create" => Some(Operation::Create),
        "unlink" => Some(Operation::Unlink),
        "any" => None,
        _ => return None,
    })
}

fn parse_how(text: &str) -> Option<How> {
    Some(match text {
        "before" => How::Before,
        "after" => How::After,
        "lost" => How::Lost,
        _ => return None,
    })
}

fn parse_fault(text: &str) -> Option<Fault> {
    Some(match text {
        "EIO" => Fault::Error(libc::EIO),
        "ENOSPC" => Fault::Error(libc::ENOSPC),
        "KILL" => Fault::Kill,
        _ => return None,
    })
}

/// Whether a file is there.
pub fn exists(path: &std::ffi::CStr) -> bool {
    // SAFETY: the path ends with a zero.
    unsafe { libc::access(path.as_ptr(), libc::F_OK) == 0 }
}
