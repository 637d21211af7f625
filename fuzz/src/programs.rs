//! Any bytes as a device program: what the analyzer says of it, against running it.

use devgate::analyze::{Budget, Interval, Region, analyze, longest_path};
use devgate::bpf::{ByNumber, Insn, Program, run};
use devgate::compile::compile;
use devgate::decode::{Decoded, Irregular, Table, decode};
use devgate::device::{Access, Request};
use devgate::policy::{DefaultDevices, Policy, Verdict};
use devgate::verify::verify;

use super::effort::bounded;
use super::repair::repaired;

/// Both types, eight access sets, 2^32 majors with 2^32 minors each.
const ALL_REQUESTS: u128 = (2 * 8) << 64;

/// Regions at whose edges the program is run.
const MOST_REGIONS: usize = 96;

/// Regions looked at times regions, at most.
const MOST_LOOKUPS: usize = 1 << 14;

/// Rules of a policy that is compiled again.
const MOST_RULES: usize = 64;

/// The first byte says how to read the others, which are instructions: an odd one that they are
/// made valid, so that mutants get further than to the first unknown opcode.
pub fn check(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let (slots, _) = bytes.as_chunks::<{ Insn::SIZE }>();
    let program = match how % 2 {
        0 => Program::new(slots.iter().copied().map(Insn::from_bytes).collect()),
        _ => repaired(slots),
    };
    check_listing(&program);
    let Ok(regions) = bounded("analyzing", || analyze(&program, Budget::REPORT)) else { return };
    check_partition(&regions);
    check_edges(&program, &regions);
    let Ok(table) = bounded("tabulating", || Table::of(&regions)) else { return };
    check_table(&table, &regions);
    if let Ok(decoded) = bounded("decoding", || decode(&table)) {
        check_rules(&table, &decoded);
    }
}

/// Every slot is in one line.
fn check_listing(program: &Program) {
    let lines = program.listing(&ByNumber);
    let starts = lines.iter().map(|line| line.index);
    let ends = starts.clone().skip(1).chain([program.insns().len()]);
    for (start, end) in starts.zip(ends) {
        assert!(end == start + 1 || end == start + 2, "a line from {start} to {end}");
    }
    assert!(lines.iter().all(|line| !line.text.is_empty()));
}

/// Regions leave nothing out and are disjoint.
fn check_partition(regions: &[Region]) {
    assert_eq!(regions.iter().map(Region::size).sum::<u128>(), ALL_REQUESTS);
    let few = &regions[..regions.len().min(MOST_REGIONS)];
    for (index, region) in few.iter().enumerate() {
        let common = few[index + 1..].iter().find(|other| overlap(region, other));
        assert_eq!(common, None, "overlaps {region:?}");
    }
}

fn overlap(a: &Region, b: &Region) -> bool {
    a.device_type == b.device_type
        && a.major.intersect(b.major).is_some()
        && a.minor.intersect(b.minor).is_some()
        && !a.accesses.and(b.accesses).is_empty()
}

/// A run says the same at the edges of each region and right outside of them.
fn check_edges(program: &Program, regions: &[Region]) {
    let few = regions.len() <= MOST_LOOKUPS / MOST_REGIONS;
    let longest = few.then(|| longest_path(program, regions).expect("it was analyzed"));
    for region in spread(regions) {
        for request in around(region) {
            let said = verdict(regions, &request);
            let ran = run(program, &request).unwrap_or_else(|error| {
                panic!("{request}: the analyzer says {said} and a run: {}", error.0)
            });
            assert_eq!(ran.allowed, said == Verdict::Allow, "{request}: the analyzer says {said}");
            let bounded = longest.is_none_or(|longest| ran.executed <= longest);
            assert!(bounded, "{request}: {} instructions, not {longest:?}", ran.executed);
        }
    }
}

/// Some of the regions, from all of them: fewer where there are many, since each request of each is
/// looked up among all.
fn spread(regions: &[Region]) -> impl Iterator<Item = &Region> {
    let looked_at = (MOST_LOOKUPS / regions.len().max(1)).clamp(1, MOST_REGIONS);
    regions.iter().step_by(regions.len().div_ceil(looked_at).max(1))
}

fn verdict(regions: &[Region], request: &Request) -> Verdict {
    let region = regions.iter().find(|region| region.contains(request));
    region.unwrap_or_else(|| panic!("no region has {request}")).verdict
}

/// The edges, the middle and what is beside them.
fn near(interval: Interval) -> [u32; 5] {
    let Interval { first, last } = interval;
    [first, last, first + (last - first) / 2, first.wrapping_sub(1), last.wrapping_add(1)]
}

fn around(region: &Region) -> impl Iterator<Item = Request> {
    let Region { device_type, major, minor, accesses, .. } = *region;
    near(major).into_iter().flat_map(move |major| {
        near(minor).into_iter().flat_map(move |minor| {
            accesses.iter().map(move |access| Request { device_type, major, minor, access })
        })
    })
}

/// The table says what the regions say.
fn check_table(table: &Table, regions: &[Region]) {
    let allowed = table.allowed();
    for region in spread(regions) {
        for request in around(region) {
            let tabled = allowed.iter().any(|part| part.contains(&request));
            let said = verdict(regions, &request) == Verdict::Allow;
            assert_eq!(tabled, said, "{request}: the table differs from the regions");
        }
    }
    assert_eq!(table.and(table).as_ref(), Ok(table));
    assert_eq!(table.difference(table).map(|none| none.allowed()), Ok(Vec::new()));
}

/// The rules mean what the table says, but for what is said to be irregular.
fn check_rules(table: &Table, decoded: &Decoded) {
    let Decoded { rules, irregular } = decoded;
    if rules.len() > MOST_RULES {
        return;
    }
    let policy = Policy::new(rules.clone(), DefaultDevices::None);
    let program = compile(&policy).expect("the rules are few");
    verify(program.clone(), &policy).unwrap_or_else(|error| panic!("{error}: {rules:?}"));
    let again =
        Table::of(&analyze(&program, Budget::PROOF).expect("it was proven")).expect("it is small");
    for (more, less, what) in [(table, &again, "refuse"), (&again, table, "allow")] {
        for part in more.difference(less).expect("both are small").allowed() {
            assert!(
                covers(irregular, &part),
                "the rules {rules:?} {what} {part:?}, and {irregular:?} is irregular"
            );
        }
    }
    for Irregular { device_type, majors, minors, allowed } in irregular {
        let (device_type, major, minor) = (*device_type, majors.first, minors.first);
        let mut asked = ASKED.into_iter().filter_map(Access::from_kernel_bits);
        let differs = asked.any(|access| {
            let request = Request { device_type, major, minor, access };
            allowed.contains(access) != (policy.decide(&request).verdict == Verdict::Allow)
        });
        assert!(differs, "{irregular:?} is what the rules {rules:?} say");
    }
}

/// What Linux asks for: nothing, r, w, rw, or m alone.
const ASKED: [u32; 5] = [0, 1, 2, 4, 6];

/// Whether the irregular parts, which are disjoint, have all devices of this one together.
fn covers(irregular: &[Irregular], part: &Region) -> bool {
    let devices =
        |majors: Interval, minors: Interval| u128::from(majors.len()) * u128::from(minors.len());
    let own = irregular.iter().filter(|irregular| irregular.device_type == part.device_type);
    let common = own.filter_map(|irregular| {
        Some(devices(
            irregular.majors.intersect(part.major)?,
            irregular.minors.intersect(part.minor)?,
        ))
    });
    common.sum::<u128>() == devices(part.major, part.minor)
}
