//! The statistics' file: a mark with a version, and the counters as little-endian u64.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::{BUCKETS, Reason, Run, STAGES, StageStats, Stats};
use crate::run_dir::{RUN_DIR, RunDir, RunDirError, try_lock};

/// Its name in [`RunDir`].
pub const FILE: &str = "hook-stats";

/// What it begins with. The last byte is the version.
const MARK: [u8; 8] = *b"dghooks\x01";
const WORD: usize = size_of::<u64>();
/// Counters of a stage.
const COUNTERS: usize = 2 + Reason::ALL.len() + BUCKETS + 1;
const LENGTH: usize = MARK.len() + STAGES.len() * COUNTERS * WORD;

/// How long a run waits for others that are being counted. Each takes some microseconds, unless it
/// is stopped meanwhile.
const WAIT: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_micros(200);

/// Why a run is not counted, or what was counted can't be read.
#[derive(Debug, Error)]
pub enum StatsError {
    /// The directory can't be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The file can't be read or written.
    #[error("{} can't be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another run keeps it locked.
    #[error("{} was locked for {WAIT:?}", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is of another version, or damaged.
    #[error("{}: {replaced}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        replaced: Replaced,
    },
}

/// What was wrong with a file in whose place an empty one was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// It has another size.
    Length(u64),
    /// Another devgate wrote it.
    Version(u8),
    /// It is no file of statistics.
    Mark,
    /// Its counters contradict each other.
    Unsound,
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replaced::Length(length) => write!(f, "it has {length} bytes in place of {LENGTH}"),
            Replaced::Version(version) => write!(f, "it has version {version}"),
            Replaced::Mark => f.write_str("it is not a file of statistics"),
            Replaced::Unsound => f.write_str("its counters contradict each other"),
        }
    }
}

/// Counts a run. An older or damaged file begins anew: then what was wrong with it is returned.
///
/// # Errors
/// The run is not counted.
pub fn count(run: Run) -> Result<Option<Replaced>, StatsError> {
    count_at(&RunDir::open()?, run)
}

/// The same in another directory.
///
/// # Errors
/// As for [`count`].
pub fn count_at(dir: &RunDir, run: Run) -> Result<Option<Replaced>, StatsError> {
    let file = Locked::open(dir)?;
    let (mut stats, replaced) = match file.read()? {
        Ok(stats) => (stats, None),
        Err(Replaced::Length(0)) => (Stats::default(), None),
        Err(replaced) => {
            // What is beyond must not come back.
            file.io(|file| file.set_len(0))?;
            (Stats::default(), Some(replaced))
        }
    };
    stats.add(run);
    file.io(|file| file.write_all_at(&encode(&stats), 0))?;
    Ok(replaced)
}

/// What was counted since the machine started; nothing, if the hook never ran.
///
/// # Errors
/// It can't be read, or is damaged: the next run of the hook replaces it then.
pub fn read() -> Result<Stats, StatsError> {
    match RunDir::existing(RUN_DIR.as_ref())? {
        Some(dir) => read_at(&dir),
        None => Ok(Stats::default()),
    }
}

/// The same in another directory.
///
/// # Errors
/// As for [`read`].
pub fn read_at(dir: &RunDir) -> Result<Stats, StatsError> {
    let path = dir.path().join(FILE);
    if !path.exists() {
        return Ok(Stats::default());
    }
    match Locked::open(dir)?.read()? {
        Err(Replaced::Length(0)) => Ok(Stats::default()),
        stats => stats.map_err(|replaced| StatsError::Unusable { path, replaced }),
    }
}

/// The file, while nobody else reads or writes it.
struct Locked {
    file: File,
    path: PathBuf,
}

impl Locked {
    fn open(dir: &RunDir) -> Result<Locked, StatsError> {
        let file = dir.file(FILE)?;
        let path = dir.path().join(FILE);
        let mut give_up = None;
        loop {
            match try_lock(&file) {
                Ok(true) => return Ok(Locked { file, path }),
                Ok(false) => {
                    let now = Instant::now();
                    if now > *give_up.get_or_insert(now + WAIT) {
                        return Err(StatsError::Locked { path });
                    }
                    std::thread::sleep(POLL);
                }
                Err(source) => return Err(StatsError::File { path, source }),
            }
        }
    }

    fn io<T>(&self, call: impl FnOnce(&File) -> io::Result<T>) -> Result<T, StatsError> {
        let path = || self.path.clone();
        call(&self.file).map_err(|source| StatsError::File { path: path(), source })
    }

    fn read(&self) -> Result<Result<Stats, Replaced>, StatsError> {
        // One byte more, to see that there is none.
        let mut bytes = [0; LENGTH + 1];
        let length = self.io(|file| file.read_at(&mut bytes, 0))?;
        let bytes = bytes.get(..length).unwrap_or_default();
        if length > LENGTH {
            let length = self.io(|file| Ok(file.metadata()?.len()))?;
            return Ok(Err(Replaced::Length(length)));
        }
        Ok(decode(bytes))
    }
}

