//! youki's libcgroups, whose programs are in testdata/programs.

use std::os::fd::AsFd;

use devgate::bpf::Program;

use super::common::bpf::Foreign;
use super::common::cgroup::TestCgroup;
use super::common::require;
use super::probe::Probe;

const PROGRAMS: [(&str, &[u8]); 3] = [
    ("default", include_bytes!("../../testdata/programs/libcgroups-default.bin")),
    ("rules", include_bytes!("../../testdata/programs/libcgroups-rules.bin")),
    ("all-but-a-write", include_bytes!("../../testdata/programs/libcgroups-all-but-a-write.bin")),
];

#[test]
fn its_programs_are_what_they_are_decoded_to() {
    if !require::bpf() {
        return;
    }
    for (name, bytes) in PROGRAMS {
        let cgroup = TestCgroup::new();
        let program = Program::from_bytes(bytes).expect("whole instructions");
        let foreign = Foreign::with("", program.insns());
        foreign.attach(cgroup.open().as_fd(), 2);
        let counts = Probe::new().assert_right_about(cgroup.path());
        println!("{name}: {counts:?}");
        assert!(counts.allowed > 10 && counts.denied > 0, "{counts:?}");
    }
}
