//! Which cgroups an observer is to see: each right below the root of the hierarchy, as the root
//! itself is never observed, and each that appears there.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirEntryExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};

use super::{ObserveError, Observer};
use crate::cgroup::{Cgroup, CgroupError};

/// How often the root's cgroups are listed though nothing says that there is a new one.
const AGAIN: Duration = Duration::from_secs(1);

/// How often is looked whether programs were attached after the observer.
const ORDER: Duration = Duration::from_millis(100);

/// Room for the events of one read(2).
const ROOM: usize = 1 << 12;

/// The cgroups that an observer is to see.
#[derive(Debug)]
pub struct Coverage {
    top: Cgroup,
    /// Only those with these names.
    only: Option<HashSet<OsString>>,
    /// Tells of new cgroups. Without it they are found a moment later.
    inotify: Option<OwnedFd>,
    listed: Option<Instant>,
    ordered: Option<Instant>,
    /// Whether it was said that the observer is not the last.
    is_overtaken: bool,
    /// Those that were observed, by their ids.
    known: HashSet<u64>,
    /// Those that can't be, which was said.
    failed: HashSet<u64>,
}

impl Coverage {
    /// All cgroups.
    ///
    /// # Errors
    /// No cgroup2 is mounted.
    pub fn all() -> Result<Coverage, ObserveError> {
        let top = Cgroup::top()?;
        let inotify = creations(top.path()).ok();
        let (known, failed) = (HashSet::new(), HashSet::new());
        Ok(Coverage {
            top,
            only: None,
            inotify,
            listed: None,
            ordered: None,
            is_overtaken: false,
            known,
            failed,
        })
    }

    /// Only what is in the same cgroup right below the root as one of these.
    ///
    /// # Errors
    /// As for [`Coverage::all`]; one of them is the root itself.
    pub fn around<'c>(
        cgroups: impl IntoIterator<Item = &'c Cgroup>,
    ) -> Result<Coverage, ObserveError> {
        let all = Coverage::all()?;
        let mut only = HashSet::new();
        for cgroup in cgroups {
            let below = cgroup.name().strip_prefix("/").unwrap_or(cgroup.name());
            let first = below.iter().next();
            let first = first.ok_or_else(|| ObserveError::Root(cgroup.path().to_owned()))?;
            only.insert(first.to_owned());
        }
        Ok(Coverage { only: Some(only), ..all })
    }

    /// Attaches the observer where it is missing. This may be called often.
    ///
    /// Returns why cgroups can't be observed, each once. They are tried again later.
    ///
    /// # Errors
    /// The cgroups can't be listed.
    pub fn extend(&mut self, observer: &mut Observer) -> Result<Vec<ObserveError>, ObserveError> {
        let now = Instant::now();
        let is_new = self.inotify.as_ref().is_some_and(told);
        let recent = |listed| now.saturating_duration_since(listed) < AGAIN;
        let mut errors = self.keep_last(observer, now);
        if !is_new && self.listed.is_some_and(recent) {
            return Ok(errors);
        }
        self.listed = Some(now);
        let list = |source| ObserveError::List { path: self.top.path().to_owned(), source };
        let mut there = HashSet::new();
        for entry in fs::read_dir(self.top.path()).map_err(list)? {
            let entry = entry.map_err(list)?;
            let is_wanted = self.only.as_ref().is_none_or(|only| only.contains(&entry.file_name()));
            if !is_wanted || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let id = entry.ino();
            there.insert(id);
            if self.known.contains(&id) {
                continue;
            }
            let observed = Cgroup::open(&entry.path()).map_err(ObserveError::from);
            match observed.and_then(|cgroup| observer.observe(cgroup)) {
                Ok(_) => {
                    self.known.insert(id);
                    self.failed.remove(&id);
                }
                // It was removed meanwhile.
                Err(ObserveError::Cgroup(CgroupError::Missing { .. })) => {}
                Err(error) if self.failed.insert(id) => errors.push(error),
                Err(_) => {}
            }
        }
        self.failed.retain(|id| there.contains(id));
        let before = self.known.len();
        self.known.retain(|id| there.contains(id));
        if self.known.len() < before {
            observer.drop_removed()?;
        }
        Ok(errors)
    }

    /// Why it can't be the last, once.
    fn keep_last(&mut self, observer: &mut Observer, now: Instant) -> Vec<ObserveError> {
        let recent = |ordered| now.saturating_duration_since(ordered) < ORDER;
        if self.ordered.is_some_and(recent) {
            return Vec::new();
        }
        self.ordered = Some(now);
        let error = observer.keep_last().err();
        let is_new = !std::mem::replace(&mut self.is_overtaken, error.is_some());
        error.into_iter().filter(|_| is_new).collect()
    }
}

fn creations(dir: &Path) -> io::Result<OwnedFd> {
    let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    add_watch(&inotify, dir, WatchFlags::CREATE | WatchFlags::ONLYDIR)?;
    Ok(inotify)
}

/// Whether anything was made since the last call.
fn told(inotify: &OwnedFd) -> bool {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut reader = Reader::new(inotify, &mut room);
    let mut any = false;
    while let Ok(event) = reader.next() {
        any |= event.events().intersects(ReadFlags::CREATE | ReadFlags::QUEUE_OVERFLOW);
    }
    any
}
