//! The regions of a program against runs of it.

use std::collections::BTreeSet;

use devgate::analyze::{Budget, Interval, Region, analyze};
use devgate::bpf::{Op, Program, Source, decode};
use devgate::device::{Access, DeviceType, Request};
use devgate::policy::Verdict;

use crate::common::assembly::assemble;
use crate::common::witness::interpreter;

/// Both types, eight access sets, and 2^32 majors with 2^32 minors each.
const ALL_REQUESTS: u128 = (2 * 8) << 64;

/// Numbers that are compared with, and ends of intervals, taken to be few.
const MOST_NUMBERS: usize = 400;

/// The regions of the program, after checking each thing that is promised of them.
pub fn checked(text: &str) -> Vec<Region> {
    let program = assemble(text);
    let regions =
        analyze(&program, Budget::PROOF).unwrap_or_else(|error| panic!("{error}\n{text}"));
    partition(&regions);
    let majors = numbers(&program, regions.iter().map(|region| region.major));
    let minors = numbers(&program, regions.iter().map(|region| region.minor));
    for &major in &majors {
        for &minor in &minors {
            for device_type in DeviceType::ALL {
                for access in Access::every() {
                    let request = Request { device_type, major, minor, access };
                    let ran = interpreter(&program, &request);
                    assert_eq!(verdict(&regions, &request), ran, "{request}\n{text}");
                }
            }
        }
    }
    regions
}

/// Regions are disjoint and leave nothing out.
pub fn partition(regions: &[Region]) {
    for (index, region) in regions.iter().enumerate() {
        let common = regions[index + 1..].iter().find(|other| overlap(region, other));
        assert_eq!(common, None, "overlaps {region:?}");
    }
    assert_eq!(regions.iter().map(Region::size).sum::<u128>(), ALL_REQUESTS);
}

fn overlap(a: &Region, b: &Region) -> bool {
    a.device_type == b.device_type
        && a.major.intersect(b.major).is_some()
        && a.minor.intersect(b.minor).is_some()
        && a.accesses.iter().any(|access| b.accesses.contains(access))
}

/// What the regions say of the request.
pub fn verdict(regions: &[Region], request: &Request) -> Verdict {
    let region = regions.iter().find(|region| region.contains(request));
    region.unwrap_or_else(|| panic!("no region has {request}")).verdict
}

/// The verdict of a program that is checked on the way, for a request as text.
pub fn says(regions: &[Region], request: &str) -> Verdict {
    verdict(regions, &request.parse().expect("a request"))
}

/// The ends of the intervals, the program's immediates, and all their neighbours.
fn numbers(program: &Program, intervals: impl Iterator<Item = Interval>) -> BTreeSet<u32> {
    let ends = intervals.flat_map(|interval| [interval.first, interval.last]);
    let named: BTreeSet<u32> = ends.chain(immediates(program)).collect();
    let near = |number: u32| [number.wrapping_sub(1), number, number.wrapping_add(1)];
    let numbers: BTreeSet<u32> = named.into_iter().flat_map(near).collect();
    let step = numbers.len().div_ceil(MOST_NUMBERS);
    numbers.into_iter().step_by(step).collect()
}

fn immediates(program: &Program) -> impl Iterator<Item = u32> {
    let decoded = (0..program.insns().len()).map(|index| decode(program.insns(), index));
    decoded.filter_map(|decoded| match decoded.ok()?.op {
        Op::Alu { src: Source::Imm(imm), .. } | Op::Branch { src: Source::Imm(imm), .. } => {
            Some(imm.cast_unsigned())
        }
        _ => None,
    })
}
