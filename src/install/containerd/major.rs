//! Which containerd there is below a prefix, without running it.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use super::super::programs::find_program;
use super::super::{InstallError, Root};
use crate::files::Last;

/// A major version of containerd, each with a default runtime spec of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    /// 1.x
    One,
    /// 2.x
    Two,
}

impl Major {
    /// Every one.
    pub const ALL: [Major; 2] = [Major::One, Major::Two];

    /// What `ctr oci spec` prints: of containerd 1.6.20 and of 2.1.9.
    pub fn default_spec(self) -> &'static str {
        match self {
            Major::One => include_str!("base/containerd-1.json"),
            Major::Two => include_str!("base/containerd-2.json"),
        }
    }

    /// The Go package of the program. Every build has its name, a stripped one too, since Go's
    /// stack traces print it.
    fn package(self) -> &'static [u8] {
        match self {
            Major::One => b"github.com/containerd/containerd/cmd/containerd",
            Major::Two => b"github.com/containerd/containerd/v2/cmd/containerd",
        }
    }

    /// That of the containerd which is installed below the root: its program says so.
    ///
    /// # Errors
    /// There is none, it can't be read, or it is of no version that is known.
    pub(super) fn below(root: &Root) -> Result<Major, InstallError> {
        let unknown = |problem| InstallError::UnknownMajor { problem };
        let program = find_program(root, "containerd")
            .ok_or_else(|| unknown("there is no program containerd".to_owned()))?;
        let named = of_program(root, &program)?;
        named.ok_or_else(|| unknown(format!("{} names neither", program.display())))
    }
}

impl fmt::Display for Major {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Major::One => "1",
            Major::Two => "2",
        })
    }
}

fn of_program(root: &Root, program: &Path) -> Result<Option<Major>, InstallError> {
    let way = root.follow(program, Last::Follow)?;
    let unread = |source| InstallError::Read { path: program.to_owned(), source };
    let Some(node) = way.end() else { return Ok(None) };
    let found = named(node.open().map_err(unread)?).map_err(|error| unread(error.into()))?;
    Ok(found)
}

const CHUNK: usize = 1 << 20;

/// The first that a program names. Only a part of it is held at a time.
fn named(mut program: impl Read) -> io::Result<Option<Major>> {
    let overlap = Major::ALL.iter().map(|major| major.package().len()).max().unwrap_or_default();
    let mut held = Vec::with_capacity(CHUNK + overlap);
    loop {
        let read = program.by_ref().take(CHUNK as u64).read_to_end(&mut held)?;
        let names = |major: &Major| {
            let package = major.package();
            held.windows(package.len()).any(|bytes| bytes == package)
        };
        match Major::ALL.into_iter().find(names) {
            None if read > 0 => {}
            found => return Ok(found),
        }
        held.drain(..held.len().saturating_sub(overlap));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_found_wherever_it_is() {
        for major in Major::ALL {
            for before in [0, CHUNK - 20, CHUNK, 2 * CHUNK - 1] {
                let program = [&vec![b'g'; before][..], major.package(), b"/x"].concat();
                assert_eq!(named(&program[..]).unwrap(), Some(major), "{before}");
            }
        }
        assert_eq!(
            named(&b"github.com/containerd/containerd/v3/cmd/containerd"[..]).unwrap(),
            None
        );
        assert_eq!(named(&b""[..]).unwrap(), None);
    }
}
