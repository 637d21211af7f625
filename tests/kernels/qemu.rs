//! A machine without a disk, in software: it boots a kernel, and all of its files are in memory.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::command::run;

/// QEMU, with a libc and libraries of its own.
pub const QEMU: &str = "target/testbed/qemu";
/// For all scenes, which take a fraction of that. QEMU doesn't outlive a test that was killed for
/// longer than this.
const SECONDS: &str = "120";

/// A file of the guest: its path, its contents and its mode.
pub type GuestFile<'c> = (String, &'c [u8], u32);

/// What the guest has written.
pub struct Written {
    /// To the second serial port.
    pub output: String,
    /// The kernel's messages, and how QEMU ended.
    pub console: String,
}

/// Boots the kernel with these files, and waits until it is off or its time is over.
/// `/init` begins.
pub fn boot(image: &Path, files: &[GuestFile<'_>]) -> Written {
    let dir = tempfile::tempdir().expect("a folder can be made");
    let path = |name: &str| dir.path().join(name).display().to_string();
    make_archive(&dir.path().join("files"), files, &path("initrd"));
    let [output, console] = [path("output"), path("console")];
    let in_qemu = |name: &str| format!("{QEMU}/usr/{name}");
    let run = run(
        Command::new("timeout")
            .args(["--kill-after=5", SECONDS, &in_qemu("lib64/ld-linux-x86-64.so.2")])
            .args(["--library-path", &in_qemu("lib/x86_64-linux-gnu")])
            .arg(in_qemu("bin/qemu-system-x86_64"))
            .env("QEMU_MODULE_DIR", in_qemu("lib/x86_64-linux-gnu/qemu"))
            .args(["-L", &in_qemu("share/qemu"), "-L", &in_qemu("share/seabios")])
            .args(["-accel", "tcg", "-cpu", "max", "-m", "512"])
            .args(["-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot"])
            .args(["-serial", &format!("file:{console}"), "-serial", &format!("file:{output}")])
            .arg("-kernel")
            .arg(image)
            .args(["-initrd", &path("initrd")])
            .args(["-append", "console=ttyS0 no_timer_check quiet panic=-1 mitigations=off"]),
        "",
    );
    let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    Written { output: read(&output), console: format!("{}\n{run:?}", read(&console)) }
}

/// Makes an initramfs.
fn make_archive(dir: &Path, files: &[GuestFile<'_>], archive: &str) {
    for (path, contents, mode) in files {
        let path = dir.join(path);
        let parent = path.parent().expect("it is below a folder");
        fs::create_dir_all(parent).expect("a folder can be made");
        fs::write(&path, contents).expect("a file can be written");
        fs::set_permissions(&path, Permissions::from_mode(*mode)).expect("it is ours");
    }
    let status = Command::new("sh")
        .args(["-ec", "find . | /bin/busybox cpio -o -H newc"])
        .current_dir(dir)
        .stdout(File::create(archive).expect("a file can be made"))
        .stderr(Stdio::null())
        .status()
        .expect("a shell can be run");
    assert!(status.success(), "cpio: {status}");
}
