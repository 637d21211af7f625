//! `devgate metrics`: the hook's statistics, real denials, HTTP, and a real Prometheus with the alert
//! rules and the dashboard.

mod denials;
mod hook;
mod http;
mod prometheus;
mod rules;
mod textfile;
mod units;

#[path = "../common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use common::command::command;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A config.json whose policy is the base rules and /dev/fuse to read.
const CONFIG: &str = r#"{"linux":{"resources":{"devices":[{"allow":false,"access":"rwm"},
    {"allow":true,"type":"c","major":10,"minor":229,"access":"r"}]}}}"#;

/// The value of the line that begins so. There is one.
#[track_caller]
fn value(text: &str, series: &str) -> u64 {
    let prefix = format!("{series} ");
    let mut found = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    match (found.next(), found.next()) {
        (Some(value), None) => value.parse().expect("a whole number"),
        found => panic!("{series}: {found:?} in\n{text}"),
    }
}

/// `devgate metrics --listen` on a free port. It is ended when this is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(more: &[&str]) -> Server {
        let args = [&["metrics", "--listen", "127.0.0.1:0"], more].concat();
        let mut process =
            command(&args).stderr(Stdio::piped()).spawn().expect("devgate can be started");
        let mut line = String::new();
        let stderr = process.stderr.take().expect("standard error is a pipe");
        BufReader::new(stderr).read_line(&mut line).expect("a line");
        let address = line.trim_end().strip_prefix("devgate: serves http://");
        let address = address.and_then(|line| line.strip_suffix("/metrics"));
        let address = address.unwrap_or_else(|| panic!("{line}")).parse().expect("an address");
        Server { process, address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
        stream
    }

    /// All that comes for what is sent.
    fn send(&self, request: &[u8]) -> String {
        send(self.connect(), request)
    }

    fn get(&self, path: &str) -> String {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
    }

    #[track_caller]
    fn metrics(&self) -> String {
        body(&self.get("/metrics")).to_owned()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill(self.pid(), Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

fn send(mut stream: TcpStream, request: &[u8]) -> String {
    // It may answer, and close, before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("the answer is text")
}

/// What is below the head of an answer that is good.
#[track_caller]
fn body(answer: &str) -> &str {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    assert!(head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.0 200 "), "{answer}");
    body
}
