//! A container that the hook could well work on, if its documents were as they should be.

use devgate::kernel::ProgId;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::command::{Run, devgate};
use super::common::require;
use super::common::sleeper::Sleeper;

/// A live process in a cgroup with a program. Without root, only a live process.
pub struct Stage {
    container: Sleeper,
    cgroup: Option<TestCgroup>,
}

impl Stage {
    pub fn new() -> Stage {
        use std::os::fd::AsFd;
        let container = Sleeper::new();
        let cgroup = require::bpf().then(|| {
            let cgroup = TestCgroup::new();
            cgroup.take(container.pid());
            Foreign::allowing("before").attach(cgroup.open().as_fd(), 2);
            cgroup
        });
        Stage { container, cgroup }
    }

    pub fn pid(&self) -> u32 {
        self.container.pid()
    }

    /// A well-formed state of the container, without a bundle to be found.
    pub fn state(&self) -> String {
        let pid = self.pid();
        format!(
            r#"{{"ociVersion":"1.2.0","id":"c1","status":"creating","pid":{pid},"bundle":"/no/bundle"}}"#
        )
    }

    /// Each of these on standard input makes the hook fail with this line, and changes nothing.
    pub fn all_fail<I: AsRef<[u8]>>(&self, cases: impl IntoIterator<Item = (I, String)>) {
        let mut wrong = Vec::new();
        for (input, expected) in cases {
            let before = self.ids();
            let run = devgate(&["hook"], &input);
            let unchanged = self.ids() == before;
            if !fails_with(&run, &expected) || !unchanged {
                let input = String::from_utf8_lossy(input.as_ref()).into_owned();
                wrong.push(format!(
                    "input: {input}\nexpected: devgate: {expected}\nunchanged: {unchanged}\n{run:?}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }

    pub fn fails(&self, input: impl AsRef<[u8]>, expected: &str) {
        self.all_fail([(input, expected.to_owned())]);
    }

    /// What the hook says when it fails on this; nothing is changed.
    pub fn told(&self, input: impl AsRef<[u8]>) -> String {
        let before = self.ids();
        let run = devgate(&["hook"], &input);
        assert_eq!((run.code, self.ids()), (Some(1), before), "{run:?}");
        run.stderr
    }

    fn ids(&self) -> Vec<ProgId> {
        self.cgroup.as_ref().map(TestCgroup::ids).unwrap_or_default()
    }
}

fn fails_with(run: &Run, line: &str) -> bool {
    run.code == Some(1) && run.stdout.is_empty() && run.stderr == format!("devgate: {line}\n")
}

impl Drop for Stage {
    /// The process has to leave the cgroup before that can go.
    fn drop(&mut self) {
        self.container.kill();
    }
}
