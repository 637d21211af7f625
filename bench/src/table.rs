//! The report as text.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use crate::report::Report;
use crate::samples::Summary;

/// All tables, goals and their ratios first.
pub fn text(report: &Report) -> String {
    let Report { date, kernel, processor, processors, load_average, .. } = report;
    let mut text = format!(
        "devgate-bench, {date}, Linux {kernel}, {processors} x {processor}, load average \
         {load_average} at the start\nmedians; ratios are medians of pairs; [quartiles]\n"
    );
    let mut section = |title: &str, table: Table, notes: Vec<String>| {
        // Writing to a String can't fail.
        let _ = write!(text, "\n## {title}\n\n{table}\n");
        for note in notes {
            let _ = writeln!(text, "- {note}");
        }
    };
    section("Goals", goals(report), Vec::new());
    section("1. The whole hook, spawn to exit", hooks(report), failures(report));
    section("2. The attached program, a run", attached(report), missing(report));
    section("3. BPF_PROG_LOAD", loads(report), Vec::new());
    section("3. Compile and verify, in the library", compiled(report), Vec::new());
    section("4. runc run of a container that does nothing", containers(report), Vec::new());
    section("5. Instructions", counts(report), Vec::new());
    section("6. Holding a policy, and changing it", changes(report), Vec::new());
    section("7. devgate guard, nothing happens", guard(report), Vec::new());
    section("8. Opens below an observer", opens(report), Vec::new());
    section("8. One container asks for many devices", flood(report), Vec::new());
    section("8. devgate watch, many containers", crowd(report), Vec::new());
    text
}

/// Markdown; all columns but the first `words` are numbers.
fn table(header: &[&str], words: usize, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header.iter()).add_rows(rows);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn spread(summary: Summary, digits: usize) -> String {
    let Summary { lower_quartile, upper_quartile, .. } = summary;
    format!("[{lower_quartile:.digits$}, {upper_quartile:.digits$}]")
}

fn changes(report: &Report) -> Table {
    let rows = report.changes.iter().map(|change| {
        vec![
            change.command.to_owned(),
            format!("{:.2}", change.over_unheld),
            format!("{:.2}", change.over_hook),
            format!("{:.0}", change.us.median),
            spread(change.us, 0),
            format!("{:.0}", change.faults),
            change.us.n.to_string(),
        ]
    });
    let header = ["command", "x hook --hold no", "x hook", "us", "", "faults", "n"];
    table(&header, 1, rows)
}

fn guard(report: &Report) -> Table {
    let rows = report.guard.iter().map(|guard| {
        vec![
            guard.containers.to_string(),
            format!("{:.3}", guard.cpu_s),
            format!("{:.1}", guard.wall_s),
            format!("{:.3}", guard.percent()),
            format!("{:.0}", guard.start_ms),
        ]
    });
    let header = ["containers", "CPU s", "wall s", "% of one CPU", "CPU ms to start"];
    table(&header, 0, rows)
}

fn opens(report: &Report) -> Table {
    let rows = report.opens.iter().map(|open| {
        vec![
            open.device.to_owned(),
            open.observer.to_owned(),
            format!("{:.3}", open.over_unobserved),
            format!("{:.0}", open.ns.median),
            spread(open.ns, 0),
            open.ns.n.to_string(),
        ]
    });
    table(&["open of", "observer", "x nobody", "ns", "", "n"], 2, rows)
}

fn flood(report: &Report) -> Table {
    let kib = |bytes: u64| format!("{}", bytes.div_ceil(1024));
    let rows = report.flood.iter().map(|flood| {
        vec![
            flood.devices.to_string(),
            flood.rows.to_string(),
            flood.lost.to_string(),
            format!("{} of {}", flood.others_counted, flood.others_asked),
            kib(flood.bytes_before),
            kib(flood.bytes),
            kib(flood.most_bytes),
        ]
    });
    let header = ["devices", "rows", "lost", "counted of others", "KiB before", "then", "full"];
    table(&header, 0, rows)
}

fn crowd(report: &Report) -> Table {
    let rows = report.crowd.iter().map(|crowd| {
        vec![
            crowd.containers.to_string(),
            crowd.denials_each.to_string(),
            crowd.exact.to_string(),
            format!("{:.1}", crowd.wall_s),
            format!("{:.0}", crowd.rate()),
            format!("{:.1}", crowd.percent()),
            crowd.peak_kib.to_string(),
        ]
    });
    let header =
        ["containers", "denials each", "exact", "s", "denials/s", "watch: % of one CPU", "KiB"];
    table(&header, 0, rows)
}

fn words(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "NOT MET",
        None => "not measured",
    }
}

