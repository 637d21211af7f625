//! Which syscalls of a run fail, and with what, in strace's notation.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;

use super::calls;
use super::tracee::Call;

/// What becomes of a syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is not made, and fails.
    Error(Errno),
    /// It is not made: the process is killed on entering it.
    Kill,
}

/// Which calls of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// This one, counted from 1.
    Once(usize),
    /// From this one up to that.
    Between(usize, usize),
    /// This one and all after it.
    From(usize),
}

/// One rule of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub name: &'static str,
    pub when: When,
    pub effect: Effect,
}

impl Fault {
    /// Whether this is what a plan did to the call.
    pub fn came(&self, call: &Call) -> bool {
        self.name == call.row.name && call.effect == Some(self.effect)
    }
}

/// The faults of a run. Where two of them are of one call, the later one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(pub Vec<Fault>);

impl Plan {
    pub fn one(fault: Fault) -> Plan {
        Plan(vec![fault])
    }

    pub fn and(&self, fault: Fault) -> Plan {
        Plan([&self.0[..], &[fault]].concat())
    }

    pub fn effect(&self, name: &str, nth: usize) -> Option<Effect> {
        let strikes = |fault: &&Fault| {
            fault.name == name
                && match fault.when {
                    When::Once(only) => nth == only,
                    When::Between(first, last) => (first..=last).contains(&nth),
                    When::From(first) => nth >= first,
                }
        };
        self.0.iter().rev().find(strikes).map(|fault| fault.effect)
    }

    /// The options that make strace do the same. It takes one rule a syscall, so there may be
    /// none.
    pub fn strace(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut rules: Vec<String> = Vec::new();
        for (place, fault) in self.0.iter().enumerate() {
            if self.0[..place].iter().any(|other| other.name == fault.name) {
                return None;
            }
            rules.push(format!("-e inject={fault}"));
        }
        Some(rules.join(" "))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        match self.effect {
            Effect::Error(errno) => write!(f, "error={errno:?}")?,
            Effect::Kill => f.write_str("signal=KILL")?,
        }
        match self.when {
            When::Once(only) => write!(f, ":when={only}"),
            When::Between(first, last) => write!(f, ":when={first}..{last}"),
            When::From(first) => write!(f, ":when={first}+"),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.0.iter().map(Fault::to_string).collect();
        f.write_str(&faults.join(" "))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Fault, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let [name, effect, when] = parts[..] else { return Err(format!("no fault: {text}")) };
        let name = calls::name(name).ok_or(format!("no syscall of the table: {name}"))?;
        let effect = match effect.strip_prefix("error=") {
            Some(errno) => {
                Effect::Error(calls::errno(errno).ok_or(format!("no errno of the table: {errno}"))?)
            }
            None if effect == "signal=KILL" => Effect::Kill,
            None => return Err(format!("no effect: {effect}")),
        };
        let when = when.strip_prefix("when=").ok_or(format!("no when=: {when}"))?;
        let number = |text: &str| text.parse().map_err(|_| format!("no number: {text}"));
        let when = match (when.split_once(".."), when.strip_suffix('+')) {
            (Some((first, last)), _) => When::Between(number(first)?, number(last)?),
            (None, Some(first)) => When::From(number(first)?),
            (None, None) => When::Once(number(when)?),
        };
        Ok(Fault { name, when, effect })
    }
}

#[test]
fn a_plan_is_read_as_it_is_printed() {
    for text in ["bpf:error=EPERM:when=6+", "bpf:error=EPERM:when=6..7", "flock:signal=KILL:when=2"]
    {
        assert_eq!(text.parse::<Fault>().expect("a fault").to_string(), text);
    }
    for text in
        ["bpf", "nothing:error=EPERM:when=1", "bpf:error=EPERM:when=x", "bpf:retval=1:when=1"]
    {
        assert!(text.parse::<Fault>().is_err(), "{text}");
    }
}

#[test]
fn the_last_rule_for_a_call_counts() {
    let faults = ["bpf:error=EPERM:when=2+", "bpf:signal=KILL:when=4"];
    let plan = Plan(faults.map(|text| text.parse().expect("a fault")).to_vec());
    let effects = [1, 2, 4, 5].map(|nth| plan.effect("bpf", nth));
    let fails = Some(Effect::Error(Errno::EPERM));
    assert_eq!(effects, [None, fails, Some(Effect::Kill), fails]);
    assert_eq!(plan.effect("read", 2), None);
    assert_eq!(plan.strace(), None);
    let alone = Plan::one(plan.0[0]);
    assert_eq!(alone.strace().as_deref(), Some("-e inject=bpf:error=EPERM:when=2+"));
}
