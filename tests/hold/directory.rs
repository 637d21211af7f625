//! Which directories serve for pins.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use devgate::bpffs::PinDirError;
use devgate::hold::{HoldError, Pins};

use super::common::bpffs::BpfFs;
use super::common::enforce::chain;
use super::common::require;

#[test]
fn it_is_made_for_root_alone() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let dir = bpffs.path().join("devgate");
    Pins::make(&dir).expect("the directory can be made");
    let mode = fs::metadata(&dir).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    Pins::make(&dir).expect("it may be there already");
}

#[test]
fn what_others_can_write_to_is_refused() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let dir = bpffs.path().join("devgate");
    Pins::make(&dir).expect("the directory can be made");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("chmod");
    let error = Pins::make(&dir).expect_err("others can look into it");
    let expected = format!(
        "directory {} belongs to uid 0 with mode 0755; it must belong to root with mode 0700",
        dir.display()
    );
    assert_eq!(chain(&error), expected);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("chmod");
    chown(&dir, Some(65534), None).expect("chown");
    let error = Pins::make(&dir).expect_err("it is not root's");
    let HoldError::Directory(PinDirError::NotOurs { uid: 65534, mode: 0o700, .. }) = error else {
        panic!("{error:?}")
    };
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    if !require::bpf() {
        return;
    }
    let bpffs = BpfFs::new();
    let (dir, target) = (bpffs.path().join("devgate"), bpffs.path().join("elsewhere"));
    Pins::make(&target).expect("the directory can be made");
    symlink(&target, &dir).expect("bpffs has symbolic links");
    let error = Pins::make(&dir).expect_err("it is a link");
    assert!(matches!(error, HoldError::Directory(PinDirError::Directory { .. })), "{error:?}");
    fs::remove_file(dir).expect("the link can be removed");
}

#[test]
fn a_directory_elsewhere_is_named_with_the_remedy() {
    if !require::bpf() {
        return;
    }
    let dir = std::env::temp_dir();
    let error = Pins::open(&dir).expect_err("it is not on a bpffs");
    let expected = format!(
        "{} is not on a bpffs, so nothing can be pinned there (mount -t bpf bpf /sys/fs/bpf)",
        dir.display()
    );
    assert_eq!(chain(&error), expected);
}
