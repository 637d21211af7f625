//! What a hook reads from standard input, up to the policy and its program.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;

use devgate::bpf::run;
use devgate::compile::compile;
use devgate::device::{Access, DeviceType, Request};
use devgate::hook::Annotated;
use devgate::oci::{
    ANNOTATION_PREFIX, Config, Document, HookInput, State, read_config, read_hook_input,
};
use devgate::policy::{DefaultDevices, Number, Policy, Rule, Verdict};
use devgate::verify::verify;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::effort::bounded;
use super::reference;

/// Rules of a policy that is also compiled.
const MOST_RULES: usize = 48;
/// Numbers that are asked about, for major and for minor.
const MOST_NUMBERS: usize = 7;

/// The bytes are the state and config.json, one after the other, or one of them alone.
pub fn check(data: &[u8]) {
    let alone = bounded("reading", || read_config(data, Document::ConfigOnStdin));
    if let Some(config) = accepted(alone) {
        check_config(data, &config);
    }
    // Without a second document the hook would read a file of this machine.
    let mut input = data.to_owned();
    let state = first_document(data);
    if data[state..].trim_ascii().is_empty() {
        input.extend(b"{}");
    }
    let input = bounded("reading", || read_hook_input(input.as_slice()));
    if let Some(HookInput { state: own, config }) = accepted(input) {
        check_state(&data[..state], &own);
        match data[state..].trim_ascii() {
            [] => assert_eq!(config, Config::default()),
            rest => check_config(rest, &config),
        }
    }
}

/// Most bytes of a message: an operator reads it, and the log keeps it.
const MOST_TOLD: usize = 3 << 10;

/// An error says what is wrong, and doesn't quote the whole document.
fn accepted<T, E: Error>(read: Result<T, E>) -> Option<T> {
    read.inspect_err(|error| {
        let told = error.to_string();
        assert!(!told.is_empty() && told.len() < MOST_TOLD, "{} bytes: {told:.200}", told.len());
    })
    .ok()
}

/// The length of the first JSON value, or all if there is none.
fn first_document(data: &[u8]) -> usize {
    let mut values = serde_json::Deserializer::from_slice(data).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => values.byte_offset(),
        _ => data.len(),
    }
}

fn check_state(bytes: &[u8], state: &State) {
    // A tree has stricter limits for what devgate passes over: depth and the size of numbers.
    let Ok(tree) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(tree["id"], state.id.as_str());
    assert_eq!(tree["status"] == "stopped", state.is_stopped);
    if let Ok(pid) = state.pid() {
        assert!(pid > 0 && tree["pid"] == pid, "{pid}");
    }
    let mut annotations: BTreeMap<String, String> = match tree.get("annotations") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(written) => serde_json::from_value(written.clone()).expect("they were accepted"),
    };
    annotations.retain(|key, _| key.starts_with(ANNOTATION_PREFIX));
    assert_eq!(annotations, state.annotations);
    let Some(annotated) = accepted(Annotated::new(&annotations)) else { return };
    for registered in [DefaultDevices::Base, DefaultDevices::Append, DefaultDevices::None] {
        let place = annotated.default_devices(registered);
        assert!(place == registered || place == DefaultDevices::None);
    }
    if let Some(Some(log)) = accepted(annotated.log(Path::new("/var/log/devgate"))) {
        assert!(!log.contains('/') && !log.starts_with('.') && !log.is_empty(), "{log:?}");
    }
}

fn check_config(bytes: &[u8], config: &Config) {
    let bytes = bytes.trim_ascii();
    for torn in [bytes.len() - 1, bytes.len() / 2] {
        assert!(read(&bytes[..torn]).is_none(), "{torn} bytes of it were accepted, too");
    }
    for rule in &config.rules {
        assert_eq!(rule.to_string().parse::<Rule>().as_ref(), Ok(rule));
    }
    let Ok(tree) = serde_json::from_slice::<Value>(bytes) else { return };
    let entries = reference::entries(&tree);
    assert_eq!(entries.len(), config.rules.len());
    assert_eq!(
        read(reversed(&tree).to_string().as_bytes()).map(|read| read.rules).as_ref(),
        Some(&config.rules)
    );
    let more = read(with_unknown_keys(&tree).to_string().as_bytes())
        .expect("unknown keys are passed over");
    assert_eq!(more.rules, config.rules, "unknown keys changed the rules");
    // A tree has a key once, however often it was written.
    let unknown: BTreeSet<String> = config.unknown.lines().into_iter().collect();
    if unknown.iter().all(|line| !line.starts_with("and ")) {
        assert_eq!(more.unknown.count(), unknown.len() + entries.len());
    }
    if config.rules.len() <= MOST_RULES {
        check_policy(&config.rules, &entries);
    }
}

