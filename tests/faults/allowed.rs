//! What a set of programs allows, as its answers to a few telling requests.

use std::collections::HashMap;

use devgate::bpf;
use devgate::device::Request;
use devgate::kernel::{ProgId, Program};
use devgate::policy::{Policy, Verdict};

/// For each kind of stale program one that it alone allows, and some that none of them does.
const REQUESTS: [&str; 12] = [
    "c 1:3 rw",
    "c 1:5 rw",
    "c 1:8 r",
    "c 1:11 w",
    "c 10:229 rw",
    "c 10:229 m",
    "c 200:0 rw",
    "c 200:1 rw",
    "c 200:62 rw",
    "b 8:0 r",
    "b 8:0 m",
    "c 5:1 rw",
];

/// A bit for each request that is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(u16);

impl Allowed {
    /// What no program at all allows.
    pub const ALL: Allowed = Allowed((1 << REQUESTS.len()) - 1);

    pub fn and(self, other: Allowed) -> Allowed {
        Allowed(self.0 & other.0)
    }

    fn of(allows: impl Fn(&Request) -> bool) -> Allowed {
        let bit = |(place, text): (usize, &&str)| {
            u16::from(allows(&text.parse().expect("a request"))) << place
        };
        Allowed(REQUESTS.iter().enumerate().map(bit).sum())
    }

    pub fn by_policy(policy: &Policy) -> Allowed {
        Allowed::of(|request| policy.decide(request).verdict == Verdict::Allow)
    }

    /// The requests in it that are in none of the others.
    pub fn beyond(self, others: &[Allowed]) -> Vec<&'static str> {
        let known = others.iter().fold(0, |all, other| all | other.0);
        let is_beyond = |place: &usize| (self.0 & !known) >> place & 1 == 1;
        (0..REQUESTS.len()).filter(is_beyond).map(|place| REQUESTS[place]).collect()
    }
}

/// What programs are and allow, each looked at once.
#[derive(Clone, Debug, Default)]
pub struct Known(HashMap<ProgId, Described>);

#[derive(Clone, Debug)]
pub struct Described {
    pub name: String,
    pub allows: Allowed,
}

impl Known {
    /// Looks at those that are not known yet.
    pub fn learn(&mut self, ids: &[ProgId]) {
        for &id in ids {
            self.0.entry(id).or_insert_with(|| described(id));
        }
    }

    /// One that was looked at.
    pub fn get(&self, id: ProgId) -> &Described {
        self.0.get(&id).unwrap_or_else(|| panic!("program {id} was not looked at"))
    }

    /// What these programs allow together.
    pub fn allowed(&self, ids: &[ProgId]) -> Allowed {
        ids.iter().fold(Allowed::ALL, |all, id| all.and(self.get(*id).allows))
    }

    /// Programs that need not exist, for tests.
    pub fn made_up(programs: &[(ProgId, &str, Allowed)]) -> Known {
        let one = |(id, name, allows): &(ProgId, &str, Allowed)| {
            (*id, Described { name: (*name).to_owned(), allows: *allows })
        };
        Known(programs.iter().map(one).collect())
    }

    /// Forgets those that may be gone, so that their ids can't be taken for others'.
    pub fn keep(&mut self, ids: &[ProgId]) {
        self.0.retain(|id, _| ids.contains(id));
    }
}

fn described(id: ProgId) -> Described {
    let program = Program::by_id(id).expect("what is attached can be looked at");
    let insns = bpf::Program::new(program.insns().expect("instructions can be read"));
    let allows = |request: &Request| bpf::run(&insns, request).expect("it can be run").allowed;
    Described { name: program.name, allows: Allowed::of(allows) }
}

#[test]
fn sets_of_answers() {
    let allowed = |rule: &str| {
        let rules = vec![rule.parse().expect("a rule")];
        Allowed::by_policy(&Policy::new(rules, devgate::policy::DefaultDevices::None))
    };
    let (null, zero, all) =
        (allowed("allow c 1:3 rwm"), allowed("allow c 1:5 rwm"), allowed("allow a *:* rwm"));
    assert_eq!(all, Allowed::ALL);
    assert_eq!(null.and(all), null);
    assert_eq!(null.beyond(&[zero]), ["c 1:3 rw"]);
    assert_eq!(null.beyond(&[zero, null]), [""; 0]);
    assert_eq!(all.beyond(&[zero, null]).len(), REQUESTS.len() - 2);
}
