use super::*;
use crate::device::Request;

const TOP: usize = 3;

/// No cgroup has ended.
const NONE: BTreeMap<u64, u64> = BTreeMap::new();

fn series(name: &str) -> Series {
    device(name, 229)
}

fn device(name: &str, minor: u64) -> Series {
    let request: Request = format!("c 10:{minor} rw").parse().unwrap();
    Series::new(Owner::Container(name.into()), &request)
}

/// A row of the cgroup, of the series with this name.
fn row(cgroup: u64, name: &str, count: u64) -> Row {
    Row { cgroup, room: cgroup, series: series(name), count }
}

fn values(tally: &Tally) -> Vec<(String, u64)> {
    let name = |series: &Series| match &series.owner {
        Owner::Container(name) => name.clone(),
        owner => panic!("{owner:?}"),
    };
    tally.shown().map(|(series, value)| (name(series), value)).collect()
}

#[track_caller]
fn assert_values(tally: &Tally, expected: &[(&str, u64)], other: u64) {
    let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).into(), *value)).collect();
    assert_eq!((values(tally), tally.other()), (expected, other));
    let sum: u64 = tally.shown().map(|(_, value)| value).sum();
    assert_eq!(tally.total(), sum + other, "as long as no series has ended");
}

#[test]
fn the_first_look_shows_the_largest_with_all_they_have() {
    let mut tally = Tally::default();
    let rows = ["a", "b", "c", "d", "e"].iter().zip(1..).map(|(name, n)| row(n, name, n * 10));
    tally.look(&rows.collect::<Vec<_>>(), &NONE, TOP);
    assert_values(&tally, &[("c", 30), ("d", 40), ("e", 50)], 30);
}

#[test]
fn a_new_series_has_its_full_count_if_there_is_room() {
    let mut tally = Tally::default();
    tally.look(&[row(1, "a", 5)], &NONE, TOP);
    tally.look(&[row(1, "a", 6), row(2, "b", 7)], &NONE, TOP);
    assert_values(&tally, &[("a", 6), ("b", 7)], 0);
}

#[test]
fn a_series_gives_way_only_to_one_twice_as_large_and_no_counter_goes_back() {
    let mut tally = Tally::default();
    let rows = |counts: [u64; 2]| [row(1, "a", counts[0]), row(2, "b", counts[1])];
    tally.look(&rows([10, 8]), &NONE, 1);
    assert_values(&tally, &[("a", 10)], 8);
    tally.look(&rows([10, 20]), &NONE, 1);
    assert_values(&tally, &[("a", 10)], 20);
    // Now b comes up. What it had stays where it was counted.
    tally.look(&rows([10, 22]), &NONE, 1);
    assert_eq!((values(&tally), tally.other()), (vec![("b".into(), 0)], 22));
    tally.look(&rows([11, 25]), &NONE, 1);
    assert_eq!((values(&tally), tally.other()), (vec![("b".into(), 3)], 23));
    // a comes back where it was: it was set aside with 10, and b with 3.
    tally.look(&rows([60, 25]), &NONE, 1);
    assert_eq!((values(&tally), tally.other()), (vec![("a".into(), 10)], 72));
    tally.look(&rows([61, 26]), &NONE, 1);
    assert_eq!((values(&tally), tally.other()), (vec![("a".into(), 11)], 73));
    tally.look(&rows([61, 130]), &NONE, 1);
    assert_eq!((values(&tally), tally.other()), (vec![("b".into(), 3)], 177));
    assert_eq!(tally.total(), 61 + 130);
}

#[test]
fn a_series_ends_with_its_rows_and_the_sums_stay() {
    let mut tally = Tally::default();
    tally.look(&[row(1, "a", 5), row(2, "b", 3)], &NONE, 1);
    assert_values(&tally, &[("a", 5)], 3);
    tally.look(&[], &NONE, 1);
    assert_eq!((values(&tally), tally.other(), tally.total()), (vec![], 3, 8));
    assert!(tally.hidden.is_empty() && tally.owners.is_empty() && tally.aside.is_empty());
}

/// The last seconds of a container, and a whole life between two looks.
#[test]
fn what_a_container_was_denied_before_its_end_is_counted_once() {
    let mut tally = Tally::default();
    tally.look(&[row(1, "a", 5), row(2, "b", 3)], &NONE, 1);
    let ended = BTreeMap::from([(1, 9), (2, 4), (3, 70)]);
    // The rows may still be there while they are kept already.
    for rows in [&[row(1, "a", 9)][..], &[]] {
        tally.look(rows, &ended, 1);
        assert_eq!((values(&tally), tally.other(), tally.total()), (vec![], 3 + 4 + 1 + 70, 83));
    }
    assert_eq!(tally.settled.len(), 3);
    tally.look(&[], &NONE, 1);
    assert_eq!((tally.total(), tally.settled.len()), (83, 0));
}

