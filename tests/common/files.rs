//! Files that come with the tests, and golden ones among them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The names of the samples: what real engines wrote.
pub fn samples() -> Vec<String> {
    let entries = fs::read_dir(testdata().join("samples")).expect("there are samples");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name of text");
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

pub fn sample(name: &str, file: &str) -> PathBuf {
    testdata().join("samples").join(name).join(file)
}

/// The sample's config.json.
pub fn config(name: &str) -> String {
    fs::read_to_string(sample(name, "config.json")).expect("each sample has a config")
}

/// The sample's state, or that of a plain container where the sample has none.
pub fn state(name: &str) -> String {
    let own = sample(name, "state.json");
    let path = if own.exists() { own } else { sample("podman4-plain", "state.json") };
    fs::read_to_string(path).expect("the state can be read")
}

/// Compares with the golden file, or makes it with `DEVGATE_BLESS=1`.
pub fn golden(name: &str, found: &str) {
    let path = testdata().join("golden").join(name);
    if env::var_os("DEVGATE_BLESS").is_some_and(|value| value == "1") {
        fs::create_dir_all(testdata().join("golden")).expect("the folder can be made");
        fs::write(&path, found).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == found, "{} is not what came out (`make bless`?):\n{found}", path.display());
}
