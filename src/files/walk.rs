//! Paths, followed by descriptors one name at a time.
//!
//! openat2(2) with `RESOLVE_IN_ROOT` stays below a directory, too. But it does not show the
//! directories on the way, whose owners and modes count, and Linux 5.3 does not have it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, readlinkat};
use nix::sys::stat::{FileStat, Mode, mkdirat};

use super::{Exposure, Node};

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Whether a link at the end of a path is followed, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It is.
    Follow,
    /// The link itself is meant.
    Keep,
}

/// A directory that paths start from as if it were `/`. No link and no `..` leads out of it,
/// whatever others rename meanwhile.
#[derive(Clone, Debug)]
pub struct Tree(Arc<Node>);

impl Tree {
    /// The directory at this path, links followed.
    ///
    /// # Errors
    /// There is no such directory.
    pub fn new(dir: &Path) -> io::Result<Tree> {
        let top = Node::at(AT_FDCWD, dir, Last::Follow)?;
        match top.is_dir() {
            true => Ok(Tree(Arc::new(top))),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The directory itself.
    pub fn top(&self) -> &Node {
        &self.0
    }

    /// Follows a path. What does not exist on it is no error.
    ///
    /// # Errors
    /// A directory can't be looked into, or there are too many links.
    pub fn follow(&self, path: &Path, last: Last) -> io::Result<Way> {
        let mut way =
            Way { tree: self.clone(), nodes: Vec::new(), missing: Vec::new(), passed: Vec::new() };
        let mut names = components(path);
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            let follow = if names.is_empty() { last } else { Last::Follow };
            let Some(target) = way.step(name, follow)? else { continue };
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::ELOOP.into());
            }
            if target.is_absolute() {
                way.nodes.clear();
            }
            for name in components(&target).into_iter().rev() {
                names.push_front(name);
            }
        }
        Ok(way)
    }
}

fn components(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    });
    names.collect()
}

/// Where a path leads, with all that leads there held.
#[derive(Debug)]
pub struct Way {
    tree: Tree,
    /// What is there below the top, each within the one before it.
    nodes: Vec<(OsString, Node)>,
    /// The names that follow, and are not there.
    missing: Vec<OsString>,
    /// Directories that were looked into, and links that were followed.
    passed: Vec<(PathBuf, FileStat)>,
}

impl Way {
    /// Goes one name further, or to a link's target.
    fn step(&mut self, name: OsString, last: Last) -> io::Result<Option<PathBuf>> {
        if name == ".." {
            if self.missing.pop().is_none() {
                self.nodes.pop();
            }
            return Ok(None);
        }
        if !self.missing.is_empty() {
            self.missing.push(name);
            return Ok(None);
        }
        let (path, dir) = (self.path(), self.deepest());
        let node = Node::at(dir, name.as_os_str(), Last::Keep);
        self.passed.push((path, *dir.stat()));
        match node {
            Ok(link) if link.is_link() && last == Last::Follow => {
                self.passed.push((self.path().join(name), *link.stat()));
                Ok(Some(readlinkat(&link, "")?.into()))
            }
            Ok(node) => {
                self.nodes.push((name, node));
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.missing.push(name);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The end, or the last directory on the way to it that is there.
    pub fn deepest(&self) -> &Node {
        self.nodes.last().map_or(self.tree.top(), |(_, node)| node)
    }

    /// Its end, from the top: without links on the way.
    pub fn path(&self) -> PathBuf {
        let names = self.nodes.iter().map(|(name, _)| name).chain(&self.missing);
        Path::new("/").join(names.collect::<PathBuf>())
    }

    /// What is at its end; none if there is nothing.
    pub fn end(&self) -> Option<&Node> {
        self.missing.is_empty().then(|| self.deepest())
    }

    /// Who else than the `trusted` users could change what is at its end, or lead it elsewhere.
    pub fn exposure(&self, trusted: &[u32]) -> Option<Exposure> {
        let end = self.end().and_then(|end| Exposure::of(&self.path(), end.stat(), trusted));
        end.or_else(|| self.exposure_of_place(trusted))
    }

    /// The same, but for what is at its end.
    pub fn exposure_of_place(&self, trusted: &[u32]) -> Option<Exposure> {
        let mut passed = self.passed.iter();
        passed.find_map(|(path, stat)| Exposure::on_the_way(path, stat, trusted))
    }

    /// Who else than the `trusted` users could change a file that is made or written at its end, or
    /// put one there first: its directory may not even be sticky.
    pub fn exposure_to_planting(&self, trusted: &[u32]) -> Option<Exposure> {
        let dir = self.passed.last();
        self.exposure(trusted)
            .or_else(|| dir.and_then(|(path, stat)| Exposure::of(path, stat, trusted)))
    }

    /// The directory of its end and the name there. Directories that are not there are made, with
    /// this mode less the umask.
    ///
    /// # Errors
    /// One can't be made, or the end is the top.
    pub fn place(mut self, mode: Mode) -> io::Result<Place> {
        let name = match self.missing.pop() {
            Some(name) => name,
            None => self.nodes.pop().ok_or(Errno::EBUSY)?.0,
        };
        for missing in std::mem::take(&mut self.missing) {
            let dir = self.deepest();
            match mkdirat(dir, missing.as_os_str(), mode) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let made = Node::at(dir, missing.as_os_str(), Last::Keep)?;
            if !made.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            self.nodes.push((missing, made));
        }
        let path = self.path();
        let dir = match self.nodes.pop() {
            Some((_, dir)) => Arc::new(dir),
            None => self.tree.0,
        };
        Ok(Place { dir, path, name })
    }

    /// How many of its directories are not there.
    pub fn missing_dirs(&self) -> usize {
        self.missing.len().saturating_sub(1)
    }
}

/// A name in a directory that is held.
#[derive(Debug)]
pub struct Place {
    dir: Arc<Node>,
    path: PathBuf,
    name: OsString,
}

impl Place {
    /// The directory.
    pub fn dir(&self) -> &Node {
        &self.dir
    }

    /// The directory's path from the top.
    pub fn dir_path(&self) -> &Path {
        &self.path
    }

    /// The name.
    pub fn name(&self) -> &OsStr {
        &self.name
    }
}
