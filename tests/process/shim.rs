//! File operations of the program that fail on purpose, done or not (`tools/fault_shim`, loaded before the C library).

use crate::program::PATIENCE;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One fault, for one process.
#[derive(Debug)]
pub struct Fault {
    rule: String,
    report: PathBuf,
    arm: PathBuf,
}

impl Fault {
    /// A fault by its rule (`operation:path:n:how:error[:persistent]`, see the crate); its files are beside the data.
    pub fn new(aside: &Path, rule: &str) -> Self {
        let fault = Self { rule: rule.to_owned(), report: aside.join("fault.report"), arm: aside.join("fault.arm") };
        let _ = fs::remove_file(&fault.report);
        let _ = fs::remove_file(&fault.arm);
        fault
    }

    /// The command meets the fault; it counts operations once [`Self::arm`] was called.
    pub fn at(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", library()).env("FAULT", &self.rule);
        command.env("FAULT_REPORT", &self.report).env("FAULT_ARM", &self.arm);
        command
    }

    /// From now on operations count.
    pub fn arm(&self) {
        fs::write(&self.arm, "").unwrap();
    }

    /// How many operations it made fail.
    pub fn injected(&self) -> usize {
        fs::read_to_string(&self.report).unwrap_or_default().lines().count()
    }

    /// Waits until it has made an operation fail.
    pub fn wait_until_injected(&self) {
        let until = Instant::now() + PATIENCE;
        while self.injected() == 0 {
            assert!(Instant::now() < until, "no operation failed by {:?}", self.rule);
            // Only the pause between two looks.
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Runs at a time: most of a run's time is a process that waits for its end.
const RUNS_AT_A_TIME: u32 = 4;
/// More file operations than any of these runs has.
const OPERATIONS_MAX: u32 = 1_000;

/// Fails the first operation, then the second, and so on until a run has none left to fail: `run` says whether its
/// fault struck.
pub fn each_in_turn(run: impl Fn(u32) -> bool + Sync) {
    for from in (1..OPERATIONS_MAX).step_by(RUNS_AT_A_TIME as usize) {
        let struck = std::thread::scope(|threads| {
            let spawn = |n| {
                threads.spawn({
                    let run = &run;
                    move || run(n)
                })
            };
            let runs: Vec<_> = (from..from + RUNS_AT_A_TIME).map(spawn).collect();
            // All are waited for; one that failed has said why.
            let struck: Vec<_> = runs.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            struck.into_iter().all(|struck| struck.expect("see above"))
        });
        if !struck {
            assert!(from > RUNS_AT_A_TIME, "more than a few operations were made to fail");
            return;
        }
    }
    panic!("no run is without a fault");
}

/// The shim, made as the program under test was.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let profile = Path::new(crate::program::PROGRAM).parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "fault_shim", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the shim is built: {build:?}");
        profile.join("libfault_shim.so")
    })
}
