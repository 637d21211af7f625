//! What is amiss with the programs of a container's cgroup. It looks at nothing and changes
//! nothing.

use std::fmt;
use std::path::PathBuf;

use crate::inspect::Generator;
use crate::kernel::{ProgId, Stale};

/// What a program is to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It decides every request as the container's policy does.
    Policy,
    /// It is an observer of devgate's, which decides nothing.
    Observer,
    /// It does not, or that can't be told.
    Other(Maker),
}

/// Who made a program, as far as its marks tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The generator whose marks it has.
    pub generator: Option<Generator>,
    /// Its name, which may be empty.
    pub name: String,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.generator, self.name.as_str()) {
            (Some(generator), _) => generator.fmt(f),
            (None, "") => f.write_str("without a name"),
            (None, name) => f.write_str(name),
        }
    }
}

/// What was seen on a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Every entry of the cgroup's list. A program that a link holds is one, too.
    pub entries: Vec<(ProgId, Identity)>,
    /// The program of devgate's link, if there is one.
    pub link: Option<ProgId>,
    /// Programs of the cgroups above that are the container's alone.
    pub above: Vec<(PathBuf, ProgId, Identity)>,
}

impl Seen {
    /// A program that is the policy.
    pub fn policys(&self) -> Option<ProgId> {
        self.entries.iter().find(|entry| is_policy(entry)).map(|(id, _)| *id)
    }
}

/// Whether there has to be a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkWanted {
    /// There was one.
    Yes,
    /// It could not be made, and is welcome.
    Maybe,
    /// Nobody asked for one.
    No,
}

/// What there has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whether a link holds the policy.
    pub link: LinkWanted,
    /// Which other programs are to go.
    pub stale: Stale,
}

/// One thing that is amiss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No program in the cgroup's own list is the policy.
    NoCopy,
    /// There is no link.
    NoLink,
    /// The link holds a program that is not the policy.
    LinkHolds(ProgId),
    /// There is a link, and there should be none.
    UnwantedLink(ProgId),
    /// Another program is attached.
    Extra(ProgId, Identity),
    /// Another program decides too, on a cgroup above.
    Above(PathBuf, ProgId, Maker),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NoCopy => f.write_str("the policy's program is not in the cgroup's list"),
            Finding::NoLink => f.write_str("the link is gone"),
            Finding::LinkHolds(id) => write!(f, "the link holds program {id}, another policy"),
            Finding::UnwantedLink(id) => {
                write!(f, "a link holds program {id}, and none was asked for")
            }
            Finding::Above(cgroup, id, maker) => {
                write!(f, "program {id} ({maker}) is attached to {}", cgroup.display())
            }
            Finding::Extra(id, Identity::Observer) => write!(f, "program {id} observes"),
            Finding::Extra(id, Identity::Policy) => {
                write!(f, "program {id} is the policy once more")
            }
            Finding::Extra(id, Identity::Other(maker)) => {
                write!(f, "program {id} ({maker}) is attached")
            }
        }
    }
}

/// What is amiss; nothing if the policy is in force as it has to be.
pub fn decide(seen: &Seen, wanted: Wanted) -> Vec<Finding> {
    let mut findings = Vec::new();
    // One entry of the link's program is the link's.
    let held = seen.link.and_then(|link| seen.entries.iter().position(|(id, _)| *id == link));
    let is_policy = held.and_then(|place| seen.entries.get(place)).is_some_and(is_policy);
    match (seen.link, wanted.link) {
        (None, LinkWanted::Yes) => findings.push(Finding::NoLink),
        (None, LinkWanted::Maybe | LinkWanted::No) => {}
        (Some(id), LinkWanted::No) => findings.push(Finding::UnwantedLink(id)),
        (Some(_), _) if is_policy => {}
        (Some(id), _) => findings.push(Finding::LinkHolds(id)),
    }
    let mut has_copy = false;
    let mut extra = Vec::new();
    for (place, (id, identity)) in seen.entries.iter().enumerate() {
        if Some(place) == held {
            continue;
        }
        if !has_copy && *identity == Identity::Policy {
            has_copy = true;
        } else if *identity == Identity::Observer {
            continue;
        } else if is_stale(identity, wanted.stale) {
            extra.push(Finding::Extra(*id, identity.clone()));
        }
    }
    if !has_copy {
        findings.push(Finding::NoCopy);
    }
    findings.extend(extra);
    findings.extend(seen.above.iter().filter_map(|(cgroup, id, identity)| match identity {
        Identity::Policy | Identity::Observer => None,
        Identity::Other(maker) => Some(Finding::Above(cgroup.clone(), *id, maker.clone())),
    }));
    findings
}

fn is_policy((_, identity): &(ProgId, Identity)) -> bool {
    *identity == Identity::Policy
}

