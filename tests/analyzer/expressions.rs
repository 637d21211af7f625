//! What a compiler or a person does with the fields before comparing them.

use devgate::analyze::Region;
use devgate::policy::Verdict::{Allow, Deny};

use crate::grid::{checked, says};

/// The regions of a program that allows where the code jumps to `yes`.
pub fn allowed_if(code: &str) -> Vec<Region> {
    checked(&format!(
        "r2 = *(u32 *)(r1 +0); r4 = *(u32 *)(r1 +4); r5 = *(u32 *)(r1 +8)
         {code}
         no: ; w0 = 0; exit
         yes: ; w0 = 1; exit"
    ))
}

fn allows_nothing(regions: &[Region]) -> bool {
    regions.iter().all(|region| region.verdict == Deny)
}

#[test]
fn equality_with_an_immediate_of_2_to_the_31() {
    assert!(allows_nothing(&allowed_if("if r5 == 0x80000000 goto yes")));
    assert!(allows_nothing(&allowed_if("if r4 == -1 goto yes")));
    let regions = allowed_if("if w5 == 0x80000000 goto yes");
    assert_eq!(says(&regions, "c 1:2147483648 r"), Allow);
    let regions = allowed_if("if r4 != -1 goto yes");
    assert!(regions.iter().all(|region| region.verdict == Allow));
}

#[test]
fn order_with_an_immediate_of_2_to_the_31() {
    for code in [
        "if r5 < -5 goto yes",
        "if r5 >= -5 goto yes",
        "if w5 < -5 goto yes",
        "if w5 > 0x80000000 goto yes",
        "if r5 s< 3 goto yes",
    ] {
        allowed_if(code);
    }
    assert_eq!(says(&allowed_if("if r5 s< 0 goto yes"), "c 1:4294967295 r"), Deny);
}

#[test]
fn shifts_and_masks_of_a_number() {
    let regions = allowed_if("if r5 > 0x1ff goto no; r5 &= 0xff; if r5 == 7 goto yes");
    assert_eq!(says(&regions, "c 1:7 r"), Allow);
    assert_eq!(says(&regions, "c 1:263 r"), Allow);
    assert_eq!(says(&regions, "c 1:519 r"), Deny);
    let regions = allowed_if("r5 >>= 8; if r5 == 3 goto yes");
    assert_eq!(says(&regions, "c 1:1023 r"), Allow);
    assert_eq!(says(&regions, "c 1:1024 r"), Deny);
    for code in [
        "w5 >>= 8; if w5 == 3 goto yes",
        "w4 &= 0xfffffff0; if w4 == 0x10 goto yes",
        "if r4 & 0xfff00000 goto no; goto yes",
        "w5 &= 0xfff00000; if w5 != 0 goto no; goto yes",
        "w5 <<= 31; w5 s>>= 31; w5 &= 0; if w5 == 0 goto yes",
        "r5 s>>= 4; if r5 == 2 goto yes",
        "w5 |= 0xff; if w5 == 0x1ff goto yes",
        "w5 ^= 0x80000000; if w5 < 16 goto yes",
    ] {
        allowed_if(code);
    }
}

/// Shift counts are taken modulo the width.
#[test]
fn shift_counts_beyond_the_width() {
    allowed_if("w5 >>= 40; if w5 == 3 goto yes");
    allowed_if("r5 >>= 68; if r5 == 3 goto yes");
    allowed_if("if w5 > 99 goto no; w6 = 1; w6 <<= w5; if w6 == 8 goto yes");
    allowed_if("if w5 > 199 goto no; r6 = 1; r6 <<= r5; if r6 == 8 goto yes");
}

#[test]
fn arithmetic_on_a_number() {
    // How a compiler tests for a range.
    let regions = allowed_if("w5 -= 64; if w5 < 32 goto yes");
    for (minor, verdict) in [(63, Deny), (64, Allow), (95, Allow), (96, Deny), (u32::MAX, Deny)] {
        assert_eq!(says(&regions, &format!("c 1:{minor} r")), verdict);
    }
    for code in [
        "r5 -= 64; if r5 s< 0 goto yes",
        "w5 -= 64; if w5 > 0x7fffffff goto yes",
        "r5 *= 4; if r5 < 40 goto yes",
        "if w5 >= 9 goto no; w5 = -w5; if w5 == -3 goto yes",
        "if w5 >= 9 goto no; r5 = -r5; if r5 == -3 goto yes",
        "if w5 >= 9 goto no; w6 = 5; w6 -= w5; if w6 s< 2 goto yes",
        "if w5 >= 99 goto no; w6 = w5; w6 *= w5; if w6 == 81 goto yes",
        "w6 = 9; if w6 > w5 goto yes",
        "r6 = r5; r6 += 1; if r6 == 0 goto yes",
        "w6 = w5; w6 += 1; if w6 == 0 goto yes",
    ] {
        allowed_if(code);
    }
    assert!(allows_nothing(&allowed_if("r6 = r5; r6 += 1; if r6 == 0 goto yes")));
    let wrapped = allowed_if("w6 = w5; w6 += 1; if w6 == 0 goto yes");
    assert_eq!(says(&wrapped, "c 1:4294967295 r"), Allow);
}

