//! The table on a terminal, updated in place.

use std::time::{Duration, Instant};

use devgate::watch::{Entry, Key, Watcher, Which};
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};

use super::devices::Devices;
use super::keys::{Action, SORTS, action};
use super::rhythm::Rhythm;
use super::rows::{Column, Sort, sorted};
use super::{Exit, GLANCE, clock, method, notice, shown};
use crate::cli::ended::Ended;

/// How often the table is drawn at most, but for keys.
const DRAW: Duration = Duration::from_millis(200);

/// Lines below the table for the details of the selected row.
const DETAILS: u16 = 6;

/// A column: its title, its width, what it is sorted by, and how wide a terminal has it: on a narrow
/// one the container, the device and the rule come first. The details have the others.
const COLUMNS: [(&str, Constraint, Option<Column>, u16); 9] = [
    ("TIME", Constraint::Length(8), Some(Column::Time), 0),
    ("CONTAINER", Constraint::Fill(6), Some(Column::Container), 0),
    ("DEVICE", Constraint::Fill(7), Some(Column::Device), 0),
    ("ACCESS", Constraint::Length(6), None, 0),
    ("COMMAND", Constraint::Length(15), Some(Column::Command), 100),
    ("PID", Constraint::Length(7), Some(Column::Pid), 110),
    ("COUNT", Constraint::Length(8), Some(Column::Count), 0),
    ("PROGRAM", Constraint::Length(15), None, 130),
    ("RULE", Constraint::Fill(7), None, 0),
];

/// What is drawn.
struct View {
    sort: Sort,
    keys: Vec<Key>,
    /// The selected row. It stays selected when rows move.
    selected: Option<Key>,
    state: TableState,
    /// Rows that are seen at once.
    page: usize,
    devices: Devices,
    which: Which,
    last_notice: Option<String>,
}

pub fn run(mut watcher: Watcher, which: Which) -> anyhow::Result<Exit> {
    let ended = Ended::new()?;
    let mut terminal = ratatui::try_init()?;
    let outcome = watch(&mut watcher, which, &ended, &mut terminal);
    let restored = ratatui::try_restore();
    outcome?;
    restored?;
    Ok(Exit::Success)
}

fn watch(
    watcher: &mut Watcher,
    which: Which,
    ended: &Ended,
    terminal: &mut ratatui::DefaultTerminal,
) -> anyhow::Result<()> {
    let mut view = View::new(which);
    let (mut rhythm, mut next_draw, mut changed) = (Rhythm::new(), Instant::now(), true);
    loop {
        let now = Instant::now();
        let happened = rhythm.happened(watcher)?;
        let notices = watcher.notices();
        changed |= !happened.is_empty() || !notices.is_empty();
        view.last_notice = notices.last().map(notice).or(view.last_notice.take());
        if changed && now >= next_draw {
            view.keys = sorted(watcher, view.sort);
            terminal.draw(|frame| view.draw(frame, watcher))?;
            (next_draw, changed) = (now + DRAW, false);
        }
        if ended.within(Duration::ZERO)? {
            return Ok(());
        }
        let mut wait = GLANCE;
        while event::poll(wait)? {
            wait = Duration::ZERO;
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match action(key) {
                    Some(Action::Quit) => return Ok(()),
                    Some(action) => view.act(action),
                    None => {}
                },
                _ => {}
            }
            (next_draw, changed) = (now, true);
        }
    }
}

impl View {
    fn new(which: Which) -> View {
        View {
            sort: Sort::by(Column::Time),
            keys: Vec::new(),
            selected: None,
            state: TableState::default(),
            page: 1,
            devices: Devices::default(),
            which,
            last_notice: None,
        }
    }

    fn act(&mut self, action: Action) {
        let page = isize::try_from(self.page).unwrap_or(1);
        let last = self.keys.len().saturating_sub(1);
        let place = self.place();
        let place = match action {
            Action::Quit => return,
            Action::Sort(column) => return self.sort.toggle(column),
            Action::First => 0,
            Action::Last => last,
            // The first move shows where one is.
            Action::Move(_) | Action::Page(_) if place.is_none() => 0,
            Action::Move(by) => place.unwrap_or(0).saturating_add_signed(by),
            Action::Page(by) => place.unwrap_or(0).saturating_add_signed(by * page),
        };
        self.selected = self.keys.get(place.min(last)).copied();
    }

    fn place(&self) -> Option<usize> {
        self.keys.iter().position(|key| Some(*key) == self.selected)
    }

