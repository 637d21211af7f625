//! `devgate install podman --when`: which containers podman runs the hook for (oci-hooks(5)).

use crate::common::engine::podman::Podman;
use crate::podman::{STEPS, with_each};

/// Conditions, and options of `podman run` with which they hold and with which they don't.
struct Case {
    when: &'static [&'static str],
    gated: &'static [&'static [&'static str]],
    ungated: &'static [&'static [&'static str]],
}

const VOLUME: &str = "--volume=/bin:/mnt:ro";

/// Without it the command is `sh`.
const BUSYBOX: &str = "--entrypoint=/bin/busybox";

const CASES: [Case; 7] = [
    Case { when: &["--when=always"], gated: &[&[]], ungated: &[] },
    Case {
        when: &["--when=bind-mounts"],
        // podman counts whatever is mounted because its caller said so.
        gated: &[&[VOLUME], &["--volume=named:/mnt"], &["--tmpfs=/mnt"]],
        ungated: &[&[]],
    },
    Case {
        when: &["--when=annotation=org.example/on"],
        gated: &[&["--annotation=org.example/on=any"], &["--annotation=org.example/on="]],
        ungated: &[
            &[],
            &["--annotation=org-example/on=any"],
            &["--annotation=org.example/on.ly=any"],
            &["--annotation=an.org.example/on=any"],
        ],
    },
    Case {
        when: &["--when=annotation=org.example/level=^(high|low=er)$"],
        gated: &[
            &["--annotation=org.example/level=high"],
            &["--annotation=org.example/level=low=er"],
        ],
        ungated: &[&[], &["--annotation=org.example/level=higher"]],
    },
    Case { when: &["--when=command=^/bin/busybox$"], gated: &[&[BUSYBOX]], ungated: &[&[]] },
    // Of several commands, one is enough.
    Case {
        when: &["--when=command=^/bin/busybox$", "--when=command=^sh$"],
        gated: &[&[BUSYBOX], &[]],
        ungated: &[],
    },
    Case {
        when: &["--when=bind-mounts", "--when=annotation=org.example/on"],
        gated: &[&[VOLUME, "--annotation=org.example/on=any"]],
        ungated: &[&[VOLUME], &["--annotation=org.example/on=any"]],
    },
];

#[test]
fn the_hook_runs_where_the_conditions_hold() {
    with_each(|debian| {
        for Case { when, gated, ungated } in CASES {
            let podman = Podman::of(debian, when);
            // Shown where it fails.
            let options = |options| println!("{when:?}, podman run {options:?}");
            for option in ungated {
                options(option);
                podman.expect_ungated(option);
            }
            for option in gated {
                options(option);
                podman.expect(option, STEPS);
            }
            assert_eq!(podman.hook_runs().len(), gated.len());
        }
    });
}
