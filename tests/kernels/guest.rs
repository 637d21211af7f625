//! What the scenes came to on each kernel. Each kernel boots once, for all tests.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::thread;

use serde_json::Value;

use crate::common::require::require;
use crate::kernel::Kernel;
use crate::qemu::{GuestFile, QEMU, Written, boot};
use crate::{observe, scenes};

const BINARY: &str = "target/release/devgate";

/// A kernel, and the scenes that it has run.
pub struct Guest {
    pub kernel: Kernel,
    scenes: BTreeMap<String, Scene>,
    console: String,
}

/// One scene's steps by their names, and what is printed outside of them.
#[derive(Default)]
struct Scene {
    steps: BTreeMap<String, Step>,
    rest: String,
    code: Option<i32>,
}

/// A command that was run.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Standard output and error.
    pub output: String,
    pub code: Option<i32>,
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scene { steps, rest, code } = self;
        write!(f, "exit code {code:?}, steps {:?}; besides:\n{rest}", steps.keys())
    }
}

/// Every kernel's guest, none if they can't be run here.
pub fn guests() -> &'static [Guest] {
    static GUESTS: LazyLock<Vec<Guest>> = LazyLock::new(|| {
        let kernels: Vec<Kernel> = Kernel::all().collect();
        let missing = [BINARY, QEMU, "/bin/busybox"].map(Path::new).into_iter();
        let missing = missing.map(Path::to_owned).chain(kernels.iter().map(Kernel::image));
        let missing: Vec<_> = missing.filter(|path| !path.exists()).collect();
        let why = format!("missing: {missing:?}; `make build` and `make test-deps`");
        if !require(missing.is_empty(), &why) {
            return Vec::new();
        }
        thread::scope(|scope| {
            let start = |kernel| scope.spawn(|| Guest::new(kernel));
            let started: Vec<_> = kernels.into_iter().map(start).collect();
            started.into_iter().map(|guest| guest.join().expect("the kernel boots")).collect()
        })
    });
    &GUESTS
}

impl Guest {
    fn new(kernel: Kernel) -> Guest {
        let read = |path| fs::read(path).expect("it can be read");
        let (devgate, busybox) = (read(BINARY), read("/bin/busybox"));
        let mut files: Vec<GuestFile<'_>> = vec![
            ("init".into(), include_bytes!("init.sh"), 0o755),
            ("guest.sh".into(), include_bytes!("guest.sh"), 0o644),
            ("bin/busybox".into(), &busybox, 0o755),
            ("bin/devgate".into(), &devgate, 0o755),
            ("bin/open".into(), include_bytes!("open.sh"), 0o755),
        ];
        let requests = observe::requests();
        files.push(("requests".into(), requests.as_bytes(), 0o644));
        let scenes = scenes();
        let scripts = scenes.iter();
        let scripts =
            scripts.map(|(name, text)| (format!("scenes/{name}"), text.as_bytes(), 0o644));
        files.extend(scripts);
        let Written { output, console } = boot(&kernel.image(), &files);
        Guest { kernel, scenes: scenes_of(&output), console }
    }

    /// A step of a scene, which has to have run to its end.
    #[track_caller]
    pub fn step(&self, scene: &str, step: &str) -> Step {
        let kernel = &self.kernel;
        let found = self.scenes.get(scene);
        let found = found.unwrap_or_else(|| panic!("{kernel}: no {scene}\n{}", self.console));
        assert_eq!(found.code, Some(0), "{kernel}: {scene} failed: {found}\n{}", self.console);
        let known = found.steps.get(step);
        known.unwrap_or_else(|| panic!("{kernel}: {scene} has no {step}: {found}")).clone()
    }

    /// A step's output. It must have ended with 0.
    #[track_caller]
    pub fn done(&self, scene: &str, name: &str) -> String {
        let step = self.step(scene, name);
        assert_eq!(step.code, Some(0), "{}: {scene}, {name}:\n{}", self.kernel, step.output);
        step.output
    }

    /// A step's output as JSON.
    #[track_caller]
    pub fn json(&self, scene: &str, name: &str) -> Value {
        let output = self.done(scene, name);
        let json = serde_json::from_str(&output);
        json.unwrap_or_else(|error| panic!("{}: {error}:\n{output}", self.kernel))
    }
}

/// Takes what `init.sh` and `guest.sh` print apart.
fn scenes_of(output: &str) -> BTreeMap<String, Scene> {
    let mut scenes: BTreeMap<String, Scene> = BTreeMap::new();
    let (mut scene, mut step) = (String::new(), None);
    for line in output.lines() {
        let current = scenes.entry(scene.clone()).or_default();
        match (line.split_once(' '), &step) {
            (Some(("@scene", name)), _) => (scene, step) = (name.to_owned(), None),
            (Some(("@end", code)), _) => current.code = code.parse().ok(),
            (Some(("@step", name)), _) => {
                current.steps.insert(name.to_owned(), Step::default());
                step = Some(name.to_owned());
            }
            (Some(("@exit", code)), Some(name)) => {
                current.steps.entry(name.clone()).or_default().code = code.parse().ok();
                step = None;
            }
            (_, Some(name)) => {
                let step = current.steps.entry(name.clone()).or_default();
                step.output += line;
                step.output += "\n";
            }
            (_, None) => {
                current.rest += line;
                current.rest += "\n";
            }
        }
    }
    scenes
}
