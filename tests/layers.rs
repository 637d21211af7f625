//! Imports run one way (CONTRIBUTING.md), and what must be in one place only is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with those that it may import, and for `kernel` nothing above it.
const LAYERS: &[(&str, &[&str])] = &[
    ("device", &[]),
    ("bpffs", &[]),
    ("errors", &[]),
    ("files", &[]),
    ("mounts", &[]),
    ("run_dir", &["files"]),
    ("guard_lock", &["run_dir"]),
    ("policy", &["device"]),
    ("names", &["device", "policy"]),
    ("oci", &["device", "files", "policy"]),
    ("bpf", &["device"]),
    ("compile", &["bpf", "device", "policy"]),
    ("analyze", &["bpf", "device", "policy"]),
    ("decode", &["analyze", "device", "policy"]),
    ("verify", &["analyze", "bpf", "device", "policy"]),
    ("kernel", &["bpf", "errors", "mounts", "run_dir", "verify"]),
    ("cgroup", &["kernel", "mounts"]),
    ("hold", &["bpffs", "cgroup", "errors", "files", "kernel"]),
    ("observe", &["bpf", "bpffs", "cgroup", "device", "files", "kernel", "policy", "verify"]),
    ("unit", &["cgroup", "errors", "kernel"]),
    ("enforce", &["cgroup", "compile", "errors", "hold", "kernel", "policy", "unit", "verify"]),
    (
        "container",
        &[
            "cgroup", "device", "enforce", "files", "hold", "kernel", "mounts", "oci", "policy",
            "run_dir", "unit",
        ],
    ),
    (
        "inspect",
        &[
            "analyze",
            "bpf",
            "cgroup",
            "compile",
            "container",
            "decode",
            "device",
            "kernel",
            "policy",
            "verify",
        ],
    ),
    ("watch", &["cgroup", "container", "device", "inspect", "observe", "policy"]),
    (
        "change",
        &[
            "cgroup",
            "container",
            "device",
            "enforce",
            "errors",
            "hold",
            "inspect",
            "kernel",
            "policy",
            "run_dir",
        ],
    ),
    (
        "denials",
        &[
            "bpffs",
            "cgroup",
            "container",
            "device",
            "errors",
            "files",
            "hold",
            "inspect",
            "kernel",
            "observe",
            "policy",
            "run_dir",
        ],
    ),
    (
        "recording",
        &[
            "bpffs",
            "cgroup",
            "container",
            "device",
            "files",
            "names",
            "observe",
            "oci",
            "policy",
            "run_dir",
        ],
    ),
    (
        "hook",
        &[
            "bpffs",
            "cgroup",
            "change",
            "container",
            "denials",
            "enforce",
            "errors",
            "files",
            "hold",
            "kernel",
            "observe",
            "oci",
            "policy",
            "recording",
            "run_dir",
        ],
    ),
    ("gc", &["cgroup", "container", "denials", "hold", "recording", "run_dir"]),
    ("install", &["files", "oci"]),
    (
        "doctor",
        &[
            "cgroup",
            "container",
            "denials",
            "enforce",
            "errors",
            "files",
            "guard_lock",
            "hook",
            "install",
            "kernel",
            "mounts",
            "observe",
            "policy",
            "run_dir",
        ],
    ),
    (
        "guard",
        &[
            "bpf",
            "bpffs",
            "cgroup",
            "change",
            "container",
            "denials",
            "enforce",
            "errors",
            "files",
            "hold",
            "hook",
            "inspect",
            "install",
            "kernel",
            "observe",
            "oci",
            "policy",
            "recording",
            "run_dir",
            "unit",
            "verify",
        ],
    ),
    (
        "metrics",
        &[
            "cgroup",
            "container",
            "denials",
            "device",
            "errors",
            "files",
            "gc",
            "guard_lock",
            "hook",
            "inspect",
            "kernel",
            "observe",
            "oci",
            "policy",
            "run_dir",
        ],
    ),
    // The binary: it takes from the library what it likes, by the crate's name.
    ("cli", &[]),
    ("main", &["cli"]),
];

const LONGEST_FILE: usize = 300;

/// A file of src, without comments and without what is behind `#[cfg(test)]`.
struct Source {
    path: PathBuf,
    code: Vec<String>,
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    collect(Path::new("src"), &mut sources);
    assert!(sources.len() > 50, "src was not read");
    sources
}

fn collect(dir: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            let text = fs::read_to_string(&path).expect("a source is text");
            sources.push(Source { code: code(&text), path });
        }
    }
}

fn code(text: &str) -> Vec<String> {
    let own = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    own.map(|line| line.split("//").next().unwrap_or_default().to_owned()).collect()
}

/// The module at the top to which a file belongs.
fn module(path: &Path) -> String {
    let part = path.iter().nth(1).expect("it is below src").to_string_lossy();
    part.trim_end_matches(".rs").to_owned()
}

