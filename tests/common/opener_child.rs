//! The child's side of the opener: device nodes in a file system of its own, and system calls.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process;

use devgate::device::{Access, DeviceType, Request};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{AccessFlags, access, unlink};

/// Covered by a tmpfs that only this thread sees.
const NODES: &str = "/tmp";

/// Does as the lines on standard input say, until they end.
pub fn serve() -> ! {
    private_tmpfs();
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input");
    let socket = UnixStream::from(socket);
    let mut answers = socket.try_clone().expect("a socket can be cloned");
    let mut orders = BufReader::new(socket);
    let mut answer = |text: &str| writeln!(answers, "{text}").expect("the parent listens");
    answer("ready");
    let mut line = String::new();
    while orders.read_line(&mut line).expect("the parent speaks") > 0 {
        let (verb, request) = line.trim_end().split_once(' ').expect("a verb and a request");
        let request: Request = request.parse().expect("a request");
        match verb {
            "node" => answer(&name(make_node(&request, &node(&request)))),
            "ask" => answer(&name(attempt(&request))),
            "hammer" => {
                answer("hammering");
                let (opened, denied) = hammer(&request, orders.get_ref());
                orders.read_line(&mut line).expect("the parent says stop");
                answer(&format!("{opened} {denied}"));
            }
            other => panic!("{other} is no order"),
        }
        line.clear();
    }
    process::exit(0);
}

fn private_tmpfs() {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("mount /");
    mount(Some("test"), NODES, Some("tmpfs"), MsFlags::empty(), none).expect("mount tmpfs");
}

fn name(outcome: nix::Result<()>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(errno) => format!("{errno:?}"),
    }
}

fn node(request: &Request) -> PathBuf {
    let Request { device_type, major, minor, .. } = request;
    Path::new(NODES).join(format!("{device_type}-{major}-{minor}"))
}

fn make_node(request: &Request, path: &Path) -> nix::Result<()> {
    let kind = match request.device_type {
        DeviceType::Block => SFlag::S_IFBLK,
        DeviceType::Char => SFlag::S_IFCHR,
    };
    let number = makedev(request.major.into(), request.minor.into());
    match mknod(path, kind, Mode::from_bits_truncate(0o600), number) {
        Err(Errno::EEXIST) => Ok(()),
        outcome => outcome,
    }
}

/// The system call that asks the cgroup for exactly this access.
fn attempt(request: &Request) -> nix::Result<()> {
    let path = node(request);
    // Without waiting for a device that is not ready, or taking it for a terminal.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let opened = |mode| open(&path, mode | flags, Mode::empty()).map(drop);
    match request.access {
        Access::NONE => access(&path, AccessFlags::F_OK),
        Access::READ => opened(OFlag::O_RDONLY),
        Access::WRITE => opened(OFlag::O_WRONLY),
        Access::MKNOD => {
            let new = path.with_extension("new");
            make_node(request, &new)?;
            unlink(&new)
        }
        both if both == Access::READ.union(Access::WRITE) => opened(OFlag::O_RDWR),
        _ => panic!("no system call asks for {request}"),
    }
}

/// Until the parent says something. How often the device could be opened, and how often not.
fn hammer(request: &Request, parent: &UnixStream) -> (u64, u64) {
    let (mut opened, mut denied) = (0, 0);
    loop {
        for _ in 0..64 {
            match attempt(request) {
                Err(Errno::EPERM) => denied += 1,
                _ => opened += 1,
            }
        }
        let mut fds = [PollFd::new(parent.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::ZERO).expect("a socket can be polled") > 0 {
            return (opened, denied);
        }
    }
}
