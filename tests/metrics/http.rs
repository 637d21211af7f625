//! Whoever reaches the port may be hostile.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::common::command::devgate;
use super::common::require;
use super::{Server, body, value};

#[test]
fn pages_and_refusals() {
    if !require::bpf() {
        return;
    }
    let server = Server::start(&[]);
    let answer = server.get("/metrics");
    let content_type = "content-type: text/plain; version=0.0.4; charset=utf-8\r\n";
    assert!(answer.contains(content_type), "{answer}");
    assert_eq!(value(body(&answer), "devgate_observing"), 0);
    assert!(body(&server.get("/")).contains("<a href=\"/metrics\">"));
    let head = server.send(b"HEAD /metrics HTTP/1.0\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n") && head.contains(" 200 "), "{head}");
    for (request, status) in [
        (&b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"[..], "404 Not Found"),
        (
            b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
            "405 Method Not Allowed",
        ),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = server.send(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{status}: {answer}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(100_000));
    let answer = server.send(long.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
    let answer = server.send(many.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    server.metrics();
}

/// More connections than there are places, which send nothing, or half a request, or read nothing.
#[test]
fn clients_that_are_slow_or_many_keep_nobody_out() {
    if !require::bpf() {
        return;
    }
    let server = Server::start(&[]);
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..40 {
        open.push(server.connect());
        let mut half = server.connect();
        std::io::Write::write_all(&mut half, b"GET /metrics HTTP/1.1\r\nHost: ").expect("sent");
        open.push(half);
        let mut unread = server.connect();
        std::io::Write::write_all(&mut unread, b"GET /metrics HTTP/1.1\r\n\r\n").expect("sent");
        open.push(unread);
    }
    for _ in 0..5 {
        server.metrics();
    }
    // Of 121 descriptors or more, 32 and the server's own are left.
    let fds = format!("/proc/{}/fd", server.process.id());
    let count = std::fs::read_dir(fds).expect("it lives").count();
    assert!(count < 32 + 20, "{count} descriptors are open");
    drop(open);
    server.metrics();
}

/// Without this a client that sends nothing would keep its place for ever.
#[test]
fn a_request_that_does_not_come_is_not_waited_for() {
    if !require::bpf() {
        return;
    }
    let server = Server::start(&[]);
    let begin = Instant::now();
    let answer = server.send(b"GET /metrics HTTP/1.1\r\nHost: ");
    assert!(!answer.contains(" 200 "), "{answer}");
    assert!(begin.elapsed() < Duration::from_secs(30));
}

#[test]
fn sigterm_and_sigint_end_it() {
    if !require::bpf() {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&[]);
        kill(server.pid(), signal).expect("it lives");
        assert_eq!(server.process.wait().expect("it ends").code(), Some(0), "{signal}");
    }
}

#[test]
fn an_address_that_is_taken_or_none_is_named() {
    if !require::bpf() {
        return;
    }
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let refused = devgate(&["metrics", "--listen", &address], "");
    let why = format!("{address} can't be listened on: Address already in use");
    assert!(refused.failure().starts_with(&why), "{refused:?}");
    assert_eq!(devgate(&["metrics", "--listen", "localhost"], "").code, Some(2));
    let both = ["metrics", "--listen", "127.0.0.1:0", "--textfile", "/tmp/x.prom"];
    assert_eq!(devgate(&both, "").code, Some(2));
}
