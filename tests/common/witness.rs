//! Who is asked for a verdict: the policy itself, our interpreter, and rbpf, an interpreter that
//! other people wrote.

use devgate::bpf::{Program, run};
use devgate::device::Request;
use devgate::policy::{Policy, Verdict};
use rbpf::EbpfVmRaw;

pub fn verdict(allowed: bool) -> Verdict {
    if allowed { Verdict::Allow } else { Verdict::Deny }
}

/// `struct bpf_cgroup_dev_ctx` of linux/bpf.h, in host order.
pub fn context(request: &Request) -> [u8; 12] {
    let words = [request.access_type(), request.major, request.minor];
    let mut bytes = [0; 12];
    for (to, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *to = word.to_ne_bytes();
    }
    bytes
}

/// Our interpreter's verdict.
pub fn interpreter(program: &Program, request: &Request) -> Verdict {
    match run(program, request) {
        Ok(outcome) => verdict(outcome.allowed),
        Err(error) => panic!("{request}: {error}"),
    }
}

/// The verdict of rbpf running the program that `vm` was made for.
pub fn rbpf(vm: &EbpfVmRaw<'_>, request: &Request) -> Verdict {
    match vm.execute_program(&mut context(request)) {
        // The kernel looks at bit 0.
        Ok(result) => verdict(result & 1 == 1),
        Err(error) => panic!("{request}: rbpf: {error}"),
    }
}

/// rbpf 0.4 computes a jump's target in 16 bits and panics beyond.
const RBPF_LONGEST: usize = i16::MAX as usize;

/// A program's verdict by both interpreters, next to the policy's.
pub struct Witnesses<'p> {
    policy: &'p Policy,
    program: &'p Program,
    /// None for a program that rbpf can't run.
    vm: Option<EbpfVmRaw<'p>>,
}

impl<'p> Witnesses<'p> {
    /// `bytes` are the program's.
    pub fn new(policy: &'p Policy, program: &'p Program, bytes: &'p [u8]) -> Witnesses<'p> {
        let vm = || EbpfVmRaw::new(Some(bytes)).expect("rbpf takes the program");
        let vm = (program.insns().len() <= RBPF_LONGEST).then(vm);
        Witnesses { policy, program, vm }
    }

    /// The one verdict of all, or who said what.
    pub fn agree(&self, request: &Request) -> Result<Verdict, String> {
        let policy = self.policy.decide(request).verdict;
        let ours = interpreter(self.program, request);
        let rbpf = self.vm.as_ref().map_or(ours, |vm| rbpf(vm, request));
        if policy == ours && ours == rbpf {
            return Ok(policy);
        }
        Err(format!("{request}: the policy says {policy}, our interpreter {ours}, rbpf {rbpf}"))
    }
}
