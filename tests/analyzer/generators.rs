//! The shapes of programs that other generators make, as far as they bear on the analysis: how
//! fields are taken apart, how rules follow each other, how a result is returned.

use std::fmt::Write;

use devgate::bpf::Program;
use devgate::device::{Access, DeviceType};
use devgate::policy::{DefaultDevices, Number, Policy, Rule, TypeMatch, Verdict};
use devgate::verify::{VerifyError, verify};

use crate::common::assembly::assemble;
use crate::grid::{checked, says};

/// All of them load the fields first: r2 type, r3 access, r4 major, r5 minor.
const FIELDS: &str = "
    r2 = *(u32 *)(r1 +0)
    w2 &= 0xffff
    r3 = *(u32 *)(r1 +0)
    w3 >>= 16
    r4 = *(u32 *)(r1 +4)
    r5 = *(u32 *)(r1 +8)
";

/// How a generator goes about a rule.
#[derive(Clone, Copy)]
pub enum Shape {
    /// Later rules first; the first one that matches returns.
    Runc,
    /// The same in 64-bit arithmetic, returning at the end of the program.
    Crun,
    /// Only allow rules, which jump to a common end.
    Systemd,
    /// The access is tested first, and returned is a 64-bit result.
    Lxc,
}

impl Shape {
    pub const ALL: [Shape; 4] = [Shape::Runc, Shape::Crun, Shape::Systemd, Shape::Lxc];

    /// The program for rules that apply in order, all being denied at first.
    pub fn program(self, rules: &[Rule]) -> String {
        let mut text = FIELDS.to_owned();
        for (index, rule) in rules.iter().enumerate().rev() {
            if matches!(self, Shape::Systemd) && rule.verdict() == Verdict::Deny {
                continue;
            }
            self.rule(&mut text, index, rule).expect("a string takes all that is written");
        }
        text + match self {
            Shape::Runc => "w0 = 0; exit",
            Shape::Crun => "goto deny; allow: ; r0 = 1; exit; deny: ; r0 = 0; exit",
            Shape::Systemd => "w0 = 0; goto end; pass: ; w0 = 1; end: ; exit",
            Shape::Lxc => "r0 = 0; exit",
        }
    }

    fn rule(self, text: &mut String, index: usize, rule: &Rule) -> Result<(), std::fmt::Error> {
        if matches!(self, Shape::Lxc) {
            self.access(text, index, rule)?;
        }
        if let TypeMatch::Only(device_type) = rule.device_type() {
            writeln!(text, "if r2 != {} goto next{index}", device_type.kernel_bit())?;
        }
        if !matches!(self, Shape::Lxc) {
            self.access(text, index, rule)?;
        }
        for (register, number) in [("r4", rule.major()), ("r5", rule.minor())] {
            if let Number::Exactly(number) = number {
                writeln!(text, "if {register} != {number} goto next{index}")?;
            }
        }
        let allow = rule.verdict() == Verdict::Allow;
        match self {
            Shape::Runc => writeln!(text, "w0 = {}; exit", u8::from(allow))?,
            Shape::Crun => writeln!(text, "goto {}", if allow { "allow" } else { "deny" })?,
            Shape::Systemd => writeln!(text, "goto pass")?,
            Shape::Lxc => writeln!(text, "r0 = {}; exit", u8::from(allow))?,
        }
        writeln!(text, "next{index}:")
    }

    /// Goes on to the next rule unless the request is for nothing but the rule's access.
    fn access(self, text: &mut String, index: usize, rule: &Rule) -> std::fmt::Result {
        if rule.access() == Access::ALL {
            return Ok(());
        }
        let bits = rule.access().kernel_bits();
        match self {
            Shape::Crun => writeln!(text, "r1 = r3; r1 &= {bits}; if r1 != r3 goto next{index}"),
            _ => writeln!(text, "w1 = w3; w1 &= {bits}; if r1 != r3 goto next{index}"),
        }
    }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().expect("a rule")).collect()
}

/// What engines ask for, without the final wildcard that would leave code unreachable.
const ENGINE: [&str; 12] = [
    "deny a *:* rwm",
    "allow c *:* m",
    "allow b *:* m",
    "allow c 1:3 rwm",
    "allow c 1:5 rwm",
    "allow c 5:1 rw",
    "allow c 136:* rwm",
    "allow b 8:0 r",
    "deny b 8:0 w",
    "allow a 10:200 rw",
    "deny c 10:229 rwm",
    "allow c 4095:1048575 r",
];

#[test]
fn each_shape_is_understood() {
    for shape in Shape::ALL {
        let regions = checked(&shape.program(&rules(&ENGINE)));
        for (request, verdict) in [
            ("c 1:3 rw", Verdict::Allow),
            ("c 1:11 r", Verdict::Deny),
            ("c 1:11 m", Verdict::Allow),
            ("b 8:0 r", Verdict::Allow),
            ("b 10:200 rw", Verdict::Allow),
            ("c 136:77 rwm", Verdict::Allow),
        ] {
            assert_eq!(says(&regions, request), verdict, "{request}");
        }
    }
}

/// Why DESIGN.md 2 decides bit by bit: these shapes compare the whole access.
#[test]
fn a_deny_of_write_lets_o_rdwr_through() {
    let texts = ["allow a *:* rwm", "deny c 1:11 w"];
    for shape in [Shape::Runc, Shape::Crun, Shape::Lxc] {
        let text = shape.program(&rules(&texts));
        let regions = checked(&text);
        assert_eq!(says(&regions, "c 1:11 w"), Verdict::Deny);
        assert_eq!(says(&regions, "c 1:11 rw"), Verdict::Allow);
        let policy = Policy::new(rules(&texts), DefaultDevices::None);
        let Err(VerifyError::Counterexample(found)) = verify(assemble(&text), &policy) else {
            panic!("the program is not the policy");
        };
        assert_eq!((found.program, found.policy), (Verdict::Allow, Verdict::Deny));
        assert_eq!((found.request.major, found.request.minor), (1, 11));
        assert_eq!(found.request.device_type, DeviceType::Char);
    }
}

#[test]
fn rules_for_whole_devices_are_proven_in_each_shape() {
    let texts = ["allow c 1:3 rwm", "allow b 8:* rwm", "allow c 5:1 rwm", "allow b 7:1 rwm"];
    let policy = Policy::new(rules(&texts), DefaultDevices::None);
    for shape in Shape::ALL {
        let program: Program = assemble(&shape.program(policy.rules()));
        verify(program, &policy).expect("the program is the policy");
    }
}

/// These generators compare 64 bits with an immediate, which is sign-extended.
#[test]
fn a_rule_from_2_to_the_31_on_never_matches() {
    for number in ["2147483648", "4294967295"] {
        let rule = format!("allow c {number}:3 rwm");
        let regions = checked(&Shape::Runc.program(&rules(&[&rule])));
        assert!(regions.iter().all(|region| region.verdict == Verdict::Deny), "{rule}");
    }
    let regions = checked(&Shape::Runc.program(&rules(&["allow c 2147483647:3 rwm"])));
    assert_eq!(says(&regions, "c 2147483647:3 r"), Verdict::Allow);
}
