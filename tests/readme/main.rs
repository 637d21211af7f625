//! The README's sections about registering the hook, followed to the letter on a machine that has
//! never seen devgate: systemd runs there, and of the engines the one that a section is about.

mod machine;
mod sections;

#[path = "../common/mod.rs"]
mod common;

use common::engine::ready;
use common::require::require;
use common::systemd;
use machine::{Followed, Step, follow};
use sections::commands;

const PODMAN: &str = "/usr/bin/podman";
const CONTAINERD: &str = "/usr/bin/containerd";

/// The sections in their order, each with the engines that the machine is without.
const STEPS: [Step; 8] = [
    Step { section: "Registering the hook", without: &[PODMAN, CONTAINERD] },
    Step { section: "podman", without: &[CONTAINERD] },
    Step { section: "CRI-O", without: &[PODMAN, CONTAINERD] },
    Step { section: "containerd", without: &[PODMAN] },
    Step { section: "CDI", without: &[CONTAINERD] },
    Step { section: "NRI", without: &[PODMAN] },
    // The package's is to be the one that is found.
    Step { section: "Debian", without: &[PODMAN, "/usr/local/bin/devgate"] },
    Step { section: "Adding a device to a running container", without: &[CONTAINERD] },
];

#[test]
fn every_section_works_as_it_is_written() {
    let engines = ["podman", "runc", "containerd"].into_iter().all(ready);
    let fuse = std::path::Path::new("/dev/fuse").exists();
    if !(systemd::ready() && engines && require(fuse, "there is no /dev/fuse")) {
        return;
    }
    for Followed { section, script, succeeded, output } in follow(&STEPS) {
        assert!(succeeded, "{section}:\n{script}\n{output}");
        println!("{section}: ok");
        expect_what_it_says(section, &output);
    }
}

/// What the commands of a section have to print.
fn expect_what_it_says(section: &str, output: &str) {
    let expected: &[&str] = match section {
        "podman" => &[
            "created /usr/share/containers/oci/hooks.d/devgate.json\n",
            " devgate attached container=",
            "registered in /usr/share/containers/oci/hooks.d/devgate.json: \
             /usr/local/bin/devgate devgate hook --log /var/lib/devgate/devgate.log\n",
            "ok          engines/podman      registered in \
             /usr/share/containers/oci/hooks.d/devgate.json, and proven: container ",
            "removed /usr/share/containers/oci/hooks.d/devgate.json\n",
        ],
        "CRI-O" => &[
            "created /usr/share/containers/oci/hooks.d/devgate.json\n",
            "replaced /usr/share/containers/oci/hooks.d/devgate.json\n",
            "removed /usr/share/containers/oci/hooks.d/devgate.json\n",
        ],
        "containerd" => &[
            "created /etc/containerd/devgate-base.json\n",
            "to be written into /etc/containerd/config.toml (--apply does it):\n",
            "replaced /etc/containerd/config.toml\n",
            "base_runtime_spec = \"/etc/containerd/devgate-base.json\"\n",
            "registered in /etc/containerd/devgate-base.json for runc: ",
            "removed /etc/containerd/devgate-base.json\n",
        ],
        "CDI" => &["created /etc/cdi/devgate.io-policy.json\n"],
        "NRI" => &["created /etc/containers/oci/hooks.d/devgate.json\n"],
        "Debian" => &[
            "Setting up devgate ",
            "created /etc/containerd/devgate-base.json\n",
            "Removing devgate ",
            "removed /etc/containerd/devgate-base.json\n",
        ],
        "Adding a device to a running container" => &[
            "+ allow c 10:229 rw         /dev/fuse\n",
            "held by link /sys/fs/bpf/devgate/",
            "node /dev/fuse made\n",
            "KEPT\n",
            "node /dev/fuse removed\n",
            "revoke  - allow c 10:229 rw\n",
        ],
        _ => &[],
    };
    for text in expected {
        assert!(output.contains(text), "{section} does not say {text:?}:\n{output}");
    }
}

#[test]
fn no_section_with_commands_is_left_out() {
    let followed: Vec<&str> = STEPS.iter().map(|step| step.section).collect();
    let written: Vec<String> = commands().into_iter().map(|(section, _)| section).collect();
    assert_eq!(written, followed);
}
