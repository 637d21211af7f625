//! The state that a runtime writes to a hook's standard input (runtime-spec, "State").

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::config::{Config, parse_config};
use super::document::{Document, OciError, read_bounded, read_regular_file};
use super::json::{Plain, member, parse_first, shortened};
use super::status::IsStopped;

/// What a hook needs of the state. Runtimes add keys of their own, and know statuses that are
/// not in the specification: these are not looked at.
#[derive(Clone, Debug)]
pub struct State {
    /// The container's name to its runtime.
    pub id: String,
    /// Whether the status is "stopped": runc, crun and podman say so at poststop, and at no other
    /// stage.
    pub is_stopped: bool,
    /// The container's process on the host; absent where there is none.
    pid: Option<i64>,
    /// Its bundle; absent where the config was given on standard input.
    pub bundle: Option<PathBuf>,
    /// The annotations that begin with [`ANNOTATION_PREFIX`]: there may be a million others.
    pub annotations: BTreeMap<String, String>,
}

/// What all of devgate's annotations begin with.
pub const ANNOTATION_PREFIX: &str = "io.devgate.";

#[derive(Default)]
struct Members {
    id: Option<String>,
    status: Option<IsStopped>,
    pid: Option<i64>,
    bundle: Option<String>,
    annotations: Option<Option<Own>>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Id,
    Status,
    Pid,
    Bundle,
    Annotations,
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Copy)]
struct MembersSeed;

impl<'de> DeserializeSeed<'de> for MembersSeed {
    type Value = Members;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersSeed {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Id => member(&mut map, &mut members.id, Plain::new())?,
                Key::Status => member(&mut map, &mut members.status, Plain::new())?,
                Key::Pid => member(&mut map, &mut members.pid, PidSeed)?,
                Key::Bundle => member(&mut map, &mut members.bundle, Plain::new())?,
                Key::Annotations => member(&mut map, &mut members.annotations, Plain::new())?,
                Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(members)
    }
}

/// devgate's own annotations.
#[derive(Default)]
struct Own(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Own {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Own, D::Error> {
        deserializer.deserialize_map(OwnVisitor)
    }
}

struct OwnVisitor;

impl<'de> Visitor<'de> for OwnVisitor {
    type Value = Own;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Own, A::Error> {
        let mut own = Own::default();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if key.starts_with(ANNOTATION_PREFIX) {
                own.0.insert(key, value);
            }
        }
        Ok(own)
    }
}

#[derive(Clone, Copy)]
struct PidSeed;

impl<'de> DeserializeSeed<'de> for PidSeed {
    type Value = i64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<i64, D::Error> {
        deserializer.deserialize_i64(self)
    }
}

impl Visitor<'_> for PidSeed {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer (1..={})", i32::MAX)
    }

    fn visit_i64<E: Error>(self, pid: i64) -> Result<i64, E> {
        Ok(pid)
    }

    fn visit_u64<E: Error>(self, pid: u64) -> Result<i64, E> {
        i64::try_from(pid).map_err(|_| E::custom(not_a_pid(pid)))
    }
}

fn not_a_pid(pid: impl fmt::Display) -> String {
    format!("{pid} is not a process id (expected 1..={})", i32::MAX)
}

impl TryFrom<Members> for State {
    type Error = OciError;

    fn try_from(members: Members) -> Result<State, OciError> {
        let id = members
            .id
            .ok_or_else(|| value("id", "missing (expected the container's id)".to_owned()))?;
        Ok(State {
            id,
            is_stopped: members.status.is_some_and(|IsStopped(stopped)| stopped),
            pid: members.pid,
            bundle: members.bundle.map(PathBuf::from),
            annotations: members.annotations.flatten().unwrap_or_default().0,
        })
    }
}

impl State {
    /// The container's process.
    ///
    /// # Errors
    /// There is none, or its id is none that a process can have.
    pub fn pid(&self) -> Result<i32, OciError> {
        let pid = self.pid.ok_or_else(|| {
            value("pid", "missing (expected the container's process id)".to_owned())
        })?;
        let valid = i32::try_from(pid).ok().filter(|pid| *pid > 0);
        valid.ok_or_else(|| value("pid", not_a_pid(pid)))
    }

    /// The container's process, if the state names one. Where there is none, crun says 0 and
    /// others say nothing.
    ///
    /// # Errors
    /// The id is none that a process can have.
    pub fn process(&self) -> Result<Option<i32>, OciError> {
        match self.pid {
            None | Some(0) => Ok(None),
            Some(_) => self.pid().map(Some),
        }
    }

    fn bundle(&self) -> Result<&Path, OciError> {
        let bundle = self.bundle.as_deref().ok_or_else(|| {
            value("bundle", "missing (expected the bundle's absolute path)".to_owned())
        })?;
        match bundle.is_absolute() {
            true => Ok(bundle),
            false => Err(value(
                "bundle",
                format!("{:?} is relative (expected an absolute path)", bundle),
            )),
        }
    }
}

fn value(path: &str, problem: String) -> OciError {
    let problem = shortened(&problem);
    OciError::Value { document: Document::State, path: path.to_owned(), problem }
}

/// What a runtime writes to a hook's standard input, of which the state is read.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// The container's state.
    pub state: State,
    /// The state's bytes and what follows them.
    bytes: Vec<u8>,
    /// How many bytes the state has.
    length: usize,
}

/// All that a hook works on.
#[derive(Clone, Debug)]
pub struct HookInput {
    /// The container's state.
    pub state: State,
    /// The container's rules.
    pub config: Config,
}

/// The state on `stdin`.
///
/// # Errors
/// Names the JSON path and what was expected.
pub fn read_hook_call(stdin: impl Read) -> Result<HookCall, OciError> {
    let bytes = read_bounded(stdin, &Document::State)?;
    let (members, length) = parse_first(&Document::State, &bytes, MembersSeed)?;
    let state = State::try_from(members)?;
    Ok(HookCall { state, bytes, length })
}

/// The state on `stdin`, and config.json: a second JSON document on `stdin`, or in the state's
/// bundle.
///
/// # Errors
/// Names the document, the JSON path and what was expected.
pub fn read_hook_input(stdin: impl Read) -> Result<HookInput, OciError> {
    read_hook_call(stdin)?.with_config()
}

impl HookCall {
    /// Reads config.json: a second JSON document, or in the state's bundle.
    ///
    /// # Errors
    /// Names the document, the JSON path and what was expected.
    pub fn with_config(self) -> Result<HookInput, OciError> {
        let HookCall { state, bytes, length } = self;
        let rest = bytes.get(length..).unwrap_or_default().trim_ascii_start();
        let config = match rest.is_empty() {
            false => parse_config(rest, Document::ConfigOnStdin)?,
            true => config_of_bundle(state.bundle()?)?,
        };
        Ok(HookInput { state, config })
    }
}

fn config_of_bundle(bundle: &Path) -> Result<Config, OciError> {
    match bundle.metadata() {
        Err(source) => {
            Err(value("bundle", format!("{} can't be read: {source}", bundle.display())))
        }
        Ok(metadata) if !metadata.is_dir() => {
            Err(value("bundle", format!("{} is not a directory", bundle.display())))
        }
        Ok(_) => {
            let (bytes, document) = read_regular_file(&bundle.join("config.json"))?;
            parse_config(&bytes, document)
        }
    }
}
