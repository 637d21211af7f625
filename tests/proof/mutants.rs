//! Random changes of real observers. Whatever is proven must allow each request, and use nothing
//! that is not its own: by a run of it in a sandbox, and by the kernel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use devgate::bpf::{Insn, MapShape, Program, Reg};
use devgate::device::{Access, DeviceType, Request};
use devgate::kernel::{LoadError, OpenLink, load_observer};
use devgate::observe::{Method, Requests, Scope, Task, WithEvents, proven};
use devgate::policy::Verdict;
use devgate::verify::{AllowsAll, prove_allows_all};
use fastrand::Rng;

use crate::common::bpf::map_like;
use crate::common::cgroup::TestCgroup;
use crate::common::opener::{Opener, serve_if_child};
use crate::common::random::seed;
use crate::common::require;
use crate::common::sandbox::{End, Sandbox};

const MUTANTS: usize = 30_000;
/// Each in a world of its own.
const RUNS: usize = 12;
/// That the kernel is asked about.
const LOADED: usize = 300;

/// Opcodes and helper functions of observers, and some that they don't use.
const CODES: [u8; 26] = [
    0x61, 0x63, 0x62, 0x7a, 0x7b, 0x79, 0x71, 0x73, 0xdb, 0xc3, 0x07, 0x0f, 0x1f, 0x57, 0xb7, 0xbf,
    0xb4, 0xbc, 0x15, 0x1d, 0x55, 0x5d, 0x16, 0x05, 0x85, 0x95,
];
const HELPERS: [i32; 14] = [1, 2, 3, 5, 6, 12, 14, 16, 80, 123, 130, 131, 186, 187];

fn observers() -> Vec<AllowsAll> {
    let one = |level| Scope::One { cgroup: 7, level };
    let scopes = [Scope::All, one(None), one(Some(2))];
    let methods = [
        (Method::Told, Requests::All, WithEvents::Yes),
        (Method::Told, Requests::Denied, WithEvents::Yes),
        (Method::Told, Requests::Denied, WithEvents::No),
        (Method::Computed, Requests::All, WithEvents::No),
    ];
    let all = scopes.iter().flat_map(|scope| {
        methods.map(|(method, requests, events)| {
            (method, Task { scope: *scope, requests, events, ..Task::default() })
        })
    });
    all.map(|(method, task)| proven(method, task).expect("it is proven")).collect()
}

/// The program with one to three random changes.
fn mutant(program: &Program, rng: &mut Rng) -> Program {
    let mut insns = program.insns().to_vec();
    for _ in 0..rng.usize(1..=3) {
        let place = rng.usize(..insns.len());
        let old = insns[place];
        let register = |number: u8| Reg::from_number(number % 11).expect("it exists");
        let (dst, src) = (register(old.dst()), register(old.src()));
        insns[place] = match rng.u8(..8) {
            0 => Insn::new(*rng.choice(&CODES).expect("some"), dst, src, old.off, old.imm),
            1 => Insn::new(old.code, register(rng.u8(..)), src, old.off, old.imm),
            2 => Insn::new(old.code, dst, register(rng.u8(..)), old.off, old.imm),
            3 => Insn::new(old.code, dst, src, near(old.off, rng), old.imm),
            4 if old.code == 0x85 => {
                Insn::new(old.code, dst, src, old.off, *rng.choice(&HELPERS).expect("some"))
            }
            4 => Insn::new(old.code, dst, src, old.off, near_wide(old.imm, rng)),
            5 => insns[rng.usize(..insns.len())],
            // A jump to the next one stands for an instruction that is missing.
            6 if old.code != 0x18 => Insn::new(0x05, Reg::R0, Reg::R0, 0, 0),
            _ => {
                let other = rng.usize(..insns.len());
                insns.swap(place, other);
                insns[place]
            }
        };
    }
    Program::new(insns)
}

fn near(number: i16, rng: &mut Rng) -> i16 {
    match rng.u8(..3) {
        0 => number.wrapping_add(rng.i16(-2..=2)),
        1 => number.wrapping_add(8 * rng.i16(-4..=4)),
        _ => rng.i16(-520..=64),
    }
}

fn near_wide(number: i32, rng: &mut Rng) -> i32 {
    match rng.u8(..4) {
        0 => number.wrapping_add(rng.i32(-2..=2)),
        1 => number.wrapping_add(8 * rng.i32(-4..=4)),
        2 => number ^ 1 << rng.u32(..32),
        _ => rng.i32(-520..=520),
    }
}

