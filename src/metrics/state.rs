//! What is kept between two looks: `/run/devgate/metrics.json`. Without it, the counters of an
//! exporter that was restarted, or of a timer, would jump.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{LostTally, Tally};
use crate::files::{ReadError, read_regular};
use crate::run_dir::{RUN_DIR, RunDir, RunDirError, try_lock};

const FILE: &str = "metrics.json";
const LOCK: &str = "metrics.lock";
const VERSION: u32 = 1;
/// More than half a million cgroups need.
const LIMIT: u64 = 64 << 20;
/// How long another look may take.
const WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// Why the counters of the last look are not to be had, or not kept for the next one.
#[derive(Debug, Error)]
pub enum StateError {
    /// The directory can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// It can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// It can't be written or locked.
    #[error("{} can't be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another look takes too long.
    #[error("another `devgate metrics` has kept {} locked for {WAIT:?}", path.display())]
    Locked {
        /// The lock's file.
        path: PathBuf,
    },
}

/// The counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// The program that the rows are of. Another one counts from 0.
    observer: Option<u32>,
    /// Denials.
    pub tally: Tally,
    /// Requests that found no room.
    pub lost: LostTally,
}

impl State {
    /// From here on, rows are those of the observer with this program.
    pub fn begin(&mut self, observer: u32) {
        if self.observer != Some(observer) {
            self.tally.restart();
            self.lost.restart();
        }
        self.version = VERSION;
        self.observer = Some(observer);
    }
}

/// The stored state, which nobody else changes meanwhile.
#[derive(Debug)]
pub struct Stored {
    /// As it was stored; empty, if there was none.
    pub state: State,
    /// Why it is empty though there was one: it is damaged, or of another version.
    pub replaced: Option<String>,
    dir: RunDir,
    /// The lock goes with this descriptor.
    _lock: File,
}

impl Stored {
    /// Locks and reads it.
    ///
    /// # Errors
    /// It can't be used. One that is damaged is no error.
    pub fn open() -> Result<Stored, StateError> {
        Stored::open_in(RunDir::open()?)
    }

    fn open_in(dir: RunDir) -> Result<Stored, StateError> {
        let lock = lock(&dir)?;
        let (state, replaced) = match read(&dir)? {
            Ok(state) => (state, None),
            Err(why) => (State::default(), Some(why)),
        };
        Ok(Stored { state, replaced, dir, _lock: lock })
    }

    /// Stores it for the next look.
    ///
    /// # Errors
    /// [`StateError::Write`]: then the one that was stored is there still.
    pub fn store(&self) -> Result<(), StateError> {
        let path = self.dir.path().join(FILE);
        let stored = || -> io::Result<()> {
            let mut file =
                tempfile::Builder::new().prefix(".metrics-").tempfile_in(self.dir.path())?;
            file.write_all(&serde_json::to_vec(&self.state)?)?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        stored().map_err(|source| StateError::Write { path: path.clone(), source })
    }
}

/// What is stored, for somebody who only looks. Nothing is made for that.
///
/// # Errors
/// It can't be read. One that is damaged counts as none.
pub fn peek() -> Result<State, StateError> {
    let Some(dir) = RunDir::existing(RUN_DIR.as_ref())? else {
        return Ok(State::default());
    };
    Ok(read(&dir)?.unwrap_or_default())
}

/// The state, or what is wrong with it.
fn read(dir: &RunDir) -> Result<Result<State, String>, StateError> {
    let path = dir.path().join(FILE);
    let bytes = match read_regular(&path, LIMIT) {
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ok(State::default()));
        }
        Err(source @ ReadError::Io(_)) => return Err(StateError::Read { path, source }),
        Err(error) => return Ok(Err(error.to_string())),
        Ok(bytes) => bytes,
    };
    Ok(match serde_json::from_slice::<State>(&bytes) {
        Ok(state) if state.version == VERSION => Ok(state),
        Ok(state) => Err(format!("it has version {}", state.version)),
        Err(error) => Err(error.to_string()),
    })
}

fn lock(dir: &RunDir) -> Result<File, StateError> {
    let file = dir.file(LOCK)?;
    let path = || dir.path().join(LOCK);
    let give_up = Instant::now() + WAIT;
    loop {
        match try_lock(&file) {
            Ok(true) => return Ok(file),
            Ok(false) if Instant::now() > give_up => {
                return Err(StateError::Locked { path: path() });
            }
            Ok(false) => std::thread::sleep(POLL),
            Err(source) => return Err(StateError::Write { path: path(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::super::{Owner, Row, Series};
    use super::*;

    fn dir(above: &tempfile::TempDir) -> RunDir {
        RunDir::at(&above.path().join("devgate")).unwrap()
    }

    fn rows(count: u64) -> [Row; 1] {
        let owner = Owner::Cgroup("/a \"b\"\n\\".into());
        let series = Series::new(owner, &"c 10:229 rw".parse().unwrap());
        [Row { cgroup: 7, room: 7, series, count }]
    }

    #[test]
    fn counters_go_on_where_they_were() {
        let above = tempfile::tempdir().unwrap();
        for count in [3, 5, 9] {
            let mut stored = Stored::open_in(dir(&above)).unwrap();
            assert_eq!(stored.replaced, None);
            stored.state.begin(12);
            stored.state.tally.look(&rows(count), &BTreeMap::new(), 10);
            assert_eq!(stored.state.tally.total(), count);
            stored.store().unwrap();
        }
        assert_eq!(dir(&above).names().unwrap(), [FILE, LOCK]);
        // Another observer.
        let mut state = Stored::open_in(dir(&above)).unwrap().state;
        state.begin(13);
        state.tally.look(&rows(1), &BTreeMap::new(), 10);
        assert_eq!(state.tally.total(), 10);
    }

    #[test]
    fn a_damaged_state_gives_way_and_says_so() {
        let above = tempfile::tempdir().unwrap();
        let path = dir(&above).path().join(FILE);
        let newer = serde_json::to_string(&State { version: 2, ..State::default() }).unwrap();
        for (text, why) in [("{", "EOF while parsing"), (&newer, "it has version 2")] {
            fs::write(&path, text).unwrap();
            let stored = Stored::open_in(dir(&above)).unwrap();
            assert_eq!(stored.state, State::default());
            let replaced = stored.replaced.as_deref().unwrap_or_default();
            assert!(replaced.starts_with(why), "{replaced}");
            stored.store().unwrap();
        }
    }
}
