//! What shows that the hook ran for a container.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::cgroup::Cgroup;
use crate::container::find_container;
use crate::errors::chain;
use crate::kernel::{NAME_PREFIX, ProgId, Program, query};

/// As much of a log as is read: a line of each of many containers.
const MOST: u64 = 1 << 20;

/// What a line of a failure has, in either format of the log.
const FAILED: [&str; 2] = [" devgate failed ", r#""result":"failed""#];

/// The hook's log, from where it ended before.
pub(super) struct Log {
    path: Option<PathBuf>,
    from: u64,
}

impl Log {
    pub(super) fn new(path: Option<&Path>) -> Log {
        let from = path.and_then(|path| fs::metadata(path).ok()).map_or(0, |found| found.len());
        Log { path: path.map(Path::to_owned), from }
    }

    /// What was written since.
    fn news(&self) -> String {
        self.path.as_deref().and_then(|path| self.read(path).ok()).unwrap_or_default()
    }

    fn read(&self, path: &Path) -> std::io::Result<String> {
        let mut file = File::open(path)?;
        // One that was rotated meanwhile is new from the beginning.
        let from = if file.metadata()?.len() < self.from { 0 } else { self.from };
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The last line of a hook that failed since.
    pub(super) fn failure(&self) -> Option<String> {
        let news = self.news();
        let is_failure = |line: &&str| FAILED.iter().any(|failed| line.contains(failed));
        news.lines().rfind(is_failure).map(str::to_owned)
    }

    fn names(&self, container: &str) -> Result<(), NoLine> {
        match &self.path {
            None => Err(NoLine::NoLog),
            Some(_) if self.news().lines().any(|line| line.contains(container)) => Ok(()),
            Some(path) => Err(NoLine::Missing(path.clone())),
        }
    }
}

/// Why there is no line in the hook's log.
pub(super) enum NoLine {
    /// It is registered without one.
    NoLog,
    /// This one has none.
    Missing(PathBuf),
}

impl fmt::Display for NoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoLine::NoLog => f.write_str("and the hook has no log"),
            NoLine::Missing(path) => write!(f, "but no line in {}", path.display()),
        }
    }
}

/// What was seen while a container ran.
pub(super) enum Evidence {
    /// Program and line.
    Both { program: ProgId, cgroup: PathBuf },
    /// The program alone.
    Program { program: ProgId, cgroup: PathBuf, why_no_line: NoLine },
    /// No program of devgate's.
    None { what: String },
    /// It can't be told.
    Unknown { why: String },
}

impl Evidence {
    /// What there is of this container, which runs.
    pub(super) fn of(container: &str, log: &Log) -> Evidence {
        let (cgroup, programs) = match attached(container) {
            Ok(attached) => attached,
            Err(why) => return Evidence::Unknown { why },
        };
        let ours = programs.iter().find(|program| program.name.starts_with(NAME_PREFIX));
        match (ours.map(|program| program.id), log.names(container)) {
            (Some(program), Ok(())) => Evidence::Both { program, cgroup },
            (Some(program), Err(why_no_line)) => Evidence::Program { program, cgroup, why_no_line },
            (None, line) => Evidence::None { what: without_ours(&cgroup, &programs, line.is_ok()) },
        }
    }
}

fn without_ours(cgroup: &Path, programs: &[Program], has_line: bool) -> String {
    let others: Vec<String> = programs.iter().map(|program| program.id.to_string()).collect();
    let others = match others.as_slice() {
        [] => "no device program".to_owned(),
        others => format!("no program of devgate's, but {}", others.join(", ")),
    };
    let line = if has_line { "there is" } else { "there is no" };
    format!("{} has {others}, and {line} line in the hook's log", cgroup.display())
}

fn attached(container: &str) -> Result<(PathBuf, Vec<Program>), String> {
    let top = Cgroup::top().map_err(|error| chain(&error))?;
    let cgroup = find_container(top.path(), container).map_err(|error| chain(&error))?;
    let ids = query(cgroup.as_fd()).map_err(|error| chain(&error))?.ids;
    let programs: Result<Vec<Program>, _> = ids.into_iter().map(Program::by_id).collect();
    Ok((cgroup.path().to_owned(), programs.map_err(|error| chain(&error))?))
}