fn request(rng: &mut Rng) -> Request {
    let number = |rng: &mut Rng| if rng.bool() { rng.u32(..16) } else { rng.u32(..) };
    let accesses: Vec<Access> = Access::every().collect();
    Request {
        device_type: *rng.choice(&DeviceType::ALL).expect("two"),
        major: number(rng),
        minor: number(rng),
        access: *rng.choice(&accesses).expect("eight"),
    }
}

/// The first run that does not end with the request allowed.
fn misbehaves(program: &Program, maps: &[MapShape], rng: &mut Rng) -> Option<(Request, End)> {
    (0..RUNS).find_map(|_| {
        let request = request(rng);
        let mut own = rng.fork();
        let end = Sandbox::new(program, maps, &request, || own.u64(..)).run();
        (end != End::Allows).then_some((request, end))
    })
}

fn listing(program: &Program) -> String {
    program
        .listing(&devgate::bpf::ByNumber)
        .into_iter()
        .map(|line| format!("{:4} {}\n", line.index, line.text))
        .collect()
}

#[test]
fn observers_allow_everything_in_the_sandbox() {
    let mut rng = Rng::with_seed(seed());
    for observer in observers() {
        for _ in 0..200 {
            let end = misbehaves(observer.program(), observer.maps(), &mut rng);
            assert_eq!(end, None, "\n{}", listing(observer.program()));
        }
    }
}

#[test]
fn what_is_proven_of_all_mutants_allows_everything() {
    let mut rng = Rng::with_seed(seed());
    let observers = observers();
    let (mut proven, mut caught, mut denying) = (0, 0, 0);
    for number in 0..MUTANTS {
        let observer = &observers[number % observers.len()];
        let mutant = mutant(observer.program(), &mut rng);
        let seen = misbehaves(&mutant, observer.maps(), &mut rng);
        match prove_allows_all(mutant.clone(), observer.maps().to_vec()) {
            Ok(_) => {
                proven += 1;
                assert_eq!(seen, None, "proven, mutant {number}:\n{}", listing(&mutant));
            }
            Err(_) => {
                caught += usize::from(seen.is_some());
                denying += usize::from(matches!(seen, Some((_, End::Denies))));
            }
        }
    }
    println!(
        "{MUTANTS} mutants: {proven} proven; the sandbox saw {caught} of the others misbehave, {denying} deny"
    );
    assert!(proven > MUTANTS / 10 && caught > MUTANTS / 10 && denying > 50);
}

#[test]
fn what_is_proven_and_loaded_lets_the_kernel_answer_as_before() {
    serve_if_child();
    if !require::bpf() {
        return;
    }
    let cgroup = TestCgroup::new();
    let test = "mutants::what_is_proven_and_loaded_lets_the_kernel_answer_as_before";
    let mut opener = Opener::within(&cgroup, test);
    let requests = ["c 1:3 rw", "c 1:3 m", "b 259:1048575 m", "c 10:229 -"];
    let requests = requests.map(|text| text.parse::<Request>().expect("a request"));
    requests.iter().for_each(|request| opener.make_node(request));
    let mut rng = Rng::with_seed(seed());
    let observers = observers();
    let (mut loaded, mut refused) = (0, 0);
    while loaded < LOADED {
        let observer = rng.choice(&observers).expect("there are some");
        let mutant = mutant(observer.program(), &mut rng);
        let Ok(proven) = prove_allows_all(mutant, observer.maps().to_vec()) else { continue };
        let maps: Vec<OwnedFd> = proven.maps().iter().copied().map(map_like).collect();
        let maps: Vec<BorrowedFd<'_>> = maps.iter().map(AsFd::as_fd).collect();
        let program = match load_observer(&proven, &maps) {
            Ok(program) => program,
            // It is stricter: with what was never written, for one.
            Err(LoadError::Rejected { .. }) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        loaded += 1;
        let _link = OpenLink::create(cgroup.open().as_fd(), &program).expect("it can be attached");
        for request in &requests {
            let verdict = opener.verdict(request);
            assert_eq!(verdict, Verdict::Allow, "{request}:\n{}", listing(proven.program()));
        }
    }
    println!("{loaded} were loaded, and {refused} refused by the kernel");
}