/// The modules named behind `crate::`, in braces or not.
fn imports(code: &[String]) -> Vec<String> {
    let text = code.join(" ");
    let mut found = Vec::new();
    for part in text.split("crate::").skip(1) {
        match part.strip_prefix('{') {
            Some(group) => found.extend(group_members(group)),
            None => found.push(first_word(part)),
        }
    }
    found
}

/// The first words of a group's members, not those of groups inside.
fn group_members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut members = vec![String::new()];
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => members.push(String::new()),
            c if depth == 0 => members.last_mut().expect("there is one").push(c),
            _ => {}
        }
    }
    members.iter().map(|member| first_word(member.trim())).filter(|word| !word.is_empty()).collect()
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn forbidden(module: &str, imports: &[String]) -> Vec<String> {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let allowed = layers.get(module).unwrap_or_else(|| panic!("{module} is in no layer"));
    let is_other =
        |import: &&String| import.as_str() != module && layers.contains_key(import.as_str());
    imports
        .iter()
        .filter(is_other)
        .filter(|import| !allowed.contains(&import.as_str()))
        .cloned()
        .collect()
}

#[test]
fn imports_run_one_way() {
    for source in sources() {
        let module = module(&source.path);
        if module == "lib" {
            continue;
        }
        let found = forbidden(&module, &imports(&source.code));
        assert!(found.is_empty(), "{} imports {found:?}", source.path.display());
    }
}

/// How many `super::` lead from a file to the crate's root.
fn depth(path: &Path) -> usize {
    let own = path.iter().skip(1).count();
    if path.ends_with("mod.rs") { own - 1 } else { own }
}

fn reaches_root(path: &Path, code: &[String]) -> bool {
    code.join(" ").contains(&"super::".repeat(depth(path)))
}

/// Only `crate::` leads from one layer to another, so that the check above sees it.
#[test]
fn no_import_goes_up_to_the_root() {
    for source in sources() {
        assert!(!reaches_root(&source.path, &source.code), "{}", source.path.display());
    }
}

/// What is behind `#[cfg(test)]` is not looked at here: it must be tests, to the end.
#[test]
fn only_tests_are_cfg_test() {
    for source in sources() {
        let text = fs::read_to_string(&source.path).expect("a source is text");
        let mut behind = text.lines().skip_while(|line| line.trim() != "#[cfg(test)]").skip(1);
        if let Some(module) = behind.next() {
            let tests = matches!(module, "mod tests {" | "mod tests;");
            let last = module.ends_with(';') || behind.position(|line| line == "}").is_some();
            assert!(tests && last && behind.next().is_none(), "{}", source.path.display());
        }
    }
}

#[test]
fn layers_have_no_cycle() {
    for (place, (module, allowed)) in LAYERS.iter().enumerate() {
        for import in *allowed {
            let below = LAYERS[..place].iter().any(|(lower, _)| lower == import);
            assert!(below || *module == "main", "{module} imports {import}, which is not below it");
        }
    }
}

#[test]
fn unsafe_code_is_in_kernel_sys_alone() {
    for source in sources() {
        let fenced = source.path.starts_with("src/kernel/sys");
        for line in &source.code {
            let word = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            let found = word.into_iter().any(|word| word == "unsafe");
            assert!(!found || fenced, "{}: {line}", source.path.display());
        }
    }
}

#[test]
fn nothing_panics_on_data_from_outside() {
    for source in sources() {
        for line in &source.code {
            for word in
                [".unwrap()", ".expect(", "panic!", "unreachable!", "todo!", "unimplemented!"]
            {
                assert!(!line.contains(word), "{}: {line}", source.path.display());
            }
        }
    }
}

#[test]
fn files_are_short() {
    for source in sources() {
        let lines = source.code.len();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", source.path.display());
    }
}

#[test]
fn the_checks_notice() {
    let code = |text: &str| code(text);
    let found = imports(&code("use crate::hook::Log;\nuse crate::{cgroup::{Cgroup, x}, bpf};"));
    assert_eq!(found, ["hook", "cgroup", "bpf"]);
    assert_eq!(forbidden("kernel", &found), ["hook", "cgroup"]);
    assert_eq!(imports(&code("// crate::hook\n#[cfg(test)]\nuse crate::hook;")), [""; 0]);
    assert_eq!(imports(&code("let x = crate::decode::decode(y);")), ["decode"]);
    assert_eq!(forbidden("cli", &["hook".to_owned()]), ["hook"]);
    let up = code("use super::super::hook::Log;");
    assert!(reaches_root(Path::new("src/kernel/load.rs"), &up));
    assert!(reaches_root(Path::new("src/kernel/sys/mod.rs"), &up));
    assert!(!reaches_root(Path::new("src/kernel/sys/attr.rs"), &up));
}
