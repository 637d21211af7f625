//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::rows::Column;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ends the watch.
    Quit,
    /// Sorts by the column; if it is sorted so already, the other way round.
    Sort(Column),
    /// Selects the line so many below, or above.
    Move(isize),
    /// Selects a line a page below, or above.
    Page(isize),
    /// Selects the first line.
    First,
    /// Selects the last line.
    Last,
}

/// The letters that sort.
pub const SORTS: [(char, Column); 6] = [
    ('t', Column::Time),
    ('c', Column::Container),
    ('d', Column::Device),
    ('o', Column::Command),
    ('p', Column::Pid),
    ('n', Column::Count),
];

pub fn action(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return (key.code == KeyCode::Char('c')).then_some(Action::Quit);
    }
    Some(match key.code {
        KeyCode::Char('q') | KeyCode::Esc => Action::Quit,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(-1),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(1),
        KeyCode::PageUp => Action::Page(-1),
        KeyCode::PageDown => Action::Page(1),
        KeyCode::Home => Action::First,
        KeyCode::End => Action::Last,
        KeyCode::Char(letter) => {
            let (_, column) = SORTS.iter().find(|(key, _)| *key == letter)?;
            Action::Sort(*column)
        }
        _ => return None,
    })
}
