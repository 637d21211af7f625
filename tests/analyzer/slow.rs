//! Small programs that must not take long.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use devgate::analyze::{Budget, analyze};

use crate::common::assembly::assemble;
use crate::expressions::allowed_if;

const LONG: Duration = Duration::from_secs(5);

/// Each with a condition on any of 2^32 minors.
const CODE: [&str; 15] = [
    "if w5 s< 0 goto yes",
    "if w5 s< 3 goto yes",
    "if w5 s> -3 goto yes",
    "if w5 s<= -2147483648 goto yes",
    "if w5 s>= 0x7fffffff goto yes",
    "if r5 s> -1 goto yes",
    // How a compiler tests for a range.
    "w5 += -64; if w5 < 32 goto yes",
    "r5 += -64; if r5 < 32 goto yes",
    "w5 s>>= 28; if w5 == -1 goto yes",
    // How it extends the sign.
    "r5 <<= 32; r5 s>>= 32; if r5 s< 0 goto yes",
    "w5 <<= 8; if w5 == 256 goto yes",
    "w5 *= 0x10001; if w5 == 7 goto yes",
    "w5 = -w5; if w5 == -3 goto yes",
    "w6 = 5; w6 -= w5; if w6 s< 2 goto yes",
    "r6 = r5; if r6 == r5 goto yes",
];

/// An answer or a refusal, but soon; and the answer is right.
#[test]
fn one_condition_is_decided_soon() {
    let (late, soon): (Vec<&str>, Vec<&str>) = CODE.into_iter().partition(|code| takes_long(code));
    soon.into_iter().for_each(|code| drop(allowed_if(code)));
    assert!(late.is_empty(), "not within {LONG:?}: {late:#?}");
}

pub fn takes_long(code: &str) -> bool {
    let text = format!("r5 = *(u32 *)(r1 +8); {code}; w0 = 0; exit; yes: ; w0 = 1; exit");
    let program = assemble(&text);
    let (done, result) = channel();
    // Not joined: it may go on until the test binary ends.
    thread::spawn(move || done.send(analyze(&program, Budget::PROOF)));
    result.recv_timeout(LONG).is_err()
}
