//! Containers and cgroups by what a user calls them.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::filter::{Filter, Wanted};
use crate::cgroup::{Cgroup, CgroupError};
use crate::container::{self, Named, Naming, running};

/// Why nothing is found.
#[derive(Debug, Error)]
pub enum FindError {
    /// No container is called so.
    #[error("no container that runs has the name {what:?} or an id that begins with it")]
    None {
        /// What was looked for.
        what: String,
    },
    /// Several are.
    #[error("several containers' ids begin with {what:?}: {}", ids.join(", "))]
    Ambiguous {
        /// What was looked for.
        what: String,
        /// Their ids.
        ids: Vec<String>,
    },
    /// A cgroup can't be opened.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Cgroups can't be listed.
    #[error(transparent)]
    List(#[from] container::FindError),
}

/// What these name: a cgroup2 directory (with a slash), a container's name, or the beginning of its
/// id. Without any, all containers are of interest.
///
/// # Errors
/// One of them names no container or cgroup, or several.
pub fn find(names: &[String]) -> Result<Filter, FindError> {
    let mut containers: Option<Vec<Named>> = None;
    let mut wanted = Vec::new();
    for what in names {
        if what.contains('/') {
            let cgroup = Cgroup::open(Path::new(what))?;
            let path = || Ok::<_, CgroupError>(Cgroup::of_id(cgroup.id()?)?.map(path_of));
            let dir = path()?.unwrap_or_else(|| cgroup.path().to_owned());
            wanted.push((Wanted::Below(dir), cgroup));
            continue;
        }
        let known = match &containers {
            Some(known) => known,
            None => containers.insert(running(Cgroup::top()?.path(), &mut Naming::default())?),
        };
        let (which, container) = one(known, what)?;
        wanted.push((which, Cgroup::open(&container.cgroup)?));
    }
    Ok(Filter { wanted })
}

fn path_of(cgroup: Cgroup) -> PathBuf {
    cgroup.path().to_owned()
}

fn one<'c>(containers: &'c [Named], what: &str) -> Result<(Wanted, &'c Named), FindError> {
    let is_called = |container: &&Named| container.name.as_deref() == Some(what);
    if let Some(named) = containers.iter().find(is_called) {
        return Ok((Wanted::Name(what.to_owned()), named));
    }
    let mut found = containers.iter().filter(|container| container.id.starts_with(what));
    let what = || what.to_owned();
    let first = found.next().filter(|_| !what().is_empty());
    let first = first.ok_or_else(|| FindError::None { what: what() })?;
    let mut ids = vec![first.id.clone()];
    ids.extend(found.map(|other| other.id.clone()));
    ids.dedup();
    match ids.len() {
        1 => Ok((Wanted::Id(first.id.clone()), first)),
        _ => Err(FindError::Ambiguous { what: what(), ids }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str, name: Option<&str>) -> Named {
        let (name, cgroup) = (name.map(str::to_owned), PathBuf::from("/x"));
        Named { id: id.to_owned(), name, pod: None, cgroup, cgroup_id: 1 }
    }

    #[test]
    fn a_name_comes_before_the_beginning_of_an_id() {
        let all = [named("abc", Some("web")), named("abd", None), named("web1", None)];
        let found = |what: &str| one(&all, what).map(|(wanted, _)| wanted);
        assert_eq!(found("web").unwrap(), Wanted::Name("web".into()));
        assert_eq!(found("web1").unwrap(), Wanted::Id("web1".into()));
        assert_eq!(found("abd").unwrap(), Wanted::Id("abd".into()));
        let error = |what: &str| found(what).unwrap_err().to_string();
        assert_eq!(error("ab"), "several containers' ids begin with \"ab\": abc, abd");
        let none = "no container that runs has the name \"x\" or an id that begins with it";
        assert_eq!(error("x"), none);
        assert!(matches!(found(""), Err(FindError::None { .. })));
    }
}
