//! The kernel's names of helper functions, for programs that are loaded: in their dumps a call has
//! the function's distance from `__bpf_call_base` in place of its number (`bpf_insn_prepare_dump`).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::bpf::Helpers;

/// The symbols of the running kernel, read when the first name is asked for.
#[derive(Debug, Default)]
pub struct Symbols(OnceCell<Table>);

/// Addresses with names, in order; empty where the kernel hides them (kernel.kptr_restrict).
#[derive(Debug, Default)]
struct Table {
    base: u64,
    /// An address, and from where to where in `names` its name is.
    symbols: Vec<(u64, u32, u32)>,
    names: String,
}

const BASE: &str = "__bpf_call_base";

impl Helpers for Symbols {
    fn name(&self, call: i32) -> Option<Cow<'_, str>> {
        // No function: what the kernel shows to those who must not see addresses.
        if call == 0 {
            return None;
        }
        let read = || File::open("/proc/kallsyms").map(BufReader::new).map(Table::read);
        self.0.get_or_init(|| read().unwrap_or_default()).name(call).map(Cow::Borrowed)
    }
}

impl Table {
    /// `proc_kallsyms(5)`: address, type, name, and the module if there is one.
    fn read(lines: impl BufRead) -> Table {
        let mut table = Table::default();
        for line in lines.lines().map_while(Result::ok) {
            let mut words = line.split_ascii_whitespace();
            let address = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
            let (Some(address), Some(name)) = (address.filter(|found| *found != 0), words.nth(1))
            else {
                continue;
            };
            // A compiler's marks come after a dot.
            let name = name.split('.').next().unwrap_or_default();
            if name == BASE {
                table.base = address;
            }
            let from = table.names.len();
            table.names.push_str(name);
            if let (Ok(from), Ok(to)) = (u32::try_from(from), u32::try_from(table.names.len())) {
                table.symbols.push((address, from, to));
            }
        }
        table.symbols.sort_unstable();
        table
    }

    /// Of several names of one address, the one that must not be missed.
    fn name(&self, call: i32) -> Option<&str> {
        if self.base == 0 {
            return None;
        }
        let address = self.base.wrapping_add_signed(i64::from(call));
        let first = self.symbols.partition_point(|(other, ..)| *other < address);
        let same = self.symbols[first..].iter().take_while(|(other, ..)| *other == address);
        let mut names =
            same.filter_map(|(_, from, to)| self.names.get(*from as usize..*to as usize));
        let first = names.next();
        names.find(|name| *name == "bpf_set_retval").or(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::read(text.as_bytes())
    }

    #[test]
    fn a_call_is_a_distance_from_the_base() {
        let table = table(
            "ffffffff81000100 t before\n\
             ffffffff81001000 T __bpf_call_base\n\
             ffffffff81001400 T bpf_get_retval\n\
             ffffffff81001800 t alias\n\
             ffffffff81001800 T bpf_set_retval.cfi_jt\n\
             ffffffffc0000000 t in_a_module\t[module]\n",
        );
        assert_eq!(table.name(0x400), Some("bpf_get_retval"));
        assert_eq!(table.name(-0xf00), Some("before"));
        assert_eq!(table.name(0x800), Some("bpf_set_retval"));
        assert_eq!(table.name(0x3eff_f000), Some("in_a_module"));
        assert_eq!(table.name(0x404), None);
    }

    #[test]
    fn hidden_addresses_are_no_names() {
        let table =
            table("0000000000000000 T __bpf_call_base\n0000000000000000 T bpf_set_retval\n");
        assert_eq!(table.name(0x400), None);
        assert_eq!(Symbols::default().name(0), None);
    }
}
