//! bpf(2) for what devgate itself never does: other people's programs, attached in other ways.

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use devgate::bpf::{Insn, MapShape, Reg};
use devgate::kernel::{ProgId, Program};
use nix::errno::Errno;

const MAP_CREATE: libc::c_long = 0;
const PROG_LOAD: libc::c_long = 5;
const OBJ_PIN: libc::c_long = 6;
const PROG_ATTACH: libc::c_long = 8;
const PROG_GET_NEXT_ID: libc::c_long = 11;
const LINK_CREATE: libc::c_long = 28;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_TYPE_CGROUP_DEVICE: u32 = 6;

const MULTI: u32 = 2;
const REPLACE: u32 = 4;

/// `union bpf_attr` as words.
type Attr = [u32; 32];

/// Where `prog_name` is in the attr of BPF_PROG_LOAD, in words.
const NAME: usize = 12;
/// And `expected_attach_type`.
const EXPECTED_ATTACH_TYPE: usize = 17;

fn bpf(command: libc::c_long, attr: &mut Attr) -> nix::Result<libc::c_long> {
    // SAFETY: the attr is exclusively borrowed and of the size that is passed. Addresses in it
    // are of what `load` borrows, and only read from.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_bpf, command, attr.as_mut_ptr(), size_of::<Attr>())
    })
}

fn descriptor(fd: libc::c_long) -> OwnedFd {
    let fd = RawFd::try_from(fd).expect("a descriptor");
    // SAFETY: the kernel just made it for us.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn put_address(attr: &mut Attr, word: usize, address: *const u8) {
    let bytes = (address as u64).to_ne_bytes();
    let (words, _) = bytes.as_chunks::<4>();
    attr[word] = u32::from_ne_bytes(words[0]);
    attr[word + 1] = u32::from_ne_bytes(words[1]);
}

/// A device program that somebody else loaded.
pub struct Foreign {
    pub fd: OwnedFd,
    pub id: ProgId,
}

impl Foreign {
    /// One that allows everything.
    pub fn allowing(name: &str) -> Foreign {
        load(name, &returning(1))
    }

    /// One that denies everything.
    pub fn denying(name: &str) -> Foreign {
        load(name, &returning(0))
    }

    /// One with these instructions, which the verifier has to accept.
    pub fn with(name: &str, insns: &[Insn]) -> Foreign {
        load(name, insns)
    }

    /// Attaches it by the cgroup's list, with these flags.
    pub fn attach(&self, cgroup: BorrowedFd<'_>, flags: u32) {
        let mut attr: Attr = [0; 32];
        attr[..4].copy_from_slice(&[
            number(cgroup),
            number(self.fd.as_fd()),
            ATTACH_TYPE_CGROUP_DEVICE,
            flags,
        ]);
        bpf(PROG_ATTACH, &mut attr).expect("BPF_PROG_ATTACH");
    }

    /// Attaches it in place of another.
    pub fn replace(&self, cgroup: BorrowedFd<'_>, other: &Foreign) -> nix::Result<()> {
        let mut attr: Attr = [0; 32];
        attr[..5].copy_from_slice(&[
            number(cgroup),
            number(self.fd.as_fd()),
            ATTACH_TYPE_CGROUP_DEVICE,
            MULTI | REPLACE,
            number(other.fd.as_fd()),
        ]);
        bpf(PROG_ATTACH, &mut attr).map(drop)
    }

    /// Whether it is machine code.
    pub fn is_jited(&self) -> bool {
        match told(self.fd.as_fd(), "prog_jited:").as_str() {
            "0" => false,
            "1" => true,
            other => panic!("prog_jited: {other}"),
        }
    }

    /// Attaches it by a bpf_link, which holds it until it is dropped.
    pub fn link(&self, cgroup: BorrowedFd<'_>) -> OwnedFd {
        let mut attr: Attr = [0; 32];
        attr[..3].copy_from_slice(&[
            number(self.fd.as_fd()),
            number(cgroup),
            ATTACH_TYPE_CGROUP_DEVICE,
        ]);
        descriptor(bpf(LINK_CREATE, &mut attr).expect("BPF_LINK_CREATE"))
    }
}

