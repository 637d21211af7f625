//! The parts of `union bpf_attr`, one for each command, and `struct bpf_prog_info`
//! (linux/bpf.h). Fields have the kernel's names; a kernel that knows fewer of them takes the
//! rest as long as it is zero.

/// BPF_PROG_LOAD.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ProgLoad {
    pub prog_type: u32,
    pub insn_cnt: u32,
    pub insns: u64,
    pub license: u64,
    pub log_level: u32,
    pub log_size: u32,
    pub log_buf: u64,
    pub kern_version: u32,
    pub prog_flags: u32,
    pub prog_name: [u8; 16],
    pub prog_ifindex: u32,
    pub expected_attach_type: u32,
}

/// BPF_PROG_ATTACH and BPF_PROG_DETACH.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ProgAttach {
    pub target_fd: u32,
    pub attach_bpf_fd: u32,
    pub attach_type: u32,
    pub attach_flags: u32,
    pub replace_bpf_fd: u32,
    pub relative_fd: u32,
    pub expected_revision: u64,
}

/// The first part of BPF_LINK_CREATE.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct LinkCreate {
    pub prog_fd: u32,
    pub target_fd: u32,
    pub attach_type: u32,
    pub flags: u32,
}

/// The first part of BPF_LINK_UPDATE.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct LinkUpdate {
    pub link_fd: u32,
    pub new_prog_fd: u32,
    pub flags: u32,
    pub old_prog_fd: u32,
}

/// BPF_LINK_DETACH.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct LinkDetach {
    pub link_fd: u32,
}

/// BPF_PROG_QUERY.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ProgQuery {
    pub target_fd: u32,
    pub attach_type: u32,
    pub query_flags: u32,
    pub attach_flags: u32,
    pub prog_ids: u64,
    pub prog_cnt: u32,
    pub padding: u32,
    pub prog_attach_flags: u64,
    pub link_ids: u64,
    pub link_attach_flags: u64,
    pub revision: u64,
}

/// BPF_PROG_GET_FD_BY_ID, BPF_LINK_GET_FD_BY_ID and BPF_LINK_GET_NEXT_ID.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct GetFdById {
    pub id: u32,
    pub next_id: u32,
    pub open_flags: u32,
}

/// BPF_OBJ_GET_INFO_BY_FD.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct GetInfoByFd {
    pub bpf_fd: u32,
    pub info_len: u32,
    pub info: u64,
}

/// The first part of `struct bpf_prog_info`, up to what is used.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ProgInfo {
    pub prog_type: u32,
    pub id: u32,
    pub tag: [u8; 8],
    pub jited_prog_len: u32,
    pub xlated_prog_len: u32,
    pub jited_prog_insns: u64,
    pub xlated_prog_insns: u64,
    pub load_time: u64,
    pub created_by_uid: u32,
    pub nr_map_ids: u32,
    pub map_ids: u64,
    pub name: [u8; 16],
}

/// BPF_OBJ_GET and BPF_OBJ_PIN.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ObjGet {
    pub pathname: u64,
    pub bpf_fd: u32,
    pub file_flags: u32,
}

/// The first part of `struct bpf_link_info`, with the fields of a link to a cgroup.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct LinkInfo {
    pub link_type: u32,
    pub id: u32,
    pub prog_id: u32,
    pub padding: u32,
    pub cgroup_id: u64,
    pub attach_type: u32,
    pub padding2: u32,
}

/// The first part of BPF_MAP_CREATE.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct MapCreate {
    pub map_type: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
    pub inner_map_fd: u32,
    pub numa_node: u32,
    pub map_name: [u8; 16],
}

/// BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM and BPF_MAP_DELETE_ELEM.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct MapElem {
    pub map_fd: u32,
    pub padding: u32,
    pub key: u64,
    pub value: u64,
    pub flags: u64,
}

/// BPF_MAP_LOOKUP_BATCH.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct MapBatch {
    pub in_batch: u64,
    pub out_batch: u64,
    pub keys: u64,
    pub values: u64,
    pub count: u32,
    pub map_fd: u32,
    pub elem_flags: u64,
    pub flags: u64,
}

/// The first part of `struct bpf_map_info`.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct MapInfo {
    pub map_type: u32,
    pub id: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
    pub map_flags: u32,
    pub name: [u8; 16],
}
