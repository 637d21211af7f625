//! A child process that opens devices when told to, so that the kernel is asked what its cgroup
//! may do.
//!
//! The child is the test binary itself, run for one test, which has to begin with
//! [`serve_if_child`]. Orders and answers are lines on a socket, which is its standard input.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use devgate::device::Request;
use devgate::policy::Verdict;

use super::cgroup::TestCgroup;
use super::opener_child;

const CHILD: &str = "DEVGATE_TEST_OPENER";

/// Becomes the child, and does not return, if this process was started as one.
pub fn serve_if_child() {
    if env::var_os(CHILD).is_some() {
        opener_child::serve();
    }
}

/// The parent's end. The child is ended when this is dropped.
pub struct Opener {
    child: Child,
    orders: UnixStream,
    answers: BufReader<UnixStream>,
}

/// How often a device could be opened, and how often not.
#[derive(Clone, Copy, Debug)]
pub struct Hammered {
    pub opened: u64,
    pub denied: u64,
}

impl Opener {
    /// A child in the cgroup. `test` is the name of a test that begins with [`serve_if_child`].
    pub fn within(cgroup: &TestCgroup, test: &str) -> Opener {
        let (orders, theirs) = UnixStream::pair().expect("a socket pair");
        let child = Command::new(env::current_exe().expect("the test has a path"))
            .args([test, "--exact", "--nocapture"])
            .env(CHILD, "1")
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .expect("the test binary can be run");
        let answers = BufReader::new(orders.try_clone().expect("a socket can be cloned"));
        let mut opener = Opener { child, orders, answers };
        cgroup.take(opener.child.id());
        assert_eq!(opener.answer(), "ready");
        opener
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Moves the child on into another cgroup, which must not be removed before this is dropped.
    pub fn move_to(&self, cgroup: &Path) {
        let file = cgroup.join("cgroup.procs");
        fs::write(file, self.pid().to_string()).expect("the child can be moved");
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").expect("the child takes orders");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the child answers");
        line.trim_end().to_owned()
    }

    /// Makes the device node that [`Opener::ask`] needs. Its mknod(2) must be allowed.
    pub fn make_node(&mut self, request: &Request) {
        assert_eq!(self.order(&format!("node {request}")), "ok", "mknod for {request}");
    }

    /// What becomes of the request: `ok`, or the errno's name.
    pub fn ask(&mut self, request: &Request) -> String {
        self.order(&format!("ask {request}"))
    }

    /// The kernel's verdict: EPERM comes from the cgroup, any other error from behind it.
    pub fn verdict(&mut self, request: &Request) -> Verdict {
        match self.ask(request).as_str() {
            "EPERM" => Verdict::Deny,
            _ => Verdict::Allow,
        }
    }

    /// Opens the device over and over while `action` runs.
    pub fn hammer(&mut self, request: &Request, action: impl FnOnce()) -> Hammered {
        assert_eq!(self.order(&format!("hammer {request}")), "hammering");
        action();
        let answer = self.order("stop");
        let (opened, denied) = answer.split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse().expect("a number");
        Hammered { opened: number(opened), denied: number(denied) }
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
