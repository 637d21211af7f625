//! Recordings of this machine: from a container's first request to the file.
//!
//! What is asked is counted in the maps of an observer, which is pinned, so no process has to live
//! for it. `/run/devgate/recordings/CGROUP-ID.json` says what it is for and is written first. When
//! the container has ended, whoever comes by (the hook at poststop, `gc`, the guard, each `record`
//! command) writes what was counted into the recording, and then removes the pins and that file.
//! Somebody who ends half-way leaves something for the next: a run that is written twice counts
//! once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{BOOT_ID, RecordingError};
use super::name::RecordingName;
use super::ongoing::Ongoing;
use super::run_of::Reading;
use super::stored::{Progress, Recording};
use crate::bpffs::PinDir;
use crate::cgroup::Cgroup;
use crate::container::{CgroupRef, ContainerId, LIB_DIR, Store, StoreError, Time, Version};
use crate::files::names_in;
use crate::observe::{Observer, Scope, Size, WithEvents};
use crate::run_dir::{RUN_DIR, RunDir, RunDirError};

/// Where observers of recordings are pinned, each in a directory named by the id of the container's
/// cgroup.
pub const PINS: &str = "/sys/fs/bpf/devgate/record";

/// The name of the directories of files.
pub(super) const DIR: &str = "recordings";

/// Different requests of one container that are counted, unless another number is asked for.
pub const ROWS: u32 = 1024;

/// The recordings that go on, and where those are kept.
#[derive(Debug)]
pub struct Recorder {
    pub(super) ongoing: Store<Ongoing>,
    pub(super) pins: PathBuf,
    pub(super) lib: PathBuf,
}

/// A container that is to be recorded.
#[derive(Clone, Debug)]
pub struct Subject<'c> {
    /// Its cgroup.
    pub cgroup: &'c Cgroup,
    /// Its id, if that is known.
    pub container: Option<ContainerId>,
    /// The recording.
    pub name: RecordingName,
    /// How many different requests are counted.
    pub rows: u32,
}

/// What became of recordings whose containers have ended.
#[derive(Debug, Default)]
pub struct Finished {
    /// Those that are written, once for each container.
    pub written: Vec<RecordingName>,
    /// What could not be written or removed. It stays for the next time.
    pub failed: Vec<RecordingError>,
}

impl Recorder {
    /// That of the machine; directories are made.
    ///
    /// # Errors
    /// A directory can't be made or used.
    pub fn open() -> Result<Recorder, RecordingError> {
        Recorder::at(&RunDir::open()?, Path::new(LIB_DIR), Path::new(PINS))
    }

    /// That of the machine, if something may be recorded just now; nothing is made.
    ///
    /// # Errors
    /// A directory can't be used.
    pub fn existing() -> Result<Option<Recorder>, RecordingError> {
        let dir = Path::new(RUN_DIR).join(DIR);
        let Some(ongoing) = RunDir::existing(&dir)? else {
            // What is pinned is not lost with that directory.
            return Path::new(PINS).exists().then(Recorder::open).transpose();
        };
        let (pins, lib) = (PINS.into(), LIB_DIR.into());
        Ok(Some(Recorder { ongoing: Store::new(ongoing), pins, lib }))
    }

    /// The same elsewhere, for a test.
    ///
    /// # Errors
    /// A directory can't be made or used.
    pub fn at(run: &RunDir, lib: &Path, pins: &Path) -> Result<Recorder, RecordingError> {
        let ongoing = Store::new(run.below(DIR)?);
        Ok(Recorder { ongoing, pins: pins.to_owned(), lib: lib.to_owned() })
    }

    fn pin_dir(&self, cgroup_id: u64) -> PathBuf {
        self.pins.join(cgroup_id.to_string())
    }

    /// Begins to record. Requests are seen from above the container's cgroup, after all of its
    /// programs; only if nothing but the root is above, they are seen in it, after the programs that
    /// it has now. If it is being recorded under this name, it goes on.
    ///
    /// # Errors
    /// Nothing is recorded then.
    pub fn start(&self, subject: Subject<'_>) -> Result<(), RecordingError> {
        let Subject { cgroup, container, name, rows } = subject;
        let id = cgroup.id()?;
        let path = cgroup.path().to_owned();
        if let Some(found) = self.ongoing.get(&id)? {
            return match found.name == name {
                true => Ok(()),
                false => Err(RecordingError::Already { cgroup: path, name: found.name }),
            };
        }
        let observing = |source| RecordingError::Observe { cgroup: path.clone(), source };
        let size = Size { per_container: rows, containers: 1 };
        let observer = Observer::load(Scope::One(id), size, WithEvents::No);
        let mut observer = observer.map_err(observing)?;
        observer.observe(place(cgroup)?).map_err(observing)?;
        let cgroup = CgroupRef { path: path.clone(), id };
        let started = Time::now();
        self.ongoing.write(&Ongoing { version: Version, name, container, cgroup, started })?;
        let pinned = self.pins.parent().map_or(Ok(()), |above| PinDir::make(above).map(drop));
        let pinned = pinned.map_err(RecordingError::from);
        let pinned = pinned.and_then(|()| observer.pin(&self.pin_dir(id)).map_err(observing));
        if pinned.is_err() {
            // If it stays, it goes with the cgroup.
            let _ = self.ongoing.remove(&id);
        }
        pinned
    }

