//! A container image of the busybox root file system, as `docker save` writes one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::common::engine::rootfs;

pub const IMAGE: &str = "localhost/busybox:1";

/// Makes it below `dir`. What its containers do by themselves is nothing, as a pod's first one.
pub fn make(dir: &Path) -> PathBuf {
    let parts = dir.join("image");
    let root = dir.join("rootfs");
    rootfs::make(&root);
    fs::create_dir(&parts).expect("a folder can be made");
    tar(&root, &parts.join("layer.tar"));
    let config = json!({
        "os": "linux",
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "config": {"Env": ["PATH=/bin"], "Cmd": ["busybox", "sleep", "600"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(&parts.join("layer.tar"))]},
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]);
    for (file, content) in [("config.json", config), ("manifest.json", manifest)] {
        fs::write(parts.join(file), content.to_string()).expect("a file can be made");
    }
    let image = dir.join("image.tar");
    tar(&parts, &image);
    image
}

fn tar(dir: &Path, archive: &Path) {
    let status = Command::new("tar").arg("-C").arg(dir).arg("-cf").arg(archive).arg(".").status();
    assert!(status.is_ok_and(|status| status.success()), "{} can be archived", dir.display());
}

fn digest(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("sha256sum can be run");
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let digest = text.split_whitespace().next().expect("it prints the digest first");
    format!("sha256:{digest}")
}
