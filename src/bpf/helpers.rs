//! What a call of a helper function calls, and whether that can change a verdict.

use std::borrow::Cow;
use std::fmt;

use super::decode::decode;
use super::insn::Program;
use super::names::NAMES;
use super::op::Op;
use super::opcode::{CALL, JMP};

/// `BPF_FUNC_tail_call`, in a program and in a dump alike (`bpf_insn_prepare_dump`).
const TAIL_CALL: i32 = 12;

/// Who knows the names of helper functions.
pub trait Helpers {
    /// The name of the function that a call with this immediate calls, like
    /// `bpf_get_current_uid_gid`; `None` if that can't be told.
    fn name(&self, call: i32) -> Option<Cow<'_, str>>;
}

/// The helper functions that programs of ours call, with their numbers (linux/bpf.h,
/// `__BPF_FUNC_MAPPER`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named as in the kernel")]
pub enum Helper {
    MapLookupElem = 1,
    MapUpdateElem = 2,
    KtimeGetNs = 5,
    GetCurrentPidTgid = 14,
    GetCurrentComm = 16,
    GetCurrentCgroupId = 80,
    GetCurrentAncestorCgroupId = 123,
    RingbufOutput = 130,
    GetRetval = 186,
}

impl Helper {
    /// Each of them.
    pub const ALL: [Helper; 9] = [
        Helper::MapLookupElem,
        Helper::MapUpdateElem,
        Helper::KtimeGetNs,
        Helper::GetCurrentPidTgid,
        Helper::GetCurrentComm,
        Helper::GetCurrentCgroupId,
        Helper::GetCurrentAncestorCgroupId,
        Helper::RingbufOutput,
        Helper::GetRetval,
    ];

    /// A call's immediate.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The helper with this number, if it is one of these.
    pub fn of_number(number: i32) -> Option<Helper> {
        Helper::ALL.into_iter().find(|helper| helper.number() == number)
    }
}

/// The helpers of a program as it is loaded: by their numbers (linux/bpf.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByNumber;

impl Helpers for ByNumber {
    fn name(&self, call: i32) -> Option<Cow<'_, str>> {
        let place = usize::try_from(call).ok()?.checked_sub(1)?;
        NAMES.get(place).map(|name| Cow::Owned(format!("bpf_{name}")))
    }
}

/// What a call may do besides returning something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that counts for a verdict.
    None,
    /// It sets the return value: see [`RetvalCall`].
    SetsRetval(RetvalCause),
    /// It may go on in another program, for good.
    TailCall,
}

/// Which function may set the return value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetvalCause {
    /// `bpf_set_retval`.
    Set,
    /// `bpf_tail_call`: the program that it leads to.
    TailCall,
    /// A helper whose name can't be told.
    UnknownHelper,
    /// A function of the kernel that is no helper.
    KernelFunction,
}

/// A call that may set the return value of the whole run (`bpf_set_retval`, Linux 5.18): what
/// earlier programs denied passes if it sets 0, and an error denies whatever the program returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetvalCall {
    /// The instruction.
    pub index: usize,
    /// What it calls.
    pub cause: RetvalCause,
}

impl fmt::Display for RetvalCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RetvalCall { index, cause } = self;
        match cause {
            RetvalCause::Set => write!(f, "instruction {index} calls bpf_set_retval"),
            RetvalCause::TailCall => {
                write!(f, "instruction {index} calls bpf_tail_call, which runs another program")
            }
            RetvalCause::UnknownHelper => write!(
                f,
                "instruction {index} calls a helper function that can't be named \
                 (kernel.kptr_restrict hides the kernel's symbols)"
            ),
            RetvalCause::KernelFunction => {
                write!(f, "instruction {index} calls a function of the kernel")
            }
        }
    }
}

/// What a call of a helper may do.
pub fn effect(helpers: &dyn Helpers, call: i32) -> Effect {
    if call == TAIL_CALL {
        return Effect::TailCall;
    }
    match helpers.name(call).as_deref() {
        Some("bpf_set_retval") => Effect::SetsRetval(RetvalCause::Set),
        Some(_) => Effect::None,
        None => Effect::SetsRetval(RetvalCause::UnknownHelper),
    }
}

/// The first call in the program, on whatever path, that may set the return value.
pub fn retval_call(program: &Program, helpers: &dyn Helpers) -> Option<RetvalCall> {
    const KERNEL_FUNCTION: u8 = 2;
    let insns = program.insns();
    let mut index = 0;
    while let Some(insn) = insns.get(index) {
        let found = |cause| Some(RetvalCall { index, cause });
        let decoded = decode(insns, index).ok();
        match decoded.map(|decoded| decoded.op) {
            Some(Op::Call { helper }) => match effect(helpers, helper) {
                Effect::None => {}
                Effect::SetsRetval(cause) => return found(cause),
                Effect::TailCall => return found(RetvalCause::TailCall),
            },
            None if insn.code == JMP | CALL && insn.src() == KERNEL_FUNCTION => {
                return found(RetvalCause::KernelFunction);
            }
            _ => {}
        }
        index = decoded.map_or(index + 1, |decoded| decoded.next);
    }
    None
}