    /// Takes back a [`Recorder::start`]: nothing is written.
    ///
    /// # Errors
    /// Something is left, which goes when the container has ended.
    pub fn abandon(&self, cgroup: &Cgroup) -> Result<(), RecordingError> {
        let id = cgroup.id()?;
        let path = cgroup.path().to_owned();
        Observer::unpin(&self.pin_dir(id))
            .map_err(|source| RecordingError::Observe { cgroup: path, source })?;
        self.ongoing.remove(&id)?;
        Ok(())
    }

    /// What is being recorded. That a container has ended may not have been noticed yet.
    ///
    /// # Errors
    /// Files can't be listed, or one can't be read.
    pub fn ongoing(&self) -> Result<Vec<Ongoing>, RecordingError> {
        let listed = self.ongoing.list()?.into_iter();
        let ongoing: Result<_, StoreError> = listed.map(|(_, ongoing)| ongoing).collect();
        Ok(ongoing?)
    }

    /// Writes the recordings of all containers that have ended, and ends them.
    pub fn finish(&self) -> Finished {
        let mut finished = Finished::default();
        let ids = match self.ongoing.ids().map_err(RecordingError::from) {
            Ok(ids) => ids,
            Err(error) => return Finished { failed: vec![error], ..finished },
        };
        for id in ids {
            let written = match Cgroup::of_id(id) {
                Ok(Some(_)) => continue,
                Ok(None) => self.write(id, Progress::Ended),
                Err(error) => Err(error.into()),
            };
            match written {
                Ok(name) => finished.written.extend(name),
                Err(error) => finished.failed.push(error),
            }
        }
        finished.failed.extend(self.sweep().err());
        finished
    }

    /// Writes what was asked so far.
    ///
    /// # Errors
    /// It can't be read or written.
    pub fn save(&self, cgroup_id: u64) -> Result<(), RecordingError> {
        self.write(cgroup_id, Progress::Ongoing).map(drop)
    }

    /// Ends the recording of a container that runs on.
    ///
    /// # Errors
    /// It is not recorded; or it can't be read or written, and goes on.
    pub fn stop(&self, cgroup: &Cgroup) -> Result<RecordingName, RecordingError> {
        let written = self.write(cgroup.id()?, Progress::Stopped)?;
        written.ok_or_else(|| RecordingError::NotOngoing { cgroup: cgroup.path().to_owned() })
    }

    /// Writes what was asked so far; unless it goes on, what is pinned for it goes. `None` if there
    /// was nothing to write.
    fn write(&self, id: u64, progress: Progress) -> Result<Option<RecordingName>, RecordingError> {
        let Some(Ongoing { name, .. }) = self.ongoing.get(&id)? else { return Ok(None) };
        let kept = self.kept()?;
        let mut locked = kept.lock(&name)?;
        // Whoever held the lock may have ended it.
        let Some(ongoing) = self.ongoing.get(&id)? else { return Ok(None) };
        let dir = self.pin_dir(id);
        let observing = |source| {
            let cgroup = ongoing.cgroup.path.clone();
            RecordingError::Observe { cgroup, source }
        };
        let observer = Observer::pinned(&dir).map_err(observing)?;
        let mut write = |reading: &Reading<'_>| -> Result<(), RecordingError> {
            let known = locked.take();
            let mut recording = known.unwrap_or_else(|| Recording::new(name.clone()));
            recording.put(reading.run(progress)?);
            Ok(locked.put(recording)?)
        };
        let boot = boot()?;
        let reading = observer.as_ref().map(|observer| Reading::new(&ongoing, observer, &boot));
        if let Some(reading) = &reading {
            write(reading)?;
        }
        if progress == Progress::Ongoing {
            return Ok(reading.map(|_| name.clone()));
        }
        // A hook that was killed at the start may have left something half-way.
        Observer::unpin(&dir).map_err(observing)?;
        // Until then more could be asked.
        if let Some(reading) = reading.as_ref().filter(|_| progress == Progress::Stopped) {
            write(reading)?;
        }
        self.ongoing.remove(&id)?;
        Ok(reading.map(|_| name.clone()))
    }

    /// Removes pins that nothing is known about and whose cgroup is gone.
    fn sweep(&self) -> Result<(), RecordingError> {
        let Some(pins) = PinDir::existing(&self.pins)? else { return Ok(()) };
        let listed = names_in(pins.file());
        let failed = |source| RunDirError::Open { path: self.pins.clone(), source };
        for id in listed.map_err(failed)?.iter().filter_map(|name| name.parse::<u64>().ok()) {
            if self.ongoing.path(&id).exists() || Cgroup::of_id(id)?.is_some() {
                continue;
            }
            // Somebody removed /run/devgate. What was asked is kept all the same.
            let name = format!("cgroup-{id}");
            let name: RecordingName = name.parse().map_err(RecordingError::Name)?;
            let cgroup = CgroupRef { path: PathBuf::new(), id };
            let (container, started) = (None, Time::now());
            self.ongoing.write(&Ongoing { version: Version, name, container, cgroup, started })?;
            self.write(id, Progress::Ended)?;
        }
        Ok(())
    }
}

/// The cgroup that a container is observed at.
fn place(cgroup: &Cgroup) -> Result<Cgroup, RecordingError> {
    if let Some(parent) = cgroup.parent()?
        && !parent.is_root()?
    {
        return Ok(parent);
    }
    Ok(Cgroup::open(cgroup.path())?)
}

/// This boot's id.
///
/// # Errors
/// It can't be read.
pub fn boot() -> Result<String, RecordingError> {
    let read: io::Result<String> = fs::read_to_string(BOOT_ID);
    read.map(|id| id.trim_end().to_owned()).map_err(RecordingError::Boot)
}
