//! The semantics as a table: every sentence of DESIGN.md section 2, one row per consequence.
//!
//! Rows are independent of how a verdict is come by, so that the same table is put to the
//! policy, to compiled programs and to the kernel.

mod access;
mod bits;
mod defaults;
mod numbers;
mod wildcards;

use devgate::device::Request;
use devgate::policy::{DefaultDevices, Policy, Verdict};

/// One question and its answer.
pub struct Row {
    pub name: &'static str,
    /// `linux.resources.devices`, in the notation of rules.
    pub rules: &'static [&'static str],
    pub default_devices: DefaultDevices,
    pub request: &'static str,
    pub verdict: Verdict,
    /// Who decides these bits, by the bit's letter.
    pub decided_by: &'static [(&'static str, By)],
}

/// Who decides a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `rules[i]`.
    Rule(usize),
    /// A base rule.
    Base,
    Nobody,
}

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [bits::ROWS, access::ROWS, numbers::ROWS, wildcards::ROWS, defaults::ROWS].into_iter().flatten()
}

impl Row {
    pub fn policy(&self) -> Policy {
        let rules = self.rules.iter().map(|rule| rule.parse().expect(self.name)).collect();
        Policy::new(rules, self.default_devices)
    }

    pub fn request(&self) -> Request {
        self.request.parse().expect(self.name)
    }

    /// Whether a device with the request's number can exist: Linux has 12 bits of major and 20
    /// of minor. Only then can the kernel be asked.
    pub fn can_exist(&self) -> bool {
        let Request { major, minor, .. } = self.request();
        major < 1 << 12 && minor < 1 << 20
    }

    /// Without default devices.
    const fn allows(
        name: &'static str,
        rules: &'static [&'static str],
        request: &'static str,
    ) -> Row {
        let default_devices = DefaultDevices::None;
        Row { name, rules, default_devices, request, verdict: Verdict::Allow, decided_by: &[] }
    }

    /// Without default devices.
    const fn denies(
        name: &'static str,
        rules: &'static [&'static str],
        request: &'static str,
    ) -> Row {
        Row { verdict: Verdict::Deny, ..Row::allows(name, rules, request) }
    }

    const fn base(self) -> Row {
        Row { default_devices: DefaultDevices::Base, ..self }
    }

    const fn append(self) -> Row {
        Row { default_devices: DefaultDevices::Append, ..self }
    }

    const fn by(self, decided_by: &'static [(&'static str, By)]) -> Row {
        Row { decided_by, ..self }
    }
}
