//! A process that does nothing, to stand for a container's.

use std::process::{Child, Command};

use super::cgroup::TestCgroup;

/// It is ended when this is dropped.
pub struct Sleeper(Child);

impl Sleeper {
    /// In the test's own cgroup.
    pub fn new() -> Sleeper {
        Sleeper(Command::new("sleep").arg("600").spawn().expect("sleep can be run"))
    }

    pub fn within(cgroup: &TestCgroup) -> Sleeper {
        let sleeper = Sleeper::new();
        cgroup.take(sleeper.pid());
        sleeper
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it and leaves it a zombie until this is dropped.
    pub fn kill(&mut self) {
        self.0.kill().expect("the process is the test's own");
        let stat = format!("/proc/{}/stat", self.pid());
        let is_zombie = |stat: String| stat.contains(") Z ");
        while !std::fs::read_to_string(&stat).is_ok_and(is_zombie) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