fn returning(result: i32) -> [Insn; 2] {
    [Insn::new(0xb7, Reg::R0, Reg::R0, 0, result), Insn::new(0x95, Reg::R0, Reg::R0, 0, 0)]
}

/// An array map with one entry.
pub fn map() -> OwnedFd {
    let mut attr: Attr = [0; 32];
    attr[..4].copy_from_slice(&[2, 4, 4, 1]);
    descriptor(bpf(MAP_CREATE, &mut attr).expect("BPF_MAP_CREATE"))
}

/// A map of this shape.
pub fn map_like(shape: MapShape) -> OwnedFd {
    let mut attr: Attr = [0; 32];
    attr[..4].copy_from_slice(&match shape {
        MapShape::Hash { key, value } => [1, key.into(), value.into(), 1024],
        MapShape::Ring => [27, 0, 0, 1 << 16],
    });
    descriptor(bpf(MAP_CREATE, &mut attr).expect("BPF_MAP_CREATE"))
}

/// Pins a link, or what else there is, at a path of a bpffs.
pub fn pin(object: BorrowedFd<'_>, path: &CStr) {
    let mut attr: Attr = [0; 32];
    put_address(&mut attr, 0, path.as_ptr().cast());
    attr[2] = number(object);
    bpf(OBJ_PIN, &mut attr).expect("BPF_OBJ_PIN");
}

fn load(name: &str, insns: &[Insn]) -> Foreign {
    let license: &CStr = c"GPL";
    let mut attr: Attr = [0; 32];
    let count = u32::try_from(insns.len()).expect("few instructions");
    attr[..2].copy_from_slice(&[PROG_TYPE_CGROUP_DEVICE, count]);
    put_address(&mut attr, 2, insns.as_ptr().cast());
    put_address(&mut attr, 4, license.as_ptr().cast());
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    for (to, word) in attr[NAME..].iter_mut().zip(bytes.as_chunks::<4>().0) {
        *to = u32::from_ne_bytes(*word);
    }
    // Without it the kernel knows no bpf_set_retval.
    attr[EXPECTED_ATTACH_TYPE] = ATTACH_TYPE_CGROUP_DEVICE;
    let fd = descriptor(bpf(PROG_LOAD, &mut attr).expect("BPF_PROG_LOAD"));
    let id = id_of(fd.as_fd());
    Foreign { fd, id }
}

fn id_of(fd: BorrowedFd<'_>) -> ProgId {
    ProgId::new(told(fd, "prog_id:").parse().expect("an id is a number"))
}

/// What /proc tells of the program behind a descriptor.
fn told(fd: BorrowedFd<'_>, key: &str) -> String {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()));
    let info = info.expect("/proc describes the descriptor");
    let value = info.lines().find_map(|line| line.strip_prefix(key));
    value.unwrap_or_else(|| panic!("no {key} in {info}")).trim().to_owned()
}

/// Whether any program in the kernel has this tag.
pub fn any_with_tag(tag: [u8; 8]) -> bool {
    any(|program| program.tag == tag)
}

/// Whether any program in the kernel is like this.
pub fn any(wanted: impl Fn(&Program) -> bool) -> bool {
    let mut attr: Attr = [0; 32];
    loop {
        match bpf(PROG_GET_NEXT_ID, &mut attr) {
            Ok(_) => attr[0] = attr[1],
            Err(Errno::ENOENT) => return false,
            Err(errno) => panic!("BPF_PROG_GET_NEXT_ID: {errno}"),
        }
        // Programs come and go.
        let program = Program::by_id(ProgId::new(attr[0]));
        if program.is_ok_and(|program| wanted(&program)) {
            return true;
        }
    }
}
