//! The README's commands.

use std::fs;
use std::path::Path;

/// The chapter that is followed.
const CHAPTER: &str = "## Registering the hook";

/// Each section of the chapter that has commands for a shell, with all of these.
pub fn commands() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(file).expect("there is a README");
    let chapter = &readme[readme.find(CHAPTER).expect("it has the chapter")..];
    let mut sections: Vec<(String, String)> = Vec::new();
    let mut title = String::new();
    let mut inside = false;
    for line in chapter.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => add(&mut sections, &title, line),
            CHAPTER => title = CHAPTER.trim_start_matches("## ").to_owned(),
            line if line.starts_with("## ") => break,
            line => {
                if let Some(heading) = line.strip_prefix("### ") {
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