fn goals(report: &Report) -> Table {
    let rows = report.goals.iter().map(|goal| {
        vec![
            goal.what.clone(),
            words(goal.met).to_owned(),
            goal.measured.clone(),
            goal.bound.clone(),
        ]
    });
    table(&["goal", "", "measured", "bound"], 2, rows)
}

fn hooks(report: &Report) -> Table {
    let all = report.hooks.iter().flat_map(|hooks| {
        let done = hooks.hooks.iter().map(|hook| (hook, ""));
        let failed = hooks.failed.iter().map(|(hook, _)| (hook, ": FAILS"));
        done.chain(failed).map(|(hook, fails)| {
            vec![
                hooks.policy.to_owned(),
                format!("{}{fails}", hook.name),
                format!("{:.2}", hook.over_devgate),
                format!("{:.0}", hook.us.median),
                spread(hook.us, 0),
                format!("{:.0}", hook.faults),
                hook.us.n.to_string(),
            ]
        })
    });
    table(&["policy", "hook", "x devgate", "us", "", "faults", "n"], 2, all)
}

fn failures(report: &Report) -> Vec<String> {
    let failed = report.hooks.iter().flat_map(|hooks| {
        hooks
            .failed
            .iter()
            .map(|(hook, why)| format!("{}: {} fails: {why}", hooks.policy, hook.name))
    });
    failed.collect()
}

fn attached(report: &Report) -> Table {
    let all = report.attached.iter().flat_map(|attached| {
        attached.cells.iter().map(|cell| {
            vec![
                attached.policy.to_owned(),
                cell.device.to_owned(),
                cell.program.to_owned(),
                format!("{:.2}", cell.over_devgate),
                format!("{:.1}", cell.ns.median),
                spread(cell.ns, 1),
                cell.runs.to_string(),
            ]
        })
    });
    let mut rows: Vec<Vec<String>> = all.collect();
    rows.sort_by_key(|row| {
        let policy = report.attached.iter().position(|attached| attached.policy == row[0]);
        let device = ["/dev/null", "last allowed", "denied"].iter().position(|d| *d == row[1]);
        (policy, device)
    });
    let header = ["policy", "open of", "program", "x devgate", "ns", "", "runs"];
    table(&header, 3, rows.into_iter())
}

fn missing(report: &Report) -> Vec<String> {
    let missing = report.attached.iter().flat_map(|attached| {
        attached.missing.iter().map(|(name, why)| format!("{}: no {name}: {why}", attached.policy))
    });
    missing.collect()
}

fn loads(report: &Report) -> Table {
    let rows = report.loads.iter().map(|load| {
        vec![
            load.policy.to_owned(),
            load.program.to_owned(),
            format!("{:.2}", load.over_devgate),
            format!("{:.0}", load.us.median),
            spread(load.us, 0),
            load.insns.to_string(),
            load.verified_insns.to_string(),
            load.longest_path.map_or_else(String::new, |path| path.to_string()),
            load.us.n.to_string(),
        ]
    });
    let header =
        ["policy", "program", "x devgate", "us", "", "insns", "walked", "longest path", "n"];
    table(&header, 2, rows)
}

fn compiled(report: &Report) -> Table {
    let rows = report.compiled.iter().map(|compiled| {
        vec![
            compiled.policy.to_owned(),
            compiled.rules.to_string(),
            format!("{:.0}", compiled.both_us.median),
            spread(compiled.both_us, 0),
            format!("{:.0}", compiled.compile_us.median),
            format!("{:.0}", compiled.verify_us.median),
            format!("{:.2}", compiled.both_us.median / compiled.rules as f64),
            compiled.both_us.n.to_string(),
        ]
    });
    let header = ["policy", "rules", "us", "", "compile us", "verify us", "us a rule", "n"];
    table(&header, 1, rows)
}

fn containers(report: &Report) -> Table {
    let rows = report.containers.iter().map(|container| {
        vec![
            container.hook.to_owned(),
            format!("{:.3}", container.over_no_hook),
            format!("{:.0}", container.us.median),
            spread(container.us, 0),
            container.us.n.to_string(),
        ]
    });
    table(&["hook", "x none", "us", "", "n"], 1, rows)
}

fn counts(report: &Report) -> Table {
    let rows = report.counts.iter().map(|count| {
        vec![
            count.policy.to_owned(),
            words(Some(count.met())).to_owned(),
            count.insns.to_string(),
            format!("<= {}", count.insns_limit),
            count.path.to_string(),
            format!("<= {}", count.path_limit),
        ]
    });
    table(&["policy", "", "instructions", "limit", "longest path", "limit"], 2, rows)
}