#[test]
fn another_observer_counts_from_0_and_the_sums_go_on() {
    let mut tally = Tally::default();
    tally.look(&[row(1, "a", 5), row(2, "b", 3)], &NONE, 1);
    tally.restart();
    tally.look(&[row(1, "a", 2)], &NONE, 1);
    assert_eq!((values(&tally), tally.other(), tally.total()), (vec![("a".into(), 2)], 3, 10));
}

#[test]
fn a_smaller_top_sets_the_smallest_aside() {
    let mut tally = Tally::default();
    let rows = [row(1, "a", 5), row(2, "b", 3), row(3, "c", 4)];
    tally.look(&rows, &NONE, 3);
    tally.look(&rows, &NONE, 1);
    assert_eq!((values(&tally), tally.other(), tally.total()), (vec![("a".into(), 5)], 0, 12));
    tally.look(&rows, &NONE, 3);
    assert_values(&tally, &[("a", 5), ("b", 3), ("c", 4)], 0);
}

#[test]
fn cgroups_of_one_container_share_a_counter() {
    let mut tally = Tally::default();
    tally.look(&[row(1, "a", 5), row(2, "a", 3)], &NONE, TOP);
    // The inner one was removed, and another one came.
    tally.look(&[row(1, "a", 6), row(3, "a", 4)], &NONE, TOP);
    assert_eq!((values(&tally), tally.total()), (vec![("a".into(), 13)], 13));
}

#[test]
fn a_cgroup_keeps_its_first_owner_as_long_as_it_has_rows() {
    let mut tally = Tally::default();
    let owner = Owner::Container("a".into());
    assert_eq!(tally.owner(1, owner.clone()), owner);
    tally.look(&[row(1, "a", 5)], &NONE, TOP);
    assert_eq!(tally.owner(1, Owner::Removed), owner);
    tally.look(&[], &NONE, TOP);
    assert_eq!(tally.owner(1, Owner::Removed), Owner::Removed);
}

#[test]
fn a_second_device_of_a_container_has_its_full_count_if_there_is_room() {
    let mut tally = Tally::default();
    let second = || Row { series: device("a", 1), ..row(1, "a", 4) };
    tally.look(&[row(1, "a", 5)], &NONE, TOP);
    tally.look(&[row(1, "a", 6), second()], &NONE, TOP);
    assert_values(&tally, &[("a", 4), ("a", 6)], 0);
}

/// Containers come, are denied several devices and go; a row that comes while the map is read is
/// seen only later; `top` changes. Whatever happens, no counter goes back, nothing is counted twice
/// or left out, and what is kept is bounded.
#[test]
fn no_counter_ever_goes_back() {
    let seed = std::env::var("DEVGATE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("DEVGATE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..100 {
        one_life(&mut random);
    }
}

fn one_life(random: &mut fastrand::Rng) {
    let mut tally = Tally::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut before: BTreeMap<Series, u64> = BTreeMap::new();
    let mut ended: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut other, mut forgotten, mut births) = (0, 0, [0; 8]);
    for _ in 0..200 {
        for row in &mut rows {
            let most = 1 << random.u32(..6);
            row.count += random.u64(..most);
        }
        let known = rows.len();
        if random.u8(..2) == 0 {
            let name = random.usize(..8);
            let cgroup = births[name] * 8 + name as u64;
            let series = device(&name.to_string(), random.u64(..4));
            if !rows.iter().any(|row| row.series == series) {
                rows.push(Row { cgroup, room: cgroup, series, count: random.u64(1..40) });
            }
        }
        let seen = if random.bool() { rows.len() } else { known };
        let top = random.usize(1..8);
        tally.look(&rows[..seen], &ended, top);
        let now: BTreeMap<Series, u64> = tally.shown().map(|it| (it.0.clone(), it.1)).collect();
        assert!(now.len() <= top && tally.hidden.len() <= rows.len());
        for (series, value) in &now {
            let last = before.get(series).copied().unwrap_or_default();
            assert!(*value >= last, "{series:?} went from {last} to {value}");
        }
        assert!(tally.other() >= other);
        other = tally.other();
        let live: u64 = rows[..seen].iter().map(|row| row.count).sum();
        assert_eq!(tally.total(), forgotten + ended.values().sum::<u64>() + live);
        before.extend(now);
        if random.u8(..10) == 0 {
            let name = random.usize(..8);
            let owner = Owner::Container(name.to_string());
            let (gone, live) = rows.into_iter().partition(|row| row.series.owner == owner);
            rows = live;
            births[name] += 1;
            // What was denied after the look.
            gone.iter().for_each(|row: &Row| add(&mut ended, row.cgroup, row.count + 1));
            before.retain(|series, _| series.owner != owner);
        }
        if random.u8(..20) == 0 {
            // Too many files: they are removed after they were looked at.
            tally.look(&rows, &ended, top);
            before.clear();
            forgotten += std::mem::take(&mut ended).into_values().sum::<u64>();
        }
    }
}
