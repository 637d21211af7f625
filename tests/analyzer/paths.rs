//! The longest path against all requests there can be.

use devgate::analyze::{Budget, analyze, longest_path};
use devgate::bpf::{Program, run};
use devgate::device::{Access, DeviceType, Request};

use crate::common::assembly::assemble;

/// Numbers beyond those that the programs below compare with.
const NUMBERS: [u32; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1 << 31, u32::MAX];

fn brute_force(program: &Program) -> usize {
    let mut longest = 0;
    for device_type in DeviceType::ALL {
        for access in Access::every() {
            for major in NUMBERS {
                for minor in NUMBERS {
                    let request = Request { device_type, major, minor, access };
                    longest = longest.max(run(program, &request).expect("it runs").executed);
                }
            }
        }
    }
    longest
}

fn longest(text: &str) -> usize {
    let program = assemble(text);
    let regions = analyze(&program, Budget::PROOF).expect("it is understood");
    let longest = longest_path(&program, &regions).expect("it runs");
    assert_eq!(longest, brute_force(&program), "{text}");
    longest
}

#[test]
fn a_straight_line_is_as_long_as_it_is() {
    assert_eq!(longest("w0 = 0; exit"), 2);
    // A 64-bit load is two slots and one instruction.
    assert_eq!(longest("r0 = 0x100000001 ll; exit"), 2);
}

#[test]
fn the_longer_arm_counts() {
    let arms = "
        r4 = *(u32 *)(r1 +4)
        if r4 == 3 goto short
        w0 = 1
        w0 = 0
        w0 = 1
        exit
        short:
        w0 = 0
        exit
    ";
    assert_eq!(longest(arms), 6);
}

#[test]
fn a_path_that_no_request_takes_does_not_count() {
    let never = "
        r4 = *(u32 *)(r1 +4)
        if r4 > 4 goto more
        w0 = 0
        exit
        more:
        if r4 < 5 goto never
        w0 = 1
        exit
        never:
        w0 = 1; w0 = 1; w0 = 1; w0 = 1; w0 = 1; w0 = 1
        exit
    ";
    assert_eq!(longest(never), 5);
}

#[test]
fn paths_that_join_keep_their_own_lengths() {
    let joined = "
        r2 = *(u32 *)(r1 +0)
        if w2 & 0x20000 goto detour
        goto join
        detour:
        w3 = 0; w3 = 1; w3 = 2
        join:
        r5 = *(u32 *)(r1 +8)
        w0 = 0
        if r5 != 7 goto end
        w0 = 1
        end:
        exit
    ";
    // Load, branch, the detour, load, move, branch, move, exit.
    assert_eq!(longest(joined), 2 + 3 + 5);
}
