//! A plan as a diff.

use std::fmt;
use std::path::Path;

use similar::TextDiff;

use super::plan::Change;

impl Change {
    /// The change as a unified diff; a file that is not text is told by its size in bytes.
    pub fn diff(&self) -> String {
        let text = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => std::str::from_utf8(bytes).map(str::to_owned),
            None => Ok(String::new()),
        };
        let (Ok(before), Ok(after)) = (text(self.before()), text(self.after())) else {
            return self.sizes();
        };
        if before == after {
            return format!("mode and owner of {}\n", self.path().display());
        }
        let (old, new) = (Name(self.before(), self.path()), Name(self.after(), self.path()));
        TextDiff::from_lines(&before, &after)
            .unified_diff()
            .header(&old.to_string(), &new.to_string())
            .to_string()
    }

    fn sizes(&self) -> String {
        let size = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => format!("{} bytes", bytes.len()),
            None => "nothing".to_owned(),
        };
        let (before, after) = (size(self.before()), size(self.after()));
        format!("binary file {}: {before} -> {after}\n", self.path().display())
    }
}

/// A file's name in a diff's header: /dev/null stands for one that is not there.
struct Name<'a>(Option<&'a [u8]>, &'a Path);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Name(content, path) = self;
        content.map_or(Path::new("/dev/null"), |_| path).display().fmt(f)
    }
}
