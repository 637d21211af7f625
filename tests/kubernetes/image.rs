//! The image of the release binary.

use std::path::Path;

use super::common::engine;
use super::common::engine::podman::Podman;
use super::common::require::require;

/// Without `localhost/`, podman would ask a registry for it.
pub const IMAGE: &str = concat!("localhost/devgate:", env!("CARGO_PKG_VERSION"));

const BINARY: &str = "target/release/devgate";

pub fn ready() -> bool {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(BINARY).exists();
    engine::ready("podman")
        && engine::ready("runc")
        && require(built, "target/release/devgate is missing; `make build`")
}

/// podman with the image.
pub fn build() -> Podman {
    let podman = Podman::without_hook();
    let containerfile = "hooks/kubernetes/Containerfile";
    podman.command_succeeds(&["build", "--quiet", "--tag", IMAGE, "--file", containerfile, "."]);
    podman
}

#[test]
fn it_is_devgate() {
    if !ready() {
        return;
    }
    let run = build().run_image(&[], IMAGE, &["--version"]);
    assert_eq!(run.success(), concat!("devgate ", env!("CARGO_PKG_VERSION"), "\n"));
}
