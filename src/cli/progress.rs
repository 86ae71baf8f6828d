//! Progress bars of long work, on standard error and only for people.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over bytes, whose number is told on the way.
pub(super) fn bytes_bar(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left");
    let bar = ProgressBar::new(0).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar over so many records.
pub(super) fn bar(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} records, {per_sec}, {eta} left");
    let bar = ProgressBar::new(total).with_message(what);
    // The template is fixed; if it were wrong, the plain bar serves as well.
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar over a whole whose units mean nothing to a reader: how much of it is done.
pub(super) fn of(what: &'static str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {percent} %, {eta} left");
    let bar = ProgressBar::new(total).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
