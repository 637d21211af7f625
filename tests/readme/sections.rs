//! The README's commands.

use std::fs;
use std::path::Path;

/// The chapter that is followed first. Those before it need no test.
const FIRST: &str = "## Registering the hook";

/// Each section from there on that has commands for a shell, with all of these.
pub fn commands() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(file).expect("there is a README");
    let followed = &readme[readme.find(FIRST).expect("it has the chapter")..];
    let mut sections: Vec<(String, String)> = Vec::new();
    let mut title = String::new();
    let mut inside = false;
    for line in followed.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => add(&mut sections, &title, line),
            line => {
                if let Some((_, heading)) =
                    line.split_once("# ").filter(|(level, _)| is_level(level))
                {
                    title = heading.to_owned();
                }
            }
        }
    }
    sections
}

fn add(sections: &mut Vec<(String, String)>, title: &str, line: &str) {
    if sections.last().is_none_or(|(last, _)| last != title) {
        sections.push((title.to_owned(), String::new()));
    }
    let (_, commands) = sections.last_mut().expect("there is one");
    *commands += line;
    commands.push('\n');
}

/// What is before the last `# ` of a chapter's or a section's heading.
fn is_level(text: &str) -> bool {
    matches!(text, "#" | "##")
}
