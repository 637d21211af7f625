//! Which programs are held by bpf_links.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::kernel::{Link, ProgId, link_pins, links};

/// A bpf_link that holds a program on its cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The link's id.
    pub link: u32,
    /// Where it is pinned, if that is seen.
    pub pin: Option<PathBuf>,
}

/// The links of the whole system and their pins, to be asked for once.
#[derive(Debug, Default)]
pub struct Links {
    links: Vec<Link>,
    pins: BTreeMap<u32, PathBuf>,
}

/// For those who don't ask which programs links hold.
pub(super) static NO_LINKS: Links = Links { links: Vec::new(), pins: BTreeMap::new() };

impl Links {
    /// All that can be listed: before Linux 5.8 there are none.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_ADMIN.
    pub fn read() -> nix::Result<Links> {
        let links = match links() {
            Err(Errno::EINVAL) => Vec::new(),
            outcome => outcome?,
        };
        // Looking for pins takes a while.
        let pins = if links.is_empty() { BTreeMap::new() } else { link_pins() };
        Ok(Links { links, pins })
    }

    /// The link that holds this program on the cgroup with this id.
    pub fn holding(&self, id: ProgId, cgroup_id: u64) -> Option<Held> {
        let holds = |link: &&Link| link.program == id && link.cgroup_id == cgroup_id;
        let link = self.links.iter().find(holds)?;
        Some(Held { link: link.id, pin: self.pins.get(&link.id).cloned() })
    }
}
