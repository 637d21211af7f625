//! Lets an event happen.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::engine::{Container, Refused, Running, output};
use crate::events::Act;

/// Lets it happen to all containers. Gives what was refused to one of them.
pub fn happen(act: &Act, running: &mut Running, containers: &[Container]) -> Result<(), Refused> {
    match act {
        Act::Start => Ok(()),
        Act::Systemd(args) => output(running.machine.command("systemctl").args(*args)).map(drop),
        Act::Program(words) => {
            let (program, args) = words.split_first().expect("a program");
            output(running.machine.command(program).args(args)).map(drop)
        }
        Act::Daemon(signal) => {
            let (pod, machine) = running.pod_mut();
            pod.kill(machine, signal);
            pod.start_again(machine);
            Ok(())
        }
        // All of them, so that all are looked at after it.
        _ => containers
            .iter()
            .map(|container| to_one(act, running, container))
            .fold(Ok(()), Result::and),
    }
}

fn to_one(act: &Act, running: &Running, container: &Container) -> Result<(), Refused> {
    let filled = |args: &[&str]| -> Vec<String> {
        let scope = || running.scope(container);
        let fill = |word: &&str| match *word {
            "CONTAINER" => container.id.clone(),
            "SCOPE" => scope(),
            word => word.to_owned(),
        };
        args.iter().map(fill).collect()
    };
    match act {
        Act::Podman(commands) | Act::Anew(commands) | Act::Podman5(commands) => {
            for args in *commands {
                let args = filled(args);
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                running.run_podman(&args)?;
            }
            Ok(())
        }
        Act::Update(resources) => update(running, container, resources),
        Act::Scope(args) => {
            output(running.machine.command("systemctl").args(filled(args))).map(drop)
        }
        Act::Freeze => {
            for value in ["1", "0"] {
                let file = running.cgroup(container).join("cgroup.freeze");
                fs::write(file, value).expect("the cgroup can be frozen");
            }
            Ok(())
        }
        Act::CriUpdate => running.pod().update(&container.id),
        Act::CriExec => running.pod().exec(&container.id),
        Act::Restore => {
            running.run_podman(&["container", "checkpoint", &container.id])?;
            let restored = running.run_podman(&["container", "restore", &container.id]);
            restored.map(drop).map_err(|Refused(why)| {
                let log = running.criu_log(container);
                Refused(format!("{why}\n{log}"))
            })
        }
        Act::Start | Act::Systemd(_) | Act::Program(_) | Act::Daemon(_) => {
            unreachable!("it happens to all")
        }
    }
}

fn update(running: &Running, container: &Container, resources: &str) -> Result<(), Refused> {
    let mut command = running.runtime();
    command.args(["update", "-r", "-", &container.id]).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the runtime can be started");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    stdin.write_all(resources.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    match output.status.success() {
        true => Ok(()),
        false => Err(Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}
