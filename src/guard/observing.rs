//! The observer that stays, as the guard looks after it: cgroups that appear below the root are
//! covered, and what containers that ended were denied is kept, with their names.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::trouble::Trouble;
use crate::bpffs::{PinDir, PinDirError};
use crate::denials::{Keeper, StandingError};
use crate::errors::chain;
use crate::observe::{OBSERVE, Observer};

/// How often the rows of containers that ended are looked for.
const TIDIES: Duration = Duration::from_secs(10);

/// What is known of the observer; nothing while nothing is observed.
#[derive(Debug, Default)]
pub(super) struct Observing {
    open: Option<Open>,
    keep_trouble: Trouble,
    cover_trouble: Trouble,
}

#[derive(Debug)]
struct Open {
    keeper: Keeper,
    /// Which directory of pins it is: another start makes another.
    dir: (u64, u64),
    /// When it was last looked for containers that ended.
    tidied: Option<Instant>,
}

impl Observing {
    /// One look. Says what went wrong, each thing once. Where nothing is observed, this is one
    /// open(2) that fails.
    pub fn look(&mut self, now: Instant) -> Vec<String> {
        let mut told = Vec::new();
        if !self.keep_trouble.waits(now) {
            let kept = self.keep(now);
            told.extend(news(&mut self.keep_trouble, kept, now));
        }
        if let Some(open) = &mut self.open
            && !self.cover_trouble.waits(now)
        {
            told.extend(news(&mut self.cover_trouble, open.keeper.cover(), now));
        }
        told
    }

    fn keep(&mut self, now: Instant) -> Result<(), StandingError> {
        let pins = Path::new(OBSERVE);
        let Some(dir) = PinDir::existing(pins)? else {
            self.open = None;
            return Ok(());
        };
        let failed = |source| PinDirError::Directory { path: pins.to_owned(), source };
        let found = dir.file().metadata().map_err(failed)?;
        let dir = (found.dev(), found.ino());
        if self.open.as_ref().is_none_or(|open| open.dir != dir) {
            let observer = Observer::pinned(pins)?;
            self.open =
                observer.map(|observer| Open { keeper: Keeper::new(observer), dir, tidied: None });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.keeper.learn()?;
        if open.tidied.is_none_or(|tidied| now.saturating_duration_since(tidied) >= TIDIES) {
            open.tidied = Some(now);
            open.keeper.tidy()?;
        }
        Ok(())
    }
}

fn news(trouble: &mut Trouble, outcome: Result<(), StandingError>, now: Instant) -> Option<String> {
    match outcome {
        Ok(()) => {
            trouble.clear();
            None
        }
        Err(error) => {
            let message = format!("devgate observe: {}", chain(&error));
            trouble.add(&message, now).then_some(message)
        }
    }
}
