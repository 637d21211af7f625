//! Devices as the kernel asks about them: type, numbers and access bits.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The two device types that the kernel asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceType {
    /// A block device, `b`.
    Block,
    /// A character device, `c`.
    Char,
}

impl DeviceType {
    /// Both types.
    pub const ALL: [DeviceType; 2] = [DeviceType::Block, DeviceType::Char];

    /// The type's letter in a rule or request.
    pub const fn letter(self) -> char {
        match self {
            DeviceType::Block => 'b',
            DeviceType::Char => 'c',
        }
    }

    /// `BPF_DEVCG_DEV_BLOCK` or `BPF_DEVCG_DEV_CHAR` of linux/bpf.h.
    pub const fn kernel_bit(self) -> u32 {
        match self {
            DeviceType::Block => 1,
            DeviceType::Char => 2,
        }
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// A set of access bits, with the values of `BPF_DEVCG_ACC_*` in linux/bpf.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Access(u8);

impl Access {
    /// No bit: what `access(2)` with `F_OK` asks for.
    pub const NONE: Access = Access(0);
    /// Create the device node (mknod).
    pub const MKNOD: Access = Access(1);
    /// Read.
    pub const READ: Access = Access(2);
    /// Write.
    pub const WRITE: Access = Access(4);
    /// All of r, w and m.
    pub const ALL: Access = Access(7);
    /// Each bit on its own, in the order in which they are written.
    pub const BITS: [Access; 3] = [Access::READ, Access::WRITE, Access::MKNOD];

    /// The set with these kernel bits; `None` if there is any other bit.
    pub const fn from_kernel_bits(bits: u32) -> Option<Access> {
        match bits {
            0..=7 => Some(Access(bits as u8)),
            _ => None,
        }
    }

    /// The bits as the kernel has them, 0..=7.
    pub const fn kernel_bits(self) -> u32 {
        self.0 as u32
    }

    /// Every set there is, the empty one first.
    pub fn every() -> impl Iterator<Item = Access> {
        (0..8).map(Access)
    }

    /// Whether every bit of `other` is in this set.
    pub const fn contains(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no bit is set.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The bits of either set.
    pub const fn union(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// The bits that this set lacks.
    pub const fn complement(self) -> Access {
        Access(!self.0 & Access::ALL.0)
    }

    /// The bits of this set that are not in `other`.
    pub const fn without(self, other: Access) -> Access {
        Access(self.0 & !other.0)
    }

    /// Whether a request for `wanted` passes where exactly these bits are allowed.
    ///
    /// Every wanted bit has to be allowed; a request for no bit passes where any bit is
    /// (DESIGN.md 2.2).
    pub const fn grants(self, wanted: Access) -> bool {
        if wanted.is_none() { !self.is_none() } else { self.contains(wanted) }
    }
}

impl fmt::Display for Access {
    /// The letters in the order `rwm`, or `-` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.write_str("-");
        }
        for (bit, letter) in Access::BITS.into_iter().zip(["r", "w", "m"]) {
            if self.contains(bit) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// A letter that is none of `r`, `w`, `m`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown access letter {0:?} (expected letters of \"rwm\")")]
pub struct UnknownAccess(pub char);

impl FromStr for Access {
    type Err = UnknownAccess;

    /// Letters of `rwm` in any order; the empty string is the empty set.
    fn from_str(letters: &str) -> Result<Access, UnknownAccess> {
        letters.chars().try_fold(Access::NONE, |set, letter| {
            let bit = match letter {
                'r' => Access::READ,
                'w' => Access::WRITE,
                'm' => Access::MKNOD,
                other => return Err(UnknownAccess(other)),
            };
            Ok(set.union(bit))
        })
    }
}

/// What the kernel asks a device program: may this be done to this device?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Device type.
    pub device_type: DeviceType,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// The access bits asked for; may be none.
    pub access: Access,
}

impl Request {
    /// The `access_type` word of `struct bpf_cgroup_dev_ctx`: access in the upper, type in
    /// the lower 16 bits.
    pub const fn access_type(&self) -> u32 {
        self.access.kernel_bits() << 16 | self.device_type.kernel_bit()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{} {}", self.device_type, self.major, self.minor, self.access)
    }
}

/// Why a text is no request.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RequestError {
    /// Not three words.
    #[error("{0:?} is not a request (expected like 'c 1:3 rw')")]
    Shape(String),
    /// The first word is neither `b` nor `c`.
    #[error("{request:?}: unknown device type {found:?} (expected b or c)")]
    Type {
        /// The whole request.
        request: String,
        /// Its first word.
        found: String,
    },
    /// A number is no 32-bit number.
    #[error("{request:?}: {found:?} is not a device number (0..=4294967295)")]
    Number {
        /// The whole request.
        request: String,
        /// The text in the number's place.
        found: String,
    },
    /// The third word has an unknown letter.
    #[error("{request:?}: {unknown}")]
    Access {
        /// The whole request.
        request: String,
        /// The letter.
        unknown: UnknownAccess,
    },
}

impl FromStr for Request {
    type Err = RequestError;

    /// `TYPE MAJOR:MINOR ACCESS`, access `-` for none.
    fn from_str(text: &str) -> Result<Request, RequestError> {
        let request = || text.to_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let [device_type, numbers, access] = words[..] else {
            return Err(RequestError::Shape(request()));
        };
        let (major, minor) =
            numbers.split_once(':').ok_or_else(|| RequestError::Shape(request()))?;
        let number = |found: &str| {
            // u32's own parser would take a leading plus.
            let digits = found.bytes().all(|byte| byte.is_ascii_digit());
            found
                .parse()
                .ok()
                .filter(|_| digits)
                .ok_or_else(|| RequestError::Number { request: request(), found: found.to_owned() })
        };
        Ok(Request {
            device_type: match device_type {
                "b" => DeviceType::Block,
                "c" => DeviceType::Char,
                found => {
                    let found = found.to_owned();
                    return Err(RequestError::Type { request: request(), found });
                }
            },
            major: number(major)?,
            minor: number(minor)?,
            access: match access {
                "-" => Access::NONE,
                letters => letters
                    .parse()
                    .map_err(|unknown| RequestError::Access { request: request(), unknown })?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_back_as_written() {
        for text in ["c 1:3 rw", "b 8:0 rwm", "c 4294967295:0 -", "c 0:0 m"] {
            assert_eq!(text.parse::<Request>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bad_request_says_what_is_wrong() {
        for (text, part) in [
            ("", "not a request"),
            ("c 1:3", "not a request"),
            ("c 13 r", "not a request"),
            ("c 1:3 r w", "not a request"),
            ("a 1:3 r", "unknown device type \"a\""),
            ("c 4294967296:3 r", "\"4294967296\" is not a device number"),
            ("c +1:3 r", "\"+1\" is not a device number"),
            ("c 1:* r", "\"*\" is not a device number"),
            ("c 1:3 x", "unknown access letter 'x'"),
        ] {
            let error = text.parse::<Request>().unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_bit_passes_where_any_bit_is_allowed() {
        assert!(Access::MKNOD.grants(Access::NONE));
        assert!(!Access::NONE.grants(Access::NONE));
        assert!(!Access::READ.grants(Access::READ.union(Access::WRITE)));
    }
}