fn read(bytes: &[u8]) -> Option<Config> {
    read_config(bytes, Document::ConfigOnStdin).ok()
}

/// The same with the keys of every object the other way round.
fn reversed(tree: &Value) -> Value {
    match tree {
        Value::Object(object) => {
            object.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect()
        }
        Value::Array(array) => array.iter().map(reversed).collect(),
        plain => plain.clone(),
    }
}

/// The same with a key more in every object that is looked into.
fn with_unknown_keys(tree: &Value) -> Value {
    let more = |object: &mut Map<String, Value>| {
        object.insert("io.devgate.unknown".to_owned(), Value::Array(vec![Value::Bool(true)]));
    };
    let mut changed = tree.clone();
    let mut at = Some(&mut changed);
    for key in ["linux", "resources", "devices"] {
        let object = at.and_then(Value::as_object_mut);
        at = object.and_then(|object| {
            more(object);
            object.get_mut(key)
        });
    }
    let entries = at.and_then(Value::as_array_mut).into_iter().flatten();
    entries.filter_map(Value::as_object_mut).for_each(more);
    changed
}

/// Reference, policy, program and interpreter agree, and default devices only ever add.
fn check_policy(rules: &[Rule], entries: &[reference::Entry]) {
    let requests = requests(rules);
    let places = [DefaultDevices::None, DefaultDevices::Base, DefaultDevices::Append];
    let answers = places.map(|place| {
        let policy = Policy::new(rules.to_vec(), place);
        policy.warnings().for_each(|warning| assert!(!warning.to_string().is_empty()));
        let program = bounded("compiling", || compile(&policy)).expect("the rules are few");
        let proof = bounded("proving", || verify(program.clone(), &policy));
        proof.unwrap_or_else(|error| panic!("{error}: {:?}", policy.rules()));
        let answer = |request: &Request| {
            let decided = policy.decide(request).verdict == Verdict::Allow;
            let ran = run(&program, request).expect("it was proven").allowed;
            assert_eq!(ran, decided, "{request}: the program differs from {:?}", policy.rules());
            decided
        };
        requests.iter().map(answer).collect::<Vec<bool>>()
    });
    let [none, base, append] = answers;
    for (index, request) in requests.iter().enumerate() {
        let expected = reference::allows(entries, request);
        assert_eq!(none[index], expected, "{request}: {rules:?} read from {entries:?}");
        assert!(none[index] <= base[index] && base[index] <= append[index], "{request}: {rules:?}");
    }
}

/// Every type and access, with numbers that the rules name and their neighbours.
fn requests(rules: &[Rule]) -> Vec<Request> {
    let (majors, minors) =
        (numbers(rules.iter().map(Rule::major)), numbers(rules.iter().map(Rule::minor)));
    let mut requests = Vec::new();
    for device_type in DeviceType::ALL {
        for &major in &majors {
            for &minor in &minors {
                requests.extend(Access::every().map(|access| Request {
                    device_type,
                    major,
                    minor,
                    access,
                }));
            }
        }
    }
    requests
}

fn numbers(named: impl Iterator<Item = Number>) -> Vec<u32> {
    let mut numbers = BTreeSet::from([0, u32::MAX]);
    for number in named {
        if let Number::Exactly(number) = number {
            numbers.extend([number.wrapping_sub(1), number, number.wrapping_add(1)]);
        }
    }
    let step = numbers.len().div_ceil(MOST_NUMBERS);
    numbers.into_iter().step_by(step).collect()
}
