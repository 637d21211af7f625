//! From what was asked to the smallest policy that allows it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::asked::{Answer, Asked};
use crate::container::Time;
use crate::device::{Access, DeviceType, Request};
use crate::oci::DeviceEntry;
use crate::policy::{DefaultDevices, Number, Policy, Rule, TypeMatch, Verdict};

/// The major of pseudo terminals (Documentation/admin-guide/devices.txt). A container gets another
/// minor of it at each start.
const PTS: u32 = 136;

/// What becomes of requests that were denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No rule allows them.
    LeaveOut,
    /// There are rules for them as for others.
    Include,
}

/// A rule and the requests that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    /// The rule. It allows.
    pub rule: Rule,
    /// The device's name.
    pub device: Option<String>,
    /// How many requests were allowed.
    pub allowed: u64,
    /// How many requests were not, as far as is known: only with [`Denied::Include`].
    pub denied: u64,
    /// The bits that only denied requests asked for.
    pub only_denied: Access,
    /// Whether no request asked for a bit, so that any one bit is enough.
    pub any_bit: bool,
    /// Who asked.
    pub commands: Vec<String>,
    /// When it was first asked.
    pub first: Time,
    /// When it was last asked.
    pub last: Time,
}

impl Learnt {
    /// What the rule is for, in a line: the device, how often it was asked for and when, by whom, and
    /// what of that was denied.
    pub fn comment(&self) -> String {
        let mut parts: Vec<String> = self.device.iter().cloned().collect();
        let requests = |count: u64, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} request{plural}{what}")
        };
        if self.allowed > 0 {
            parts.push(requests(self.allowed, ""));
        }
        if self.denied > 0 {
            let bits = match self.only_denied {
                Access::NONE => String::new(),
                bits => format!(" ({bits})"),
            };
            parts.push(requests(self.denied, &format!(" DENIED{bits}")));
        }
        if self.any_bit {
            parts.push("for no access, which any letter allows".to_owned());
        }
        if !self.commands.is_empty() {
            parts.push(format!("by {}", self.commands.join(", ")));
        }
        parts.push(format!("{} to {}", self.first, self.last));
        parts.join("; ")
    }
}

/// An entry of `linux.resources.devices` with a comment, which runtimes pass over (runtime-spec,
/// "Extensibility").
#[derive(Debug)]
pub struct Commented<'l>(pub &'l Learnt);

impl Serialize for Commented<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry {
            #[serde(flatten)]
            rule: DeviceEntry,
            comment: String,
        }
        Entry { rule: DeviceEntry(self.0.rule), comment: self.0.comment() }.serialize(serializer)
    }
}

/// Type (character devices first), major and minor.
type Device = (bool, u32, Option<u32>);

fn device(request: &Request) -> Device {
    let Request { device_type, major, minor, .. } = *request;
    let is_pts = device_type == DeviceType::Char && major == PTS;
    (device_type == DeviceType::Block, major, (!is_pts).then_some(minor))
}

/// The shortest list of rules that allows what was asked, and nothing else but the other pseudo
/// terminals where one was asked for: a rule for each device. Type `a` would make one rule of two
/// devices with the same numbers, but runc takes such a rule for all devices.
///
/// A request for no bit (access(2) with `F_OK`) passes where any bit is allowed. Where nothing else
/// was asked, the rule has `m`, which opens nothing.
pub fn learn<'a>(all: impl IntoIterator<Item = &'a Asked>, denied: Denied) -> Vec<Learnt> {
    let mut learnt: BTreeMap<Device, Vec<&Asked>> = BTreeMap::new();
    for asked in all {
        if asked.answer == Answer::Allowed || denied == Denied::Include {
            learnt.entry(device(&asked.request)).or_default().push(asked);
        }
    }
    learnt.into_iter().filter_map(|(device, asked)| of_device(device, &asked)).collect()
}

fn of_device((is_block, major, minor): Device, all: &[&Asked]) -> Option<Learnt> {
    let (first, last) = (*all.first()?, *all.last()?);
    let bits = |is_allowed: bool| {
        let those = all.iter().filter(|asked| (asked.answer == Answer::Allowed) == is_allowed);
        those.fold((Access::NONE, 0_u64), |(bits, count), asked| {
            (bits.union(asked.request.access), count.saturating_add(asked.count))
        })
    };
    let ((allowed_bits, allowed), (denied_bits, denied)) = (bits(true), bits(false));
    let asked_for = allowed_bits.union(denied_bits);
    let access = if asked_for.is_none() { Access::MKNOD } else { asked_for };
    let device_type = if is_block { DeviceType::Block } else { DeviceType::Char };
    let minor = minor.map_or(Number::Any, Number::Exactly);
    let (major, device_type) = (Number::Exactly(major), TypeMatch::Only(device_type));
    let mut commands = Vec::new();
    for command in all.iter().flat_map(|asked| &asked.commands) {
        if !commands.contains(command) {
            commands.push(command.clone());
        }
    }
    let name = all.iter().find_map(|asked| asked.device.clone());
    Some(Learnt {
        rule: Rule::new(Verdict::Allow, device_type, major, minor, access),
        device: if minor == Number::Any { Some("/dev/pts/*".to_owned()) } else { name },
        allowed,
        denied,
        only_denied: denied_bits.without(allowed_bits),
        any_bit: asked_for.is_none(),
        commands,
        first: all.iter().map(|asked| asked.first).min().unwrap_or(first.first),
        last: all.iter().map(|asked| asked.last).max().unwrap_or(last.last),
    })
}

/// The policy that the rules make, alone.
pub fn policy(learnt: &[Learnt]) -> Policy {
    Policy::new(learnt.iter().map(|learnt| learnt.rule).collect(), DefaultDevices::None)
}
