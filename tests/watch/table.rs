//! The table, in a terminal that takes real keys: tmux.

use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::common::opener::serve_if_child;
use super::common::require::{self, require};
use super::stand::{Stand, alone};

const TMUX: &str = "/usr/bin/tmux";

fn ready() -> bool {
    let why = "tmux is missing; `make test-deps` installs it";
    require::bpf() && require(Path::new(TMUX).exists(), why)
}

/// A terminal of a server of its own, which ends when this is dropped.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// That runs this in a shell.
    fn new(name: &str, script: &str) -> Terminal {
        let terminal = Terminal { socket: format!("devgate-test-{}-{name}", std::process::id()) };
        let size = ["-x", "150", "-y", "24"];
        let start = [&["-f", "/dev/null", "new-session", "-d"], &size[..], &["sh", "-c", script]];
        terminal.tmux(&start.concat());
        terminal
    }

    #[track_caller]
    fn tmux(&self, args: &[&str]) -> String {
        let mut command = Command::new(TMUX);
        command.args(["-L", &self.socket]).args(args).env("LC_ALL", "C.UTF-8");
        let Output { status, stdout, stderr } = command.output().expect("tmux can be run");
        assert!(status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("the screen is text")
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// The screen, once this holds.
    #[track_caller]
    fn wait(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let screen = self.screen();
            if is_it(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "not within 20 s: {what}:\n{screen}");
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = Command::new(TMUX).args(["-L", &self.socket, "kill-server"]).output();
    }
}

/// The devices in the order of the table's rows.
fn devices(screen: &str) -> Vec<&str> {
    let rows = screen.lines().filter(|line| line.contains(" boxed "));
    rows.filter_map(|line| {
        line.split_whitespace().find(|word| word.contains(':') && word.len() < 8)
    })
    .collect()
}

const FUSE: &str = "c 10:229 rw";
const KMSG: &str = "c 1:11 rw";
const KVM: &str = "c 10:232 r";

#[test]
fn it_is_sorted_and_ended_by_keys_and_follows_the_terminals_size() {
    serve_if_child();
    if !ready() {
        return;
    }
    let _alone = alone();
    let test = "table::it_is_sorted_and_ended_by_keys_and_follows_the_terminals_size";
    let mut stand = Stand::new(test, "boxed", &[FUSE, KMSG, KVM]);
    let devgate = env!("CARGO_BIN_EXE_devgate");
    let script = format!("{devgate} watch boxed; echo ended=$?; stty -a; sleep 60");
    let terminal = Terminal::new("keys", &script);
    terminal
        .wait("the table is there", |screen| screen.contains("TIME▼") && screen.contains("q quit"));
    for (request, times) in [(FUSE, 2), (KMSG, 3), (KVM, 1)] {
        (0..times).for_each(|_| assert_eq!(stand.ask(request), "EPERM"));
        sleep(Duration::from_millis(50));
    }
    let screen = terminal.wait("three rows", |screen| devices(screen).len() == 3);
    assert!(
        screen.contains("3 kinds of requests denied; the kernel tells the verdicts"),
        "{screen}"
    );
    assert!(screen.contains("boxed"), "{screen}");
    let by_time = terminal.wait("the latest is first", |screen| screen.contains("10:232 /dev/kvm"));
    assert_eq!(devices(&by_time), ["10:232", "1:11", "10:229"], "{by_time}");
    let sorted = |keys: &[&str], title: &str, expected: [&str; 3]| {
        terminal.keys(keys);
        terminal.wait(title, |screen| screen.contains(title) && devices(screen) == expected);
    };
    sorted(&["n"], "COUNT▼", ["1:11", "10:229", "10:232"]);
    sorted(&["n"], "COUNT▲", ["10:232", "10:229", "1:11"]);
    sorted(&["d"], "DEVICE▲", ["1:11", "10:229", "10:232"]);
    // Counts go on in place.
    assert_eq!(stand.ask(KVM), "EPERM");
    terminal.wait("a count grew", |screen| {
        screen.lines().any(|line| line.contains("/dev/kvm") && line.contains(" 2 "))
    });
    terminal.keys(&["Down"]);
    let cgroup = format!("cgroup     {}", stand.cgroup.text());
    let program = stand.cgroup.ids()[0];
    let rule = format!(
        "deny       program {program} (devgate) on its cgroup: deny a *:* rwm (devices[0])"
    );
    terminal.wait("the details", |screen| screen.contains(&cgroup) && screen.contains(&rule));
    terminal.tmux(&["resize-window", "-x", "80", "-y", "12"]);
    terminal.wait("a narrow terminal has container, device and rule", |screen| {
        let has = |part: &str| screen.contains(part);
        has("CONTAINER") && has("boxed") && has("c 10:229 /dev/fuse") && has("deny a *:* rwm")
    });
    terminal.tmux(&["resize-window", "-x", "110", "-y", "12"]);
    let fits = |screen: &str| {
        let last = screen.trim_end().lines().last().unwrap_or_default();
        last.starts_with("q quit") && screen.lines().all(|line| line.chars().count() <= 110)
    };
    terminal.wait("it fits", |screen| fits(screen) && devices(screen).len() == 3);
    terminal.keys(&["q"]);
    let screen = terminal.wait("it ended", |screen| screen.contains("ended=0"));
    assert!(!screen.contains("DEVICE"), "the screen is what it was: {screen}");
    let screen =
        terminal.wait("stty told", |screen| screen.contains("echoke") || screen.contains("icanon"));
    assert!(screen.contains("isig icanon iexten echo "), "{screen}");
}

#[test]
fn signals_and_the_keys_of_a_terminal_end_it_too() {
    if !ready() {
        return;
    }
    let _alone = alone();
    let devgate = env!("CARGO_BIN_EXE_devgate");
    let script = format!("{devgate} watch; echo ended=$?; stty -a; sleep 60");
    for (name, end) in [("c", "C-c"), ("term", "")] {
        let terminal = Terminal::new(name, &script);
        terminal.wait("the table is there", |screen| screen.contains("q quit"));
        match end {
            "" => {
                let shell = terminal.tmux(&["display-message", "-p", "#{pane_pid}"]);
                let children = format!("/proc/{0}/task/{0}/children", shell.trim());
                let child = std::fs::read_to_string(children).unwrap();
                let child: i32 = child.split_whitespace().next().unwrap().parse().unwrap();
                let signal = nix::sys::signal::Signal::SIGTERM;
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), signal).unwrap();
            }
            key => terminal.keys(&[key]),
        }
        terminal.wait("it ended", |screen| {
            screen.contains("ended=0") && screen.contains("isig icanon")
        });
    }
}
