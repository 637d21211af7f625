//! What the container asks the kernel for, each time that it is told to.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use devgate::container::pid_in;
use devgate::device::Request;
use devgate::policy::Verdict;

use crate::common::engine::answers::{Answer, FUNCTIONS, parse};

/// What is asked for. Nobody has a device of major 510, and opening the others has no effect.
const REQUESTS: [&str; 12] = [
    "c 1:3 r",
    "c 1:3 w",
    "c 1:3 rw",
    "c 10:200 rw",
    "c 10:229 m",
    "c 10:229 r",
    "c 10:229 w",
    "c 10:229 rw",
    "c 510:7 r",
    "c 510:7 rw",
    "b 510:7 r",
    "b 510:7 w",
];

/// For how long an answer may be on its way.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn requests() -> Vec<Request> {
    REQUESTS.iter().map(|request| request.parse().expect("a request")).collect()
}

/// The container's shell script. It waits for an order, which is a number, takes all steps, and
/// leaves the answers in a file of that number. All is in the container's own /dev.
pub fn script(policy: usize) -> String {
    let mut script = format!(": policy-{policy}\n{FUNCTIONS}");
    let mut steps = String::new();
    for request in requests() {
        let Request { device_type, major, minor, access } = request;
        let node = format!("/dev/probe-{device_type}-{major}-{minor}");
        let text = access.to_string();
        let made = format!("{device_type} {major} {minor}");
        writeln!(script, "mknod {node} {made} 2>/dev/null").expect("a String takes everything");
        let step = match text.as_str() {
            "m" => format!("m /dev/probe {made}; busybox rm -f /dev/probe"),
            text => format!("{text} {node}"),
        };
        writeln!(steps, "{step}").expect("a String takes everything");
    }
    script
        + "busybox mkfifo /dev/orders\n\
           while true; do\n\
           read -r n </dev/orders || continue\n\
           {\n"
        + &steps
        + "} >/dev/answers.new\n\
           busybox mv /dev/answers.new /dev/answers.$n\n\
           done\n"
}

/// Why the container gave no answers.
#[derive(Debug)]
pub struct Silent(pub String);

/// Lets the first process of the container in this cgroup ask for everything.
pub fn ask(cgroup: &Path) -> Result<Vec<Verdict>, Silent> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let end = Instant::now() + PATIENCE;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut orders = None;
    let mut last = String::new();
    while Instant::now() < end {
        if let Some(dev) = dev(cgroup) {
            if orders.is_none() {
                orders = order(&dev, number).map_err(|error| last = error.to_string()).ok();
            }
            let file = dev.join(format!("answers.{number}"));
            if let Ok(text) = fs::read_to_string(&file) {
                let _ = fs::remove_file(file);
                return Ok(text.lines().map(verdict).collect());
            }
        }
        sleep(Duration::from_millis(2));
    }
    Err(Silent(format!("no answer within {PATIENCE:?} in {}: {last}", cgroup.display())))
}

/// The container's /dev, as the host sees it.
fn dev(cgroup: &Path) -> Option<PathBuf> {
    Some(PathBuf::from(format!("/proc/{}/root/dev", pid_in(cgroup)?)))
}

/// The order lasts for as long as the file stays open. It is opened for both, so that this does
/// not wait for the container.
fn order(dev: &Path, number: u32) -> std::io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(nix::libc::O_NONBLOCK);
    let mut file = options.open(dev.join("orders"))?;
    writeln!(file, "{number}")?;
    Ok(file)
}

fn verdict(line: &str) -> Verdict {
    match parse(line) {
        (_, Answer::Passed) => Verdict::Allow,
        (_, Answer::Refused) => Verdict::Deny,
    }
}
