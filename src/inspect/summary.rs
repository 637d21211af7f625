//! What `ls` says of a cgroup in few words.

use std::fmt;

/// What a cgroup's own programs come to, in a word or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// Nothing is allowed.
    DenyAll,
    /// The base rules behind "deny everything".
    Default,
    /// Everything is allowed.
    All,
    /// So many rules.
    Rules(usize),
    /// Nothing decides here: there are observers alone.
    Observed,
    /// It can't be told.
    Opaque,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Summary::DenyAll => f.write_str("deny all"),
            Summary::Default => f.write_str("default"),
            Summary::All => f.write_str("all"),
            Summary::Rules(1) => f.write_str("1 rule"),
            Summary::Rules(count) => write!(f, "{count} rules"),
            Summary::Observed => f.write_str("observed"),
            Summary::Opaque => f.write_str("opaque"),
        }
    }
}

/// A sign of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// More than one program: leftovers, most likely.
    Several,
    /// Close to the kernel's limit of programs.
    NearLimit,
    /// A program that allows nothing.
    AllowsNothing,
    /// What it does, a cgroup above does already.
    SameAsAbove,
    /// A program that may set the return value: it may allow what others deny.
    SetsRetval,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mark::Several => "several programs",
            Mark::NearLimit => "near the limit of 64",
            Mark::AllowsNothing => "allows nothing",
            Mark::SameAsAbove => "same as above",
            Mark::SetsRetval => "may set the return value",
        })
    }
}
