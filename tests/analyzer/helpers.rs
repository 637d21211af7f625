//! Random programs that call helpers and use the stack: whatever helpers return, a run is one of
//! the answers that the analyzer says are possible.

use devgate::analyze::{AccessSets, Budget, Interval, explore, explore_one};
use devgate::bpf::{ByNumber, InsnProblem, Program, Reg, World, run_in};
use devgate::decode::{Answers, Table};
use devgate::device::{Access, DeviceType, Request};
use fastrand::Rng;

use crate::common::assembly::assemble;
use crate::common::random::seed;

const PROGRAMS: u64 = 2_000;
const RUNS: usize = 30;

/// get_current_uid_gid, get_current_cgroup_id and get_retval; set_retval.
const HARMLESS: [i32; 3] = [15, 80, 186];
const SET_RETVAL: i32 = 187;

/// Helpers and memory give what comes to mind.
struct Fancy<'r> {
    rng: &'r mut Rng,
    set_retval: bool,
}

impl Fancy<'_> {
    fn number(&mut self) -> u64 {
        match self.rng.u8(..4) {
            0 => u64::from(self.rng.u8(..4)),
            1 => u64::MAX - u64::from(self.rng.u8(..16)),
            2 => u64::from(self.rng.u32(..)),
            _ => self.rng.u64(..),
        }
    }
}

impl World for Fancy<'_> {
    fn call(&mut self, helper: i32) -> Result<u64, InsnProblem> {
        self.set_retval |= helper == SET_RETVAL;
        Ok(self.number())
    }

    fn load(&mut self, _: Reg) -> Result<u64, InsnProblem> {
        Ok(self.number())
    }

    fn store(&mut self) -> Result<(), InsnProblem> {
        Ok(())
    }

    fn object(&mut self) -> Result<(), InsnProblem> {
        Ok(())
    }
}

#[test]
fn a_run_is_always_among_the_answers() {
    let seed = seed();
    let (mut exact, mut inexact) = (0, 0);
    for index in 0..PROGRAMS {
        let seed = seed.wrapping_add(index);
        let mut rng = Rng::with_seed(seed);
        let text = random_program(&mut rng);
        let program = assemble(&text);
        let analysis = explore(&program, &ByNumber, Budget::PROOF)
            .unwrap_or_else(|error| panic!("DEVGATE_SEED={seed}: {error}\n{text}"));
        let answers = Answers::of(&analysis).expect("it is small");
        *(if answers.is_exact() { &mut exact } else { &mut inexact }) += 1;
        for _ in 0..RUNS {
            let request = request(&mut rng);
            if let Err(problem) = compare(&program, &answers, &request, &mut rng) {
                panic!("DEVGATE_SEED={seed}: {request}: {problem}\n{text}");
            }
        }
    }
    println!("{exact} programs have an answer for every request, {inexact} have not");
    assert!(exact > 100 && inexact > 100, "{exact} {inexact}");
}

fn compare(
    program: &Program,
    answers: &Answers,
    request: &Request,
    rng: &mut Rng,
) -> Result<(), String> {
    let mut world = Fancy { rng, set_retval: false };
    let allowed = run_in(&mut world, program, request).expect("it runs").allowed;
    let said = |table: &Table| holds(table, request);
    if allowed && !said(&answers.possible) {
        return Err("allowed, but that is impossible".to_owned());
    }
    if !allowed && said(&answers.allowed) {
        return Err("denied, but allowed for sure".to_owned());
    }
    if world.set_retval && !said(&answers.retval) {
        return Err("it set the return value".to_owned());
    }
    // Alone, the request must come to the same.
    let one = explore_one(program, request, &ByNumber, Budget::REPORT).expect("it is small");
    let one = Answers::of(&one).expect("it is small");
    let alone = |table: &Table| holds(table, request);
    if alone(&one.possible) != said(&answers.possible)
        || alone(&one.allowed) != said(&answers.allowed)
    {
        return Err("alone it has another answer".to_owned());
    }
    Ok(())
}

fn holds(table: &Table, request: &Request) -> bool {
    let columns = table.columns(request.device_type);
    let column = columns.iter().find(|column| column.majors.contains(request.major));
    let steps = column.expect("columns cover all majors").steps();
    let within = |(minors, _): &(Interval, AccessSets)| minors.contains(request.minor);
    let (_, sets) = steps.into_iter().find(within).expect("steps cover all minors");
    sets.contains(request.access)
}

fn request(rng: &mut Rng) -> Request {
    Request {
        device_type: if rng.bool() { DeviceType::Char } else { DeviceType::Block },
        major: rng.u32(..4),
        minor: rng.u32(..12),
        access: Access::from_kernel_bits(rng.u32(..8)).expect("three bits"),
    }
}

/// r6 to r9 hold fields and results; the stack takes and gives.
fn random_program(rng: &mut Rng) -> String {
    let mut text = "r6 = *(u32 *)(r1 +0); r7 = *(u32 *)(r1 +4); r8 = *(u32 *)(r1 +8); r9 = 0
        *(u64 *)(r10 -8) = r6\n"
        .to_owned();
    for step in 0..rng.u8(2..8) {
        let action = action(rng);
        text += &match rng.u8(..3) {
            0 => format!("if {} goto skip{step}\n{action}\nskip{step}:\n", condition(rng)),
            _ => action + "\n",
        };
    }
    text + &format!("w0 = {}; if {} goto end; w0 = 1; end: ; exit", rng.u8(..2), condition(rng))
}

fn action(rng: &mut Rng) -> String {
    let helper = HARMLESS[rng.usize(..HARMLESS.len())];
    match rng.u8(..8) {
        0 | 1 => format!("call {helper}; r9 = r0"),
        2 => format!("call {helper}; w0 = 0"),
        3 => format!("r1 = r{}; call {SET_RETVAL}", rng.u8(6..10)),
        4 => "*(u64 *)(r10 -8) = r9".to_owned(),
        5 => "r9 = *(u32 *)(r10 -8)".to_owned(),
        6 => "r2 = r10; r2 += -8; r9 = *(u8 *)(r2 +4)".to_owned(),
        _ => format!("w9 = {}", rng.u8(..3)),
    }
}

fn condition(rng: &mut Rng) -> String {
    match rng.u8(..5) {
        0 => format!("w6 & {:#x}", 1 << [0, 1, 16, 17, 18][rng.usize(..5)]),
        1 => format!("w7 == {}", rng.u8(..4)),
        2 => format!("w8 > {}", rng.u8(..12)),
        3 => format!("r9 s< {}", rng.u8(..3)),
        _ => format!("w9 == {}", rng.u8(..3)),
    }
}
