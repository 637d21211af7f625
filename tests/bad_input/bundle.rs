//! The bundle, and the config.json in it.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::stage::Stage;

const BUNDLE: &str = "state (standard input): bundle";
const NO_FILE: &str = "can't be read: No such file or directory (os error 2)";

fn state(stage: &Stage, bundle: &str) -> String {
    let pid = stage.pid();
    format!(r#"{{"id":"c1","pid":{pid},"bundle":"{bundle}"}}"#)
}

#[test]
fn where_it_is() {
    let stage = Stage::new();
    let absolute = "is relative (expected an absolute path)";
    stage.all_fail([
        (
            format!(r#"{{"id":"c1","pid":{}}}"#, stage.pid()),
            format!("{BUNDLE}: missing (expected the bundle's absolute path)"),
        ),
        (
            format!(r#"{{"id":"c1","pid":{},"bundle":null}}"#, stage.pid()),
            format!("{BUNDLE}: invalid type: null, expected a string"),
        ),
        (
            format!(r#"{{"id":"c1","pid":{},"bundle":7}}"#, stage.pid()),
            format!("{BUNDLE}: invalid type: integer `7`, expected a string"),
        ),
        (state(&stage, ""), format!("{BUNDLE}: \"\" {absolute}")),
        (state(&stage, "."), format!("{BUNDLE}: \".\" {absolute}")),
        (state(&stage, "some/bundle"), format!("{BUNDLE}: \"some/bundle\" {absolute}")),
        (state(&stage, "/no/such/bundle"), format!("{BUNDLE}: /no/such/bundle {NO_FILE}")),
        (
            state(&stage, r"/a\u0000b"),
            format!(
                r"{BUNDLE}: /a\u{{0}}b can't be read: file name contained an unexpected NUL byte"
            ),
        ),
    ]);
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

#[test]
fn what_is_there_instead() {
    let stage = Stage::new();
    let dir = tempfile::tempdir().expect("a folder");
    let (file, fifo) = (dir.path().join("file"), dir.path().join("fifo"));
    fs::write(&file, "{}").expect("a file");
    mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
    for no_dir in [&file, &fifo] {
        let problem = format!("{BUNDLE}: {} is not a directory", no_dir.display());
        stage.fails(state(&stage, path(no_dir)), &problem);
    }
}

#[test]
fn config_json_that_is_none() {
    let stage = Stage::new();
    let place = |make: &dyn Fn(&Path)| {
        let bundle = tempfile::tempdir().expect("a folder");
        let config = bundle.path().join("config.json");
        make(&config);
        (bundle, config)
    };
    let fails = |make: &dyn Fn(&Path), problem: &str| {
        let (bundle, config) = place(make);
        let input = state(&stage, path(bundle.path()));
        stage.fails(input, &format!("{}: {problem}", config.display()));
    };
    fails(&|_| {}, NO_FILE);
    fails(&|config| symlink("/no/such/file", config).expect("a link"), NO_FILE);
    fails(&|config| fs::create_dir(config).expect("a folder"), "is not a regular file");
    fails(&|config| mkfifo(config, Mode::S_IRWXU).expect("a FIFO"), "is not a regular file");
    fails(&|config| symlink("/dev/zero", config).expect("a link"), "is not a regular file");
    fails(&|config| fs::write(config, "").expect("a file"), "empty, expected JSON");
    fails(
        &|config| fs::write(config, r#"{"linux":{"#).expect("a file"),
        "line 1, column 10: EOF while parsing an object",
    );
    fails(
        &|config| fs::write(config, "{}{}").expect("a file"),
        ".: more follows the first JSON value, which ends at byte 2",
    );
    fails(
        &|config| fs::write(config, r#"{"linux":{"resources":{"devices":[{}]}}}"#).expect("a file"),
        "linux.resources.devices[0].allow: missing (expected true or false)",
    );
    fails(
        &|config| File::create(config).and_then(|file| file.set_len(1 << 30)).expect("a file"),
        "longer than 16777216 bytes, the most that is read",
    );
}

/// It is a path of ours that is printed, but its name is not ours.
#[test]
fn control_characters_come_out_escaped() {
    let stage = Stage::new();
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("b\n\u{1b}[31m")).expect("a folder");
    let bundle = format!("{}/b\\n\\u001b[31m", dir.path().display());
    let escaped = format!("{}/b\\n\\u{{1b}}[31m", dir.path().display());
    stage.fails(state(&stage, &bundle), &format!("{escaped}/config.json: {NO_FILE}"));
}