/// A switch becomes a 64-bit mask that is shifted down by the number.
#[test]
fn bit_tests_with_a_64_bit_mask() {
    let regions = allowed_if(
        "if r5 > 63 goto no; r6 = 0x8000000100000388 ll; r6 >>= r5; r6 &= 1; if r6 != 0 goto yes",
    );
    for minor in 0..70 {
        let expected = match minor {
            3 | 7..=9 | 32 | 63 => Allow,
            _ => Deny,
        };
        assert_eq!(says(&regions, &format!("c 1:{minor} r")), expected, "{minor}");
    }
    allowed_if(
        "if r5 > 63 goto no; r6 = 1; r6 <<= r5; r7 = 0x8000000100000388 ll; r7 &= r6
         if r7 != 0 goto yes",
    );
    allowed_if("if w5 > 31 goto no; w6 = 1; w6 <<= w5; if w6 & 0x388 goto yes");
}

#[test]
fn narrow_loads_of_type_and_access() {
    let regions = checked(
        "r2 = *(u16 *)(r1 +0); r3 = *(u16 *)(r1 +2); w0 = 0
         if r2 != 2 goto end; if r3 & 4 goto end; w0 = 1
         end: ; exit",
    );
    if cfg!(target_endian = "little") {
        assert_eq!(says(&regions, "c 1:3 rm"), Allow);
        assert_eq!(says(&regions, "c 1:3 w"), Deny);
        assert_eq!(says(&regions, "b 1:3 r"), Deny);
    }
    for at in 0..4 {
        checked(&format!("r2 = *(u8 *)(r1 +{at}); w0 = 0; if r2 == 2 goto +1; w0 = 1; exit"));
    }
}

/// The kernel looks at bit 0 of the result.
#[test]
fn results_other_than_0_and_1() {
    for (result, verdict) in [(2, Deny), (3, Allow), (-1, Allow), (-2, Deny)] {
        let regions = checked(&format!("r0 = {result}; exit"));
        assert!(regions.iter().all(|region| region.verdict == verdict), "{result}");
    }
    checked("r0 = 0x100000000 ll; exit");
    checked("r0 = *(u32 *)(r1 +0); exit");
    checked("r0 = *(u32 *)(r1 +0); w0 >>= 17; w0 ^= 1; exit");
    checked("r0 = *(u32 *)(r1 +8); r0 >>= 31; exit");
    checked("r0 = *(u32 *)(r1 +4); if r0 > 50 goto +0; r0 >>= 29; exit");
}

#[test]
fn the_context_in_another_register() {
    checked(
        "r6 = r1; r1 = 0; r7 = r6; r5 = *(u32 *)(r7 +8); w0 = 1; if r5 == 3 goto +1; w0 = 0; exit",
    );
}

#[test]
fn registers_that_differ_where_ways_join() {
    let regions = allowed_if(
        "r6 = 3
         if w2 & 1 goto block
         r6 = 7
         block:
         if r5 == 9 goto nine
         r7 = r6
         goto join
         nine:
         r7 = 9
         join:
         if r7 == 7 goto yes",
    );
    assert_eq!(says(&regions, "c 1:8 r"), Allow);
    assert_eq!(says(&regions, "c 1:9 r"), Deny);
    assert_eq!(says(&regions, "b 1:8 r"), Deny);
}

#[test]
fn comparing_registers() {
    allowed_if("r6 = 9; if r5 == r6 goto yes");
    allowed_if("r6 = 0x80000000 ll; if r5 == r6 goto yes");
    allowed_if("r6 = 0x100000000 ll; if r5 < r6 goto yes");
    allowed_if("r6 = 0x100000009 ll; if w5 == w6 goto yes");
    allowed_if("r6 = 9; if r6 <= r5 goto yes");
}