    fn draw(&mut self, frame: &mut Frame<'_>, watcher: &Watcher) {
        let details = if self.selected.is_some() { DETAILS } else { 0 };
        let notice = u16::from(self.last_notice.is_some());
        let areas = [
            Constraint::Length(1),
            Constraint::Min(2),
            Constraint::Length(details),
            Constraint::Length(notice),
            Constraint::Length(1),
        ];
        let [top, middle, below, notice, bottom] = Layout::vertical(areas).areas(frame.area());
        frame.render_widget(self.title(watcher), top);
        self.page = usize::from(middle.height.saturating_sub(1)).max(1);
        self.state.select(self.place());
        let table = self.table(watcher, middle.width);
        frame.render_stateful_widget(table, middle, &mut self.state);
        if let Some(entry) = self.selected.and_then(|key| watcher.entry(&key)) {
            frame.render_widget(self.details(entry), below);
        }
        if let Some(text) = &self.last_notice {
            let text = super::describe::escaped(text);
            frame.render_widget(Line::styled(text, Modifier::BOLD), notice);
        }
        frame.render_widget(help(), bottom);
    }

    fn title(&self, watcher: &Watcher) -> Line<'static> {
        let what = match self.which {
            Which::Denied => "denied",
            Which::All => "asked for",
        };
        let kinds = match self.keys.len() {
            1 => "1 kind of request".to_owned(),
            count => format!("{count} kinds of requests"),
        };
        let mut text = format!("devgate watch: {kinds} {what}");
        match watcher.lost() {
            0 => {}
            lost => text += &format!(", {lost} requests not counted"),
        }
        text += &format!("; {}", method(watcher.method()));
        Line::styled(text, Modifier::BOLD)
    }

    fn table(&mut self, watcher: &Watcher, width: u16) -> Table<'static> {
        // What is not seen need not be put into words.
        let from = self.state.offset().min(self.place().unwrap_or(usize::MAX));
        let to = from.max(self.place().unwrap_or(0)) + self.page + 1;
        let mut rows = Vec::with_capacity(self.keys.len());
        for (place, key) in self.keys.iter().enumerate() {
            let entry = watcher
                .entry(key)
                .filter(|_| (from.saturating_sub(self.page)..to).contains(&place));
            let row = entry.map(|entry| row(entry, self.which, &mut self.devices, width));
            rows.push(row.unwrap_or_default());
        }
        let header = columns(width).map(|(title, _, column, _)| {
            let arrow = if self.sort.reverse { "▼" } else { "▲" };
            let sorted = *column == Some(self.sort.column);
            Cell::from(if sorted { format!("{title}{arrow}") } else { (*title).to_owned() })
        });
        let header = Row::new(header).style(Style::new().add_modifier(Modifier::REVERSED));
        Table::new(rows, columns(width).map(|(_, width, ..)| *width))
            .header(header)
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
    }

    /// The selected row, nothing cut off.
    fn details(&mut self, entry: &Entry) -> Paragraph<'static> {
        let container = entry.place.as_ref().ok().and_then(|place| place.container.clone());
        let id = container.map(|it| match &it.name {
            Some(name) => format!("{} {name}", it.id),
            None => it.id.clone(),
        });
        let cgroup = entry.place.as_ref().map(|place| place.cgroup.display().to_string());
        let escaped = super::describe::escaped;
        let asker = match &entry.by {
            Some(_) => format!("{} ({})", shown::command(entry), shown::pid(entry)),
            None => shown::NONE.to_owned(),
        };
        let lines = [
            format!("container  {}", id.map_or(shown::NONE.to_owned(), |id| escaped(&id))),
            format!("command    {asker}"),
            format!("cgroup     {}", escaped(&cgroup.unwrap_or_else(|why| why.to_string()))),
            format!("{:10} {}", shown::verdict(entry.key.verdict), shown::reason(entry)),
        ];
        Paragraph::new(Text::from_iter(lines)).wrap(Wrap { trim: false })
    }
}

fn help() -> Line<'static> {
    let sorts = SORTS.map(|(letter, column)| format!("{letter} {column:?}").to_lowercase());
    Line::raw(format!("q quit   sort: {}   ↑↓ details", sorts.join(", ")))
}

/// The columns of a terminal as wide as this.
fn columns(
    width: u16,
) -> impl Iterator<Item = &'static (&'static str, Constraint, Option<Column>, u16)> {
    COLUMNS.iter().filter(move |(.., from)| width >= *from)
}

fn row(entry: &Entry, which: Which, devices: &mut Devices, width: u16) -> Row<'static> {
    let rule = match which {
        Which::Denied => shown::rule(entry),
        Which::All => format!("{}: {}", shown::verdict(entry.key.verdict), shown::rule(entry)),
    };
    let cells = [
        clock::time_of_day(entry.last),
        shown::container(&entry.place),
        shown::device(entry, devices),
        entry.key.request.access.to_string(),
        shown::command(entry),
        shown::pid(entry),
        entry.count.to_string(),
        shown::program(entry),
        rule,
    ];
    let shown = COLUMNS.iter().zip(cells).filter(|((.., from), _)| width >= *from);
    Row::new(shown.map(|(_, cell)| cell))
}