/// A stage's counters, in their order in the file.
fn counters(stage: &mut StageStats) -> impl Iterator<Item = &mut u64> {
    let StageStats { succeeded, skipped, failed, buckets, nanoseconds } = stage;
    let ended = [succeeded, skipped].into_iter().chain(failed);
    ended.chain(buckets).chain([nanoseconds])
}

fn encode(stats: &Stats) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let (mark, words) = bytes.split_at_mut(MARK.len());
    mark.copy_from_slice(&MARK);
    let mut copy = *stats;
    let counters = copy.0.iter_mut().flat_map(counters);
    for (word, counter) in words.chunks_exact_mut(WORD).zip(counters) {
        word.copy_from_slice(&counter.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Result<Stats, Replaced> {
    let too_short = Replaced::Length(bytes.len() as u64);
    let (mark, words) = bytes.split_at_checked(MARK.len()).ok_or(too_short)?;
    match (mark.split_last(), MARK.split_last()) {
        (Some((version, name)), Some((own, expected))) if name == expected => {
            if version != own {
                return Err(Replaced::Version(*version));
            }
        }
        _ => return Err(Replaced::Mark),
    }
    if bytes.len() != LENGTH {
        return Err(too_short);
    }
    let mut stats = Stats::default();
    let (words, _) = words.as_chunks::<WORD>();
    for (counter, word) in stats.0.iter_mut().flat_map(counters).zip(words) {
        *counter = u64::from_le_bytes(*word);
    }
    match stats.0.iter().all(StageStats::is_sound) {
        true => Ok(stats),
        false => Err(Replaced::Unsound),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Ended;
    use super::*;
    use crate::oci::Stage;

    const RUN: Run = Run {
        stage: Some(Stage::CreateRuntime),
        ended: Ended::Succeeded,
        took: Duration::from_micros(950),
    };

    fn dir() -> (tempfile::TempDir, RunDir) {
        let above = tempfile::tempdir().unwrap();
        let dir = RunDir::at(&above.path().join("devgate")).unwrap();
        (above, dir)
    }

    fn created(dir: &RunDir) -> StageStats {
        let stats = read_at(dir).unwrap();
        *stats.stages().next().unwrap().1
    }

    #[test]
    fn runs_are_counted_in_a_file_of_one_size() {
        let (_above, dir) = dir();
        assert_eq!(read_at(&dir).unwrap(), Stats::default());
        assert_eq!(dir.names().unwrap(), [""; 0], "reading makes nothing");
        for run in 1..=3 {
            assert_eq!(count_at(&dir, RUN).unwrap(), None);
            assert_eq!(created(&dir).succeeded, run);
            let file = dir.path().join(FILE).metadata().unwrap();
            assert_eq!(file.len(), LENGTH as u64);
        }
        assert_eq!(created(&dir).nanoseconds, 2_850_000);
    }

    /// As when 16 hooks run at once: each takes the lock for itself.
    #[test]
    fn none_of_16_at_once_is_lost() {
        let (_above, dir) = dir();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        count_at(&dir, RUN).unwrap();
                    }
                });
            }
        });
        assert_eq!(created(&dir).runs(), 800);
    }

    #[test]
    fn an_older_or_damaged_file_begins_anew_and_says_so() {
        let sound = {
            let (_above, dir) = dir();
            count_at(&dir, RUN).unwrap();
            fs::read(dir.path().join(FILE)).unwrap()
        };
        let change = |place: usize, byte: u8| {
            let mut bytes = sound.clone();
            bytes[place] = byte;
            bytes
        };
        for (bytes, expected) in [
            (b"x".to_vec(), Replaced::Length(1)),
            (sound[..LENGTH - 1].to_vec(), Replaced::Length(LENGTH as u64 - 1)),
            ([sound.as_slice(), b"more than that"].concat(), Replaced::Length(LENGTH as u64 + 14)),
            (change(7, 0), Replaced::Version(0)),
            (change(7, 2), Replaced::Version(2)),
            (change(0, b'x'), Replaced::Mark),
            (vec![0; LENGTH], Replaced::Mark),
            (change(8, 7), Replaced::Unsound),
        ] {
            let (_above, dir) = dir();
            fs::write(dir.path().join(FILE), bytes).unwrap();
            let error = read_at(&dir).unwrap_err().to_string();
            assert!(error.ends_with(&format!("hook-stats: {expected}")), "{error}");
            assert_eq!(count_at(&dir, RUN).unwrap(), Some(expected));
            assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), sound);
        }
    }

    #[test]
    fn a_run_that_keeps_the_lock_is_not_waited_for_long() {
        let (_above, dir) = dir();
        let _locked = Locked::open(&dir).unwrap();
        let error = count_at(&dir, RUN).unwrap_err().to_string();
        assert!(error.ends_with("hook-stats was locked for 100ms"), "{error}");
    }
}
