//! Colour: on a terminal only, and not if NO_COLOR says so (no-color.org).

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use clap::builder::styling::{AnsiColor, Style};

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Doubtful,
}

/// The text in the tone's colour, or as it is.
pub fn paint(tone: Tone, text: &str) -> String {
    static WANTED: OnceLock<bool> = OnceLock::new();
    let refused = || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if !WANTED.get_or_init(|| io::stdout().is_terminal() && !refused()) {
        return text.to_owned();
    }
    let style = Style::new().fg_color(Some(colour(tone).into()));
    format!("{style}{text}{style:#}")
}

fn colour(tone: Tone) -> AnsiColor {
    match tone {
        Tone::Good => AnsiColor::Green,
        Tone::Bad => AnsiColor::Red,
        Tone::Doubtful => AnsiColor::Yellow,
    }
}

/// A verdict's word, filled up to a width and coloured.
pub fn verdict(word: &str, width: usize) -> String {
    let tone = match word {
        "allow" => Tone::Good,
        "deny" => Tone::Bad,
        _ => Tone::Doubtful,
    };
    paint(tone, &format!("{word:width$}"))
}
