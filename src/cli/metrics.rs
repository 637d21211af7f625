//! `devgate metrics`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use devgate::errors::chain;
use devgate::metrics::{CONTENT_TYPE, Keep, Numbers, expose, serve, write};

use super::{Exit, complain};

pub const EXAMPLES: &str = "Without an option, the numbers are printed once, and nothing is changed.\n\n\
Exit codes: 0; 1: some numbers could not be had (the others are there), or not be written.\n\n\
Examples:\n\
\x20 devgate metrics\n\
\x20 devgate metrics --listen 127.0.0.1:10229\n\
\x20 devgate metrics --textfile /var/lib/prometheus/node-exporter/devgate.prom";

#[derive(Debug, Args)]
pub struct Metrics {
    /// Serve them on this address and port, at /metrics, until SIGTERM or SIGINT
    #[arg(long, value_name = "ADDR", conflicts_with = "textfile")]
    pub listen: Option<SocketAddr>,
    /// Write them to this file, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub textfile: Option<PathBuf>,
    /// How many series of denials (container, device and access) there are besides "other"
    #[arg(long, value_name = "N", default_value = "100",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub top: u16,
}

pub fn run(metrics: &Metrics, out: &mut Vec<u8>) -> anyhow::Result<Exit> {
    let top = usize::from(metrics.top);
    if let Some(address) = metrics.listen {
        let take = move || Ok(text(top, Keep::Yes).map_err(|error| format!("{error:#}"))?.0);
        serve(address, CONTENT_TYPE, take, |address| {
            complain(&format!("serves http://{address}/metrics"));
        })?;
        return Ok(Exit::Success);
    }
    let keep = if metrics.textfile.is_some() { Keep::Yes } else { Keep::No };
    let (text, complete) = text(top, keep)?;
    match &metrics.textfile {
        Some(path) => write(path, &text)?,
        None => out.extend(text.bytes()),
    }
    Ok(if complete { Exit::Success } else { Exit::Failure })
}

/// The numbers, and whether all are there. What is missing is said.
fn text(top: usize, keep: Keep) -> anyhow::Result<(String, bool)> {
    let numbers = Numbers::take(top, keep);
    for (part, error) in &numbers.failed {
        complain(&format!("no numbers about {}: {}", part.name(), chain(error)));
    }
    for note in &numbers.notes {
        complain(&format!("warning: {note}"));
    }
    let complete = numbers.failed.is_empty();
    Ok((expose(numbers)?, complete))
}
