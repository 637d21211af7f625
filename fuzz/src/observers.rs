//! Any bytes as changes of an observer: what is proven to allow everything, against running it.

use devgate::bpf::{Insn, Program};
use devgate::device::{Access, DeviceType, Request};
use devgate::observe::{Method, Requests, Scope, Task, WithEvents, proven};
use devgate::verify::{AllowsAll, prove_allows_all};

use super::effort::bounded;
use super::sandbox::{End, Sandbox};

/// Worlds in which each program that is proven runs.
const RUNS: u64 = 16;

/// Changes of one program.
const MOST_CHANGES: usize = 64;

/// The place of an instruction, and the instruction.
const CHANGE: usize = 2 + Insn::SIZE;

/// The first byte chooses the observer, and is where the worlds begin. Changes follow.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let observer = observer(*first);
    let mut insns = observer.program().insns().to_vec();
    for change in rest.as_chunks::<CHANGE>().0.iter().take(MOST_CHANGES) {
        let [low, high, code, registers, off0, off1, imm @ ..] = *change;
        let place = usize::from(u16::from_le_bytes([low, high])) % insns.len();
        let [imm0, imm1, imm2, imm3] = imm;
        insns[place] = Insn::from_bytes([code, registers, off0, off1, imm0, imm1, imm2, imm3]);
    }
    let program = Program::new(insns);
    let maps = observer.maps().to_vec();
    let Ok(proven) = bounded("proving", || prove_allows_all(program, maps)) else { return };
    for run in 0..RUNS {
        let mut random = SplitMix(u64::from(*first) << 32 | run);
        let request = request(&mut random);
        let end = Sandbox::new(proven.program(), proven.maps(), &request, || random.next()).run();
        assert_eq!(end, End::Allows, "{request}: it is proven to allow everything");
    }
}

fn observer(choice: u8) -> AllowsAll {
    let scope = match choice & 1 {
        0 => Scope::All,
        _ => Scope::One { cgroup: 7, level: None },
    };
    let (method, requests, events) = match choice / 2 % 3 {
        0 => (Method::Computed, Requests::All, WithEvents::No),
        1 => (Method::Told, Requests::All, WithEvents::No),
        _ => (Method::Told, Requests::Denied, WithEvents::Yes),
    };
    let task = Task { scope, requests, events, ..Task::default() };
    proven(method, task).expect("observers are proven")
}

/// Numbers that rules and observers are likely to know, and others.
fn request(random: &mut SplitMix) -> Request {
    let word = random.next();
    let number = |random: &mut SplitMix| match random.next() {
        small if small % 2 == 0 => (small >> 8) as u32 % 16,
        any => (any >> 8) as u32,
    };
    Request {
        device_type: DeviceType::ALL[word as usize & 1],
        major: number(random),
        minor: number(random),
        access: Access::every().nth(word as usize >> 1 & 7).expect("there are eight"),
    }
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}
