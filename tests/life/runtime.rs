//! The runtime below an engine, in a wrapper.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::common::engine::host::Debian;
use crate::machine::Machine;
use crate::policy::{POLICIES, Policy, Rules};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Runc,
    Crun,
}

/// Hides limits from the runtime, since their controllers may be bound to cgroup v1 on this
/// machine: the update is made all the same, with its device rules. A container's config.json
/// gets the rules that its engine has no options for.
const WRAPPER: &str = r#"#!/bin/sh
hide='s/"(cpu|memory|pids|blockIO)":/"x-\1":/g'
bundle=. resources= previous= command=
for word; do
  case $previous in -b|--bundle) bundle=$word ;; -r|--resources) resources=$word ;; esac
  case $word in
    --bundle=*) bundle=${word#*=} ;;
    --resources=*) resources=${word#*=} ;;
    create|run|restore|update) command=${command:-$word} ;;
  esac
  previous=$word
done
set -- @RUNTIME@ "$@"
case $command in
create|run|restore)
  sed -i -E "$hide" "$bundle/config.json"
  policy=$(grep -o -m 1 'policy-[0-9]' "$bundle/config.json" | head -n 1)
  if test -f "@DIR@/$policy.sed"; then
    sed -i -E -f "@DIR@/$policy.sed" "$bundle/config.json"
  fi
  ;;
update)
  case $resources in
    ''|-) sed -E "$hide" | "$@"; exit ;;
    *) sed -i -E "$hide" "$resources" ;;
  esac
  ;;
esac
exec "$@"
"#;

impl Runtime {
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
        }
    }

    /// Puts the wrapper in the machine's folder, with these options of the runtime. `edited` says
    /// which policies' rules it has to write.
    pub fn wrap(self, machine: &Machine, debian: Debian, options: &str, edited: impl Fn(&Policy) -> bool) {
        let dir = machine.dir();
        let text = dir.to_str().expect("the folder's path is text");
        let preload = match (self, debian) {
            (Runtime::Crun, Debian::Own) => format!("env LD_PRELOAD={} ", memlock(dir)),
            _ => String::new(),
        };
        let program = match self {
            Runtime::Runc => "/usr/sbin/runc",
            Runtime::Crun => "/usr/bin/crun",
        };
        let command = format!("{preload}{program} {options}");
        let wrapper = WRAPPER.replace("@RUNTIME@", &command).replace("@DIR@", text);
        let file = dir.join(self.name());
        fs::write(&file, wrapper).expect("a file can be made");
        fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("its mode can be set");
        for (index, policy) in POLICIES.iter().enumerate().filter(|(_, policy)| edited(policy)) {
            let all = r#"s/"resources":\{"devices":\[[^]]*"#;
            let script = match policy.rules {
                Rules::Plain => continue,
                Rules::More(rules) => format!("{all}/&,{rules}/\n"),
                Rules::Only(rules) => format!("{all}/\"resources\":{{\"devices\":[{rules}/\n"),
            };
            fs::write(dir.join(format!("policy-{index}.sed")), script).expect("a file can be made");
        }
    }
}

/// What lets crun 1.8 run without CAP_SYS_RESOURCE: see there.
fn memlock(dir: &Path) -> String {
    let (library, source) = (dir.join("memlock.so"), dir.join("memlock.c"));
    fs::write(&source, include_str!("../common/engine/memlock.c")).expect("a file can be made");
    let mut command = Command::new("cc");
    let status = command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(status.is_ok_and(|status| status.success()), "cc builds it");
    library.into_os_string().into_string().expect("the path is text")
}
