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
