//! A bpffs for one test.

use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::bpf::pin;

/// A bpffs of the test's own, in a directory that goes with it.
pub struct BpfFs(PathBuf);

impl BpfFs {
    pub fn new() -> BpfFs {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("devgate-test-bpffs-{}-{next}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).expect("a directory can be made");
        let none = None::<&str>;
        mount(none, &dir, Some("bpf"), MsFlags::empty(), none).expect("a bpffs can be mounted");
        BpfFs(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Pins something there.
    pub fn pin(&self, name: &str, object: impl AsFd) -> PathBuf {
        let path = self.0.join(name);
        let text = CString::new(path.as_os_str().as_bytes()).expect("no NUL");
        pin(object.as_fd(), &text);
        path
    }
}

impl Drop for BpfFs {
    fn drop(&mut self) {
        // Lazily: an inspect of a neighbouring test may be looking through it.
        umount2(&self.0, MntFlags::MNT_DETACH).expect("the bpffs can be unmounted");
        fs::remove_dir(&self.0).expect("the directory is empty");
    }
}
