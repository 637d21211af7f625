//! What `install` and `uninstall` do to files that are there already. The same bytes stand in
//! for each file that is edited, replaced or read.

mod containerd;
mod hooks;
mod machine;
mod toml;

use machine::Machine;

/// The bytes are the content of a file: config.toml, a hooks file, a base spec.
pub fn check(data: &[u8]) {
    let machine = Machine::new();
    containerd::check_config(&machine, data);
    containerd::check_spec(&machine, data);
    hooks::check_files(&machine, data);
    hooks::check_settings(&machine, data);
    hooks::check_conditions(data);
}
