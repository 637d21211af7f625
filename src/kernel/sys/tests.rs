//! Our layouts against bindings that bindgen made of linux/bpf.h.

use std::mem::{offset_of, size_of};

use aya_obj::generated as kernel;

use super::attr::{
    GetFdById, GetInfoByFd, LinkCreate, LinkDetach, LinkInfo, LinkUpdate, MapBatch, MapCreate,
    MapElem, MapInfo, ObjGet, ProgAttach, ProgInfo, ProgLoad, ProgQuery,
};
use crate::bpf::Insn;

/// Each of our fields begins where the kernel's does (of the same name, if only one is given).
macro_rules! same_offsets {
    ($ours:ty, $kernels:ty: $($field:ident $(= $name:ident)?),+ $(,)?) => {
        $(assert_eq!(
            offset_of!($ours, $field),
            same_offsets!(@of $kernels, $field $(, $name)?),
            "{}", stringify!($field),
        );)+
    };
    (@of $kernels:ty, $field:ident, $name:ident) => { offset_of!($kernels, $name) };
    (@of $kernels:ty, $field:ident) => { offset_of!($kernels, $field) };
}

#[test]
fn prog_load_is_laid_out_as_the_kernel_has_it() {
    same_offsets!(ProgLoad, kernel::bpf_attr__bindgen_ty_4:
        prog_type, insn_cnt, insns, license, log_level, log_size, log_buf, kern_version,
        prog_flags, prog_name, prog_ifindex, expected_attach_type);
    assert_eq!(size_of::<ProgLoad>(), offset_of!(kernel::bpf_attr__bindgen_ty_4, prog_btf_fd));
}

#[test]
fn prog_attach_is_laid_out_as_the_kernel_has_it() {
    same_offsets!(ProgAttach, kernel::bpf_attr__bindgen_ty_6:
        target_fd = __bindgen_anon_1, attach_bpf_fd, attach_type, attach_flags, replace_bpf_fd,
        relative_fd = __bindgen_anon_2, expected_revision);
    assert_eq!(size_of::<ProgAttach>(), size_of::<kernel::bpf_attr__bindgen_ty_6>());
}

#[test]
fn prog_query_reaches_to_the_revision_that_kernels_always_write() {
    same_offsets!(ProgQuery, kernel::bpf_attr__bindgen_ty_10:
        target_fd = __bindgen_anon_1, attach_type, query_flags, attach_flags, prog_ids,
        prog_cnt = __bindgen_anon_2, prog_attach_flags, link_ids, link_attach_flags, revision);
    assert_eq!(size_of::<ProgQuery>(), size_of::<kernel::bpf_attr__bindgen_ty_10>());
    assert_eq!(offset_of!(ProgQuery, revision), 56);
}

#[test]
fn the_rest_is_laid_out_as_the_kernel_has_it() {
    same_offsets!(GetFdById, kernel::bpf_attr__bindgen_ty_8:
        id = __bindgen_anon_1, next_id, open_flags);
    same_offsets!(GetInfoByFd, kernel::bpf_attr__bindgen_ty_9: bpf_fd, info_len, info);
    same_offsets!(ProgInfo, kernel::bpf_prog_info:
        prog_type = type_, id, tag, jited_prog_len, xlated_prog_len, jited_prog_insns,
        xlated_prog_insns, load_time, created_by_uid, nr_map_ids, map_ids, name);
    same_offsets!(ObjGet, kernel::bpf_attr__bindgen_ty_5:
        pathname, bpf_fd, file_flags);
    same_offsets!(LinkCreate, kernel::bpf_attr__bindgen_ty_14:
        prog_fd = __bindgen_anon_1, target_fd = __bindgen_anon_2, attach_type, flags);
    same_offsets!(LinkUpdate, kernel::bpf_attr__bindgen_ty_15:
        link_fd, new_prog_fd = __bindgen_anon_1, flags, old_prog_fd = __bindgen_anon_2);
    same_offsets!(LinkDetach, kernel::bpf_attr__bindgen_ty_16: link_fd);
    same_offsets!(LinkInfo, kernel::bpf_link_info:
        link_type = type_, id, prog_id, cgroup_id = __bindgen_anon_1);
    assert_eq!(offset_of!(LinkInfo, attach_type) - offset_of!(LinkInfo, cgroup_id), 8);
    same_offsets!(MapCreate, kernel::bpf_attr__bindgen_ty_1:
        map_type, key_size, value_size, max_entries, map_flags, inner_map_fd, numa_node, map_name);
    same_offsets!(MapElem, kernel::bpf_attr__bindgen_ty_2:
        map_fd, key, value = __bindgen_anon_1, flags);
    same_offsets!(MapBatch, kernel::bpf_attr__bindgen_ty_3:
        in_batch, out_batch, keys, values, count, map_fd, elem_flags, flags);
    same_offsets!(MapInfo, kernel::bpf_map_info:
        map_type = type_, id, key_size, value_size, max_entries, map_flags, name);
    same_offsets!(Insn, kernel::bpf_insn: code, off, imm);
    assert_eq!(size_of::<Insn>(), size_of::<kernel::bpf_insn>());
}
