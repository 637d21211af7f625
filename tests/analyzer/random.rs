//! Random programs: any arithmetic on a number out of a small window, and conditions on it.
//!
//! The window is what makes every expression decidable, number by number.

use std::time::Instant;

use devgate::analyze::{Budget, Region, analyze};
use devgate::bpf::Program;
use devgate::device::{Access, DeviceType, Request};
use fastrand::Rng;

use crate::common::assembly::assemble;
use crate::common::random::seed;
use crate::common::witness::interpreter;
use crate::grid::{partition, verdict};

const PROGRAMS: u64 = 20_000;
/// A window has at most this many numbers, and that many of them are asked about.
const WIDEST: u32 = 1 << 10;
const ASKED: u32 = 100;

const OPERATIONS: [&str; 10] = ["+=", "-=", "*=", "|=", "&=", "<<=", ">>=", "^=", "s>>=", "="];
const CONDITIONS: [&str; 11] = ["==", "!=", ">", ">=", "<", "<=", "&", "s>", "s>=", "s<", "s<="];

#[test]
fn regions_are_what_a_run_says() {
    let (seed, start) = (seed(), Instant::now());
    let mut most = 0;
    for index in 0..PROGRAMS {
        let seed = seed.wrapping_add(index);
        let mut rng = Rng::with_seed(seed);
        let window = Window::random(&mut rng);
        let text = random_program(&mut rng, window);
        let program = assemble(&text);
        let regions = analyze(&program, Budget::PROOF)
            .unwrap_or_else(|error| panic!("DEVGATE_SEED={seed}: {error}\n{text}"));
        most = most.max(regions.len());
        if let Err(problem) = compare(&program, &regions, window, &mut rng) {
            panic!("DEVGATE_SEED={seed}: {problem}\n{text}");
        }
    }
    println!("{PROGRAMS} programs, at most {most} regions: {:.1?}", start.elapsed());
}

/// Minors from `first` on.
#[derive(Clone, Copy)]
struct Window {
    first: u32,
    len: u32,
}

impl Window {
    /// At either end of all numbers, across their middle, or anywhere.
    fn random(rng: &mut Rng) -> Window {
        let digits = rng.u32(..=WIDEST.ilog2());
        let len = rng.u32(1..=1 << digits);
        let first = match rng.u8(..4) {
            0 => 0,
            1 => u32::MAX - (len - 1),
            2 => (1 << 31) - len / 2,
            _ => rng.u32(..u32::MAX - WIDEST),
        };
        Window { first, len }
    }

    fn last(self) -> u32 {
        self.first + (self.len - 1)
    }

    /// All numbers, or some if they are many; and those beside the window.
    fn asked(self, rng: &mut Rng) -> Vec<u32> {
        let mut asked = vec![self.first.wrapping_sub(1), self.last().wrapping_add(1)];
        if self.len <= ASKED {
            asked.extend(self.first..=self.last());
        } else {
            asked.extend((0..ASKED).map(|_| rng.u32(self.first..=self.last())));
        }
        asked
    }
}

fn compare(
    program: &Program,
    regions: &[Region],
    window: Window,
    rng: &mut Rng,
) -> Result<(), String> {
    partition(regions);
    for minor in window.asked(rng) {
        // One type and one access stand for all: the programs look at minors alone.
        let (device_type, access) = (DeviceType::Char, Access::READ);
        let request = Request { device_type, major: 1, minor, access };
        let (said, ran) = (verdict(regions, &request), interpreter(program, &request));
        if said != ran {
            return Err(format!("{request}: the analyzer says {said}, a run {ran}"));
        }
    }
    Ok(())
}

fn random_program(rng: &mut Rng, window: Window) -> String {
    let mut text = format!(
        "r5 = *(u32 *)(r1 +8); w0 = 0; if w5 < {} goto end; if w5 > {} goto end
         r6 = r5; r7 = {}\n",
        window.first,
        window.last(),
        constant(rng)
    );
    for step in 0..rng.u8(1..6) {
        let operation = operation(rng);
        text += &match rng.u8(..4) {
            0 => format!("if {} goto skip{step}\n{operation}\nskip{step}:\n", condition(rng)),
            _ => operation + "\n",
        };
    }
    text + &format!("w0 = 1; if {} goto end; r0 = r6; end: ; exit", condition(rng))
}

fn operation(rng: &mut Rng) -> String {
    let width = width(rng);
    let dst = rng.u8(6..8);
    if rng.u8(..12) == 0 {
        return format!("{width}{dst} = -{width}{dst}");
    }
    let operation = OPERATIONS[rng.usize(..OPERATIONS.len())];
    format!("{width}{dst} {operation} {}", operand(rng, width))
}

fn condition(rng: &mut Rng) -> String {
    let width = width(rng);
    let condition = CONDITIONS[rng.usize(..CONDITIONS.len())];
    format!("{width}{} {condition} {}", rng.u8(6..8), operand(rng, width))
}

fn width(rng: &mut Rng) -> char {
    if rng.bool() { 'r' } else { 'w' }
}

fn operand(rng: &mut Rng, width: char) -> String {
    if rng.u8(..3) == 0 { format!("{width}{}", rng.u8(5..8)) } else { constant(rng).to_string() }
}

fn constant(rng: &mut Rng) -> i32 {
    match rng.u8(..5) {
        0 => rng.i32(-3..70),
        1 => i32::MIN + rng.i32(..2).max(0),
        2 => 1 << rng.u8(..31),
        3 => (1 << rng.u8(..31)) - 1,
        _ => rng.i32(..),
    }
}
