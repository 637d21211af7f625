//! The table.

use std::fmt::Write;

use crate::events::EVENTS;
use crate::outcome::Outcome;
use crate::policy::POLICIES;
use crate::run::{Came, Cell, Column, Outcomes};

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
        Cell::Came(Came { refused, without, with }) => {
            let letter = |outcome: &Outcome| match outcome {
                Outcome::Kept => 'K',
                Outcome::Narrower => 'N',
                Outcome::Lost => 'L',
            };
            let letters = |outcomes: &Outcomes| outcomes.iter().map(letter).collect::<String>();
            let refused = if *refused { " refused" } else { "" };
            format!("{}/{}{refused}", letters(without), letters(with))
        }
    }
}

pub fn compare(_page: &str) {
    let _ = POLICIES.len();
}
