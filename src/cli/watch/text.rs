//! Lines for people, where standard output is no terminal.

use devgate::watch::{Entry, Which};

use super::devices::Devices;
use super::lines::Format;
use super::{clock, shown};

/// Lines with aligned columns.
pub struct Text {
    which: Which,
    devices: Devices,
}

impl Text {
    pub fn new(which: Which) -> Text {
        Text { which, devices: Devices::default() }
    }

    fn line(&self, columns: [&str; 9]) -> String {
        let [time, container, device, access, verdict, command, pid, count, reason] = columns;
        let verdict = match self.which {
            Which::Denied => String::new(),
            Which::All => format!("{verdict:7}  "),
        };
        format!(
            "{time:24}  {container:30}  {device:22}  {access:6}  {verdict}{command:15}  {pid:>7}  \
             {count:>7}  {reason}\n"
        )
    }
}

impl Format for Text {
    fn header(&self) -> Option<String> {
        let header =
            ["TIME", "CONTAINER", "DEVICE", "ACCESS", "VERDICT", "COMMAND", "PID", "COUNT", "BY"];
        Some(self.line(header))
    }

    fn entry(&mut self, entry: &Entry) -> String {
        let device = shown::device(entry, &mut self.devices);
        self.line([
            &clock::rfc3339(entry.last),
            &shown::container(&entry.place),
            &device,
            &entry.key.request.access.to_string(),
            shown::verdict(entry.key.verdict),
            &shown::command(entry),
            &shown::pid(entry),
            &entry.count.to_string(),
            &shown::reason(entry),
        ])
    }
}
