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
edit() {
  policy=$(grep -o -m 1 'policy-[0-9]' "$1" | head -n 1)
  if test -f "@DIR@/$policy.sed"; then
    sed -i -E -f "@DIR@/$policy.sed" "$1"
  fi
}
if test "$1" = as-hook; then
  cp config.json config.json.before
  edit config.json
  exit
fi
hide='s/"(cpu|memory|pids|blockIO)":/"x-\1":/g'
bundle=. resources= previous= command=
for word; do
  case $previous in -b|--bundle) bundle=$word ;; -r|--resources) resources=$word ;; esac
  case $word in
    --bundle=*) bundle=${word#*=} ;;
    --resources=*) resources=${word#*=} ;;
    create|run|checkpoint|restore|update) command=${command:-$word} ;;
  esac
  previous=$word
done
# CRIU would restore cgroups of v1, too, where this machine has them.
case $command in checkpoint|restore)
  count=$#
  for word; do
    set -- "$@" "$word"
    test "$word" != $command || set -- "$@" --manage-cgroups-mode=ignore
  done
  shift $count
esac
set -- @RUNTIME@ "$@"
case $command in
create|run|restore)
  sed -i -E "$hide" "$bundle/config.json"
  if ! test -e "@DIR@/late"; then
    edit "$bundle/config.json"
  elif test $command = restore; then
    cp "$bundle/config.json.before" "$bundle/config.json"
    "$@"
    code=$?
    edit "$bundle/config.json"
    exit $code
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

/// A hook before devgate, for a runtime that refuses the rules.
const LATE: &str = r#"{"version": "1.0.0", "when": {"always": true}, "stages": ["createRuntime"],
  "hook": {"path": "@DIR@/@NAME@", "args": ["@NAME@", "as-hook"], "env": ["PATH=/usr/bin:/bin"]}}"#;

impl Runtime {
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Runc => "runc",
            Runtime::Crun => "crun",
        }
    }

    /// Lets a hook write the rules that its engine has no options for, in place of the wrapper.
    pub fn edit_late(self, machine: &Machine, hooks: &str) {
        let dir = machine.dir().to_str().expect("the folder's path is text");
        fs::write(machine.dir().join("late"), "").expect("a file can be made");
        let hook = LATE.replace("@DIR@", dir).replace("@NAME@", self.name());
        let file = machine.dir().join("late.json");
        fs::write(&file, hook).expect("a file can be made");
        let file = file.to_str().expect("the path is text");
        machine.succeed("cp", &[file, &format!("{hooks}/a-late.json")]);
    }

    /// Puts the wrapper in the machine's folder, with these options of the runtime. `edited` says
    /// which policies' rules it has to write.
    pub fn wrap(
        self,
        machine: &Machine,
        debian: Debian,
        options: &str,
        edited: impl Fn(&Policy) -> bool,
    ) {
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
