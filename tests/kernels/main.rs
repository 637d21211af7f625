//! devgate on older kernels: each boots in an emulated machine with busybox and the release binary,
//! runs every scene, and the tests look at what the scenes printed.
//!
//! A scene is a shell script for the guest (`NAME.sh`) and tests of its steps (`NAME.rs`). What
//! scenes share is in `guest.sh`. A new kernel is a row in `kernels.txt`.

#[path = "../common/mod.rs"]
mod common;
mod demo;
mod guest;
mod hold;
mod kernel;
mod observe;
mod qemu;
mod semantics;

/// Each scene's name and script.
fn scenes() -> [(&'static str, String); 4] {
    [
        ("demo", demo::SCRIPT.to_owned()),
        ("hold", hold::SCRIPT.to_owned()),
        ("observe", observe::SCRIPT.to_owned()),
        ("semantics", semantics::script()),
    ]
}
