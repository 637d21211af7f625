//! The table.

use std::fmt::Write;

use crate::events::EVENTS;
use crate::outcome::Outcome;
use crate::policy::POLICIES;
use crate::run::{Cell, Column};

pub fn page(columns: &[Column]) -> String {
    let mut page = String::new();
    for (index, event) in EVENTS.iter().enumerate() {
        write!(page, "{:60}", event.name).unwrap();
        for column in columns {
            write!(page, "| {:20}", cell(&column.cells[index])).unwrap();
        }
        writeln!(page).unwrap();
    }
    page
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Absent => "-".to_owned(),
        Cell::Came { refused, without } => {
            let letter = |outcome: &Outcome| match outcome {
                Outcome::Kept => 'K',
                Outcome::Narrower => 'N',
                Outcome::Lost => 'L',
            };
            let letters: String = without.iter().map(letter).collect();
            format!("{letters}{}", if *refused { " refused" } else { "" })
        }
    }
}

pub fn compare(_page: &str) {
    let _ = POLICIES.len();
}
