//! containerd: its base spec and its config.toml.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::common::command::devgate;
use super::common::engine::find;
use super::common::require;
use super::machine::{BINARY, Machine};

const SPEC: &str = "/etc/containerd/devgate-base.json";
const CONFIG: &str = "/etc/containerd/config.toml";
const BACKUP: &str = "/etc/containerd/config.toml.devgate-backup";

const V2: &str = r#"[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]"#;
const V3: &str = r#"[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]"#;

/// A machine with a spec for the hook to be added to.
struct Node {
    machine: Machine,
    spec: String,
}

impl Node {
    fn new() -> Node {
        let machine = Machine::new();
        machine.write("/spec.json", r#"{"ociVersion":"1.1.0","linux":{}}"#, 0o644);
        let spec = machine.at("/spec.json").to_str().expect("text").to_owned();
        Node { machine, spec }
    }

    fn with_config(config: &str) -> Node {
        let node = Node::new();
        node.machine.write(CONFIG, config, 0o640);
        node
    }

    fn install(&self, args: &[&str]) -> super::common::command::Run {
        self.machine.install(&[&["containerd", "--spec", &self.spec], args].concat())
    }
}

/// devgate's hooks with these options, each for its own stage.
fn hooks(options: &[&str]) -> Value {
    let hook = |stage| {
        let args = [&["devgate", "hook", "--stage", stage], options].concat();
        json!([{"path": BINARY, "args": args, "timeout": 60}])
    };
    json!({"createRuntime": hook("createRuntime"), "poststop": hook("poststop")})
}

#[test]
fn nothing_is_edited_silently() {
    let node = Node::with_config("version = 2\n");
    let run = node.install(&[]);
    assert_eq!(node.machine.read(CONFIG), "version = 2\n");
    let lines = |table: &str| {
        format!(
            "{table}\nruntime_type = \"io.containerd.runc.v2\"\nbase_runtime_spec = \"{SPEC}\"\n"
        )
    };
    for (version, table) in [(2, V2), (3, V3)] {
        assert!(run.success().contains(&format!("# version {version} ")), "{run:?}");
        assert!(run.text().contains(&lines(table)), "{run:?}");
    }
    let spec = node.machine.json(SPEC);
    assert_eq!(spec["hooks"], hooks(&[]));
    assert_eq!((&spec["ociVersion"], &spec["linux"]), (&json!("1.1.0"), &json!({})));
}

#[test]
fn config_toml_is_edited_and_put_back() {
    for (config, table) in [
        ("# mine\nversion = 2  # odd   spaces\n", V2),
        ("version = 3\n[grpc]\n  address = '/run/x'\n", V3),
    ] {
        let node = Node::with_config(config);
        let before = node.machine.files();
        let run = node.install(&["--apply"]);
        assert!(run.success().contains("systemctl restart containerd"), "{run:?}");
        let edited = node.machine.read(CONFIG);
        assert!(edited.starts_with(config) && edited.contains(table), "{edited}");
        assert_eq!(node.machine.read(BACKUP), config);
        let files = node.machine.files();
        assert_eq!(files[&node.machine.at(CONFIG)].1, 0o640);
        node.install(&["--apply"]).success();
        assert_eq!(node.machine.files(), files);
        let as_it_was = format!("as it was: {}\n", node.machine.at(SPEC).display());
        assert_eq!(node.install(&[]).success(), as_it_was);
        node.machine.uninstall(&["containerd", "--apply"]).success();
        assert_eq!(node.machine.files(), before);
    }
}

#[test]
fn what_was_edited_since_stays() {
    let node = Node::with_config("version = 2\n");
    node.install(&["--apply"]).success();
    let edited = node.machine.read(CONFIG) + "\n[debug]\n  level = \"debug\" # mine\n";
    node.machine.write(CONFIG, &edited, 0o640);
    node.machine.uninstall(&["containerd", "--apply"]).success();
    let left = node.machine.read(CONFIG);
    assert_eq!(left, edited.replace(&format!("base_runtime_spec = \"{SPEC}\"\n"), ""));
}

#[test]
fn a_config_toml_is_made_where_there_is_none() {
    let node = Node::new();
    let before = node.machine.files();
    node.install(&["--apply"]).success();
    assert!(node.machine.read(CONFIG).starts_with("version = 2\n"));
    assert!(!node.machine.has(BACKUP));
    node.machine.uninstall(&["containerd", "--apply"]).success();
    assert_eq!(node.machine.files(), before);
}

/// containerd starts no pod whose base spec is not there.
#[test]
fn the_spec_stays_while_config_toml_names_it() {
    let node = Node::with_config("version = 3\n");
    node.install(&["--apply"]).success();
    let files = node.machine.files();
    let run = node.machine.uninstall(&["containerd"]);
    assert_eq!(run.failure(), format!("{CONFIG} still names {SPEC}; --apply takes it out"));
    assert_eq!(node.machine.files(), files);
}

#[test]
fn a_base_spec_of_somebody_else_stays_unless_forced() {
    let config =
        format!("version = 3\n{V3}\nruntime_type = 'x'\nbase_runtime_spec = '/theirs.json'\n");
    let node = Node::with_config(&config);
    let run = node.install(&["--apply"]);
    let why = "runtime runc has the base_runtime_spec '/theirs.json' already";
    assert!(run.failure().contains(why), "{run:?}");
    assert!(!node.machine.has(SPEC) && node.machine.read(CONFIG) == config);
    node.install(&["--apply", "--force"]).success();
    assert!(node.machine.read(CONFIG).contains(SPEC));
    node.machine.uninstall(&["containerd", "--apply"]).success();
    assert_eq!(node.machine.read(CONFIG), config);
}

/// Its line ends too, and comments at its end stay at the top level.
#[test]
fn the_files_style_stays() {
    for config in [
        "\u{feff}version = 2\r\n# oom_score = 0\r\n",
        "version = 3\n[grpc]\n  uid = 0\n\n# [debug]\n#   level = 'debug'\n",
    ] {
        let node = Node::with_config(config);
        node.install(&["--apply"]).success();
        let edited = node.machine.read(CONFIG);
        assert!(edited.starts_with(config), "{edited}");
        assert_eq!(edited.contains('\r'), config.contains('\r'));
        assert_eq!(edited.matches('\n').count(), edited.lines().count());
        node.machine.uninstall(&["containerd", "--apply"]).success();
        assert_eq!(node.machine.read(CONFIG), config);
    }
}

/// What the operator changed in it, say.
#[test]
fn a_base_spec_that_is_there_is_kept() {
    let node = Node::with_config("version = 3\n");
    node.install(&["--apply"]).success();
    let mut spec = node.machine.json(SPEC);
    spec["linux"]["mine"] = json!(true);
    node.machine.write(SPEC, &spec.to_string(), 0o644);
    node.machine.install(&["containerd", "--apply", "--log", "/l"]).success();
    let spec = node.machine.json(SPEC);
    assert_eq!(spec["linux"]["mine"], true);
    assert_eq!(spec["hooks"], hooks(&["--log", "/l"]));
}

#[test]
fn what_is_half_removed_can_be_removed() {
    let node = Node::with_config("version = 3\n");
    let before = node.machine.files();
    node.install(&["--apply"]).success();
    fs::remove_file(node.machine.at(SPEC)).expect("it is there");
    node.machine.uninstall(&["containerd", "--apply"]).success();
    assert_eq!(node.machine.files(), before);
}

#[test]
fn what_may_undo_it_is_said() {
    let config = "version = 2\nimports = ['/etc/x/*.toml']\ndisabled_plugins = ['cri']\n";
    let node = Node::with_config(config);
    let run = node.install(&["--apply"]);
    for text in ["warning: disabled_plugins turns CRI off", "warning: it imports /etc/x/*.toml"] {
        assert!(run.success().contains(text), "{run:?}");
    }
}

#[test]
fn what_can_t_be_done_leaves_all_as_it_was() {
    for (config, why) in [
        ("", "version 1 (none is named) is not supported, only 2 and 3"),
        ("version = '2'\n", "version '2' is not supported, only 2 and 3"),
        ("version = 2\n[plugins]\n\"io.containerd.grpc.v1.cri\" = 1\n", "is not a table"),
        ("version = \n", "is not TOML: line 1: "),
    ] {
        let node = Node::with_config(config);
        let before = node.machine.files();
        let run = node.install(&["--apply"]);
        assert!(run.failure().contains(why), "{run:?}");
        assert_eq!(node.machine.files(), before);
    }
    let node = Node::new();
    fs::write(&node.spec, "[]").expect("it can be written");
    let run = node.install(&[]);
    assert!(run.failure().contains("spec.json is not a runtime spec: "), "{run:?}");
}

#[test]
fn other_runtimes_can_be_named() {
    let crun = V3.replace("runtimes.runc", "runtimes.crun");
    let own = V3.replace("runtimes.runc", "runtimes.\"my.own\"");
    let kind = "runtime_type = 'x'";
    let node = Node::with_config(&format!("version = 3\n{crun}\n{kind}\n{own}\n{kind}\n"));
    let before = node.machine.files();
    let run = node.install(&["--handler", "my.own"]);
    assert!(run.success().contains(&format!("{own}\nbase_runtime_spec")), "{run:?}");
    node.machine.uninstall(&["containerd"]).success();
    for handler in ["crun", "my.own"] {
        node.install(&["--apply", "--handler", handler]).success();
    }
    assert_eq!(node.machine.read(CONFIG).matches(SPEC).count(), 2);
    node.machine.uninstall(&["containerd", "--apply"]).success();
    assert_eq!(node.machine.files(), before);
    // What runtime it would be can't be told.
    let run = node.install(&["--apply", "--handler", "kata"]);
    assert!(run.failure().ends_with("there is no runtime kata with a runtime_type"), "{run:?}");
    assert_eq!(node.machine.files(), before);
}

#[test]
fn the_spec_is_beside_the_configuration() {
    let node = Node::new();
    let config = "/var/lib/k/containerd/config.toml";
    node.machine.write(config, "version = 3\n", 0o600);
    node.install(&["--apply", "--config", config]).success();
    let spec = "/var/lib/k/containerd/devgate-base.json";
    assert!(node.machine.read(config).contains(spec) && node.machine.has(spec));
    node.machine.uninstall(&["containerd", "--apply", "--config", config]).success();
    assert!(node.machine.read(config) == "version = 3\n" && !node.machine.has(spec));
    let run = node.install(&["--config", "config.toml"]);
    let why = "the configuration devgate-base.json is not an absolute path in UTF-8";
    assert_eq!(run.failure(), why);
}

/// It names an empty base spec for each runtime, which is none.
#[test]
fn the_default_configuration_can_be_edited_and_put_back() {
    let containerd = find("containerd");
    let why = "containerd is missing; `make test-deps` installs it";
    if !require::require(containerd.is_some(), why) {
        return;
    }
    let containerd = containerd.expect("it is there");
    let printed = Command::new(containerd).args(["config", "default"]).output().expect("it runs");
    let config = String::from_utf8(printed.stdout).expect("text");
    assert!(config.contains("base_runtime_spec = \"\""), "{config}");
    let node = Node::with_config(&config);
    node.machine.write("/usr/bin/containerd", "", 0o755);
    let doctor = || {
        let args = ["doctor", "engines", "--prefix", node.machine.prefix()];
        devgate(&args, "").text().to_owned()
    };
    assert!(
        doctor().contains("degraded    engines/containerd    not registered in"),
        "{}",
        doctor()
    );
    node.install(&["--apply"]).success();
    let edited = node.machine.read(CONFIG);
    let lines = config.lines().zip(edited.lines());
    assert_eq!(lines.filter(|(before, after)| before != after).count(), 1, "{edited}");
    let registered = format!("registered  engines/containerd  registered in {SPEC} for runc: ");
    assert!(doctor().contains(&registered), "{}", doctor());
    node.machine.uninstall(&["containerd", "--apply"]).success();
    assert_eq!(node.machine.read(CONFIG), config);
}

/// containerd looks into the plugin of the file's version alone.
#[test]
fn another_versions_table_names_nothing() {
    let node = Node::with_config(&format!("version = 2\n{V3}\nbase_runtime_spec = '{SPEC}'\n"));
    let run = node.install(&[]);
    assert!(run.success().contains("to be written into"), "{run:?}");
}

/// Imported files may name it, and containerd would run without its CRI.
#[test]
fn the_spec_stays_where_files_are_imported() {
    let node = Node::with_config("version = 2\nimports = ['/etc/containerd/conf.d/*.toml']\n");
    node.install(&[]).success();
    let only = ["containerd", "--binary", BINARY, "--apply"];
    let run = node.machine.uninstall(&only);
    let stays = format!("{SPEC} stays: what {CONFIG} imports may name it\n");
    assert_eq!(run.success(), stays);
    assert!(node.machine.has(SPEC));
}

/// containerd has read what was there before.
#[test]
fn a_restart_is_asked_for_whenever_something_changed() {
    let node = Node::with_config("version = 3\n");
    node.install(&["--apply"]).success();
    for args in [&["--apply", "--log", "/a"][..], &["--log", "/b"]] {
        let run = node.install(args);
        assert!(run.success().contains("systemctl restart containerd"), "{run:?}");
        assert!(!node.install(args).success().contains("restart"));
    }
}

/// As it stands between its quotes.
#[test]
fn strings_of_several_lines_stay() {
    let config = "version = 2\r\n[debug]\r\n  address = \"\"\"a\r\nb\"\"\"\r\n";
    let node = Node::with_config(config);
    node.install(&["--apply"]).success();
    node.machine.uninstall(&["containerd", "--apply"]).success();
    assert_eq!(node.machine.read(CONFIG), config);
}

#[test]
fn links_to_the_configuration_are_followed() {
    let node = Node::new();
    let before = node.machine.files();
    let link = node.machine.at(CONFIG);
    fs::create_dir_all(link.parent().expect("a folder")).expect("a folder can be made");
    std::os::unix::fs::symlink("/opt/config.toml", &link).expect("a link can be made");
    node.install(&["--apply"]).success();
    assert!(link.is_symlink() && node.machine.read("/opt/config.toml").contains(SPEC));
    node.machine.uninstall(&["containerd", "--apply"]).success();
    assert!(link.is_symlink());
    fs::remove_file(&link).expect("it is there");
    assert_eq!(node.machine.files(), before);
}
