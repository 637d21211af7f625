//! What is attached before a run.

use super::common::bpf::Foreign;
use super::common::enforce::prepared;

/// How a stale program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Exclusive,
    Override,
    Multi,
    /// By a bpf_link, which only its owner can take away.
    Link,
    /// As devgate does it: attached, and held by a pinned link.
    Held,
}

/// Stale programs of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    count: usize,
    name: &'static str,
    /// What they allow; `#` stands for their place in the group.
    rule: &'static str,
    pub how: How,
}

/// What is attached to the container's cgroup, in this order, and to the one above it.
#[derive(Debug)]
pub struct World {
    pub name: &'static str,
    stale: &'static [Group],
    pub above: Option<How>,
    /// Whether devgate or the kernel refuses to attach a program there.
    pub refused: bool,
}

const ALL: &str = "allow a *:* rwm";
const NULL: &str = "allow c 1:3 rw";
const ZERO: &str = "allow c 1:5 rw";

const fn group(count: usize, rule: &'static str, how: How) -> Group {
    Group { count, name: "somebody", rule, how }
}

const fn own(count: usize, rule: &'static str) -> Group {
    Group { count, name: "devgate", rule, how: How::Multi }
}

const fn world(name: &'static str, stale: &'static [Group]) -> World {
    World { name, stale, above: None, refused: false }
}

const fn refused(name: &'static str, stale: &'static [Group], above: Option<How>) -> World {
    World { name, stale, above, refused: true }
}

/// Where one program allows everything and others little, the one alone is wider than the old
/// policy and the new one.
pub static WORLDS: &[World] = &[
    world("none", &[]),
    world("one", &[group(1, ALL, How::Multi)]),
    world(
        "three",
        &[group(1, ALL, How::Multi), group(1, NULL, How::Multi), group(1, ZERO, How::Multi)],
    ),
    world(
        "three-last",
        &[group(1, NULL, How::Multi), group(1, ZERO, How::Multi), group(1, ALL, How::Multi)],
    ),
    world("63", &[group(1, ALL, How::Multi), group(62, "allow c 200:# rw", How::Multi)]),
    // Of those that are the same, one can be taken off first.
    world("64", &[group(32, ALL, How::Multi), group(32, NULL, How::Multi)]),
    refused(
        "64-unlike",
        &[group(1, ALL, How::Multi), group(63, "allow c 200:# rw", How::Multi)],
        None,
    ),
    world("link", &[group(1, NULL, How::Link)]),
    world(
        "link-among",
        &[group(1, ALL, How::Multi), group(1, NULL, How::Link), group(1, ZERO, How::Multi)],
    ),
    world("exclusive", &[group(1, NULL, How::Exclusive)]),
    // Only another override program could take its place.
    refused("override", &[group(1, NULL, How::Override)], None),
    refused("below-exclusive", &[], Some(How::Exclusive)),
    refused("below-override", &[], Some(How::Override)),
    world("held", &[Group { count: 1, name: "devgate", rule: NULL, how: How::Held }]),
    world(
        "held-among",
        &[
            Group { count: 1, name: "devgate", rule: NULL, how: How::Held },
            group(1, ALL, How::Multi),
            group(1, ZERO, How::Multi),
        ],
    ),
    world("own", &[own(1, ALL), group(1, NULL, How::Multi), own(1, ZERO)]),
];

impl World {
    /// How many programs are attached to the container's cgroup.
    pub fn count(&self) -> usize {
        self.stale.iter().map(|group| group.count).sum()
    }

    /// Whether the first program can't be detached.
    pub fn is_held(&self) -> bool {
        self.stale.first().is_some_and(|group| group.how == How::Link)
    }

    pub fn named(name: &str) -> &'static World {
        let found = WORLDS.iter().find(|world| world.name == name);
        found.unwrap_or_else(|| panic!("no world is called {name}"))
    }
}

/// The stale programs of a world, in the kernel.
pub struct Programs {
    pub stale: Vec<(Foreign, How)>,
    pub above: Option<(Foreign, How)>,
}

impl Programs {
    pub fn load(world: &World) -> Programs {
        let one = |group: &Group, place: usize| {
            (program(group.name, &group.rule.replace('#', &place.to_string())), group.how)
        };
        let of = |group: &'static Group| (0..group.count).map(move |place| one(group, place));
        Programs {
            stale: world.stale.iter().flat_map(of).collect(),
            above: world.above.map(|how| (program("above", NULL), how)),
        }
    }
}

fn program(name: &str, rule: &str) -> Foreign {
    Foreign::with(name, prepared(&[rule]).verified.program().insns())
}
