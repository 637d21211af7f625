//! Who changes a container's devices.

use std::env;
use std::path::Path;

use nix::unistd::getuid;
use serde::{Deserialize, Serialize};

use crate::files::{DOCUMENT_LIMIT, read_regular};

/// What the kernel shows where nobody has logged in (proc_pid_loginuid(5)).
const NO_LOGIN: u32 = u32::MAX;

/// A user, for the record. It says who asked, and gives no rights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user's id on the host.
    pub uid: u32,
    /// The login name, if the machine knows it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

impl User {
    /// The user behind this process: who called sudo (SUDO_UID and SUDO_USER), else who logged in
    /// (/proc/self/loginuid), else the process's own user.
    pub fn current() -> User {
        let variable = |name| env::var(name).ok();
        sudo_caller(variable("SUDO_UID"), variable("SUDO_USER")).unwrap_or_else(|| {
            let uid = login_uid().unwrap_or_else(|| getuid().as_raw());
            User { uid, name: login_name(uid, "/etc/passwd".as_ref()) }
        })
    }
}

fn sudo_caller(uid: Option<String>, name: Option<String>) -> Option<User> {
    let uid = uid?.parse().ok()?;
    Some(User { uid, name: name.filter(|name| !name.is_empty()) })
}

fn login_uid() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

/// The name by passwd(5). getpwuid(3) would load the C library's name services, which a static
/// program can't.
fn login_name(uid: u32, passwd: &Path) -> Option<String> {
    let text = String::from_utf8(read_regular(passwd, DOCUMENT_LIMIT).ok()?).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found: u32 = fields.nth(1)?.parse().ok()?;
        (found == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_names_the_user_behind_it() {
        let some = |text: &str| Some(text.to_owned());
        let ada = User { uid: 1000, name: some("ada") };
        assert_eq!(sudo_caller(some("1000"), some("ada")), Some(ada));
        assert_eq!(sudo_caller(some("x"), some("ada")), None);
        assert_eq!(sudo_caller(None, some("ada")), None);
    }

    #[test]
    fn names_come_from_passwd() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "root:x:0:0::/root:/bin/sh\nbroken\nada:x:1000:1000:::\n").unwrap();
        let name = |uid| login_name(uid, file.path());
        assert_eq!((name(0), name(1000)), (Some("root".into()), Some("ada".into())));
        assert_eq!(name(1001), None);
        assert_eq!(login_name(0, "/no/such/file".as_ref()), None);
    }
}
