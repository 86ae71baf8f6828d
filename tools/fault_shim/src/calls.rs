//! The functions that stand in for the C library's. Each does its system call itself, so nothing has to be looked up.

use crate::rule::{Operation, Rule, exists};
use crate::shadow;
use libc::{c_char, c_int, c_long, c_uint, c_void, mode_t, off_t, size_t, ssize_t};
use std::cell::Cell;
use std::ffi::CStr;

thread_local! {
    /// This thread is at work for the shim: its own operations are nobody's.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs an operation on a path by the rule; an operation of the shim's own, or one that the rule does not name, as it is.
fn judge(
    operation: Operation,
    path: impl FnOnce() -> String,
    done: impl FnOnce() -> c_long,
    undo: impl FnOnce(c_long),
) -> c_long {
    if INSIDE.get() {
        return done();
    }
    INSIDE.set(true);
    let rule = Rule::get();
    let path = path();
    if rule.loses()
        && matches!(operation, Operation::Write | Operation::Truncate)
        && rule.matches(Operation::Sync, &path)
    {
        shadow::keep_first(&path);
    }
    let result = if rule.matches(operation, &path) { rule.apply(operation, &path, done, undo) } else { done() };
    if rule.loses() && result == 0 && operation == Operation::Sync && rule.matches(operation, &path) {
        shadow::keep(&path);
    }
    INSIDE.set(false);
    result
}

/// The path of an open descriptor; empty of what has none.
fn path_of(fd: c_int) -> String {
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
}

/// # Safety
/// The pointer is to a text that ends with a zero.
unsafe fn text_of(path: *const c_char) -> String {
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned()
}

fn as_int(result: c_long) -> c_int {
    // Descriptors, 0 and -1.
    result as c_int
}

fn keep(_: c_long) {}

fn sync(number: c_long, fd: c_int) -> c_int {
    // SAFETY: takes only a number.
    as_int(judge(Operation::Sync, || path_of(fd), || unsafe { libc::syscall(number, fd) }, keep))
}

/// fsync(2).
#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    sync(libc::SYS_fsync, fd)
}

/// fdatasync(2).
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(libc::SYS_fdatasync, fd)
}

/// ftruncate(2).
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    // SAFETY: takes only numbers.
    let done = || unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) };
    as_int(judge(Operation::Truncate, || path_of(fd), done, keep))
}

/// ftruncate(2).
#[unsafe(no_mangle)]
pub extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    ftruncate64(fd, length)
}

/// write(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's promise is handed on.
    let done = || unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) };
    judge(Operation::Write, || path_of(fd), done, keep) as ssize_t
}

/// pwrite(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promise is handed on.
    let done = || unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, offset) };
    judge(Operation::Write, || path_of(fd), done, keep) as ssize_t
}

/// pwrite(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(fd: c_int, bytes: *const c_void, count: size_t, offset: off_t) -> ssize_t {
    // SAFETY: the caller's promise is handed on.
    unsafe { pwrite64(fd, bytes, count, offset) }
}

/// openat(2). The mode is only read where the flags say that there is one.
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise is handed on.
    let done = || unsafe { libc::syscall(libc::SYS_openat, dir, path, flags, c_uint::from(mode)) };
    // SAFETY: so it is here.
    let creates = flags & libc::O_CREAT != 0 && !exists(unsafe { CStr::from_ptr(path) });
    if !creates {
        return as_int(done());
    }
    let undo = |fd: c_long| {
        // SAFETY: the descriptor was opened a moment ago, and nobody else has it.
        let _ = unsafe { libc::syscall(libc::SYS_close, fd) };
    };
    // SAFETY: the caller's promise is handed on.
    as_int(judge(Operation::Create, || unsafe { text_of(path) }, done, undo))
}

/// openat(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(dir: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise is handed on.
    unsafe { openat64(dir, path, flags, mode) }
}

/// open(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise is handed on.
    unsafe { openat64(libc::AT_FDCWD, path, flags, mode) }
}

/// open(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise is handed on.
    unsafe { openat64(libc::AT_FDCWD, path, flags, mode) }
}

/// renameat(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(old_dir: c_int, old: *const c_char, new_dir: c_int, new: *const c_char) -> c_int {
    // SAFETY: the caller's promise is handed on.
    let done = || unsafe { libc::syscall(libc::SYS_renameat2, old_dir, old, new_dir, new, 0) };
    // SAFETY: the caller's promise is handed on.
    as_int(judge(Operation::Rename, || unsafe { text_of(new) }, done, keep))
}

/// rename(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(old: *const c_char, new: *const c_char) -> c_int {
    // SAFETY: the caller's promise is handed on.
    unsafe { renameat(libc::AT_FDCWD, old, libc::AT_FDCWD, new) }
}

/// unlink(2).
///
/// # Safety
/// As of the function it stands in for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's promise is handed on.
    let done = || unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) };
    // SAFETY: the caller's promise is handed on.
    as_int(judge(Operation::Unlink, || unsafe { text_of(path) }, done, keep))
}
