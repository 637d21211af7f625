//! `devgate demo`, and what `doctor` says of the kernel.

use super::guest::guests;

pub const SCRIPT: &str = include_str!("demo.sh");

#[test]
fn each_kernel_is_the_one_that_the_table_names() {
    for guest in guests() {
        let release = guest.done("demo", "release");
        assert!(release.starts_with(&format!("{}.", guest.kernel.name)), "{release}");
    }
}

#[test]
fn every_row_of_the_demo_matches() {
    for guest in guests() {
        let text = guest.done("demo", "demo");
        let rows = text.lines().filter(|line| line.starts_with("/dev/")).count();
        assert!(rows > 10, "{}: {text}", guest.kernel);
        assert!(text.contains(&format!("{rows} of {rows} requests match.\n")), "{text}");
        assert!(!text.contains("MISMATCH"), "{}: {text}", guest.kernel);
    }
}

#[test]
fn the_doctor_finds_nothing_broken() {
    for guest in guests() {
        let step = guest.step("demo", "doctor");
        let is_sound = matches!(step.code, Some(0 | 4));
        assert!(is_sound, "{}: {step:#?}", guest.kernel);
    }
}
