//! `devgate compile`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::CONFIG;
use super::common::command::devgate;

fn compile(args: &[&str], config: &str) -> Vec<u8> {
    let run = devgate(&[&["compile", "--config", "-"][..], args].concat(), config);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    run.stdout
}

fn json_of(args: &[&str], config: &str) -> Value {
    let output = compile(&[&["--format", "json"][..], args].concat(), config);
    serde_json::from_slice(&output).expect("JSON")
}

#[test]
fn text_is_a_commented_listing_with_the_rules() {
    let text = compile(&[], CONFIG);
    assert_eq!(text, compile(&["--format", "text"], CONFIG));
    let text = String::from_utf8(text).expect("text");
    let instructions = json_of(&[], CONFIG)["instructions"].as_u64().expect("a number");
    assert!(text.contains(&format!("program: {instructions} instructions\n")), "{text}");
    let numbered = text.lines().filter(|line| {
        let number = line.trim_start().split(':').next();
        number.is_some_and(|number| number.parse::<u64>().is_ok())
    });
    assert_eq!(numbered.count() as u64, instructions, "{text}");
    for part in ["deny a *:* rwm", "devices[0]", "base default", "allow b 8:* r", " ; "] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn json_has_the_program_and_the_merged_rules() {
    let json = json_of(&[], CONFIG);
    let object = json.as_object().expect("an object");
    let keys: Vec<&String> = object.keys().collect();
    for key in ["instructions", "longest_path", "bytes", "rules"] {
        assert!(object.contains_key(key), "{key} is not among {keys:?}");
    }
    let longest = json["longest_path"].as_u64().expect("a number");
    assert!(longest > 0 && longest <= json["instructions"].as_u64().expect("a number"), "{json}");
    let rules = json["rules"].as_array().expect("an array");
    assert_eq!(rules.len(), 6 + 11);
    assert_eq!(rules[0], json!({"allow":false,"type":"a","access":"rwm","origin":0}));
    assert_eq!(rules[1], json!({"allow":true,"type":"c","access":"m","origin":"base"}));
    let fuse = json!({"allow":true,"type":"c","major":10,"minor":229,"access":"rw","origin":1});
    assert_eq!(rules[12], fuse);
}

#[test]
fn raw_is_what_json_has_as_base64() {
    for config in [CONFIG, "{}", r#"{"linux":{"resources":{"devices":[{"allow":true}]}}}"#] {
        for mode in ["base", "append", "none"] {
            let args = ["compile", "--config", "-", "--default-devices", mode, "--format"];
            let raw = devgate(&[&args[..], &["raw"]].concat(), config);
            let json = devgate(&[&args[..], &["json"]].concat(), config);
            assert_eq!((raw.code, json.code), (Some(0), Some(0)), "{raw:?}, {json:?}");
            let json: Value = serde_json::from_slice(&json.stdout).expect("JSON");
            let bytes = STANDARD.decode(json["bytes"].as_str().expect("a string"));
            assert_eq!(raw.stdout, bytes.expect("base64"));
            assert_eq!(raw.stdout.len() as u64, 8 * json["instructions"].as_u64().expect("number"));
        }
    }
}

#[test]
fn allow_all_and_deny_all_are_two_instructions() {
    let allow = r#"{"linux":{"resources":{"devices":[{"allow":true,"access":"rwm"}]}}}"#;
    for config in [allow, "{}"] {
        let json = json_of(&["--default-devices", "none"], config);
        assert_eq!((&json["instructions"], &json["longest_path"]), (&json!(2), &json!(2)));
    }
}

/// The output of one command is the input of another.
#[test]
fn the_merged_rules_compile_to_the_same_program() {
    let json = json_of(&[], CONFIG);
    let mut rules = json["rules"].clone();
    for rule in rules.as_array_mut().expect("an array") {
        rule.as_object_mut().expect("an object").remove("origin");
    }
    let config = json!({"linux":{"resources":{"devices":rules}}}).to_string();
    let again = json_of(&["--default-devices", "none"], &config);
    assert_eq!(again["bytes"], json["bytes"]);
}

#[test]
fn an_unknown_format_is_bad_usage() {
    let run = devgate(&["compile", "--config", "-", "--format", "elf"], "{}");
    assert_eq!((run.code, run.text()), (Some(2), ""));
}
