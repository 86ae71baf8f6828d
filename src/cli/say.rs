//! What commands tell on standard output, line by line, and on standard error.

use parking_lot::Mutex;
use std::fmt;
use std::io::{self, ErrorKind, Write};

/// As `println!`, which panics where nothing can be written.
macro_rules! say {
    ($($argument:tt)*) => { $crate::cli::say::line(format_args!($($argument)*)) };
}

/// As `eprintln!`, which panics where nothing can be written.
macro_rules! say_aside {
    ($($argument:tt)*) => { $crate::cli::say::aside(format_args!($($argument)*)) };
}

/// The first failure to write that is one.
static UNWRITTEN: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a line. Whoever read the output has seen enough, as `head` does: that is no failure, and the command goes on to
/// its end. Any other failure is told there, so that what the command does is not left half done for want of a line.
pub(super) fn line(text: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout().lock(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        UNWRITTEN.lock().get_or_insert(error);
    }
}

/// Writes a line to standard error. Where that cannot be, there is nobody to tell it.
pub(super) fn aside(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether everything was written that somebody still reads.
pub(super) fn all_written() -> io::Result<()> {
    UNWRITTEN.lock().take().map_or(Ok(()), Err)
}
