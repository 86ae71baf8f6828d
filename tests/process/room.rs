//! Small file systems of a test's own, which can be filled. They need mounting, so root.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A mounted file system, unmounted and removed however the test ends.
pub struct Room {
    parent: TempDir,
    mounted: bool,
}

impl Room {
    /// On memory. None, said on standard error, where mounting is not allowed.
    pub fn on_memory(mib: u64) -> Option<Self> {
        let room = Self::unmounted();
        let size = format!("size={mib}m,mode=0700");
        room.mount(&["-t", "tmpfs", "-o", &size, "tmpfs"])
    }

    /// ext4 on a file by a loop device.
    pub fn on_ext4(mib: u64) -> Option<Self> {
        let room = Self::unmounted();
        let image = room.parent.path().join("image");
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        // Nothing kept for root: the tests run as root, and what it may still use would not be full.
        let made = Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfs.ext4 is installed (apt-get install e2fsprogs)");
        room.mount(&["-o", "loop", image.to_str().unwrap()])
    }

    fn unmounted() -> Self {
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("disk")).unwrap();
        Self { parent, mounted: false }
    }

    fn mount(mut self, what: &[&str]) -> Option<Self> {
        let output = Command::new("mount").args(what).arg(self.path()).output().unwrap();
        self.mounted = output.status.success();
        if !self.mounted {
            eprintln!("NOT TESTED: this machine does not allow mounting: {}", String::from_utf8_lossy(&output.stderr));
        }
        self.mounted.then_some(self)
    }

    pub fn path(&self) -> PathBuf {
        self.parent.path().join("disk")
    }

    /// Where a ledger may be.
    pub fn data(&self) -> PathBuf {
        self.path().join("ledger")
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        for part in [1 << 20, 1 << 12] {
            let bytes = vec![7; part];
            // Synced, so that nothing is left that was only promised.
            while file.write_all(&bytes).and_then(|()| file.sync_data()).is_ok() {}
        }
    }

    /// Gives back what the filler took.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
        File::open(self.path()).unwrap().sync_all().unwrap();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.mounted && !unmount(&self.path(), &[]) {
            // Something of a failed test is still in there: it goes when that has ended.
            unmount(&self.path(), &["-l"]);
        }
    }
}

fn unmount(path: &Path, how: &[&str]) -> bool {
    Command::new("umount").args(how).arg(path).status().is_ok_and(|status| status.success())
}
