//! The README's way to pin the image by its digest, to the letter.

use std::fs;
use std::path::Path;

use super::rendered::{FOLDERS, SOURCES, ready, yaml_of};

const KUSTOMIZATION: &str = "base/kustomization.yaml";
const README: &str = "README.md";

/// The block of YAML in the README.
fn example() -> String {
    let readme = fs::read_to_string(Path::new(SOURCES).join(README)).expect("there is a README");
    let (_, block) = readme.split_once("```yaml\n").expect("a block of YAML");
    let (block, _) = block.split_once("```").expect("its end");
    block.to_owned()
}

#[test]
fn every_container_is_of_the_digest() {
    if !ready() {
        return;
    }
    let copy = tempfile::tempdir().expect("a folder");
    for file in [
        KUSTOMIZATION,
        "base/namespace.yaml",
        "base/daemonset.yaml",
        "uninstall/kustomization.yaml",
        "uninstall/daemonset.yaml",
        "purge/kustomization.yaml",
    ] {
        let to = copy.path().join(file);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder can be made");
        fs::copy(Path::new(SOURCES).join(file), to).expect("a copy");
    }
    let path = copy.path().join(KUSTOMIZATION);
    let text = fs::read_to_string(&path).expect("text");
    let (before, _) = text.split_once("images:\n").expect("images come last");
    let example = example();
    assert!(example.starts_with("images:\n"), "{example}");
    fs::write(path, before.to_owned() + &example).expect("it can be written");
    let digest = example.split_whitespace().find(|word| word.starts_with("sha256:"));
    let digest = digest.expect("a digest");
    assert_eq!(digest.len(), "sha256:".len() + 64);
    let image = format!("image: registry.example/devgate@{digest}\n");
    for folder in FOLDERS {
        let yaml = yaml_of(&copy.path().join(folder));
        assert_eq!(yaml.matches("image: ").count(), 2, "{yaml}");
        assert_eq!(yaml.matches(&image).count(), 2, "{yaml}");
    }
}
