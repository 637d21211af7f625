//! Containers in a user namespace: the kernel loads device programs for nobody in there.

use std::fs;
use std::io;

use crate::enforce::EnforceError;

/// The map of the initial user namespace: every id stands for itself (user_namespaces(7)).
const EVERY_ID: [&str; 3] = ["0", "0", "4294967295"];

/// Whether the failure is what becomes of a rootless container: no right to load a program,
/// or, as nobody delegated a cgroup to it, none that is its own.
pub(super) fn explains(error: &EnforceError) -> bool {
    error.is_permission() || matches!(error, EnforceError::Refused(_))
}

/// Whether the caller is in a user namespace other than the initial one.
///
/// # Errors
/// /proc/self/uid_map can't be read.
pub fn in_user_namespace() -> io::Result<bool> {
    fs::read_to_string("/proc/self/uid_map").map(|map| !is_initial(&map))
}

fn is_initial(map: &str) -> bool {
    map.split_whitespace().eq(EVERY_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_initial_namespace_maps_every_id_to_itself() {
        assert!(is_initial("         0          0 4294967295\n"));
        assert!(!is_initial("         0       1000          1\n"));
        assert!(!is_initial(
            "         0       1000          1\n         1     100000      65536\n"
        ));
    }
}
