//! Recordings as they are kept: `/var/lib/devgate/recordings/NAME.json`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::asked::{Asked, merged};
use super::learn::{Commented, Denied, Learnt, learn};
use super::name::RecordingName;
use crate::container::{CgroupRef, ContainerId, Stored, Time, Version};
use crate::observe::Method;

const VERSION: u32 = 1;

/// Most runs that are kept apart.
pub(super) const MOST_RUNS: usize = 64;

/// Most kinds of requests that are kept of all runs.
pub(super) const MOST_ASKED: usize = 65_536;

/// How far the recording of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It goes on, or the machine went down before it ended.
    Ongoing,
    /// The container ended.
    Ended,
    /// `devgate record stop` ended it.
    Stopped,
}

/// One container, from when its recording began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The container, if its id is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub container: Option<ContainerId>,
    /// Its cgroup.
    pub cgroup: CgroupRef,
    /// The boot of the machine, which a cgroup's id belongs to
    /// (/proc/sys/kernel/random/boot_id).
    pub boot: String,
    /// When the recording began.
    pub started: Time,
    /// Up to when the requests are known.
    pub written: Time,
    /// How far the recording is.
    pub progress: Progress,
    /// How the verdicts were come by.
    #[serde(with = "MethodWord")]
    pub method: Method,
    /// Requests that found no room. What they were is not known.
    pub lost: u64,
    /// What was asked.
    pub asked: Vec<Asked>,
}

impl Run {
    /// Whether both are about the same container's same run.
    fn is(&self, other: &Run) -> bool {
        (self.cgroup.id, &self.boot, self.started) == (other.cgroup.id, &other.boot, other.started)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Method", rename_all = "lowercase")]
enum MethodWord {
    Told,
    Computed,
}

/// What is left of runs that are not kept apart any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// How many they were.
    pub runs: u64,
    /// Their requests that found no room.
    pub lost: u64,
    /// What was asked.
    pub asked: Vec<Asked>,
}

/// What was recorded under a name, by one container or by several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The version of its form.
    pub version: Version<VERSION>,
    /// Its name.
    pub name: RecordingName,
    /// The learnt rules, for readers of the file; devgate learns them anew.
    rules: Rules,
    /// The runs, in the order in which they began.
    pub runs: Vec<Run>,
    /// What is left of earlier ones.
    pub earlier: Earlier,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules(Vec<Learnt>);

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Commented))
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rules, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Rules::default())
    }
}

impl Stored for Recording {
    const VERSION: u32 = VERSION;
    const WHAT: &'static str = "recording";
    type Id = RecordingName;

    fn id(&self) -> &RecordingName {
        &self.name
    }
}

impl Recording {
    /// One of no run.
    pub fn new(name: RecordingName) -> Recording {
        let (rules, runs, earlier) = (Rules::default(), Vec::new(), Earlier::default());
        Recording { version: Version, name, rules, runs, earlier }
    }

    /// Everything that was asked, those requests that are alike as one.
    pub fn asked(&self) -> Vec<Asked> {
        let runs = self.runs.iter().flat_map(|run| &run.asked);
        merged(runs.chain(&self.earlier.asked).cloned())
    }

    /// Requests that found no room.
    pub fn lost(&self) -> u64 {
        self.runs.iter().fold(self.earlier.lost, |lost, run| lost.saturating_add(run.lost))
    }

    /// How many runs there were.
    pub fn run_count(&self) -> u64 {
        self.earlier.runs.saturating_add(self.runs.len() as u64)
    }

    /// Takes what is known of a run by now, in place of what was known of it. The commands that
    /// were known stay: an observer knows the last one alone.
    pub fn put(&mut self, mut run: Run) {
        match self.runs.iter_mut().find(|known| known.is(&run)) {
            Some(known) => {
                for asked in &mut run.asked {
                    let alike = known.asked.iter_mut().find(|known| known.key() == asked.key());
                    let mut commands = alike.map(|alike| std::mem::take(&mut alike.commands));
                    let commands = commands.get_or_insert_default();
                    std::mem::swap(&mut asked.commands, commands);
                    asked.know(commands.drain(..));
                }
                *known = run;
            }
            None => self.runs.push(run),
        }
        while self.is_large() && self.fold_oldest() {}
        self.rules = Rules(learn(&self.asked(), Denied::LeaveOut));
    }

    fn is_large(&self) -> bool {
        let asked: usize = self.runs.iter().map(|run| run.asked.len()).sum();
        self.runs.len() > MOST_RUNS || asked + self.earlier.asked.len() > MOST_ASKED
    }

    /// Keeps the oldest run that does not go on no more apart from those before. `false` if there is
    /// only one run.
    fn fold_oldest(&mut self) -> bool {
        let is_over = |run: &Run| run.progress != Progress::Ongoing;
        let oldest = self.runs.iter().position(is_over).unwrap_or(0);
        if self.runs.len() < 2 {
            return false;
        }
        let run = self.runs.remove(oldest);
        self.earlier.runs += 1;
        self.earlier.lost = self.earlier.lost.saturating_add(run.lost);
        let before = std::mem::take(&mut self.earlier.asked);
        let mut asked = merged(before.into_iter().chain(run.asked));
        let beyond = asked.split_off(asked.len().min(MOST_ASKED / 2));
        let lost = beyond.iter().map(|asked| asked.count);
        self.earlier.lost = lost.fold(self.earlier.lost, u64::saturating_add);
        self.earlier.asked = asked;
        true
    }
}
