//! Programs that look on, and are proven: what is refused has more wrong than how it begins.

use devgate::bpf::MapShape;
use devgate::verify::prove_allows_all;

use crate::common::assembly::assemble;
use crate::common::enforce::chain;

pub const MAPS: [MapShape; 2] = [MapShape::Hash { key: 8, value: 16 }, MapShape::Ring];

/// Looks a key up in the first map.
pub const LOOK_UP: &str = "r6 = r1; *(u64 *)(r10 -8) = 0; r1 = map 0; r2 = r10; r2 += -8; call 1;";

#[test]
fn programs_that_look_on_are_proven() {
    for text in [
        "",
        "if r0 == 0 goto out; *(u64 *)(r0 +8) = 1; w1 = 1; lock *(u64 *)(r0 +0) += r1",
        "if r0 != 0 goto use; goto out; use: ; r1 = r0; r1 += 15; *(u8 *)(r1 +0) = 0",
        "r7 = r0; if r7 == 0 goto out; *(u64 *)(r0 +0) = 0",
        "r7 = r0; if r0 == 0 goto out; call 5; *(u64 *)(r7 +0) = r0",
        "if r0 == 0 goto out; r1 = r0; w2 = 16; call 16",
        "call 186; if r0 == 0 goto out; w0 = 3; exit",
        "r1 = map 1; r2 = r10; r2 += -8; w3 = 8; w4 = 1; call 130",
        "r1 = map 0; r2 = r10; r2 += -8; r3 = r10; r3 += -24; w4 = 0; call 2",
        "r1 = *(u32 *)(r6 +4); if w1 == 10 goto out; call 14; call 80; w1 = 1; call 123",
        "*(u64 *)(r10 -512) = 0; r1 = r10; r1 += -512; w2 = 512; call 16",
    ] {
        let program = assemble(&format!("{LOOK_UP} {text}; out: ; w0 = 1; exit"));
        let proven = prove_allows_all(program, MAPS.to_vec());
        proven.unwrap_or_else(|error| panic!("{text}: {}", chain(&error)));
    }
}