fn is_stale(identity: &Identity, stale: Stale) -> bool {
    let is_own = match identity {
        Identity::Policy => true,
        Identity::Observer => false,
        Identity::Other(maker) => maker.generator == Some(Generator::Devgate),
    };
    match stale {
        Stale::All => true,
        Stale::Own => is_own,
        Stale::None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProgId = ProgId::new(1);
    const B: ProgId = ProgId::new(2);
    const CRUN: ProgId = ProgId::new(3);

    fn crun() -> Identity {
        Identity::Other(Maker { generator: Some(Generator::Crun), name: String::new() })
    }

    fn older() -> Identity {
        Identity::Other(Maker { generator: Some(Generator::Devgate), name: "devgate".to_owned() })
    }

    use Finding::{Extra, LinkHolds, NoCopy, NoLink, UnwantedLink};
    use Identity::Policy;
    use LinkWanted::{Maybe, No, Yes};
    use Stale::{All, None as Never, Own};

    /// Entries, the link's program, whether one is wanted, what is stale: what is amiss.
    type Row = (Vec<(ProgId, Identity)>, Option<ProgId>, LinkWanted, Stale, Vec<Finding>);

    fn table() -> Vec<Row> {
        vec![
            // As it has to be.
            (vec![(A, Policy), (A, Policy)], Some(A), Yes, All, vec![]),
            (vec![(A, Policy)], None, No, All, vec![]),
            (vec![(A, Policy), (B, Policy)], Some(A), Yes, All, vec![]),
            // Something was lost.
            (vec![], None, No, All, vec![NoCopy]),
            (vec![], None, Yes, All, vec![NoLink, NoCopy]),
            (vec![(A, Policy)], None, Yes, All, vec![NoLink]),
            (vec![(A, Policy)], Some(A), Yes, All, vec![NoCopy]),
            // A runtime put its own program in place of the copy, or beside it.
            (
                vec![(A, Policy), (CRUN, crun())],
                Some(A),
                Yes,
                All,
                vec![NoCopy, Extra(CRUN, crun())],
            ),
            (
                vec![(A, Policy), (A, Policy), (CRUN, crun())],
                Some(A),
                Yes,
                All,
                vec![Extra(CRUN, crun())],
            ),
            (vec![(CRUN, crun())], None, No, All, vec![NoCopy, Extra(CRUN, crun())]),
            // A change ended half-way: the copy is new and the link old.
            (vec![(B, older()), (A, Policy)], Some(B), Yes, All, vec![LinkHolds(B)]),
            // A link that nobody asked for, and that decides.
            (vec![(B, older()), (A, Policy)], Some(B), Maybe, All, vec![LinkHolds(B)]),
            (vec![(A, Policy), (A, Policy)], Some(A), No, All, vec![UnwantedLink(A)]),
            // One could not be made at first.
            (vec![(A, Policy)], None, Maybe, All, vec![]),
            (vec![(A, Policy), (A, Policy)], Some(A), Maybe, All, vec![]),
            // The link's program is not in the list: it is being changed.
            (vec![(A, Policy)], Some(B), Yes, All, vec![LinkHolds(B)]),
            // What stays.
            (vec![(A, Policy), (CRUN, crun())], None, No, Own, vec![]),
            (vec![(A, Policy), (CRUN, crun())], None, No, Never, vec![]),
            (vec![(A, Policy), (B, older())], None, No, Own, vec![Extra(B, older())]),
            (vec![(A, Policy), (B, older())], None, No, Never, vec![]),
            (vec![(A, Policy), (B, Policy)], None, No, All, vec![Extra(B, Policy)]),
        ]
    }

    #[test]
    fn what_is_amiss_is_found_and_no_more() {
        for (entries, link, wanted, stale, expected) in table() {
            let seen = Seen { entries, link, above: Vec::new() };
            let wanted = Wanted { link: wanted, stale };
            assert_eq!(decide(&seen, wanted), expected, "{seen:?}, {wanted:?}");
        }
    }

    #[test]
    fn a_unit_has_no_other_gate() {
        let scope = PathBuf::from("/sys/fs/cgroup/c1.scope");
        let Identity::Other(maker) = crun() else { unreachable!() };
        let seen = Seen {
            entries: vec![(A, Policy)],
            link: None,
            above: vec![(scope.clone(), CRUN, crun()), (scope.clone(), B, Policy)],
        };
        let found = decide(&seen, Wanted { link: Maybe, stale: All });
        assert_eq!(found, [Finding::Above(scope, CRUN, maker)]);
        let text = "program 3 (crun) is attached to /sys/fs/cgroup/c1.scope";
        assert_eq!(found[0].to_string(), text);
    }

    #[test]
    fn findings_name_who_made_a_program() {
        let named = Identity::Other(Maker { generator: None, name: "audit".to_owned() });
        for (finding, text) in [
            (Extra(CRUN, crun()), "program 3 (crun) is attached"),
            (Extra(B, named), "program 2 (audit) is attached"),
            (LinkHolds(B), "the link holds program 2, another policy"),
        ] {
            assert_eq!(finding.to_string(), text);
        }
    }
}
