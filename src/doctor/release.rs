//! The kernel's release, for the little that can't be tried.

use super::line;

pub(super) const OSRELEASE: &str = "/proc/sys/kernel/osrelease";

/// Major and minor number of the running kernel's release; `None` if they can't be told.
pub(super) fn version() -> Option<(u32, u32)> {
    parse(&line(OSRELEASE).ok()?)
}

fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_all_kinds() {
        for (release, version) in [
            ("6.18.44-fc-v595", Some((6, 18))),
            ("5.10.0-32-cloud-amd64", Some((5, 10))),
            ("4.18.0-553.el8_10.x86_64", Some((4, 18))),
            ("6.0-rc1", Some((6, 0))),
            ("", None),
            ("7", None),
            ("v6.1", None),
        ] {
            assert_eq!(parse(release), version, "{release}");
        }
    }
}
