//! Which function a call in a dump calls, as far as a verdict depends on it: `bpf_set_retval` or
//! another one.
//!
//! In a dump a call has the function's distance from `__bpf_call_base` in place of its number. What
//! /proc/kallsyms says of that takes 50 ms to read, and a container would wait for it wherever an
//! observer runs after devgate's program. So the kernel is asked: a program that calls
//! `bpf_set_retval`, and is attached nowhere, is loaded and dumped.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::load::{LICENSE, object_name};
use super::program::Program;
use super::symbols::Symbols;
use super::sys;
use crate::bpf::{Helpers, Insn, Reg};

/// `BPF_FUNC_set_retval` of linux/bpf.h.
const SET_RETVAL: i32 = 187;

/// The name that [`crate::bpf::effect`] knows.
const NAME: &str = "bpf_set_retval";

/// Any other function's.
const OTHER: &str = "another function";

const MOV: u8 = 0xb7;
const CALL: u8 = 0x85;
const EXIT: u8 = 0x95;

/// `r1 = 0; call bpf_set_retval; r0 = 1; exit`.
const PROBE: [Insn; 4] = [
    Insn::new(MOV, Reg::R1, Reg::R0, 0, 0),
    Insn::new(CALL, Reg::R0, Reg::R0, 0, SET_RETVAL),
    Insn::new(MOV, Reg::R0, Reg::R0, 0, 1),
    Insn::new(EXIT, Reg::R0, Reg::R0, 0, 0),
];

/// What the kernel says of `bpf_set_retval`.
#[derive(Debug)]
enum Known {
    /// Its distance in dumps.
    At(i32),
    /// This kernel has no such function for device programs (before Linux 5.18).
    Nowhere,
    /// It does not say: then its symbols may.
    Untold(Symbols),
}

/// Names `bpf_set_retval`, and no other function by its own name. The kernel is asked at the first
/// call that needs it.
#[derive(Debug, Default)]
pub(super) struct SetRetval(OnceCell<Known>);

impl Helpers for SetRetval {
    fn name(&self, call: i32) -> Option<Cow<'_, str>> {
        let name = match self.0.get_or_init(ask) {
            Known::Untold(symbols) => return symbols.name(call),
            // No function: what the kernel shows to those who must not see addresses.
            Known::At(_) | Known::Nowhere if call == 0 => return None,
            Known::At(distance) if *distance == call => NAME,
            Known::At(_) | Known::Nowhere => OTHER,
        };
        Some(Cow::Borrowed(name))
    }
}

fn ask() -> Known {
    let untold = || Known::Untold(Symbols::default());
    let program = match sys::prog_load(&PROBE, LICENSE, object_name("devgate_probe"), None) {
        Ok(program) => program,
        // The verifier: "unknown func bpf_set_retval#187".
        Err(Errno::EINVAL) => return Known::Nowhere,
        Err(_) => return untold(),
    };
    let dump = || Program::of(program.as_fd()).ok()?.insns().ok();
    let calls: Vec<i32> = dump()
        .unwrap_or_default()
        .iter()
        .filter(|insn| insn.code == CALL)
        .map(|insn| insn.imm)
        .collect();
    match calls[..] {
        [distance] if distance != 0 => Known::At(distance),
        _ => untold(),
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::geteuid;

    use super::*;
    use crate::bpf::{RetvalCause, retval_call};

    /// Where the kernel shows its symbols, both say the same.
    #[test]
    fn it_agrees_with_the_symbols() {
        let known = ask();
        let Known::At(distance) = known else {
            assert!(!geteuid().is_root(), "root is told: {known:?}");
            return;
        };
        assert_eq!(Symbols::default().name(distance).as_deref(), Some(NAME));
        let helpers = SetRetval(OnceCell::from(Known::At(distance)));
        assert_eq!(helpers.name(distance).as_deref(), Some(NAME));
        assert_eq!(helpers.name(distance + 8).as_deref(), Some(OTHER));
        assert_eq!(helpers.name(0), None);
    }

    #[test]
    fn what_the_kernel_hides_is_not_taken_for_harmless() {
        let program = crate::bpf::Program::new(vec![
            Insn::new(CALL, Reg::R0, Reg::R0, 0, 0),
            Insn::new(EXIT, Reg::R0, Reg::R0, 0, 0),
        ]);
        for known in [Known::At(64), Known::Nowhere] {
            let helpers = SetRetval(OnceCell::from(known));
            let found = retval_call(&program, &helpers).map(|call| call.cause);
            assert_eq!(found, Some(RetvalCause::UnknownHelper));
        }
    }
}
