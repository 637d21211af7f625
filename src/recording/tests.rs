//! What is learnt, compared and kept.

use super::*;
use crate::container::{CgroupRef, Time};
use crate::device::{Access, Request};
use crate::observe::Method;
use crate::policy::{DefaultDevices, Policy};

/// `c 1:3 rw` as it was answered, by this command.
fn asked(request: &str, answer: Answer, command: &str) -> Asked {
    let request: Request = request.parse().unwrap();
    let device = Some(format!("/dev/{}-{}", request.major, request.minor));
    let (first, last) = ("2026-11-24T22:00:00Z", "2026-11-24T22:00:05.250Z");
    Asked {
        request,
        answer,
        count: 2,
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
        device,
        commands: vec![command.to_owned()],
    }
}

mod asked_tests {
    use super::*;
    #[test]
    fn what_is_alike_is_one() {
        let later = Asked {
            first: "2026-11-24T22:00:01Z".parse().unwrap(),
            last: "2026-11-24T23:00:00Z".parse().unwrap(),
            ..asked("c 1:3 rw", Answer::Allowed, "cat")
        };
        let all = [
            asked("b 7:0 r", Answer::Allowed, "sh"),
            asked("c 1:3 rw", Answer::Allowed, "sh"),
            asked("c 1:3 rw", Answer::Denied, "sh"),
            later,
        ];
        let merged = merged(all);
        let texts = merged.iter().map(|asked| format!("{} {:?}", asked.request, asked.answer));
        let texts: Vec<String> = texts.collect();
        assert_eq!(texts, ["c 1:3 rw Allowed", "c 1:3 rw Denied", "b 7:0 r Allowed"]);
        assert_eq!(merged[0].count, 4);
        assert_eq!(merged[0].commands, ["sh", "cat"]);
        assert_eq!(merged[0].first.to_string(), "2026-11-24T22:00:00.000Z");
        assert_eq!(merged[0].last.to_string(), "2026-11-24T23:00:00.000Z");
    }

    #[test]
    fn it_is_read_back_as_written() {
        let asked = asked("c 10:229 -", Answer::Unknown, "fuse");
        let text = serde_json::to_string(&asked).unwrap();
        assert!(text.starts_with(r#"{"type":"c","major":10,"minor":229,"device":"/dev/10-229","access":"-","verdict":"unknown","count":2,"#));
        assert_eq!(serde_json::from_str::<Asked>(&text).unwrap(), asked);
    }

    #[test]
    fn a_name_from_outside_moves_no_cursor() {
        for (name, expected) in [
            ("sh", "sh"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb", "a\\nb"),
            ("a\u{9b}b", "a\\u{9b}b"),
            ("\u{202e}cba", "\\u{202e}cba"),
            ("kworker/0:1\"", "kworker/0:1\""),
            ("Käse", "Käse"),
        ] {
            assert_eq!(printable(name), expected);
        }
    }
}

mod learn_tests {
    use super::*;
    fn rules(asked: &[Asked], denied: Denied) -> Vec<String> {
        learn(asked, denied).iter().map(|learnt| learnt.rule.to_string()).collect()
    }

    #[test]
    fn a_device_takes_one_rule() {
        let all = [
            asked("b 1:3 r", Answer::Allowed, "sh"),
            asked("c 1:3 r", Answer::Allowed, "sh"),
            asked("c 1:3 w", Answer::Allowed, "cat"),
            asked("c 1:3 -", Answer::Allowed, "sh"),
            asked("c 10:229 rw", Answer::Denied, "fuse"),
        ];
        assert_eq!(rules(&all, Denied::LeaveOut), ["allow c 1:3 rw", "allow b 1:3 r"]);
        let learnt = &learn(&all, Denied::LeaveOut)[0];
        assert_eq!((learnt.allowed, learnt.denied), (6, 0));
        assert_eq!(learnt.commands, ["sh", "cat"]);
        assert_eq!(learnt.device.as_deref(), Some("/dev/1-3"));
    }

    #[test]
    fn pseudo_terminals_are_one_device() {
        let all = [
            asked("c 136:0 rw", Answer::Allowed, "sh"),
            asked("c 136:7 r", Answer::Allowed, "sh"),
            asked("b 136:0 r", Answer::Allowed, "sh"),
        ];
        assert_eq!(rules(&all, Denied::LeaveOut), ["allow c 136:* rw", "allow b 136:0 r"]);
    }

    #[test]
    fn what_was_denied_comes_in_only_if_asked_for() {
        let all = [
            asked("c 1:3 r", Answer::Allowed, "sh"),
            asked("c 1:3 rm", Answer::Denied, "sh"),
            asked("c 1:5 r", Answer::Unknown, "sh"),
        ];
        assert_eq!(rules(&all, Denied::LeaveOut), ["allow c 1:3 r"]);
        assert_eq!(rules(&all, Denied::Include), ["allow c 1:3 rm", "allow c 1:5 r"]);
        let learnt = learn(&all, Denied::Include);
        assert_eq!((learnt[0].allowed, learnt[0].denied), (2, 2));
        assert_eq!(learnt[0].only_denied, Access::MKNOD);
    }

    #[test]
    fn a_request_for_no_bit_takes_the_one_that_opens_nothing() {
        let all = [asked("c 1:5 -", Answer::Allowed, "sh")];
        assert_eq!(rules(&all, Denied::LeaveOut), ["allow c 1:5 m"]);
        assert!(learn(&all, Denied::LeaveOut)[0].any_bit);
        assert!(learn(&[], Denied::LeaveOut).is_empty());
    }
}

mod diff_tests {
    use super::*;

    fn lines(rules: &[&str], defaults: DefaultDevices, asked: &[Asked]) -> Vec<String> {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let difference = diff(&Policy::new(rules, defaults), asked);
        let unused = difference.unused.iter().map(|unused| {
            let used: Vec<String> = unused.used.iter().map(|rule| format!("; {rule}")).collect();
            format!("{}: {}{}", unused.index, unused.rule, used.concat())
        });
        let refused = difference.refused.iter().map(|refused| refused.asked.request.to_string());
        unused.chain(refused).collect()
    }

    #[test]
    fn what_is_allowed_and_was_not_asked_for() {
        let all = [
            asked("c 1:3 rw", Answer::Allowed, "sh"),
            asked("c 10:229 r", Answer::Allowed, "sh"),
            asked("c 136:3 rw", Answer::Allowed, "sh"),
        ];
        let rules = [
            "deny a *:* rwm",
            "allow c 1:3 rwm",
            "allow c 1:5 rw",
            "allow a 10:* r",
            "allow c 136:* rw",
            "allow c 1:5 w",
            "allow a 7:1 rw",
        ];
        assert_eq!(
            lines(&rules, DefaultDevices::None, &all),
            [
                "1: allow c 1:3 m",
                "2: allow c 1:5 r",
                "3: allow a 10:* r; allow c 10:229 r",
                "5: allow c 1:5 w",
                "6: allow a 7:1 rw",
            ]
        );
        assert_eq!(lines(&["allow c 1:3 rw"], DefaultDevices::None, &all[..1]), [""; 0]);
    }

    #[test]
    fn what_was_asked_for_and_is_denied() {
        let all = [
            asked("c 1:3 rw", Answer::Allowed, "sh"),
            asked("c 10:229 r", Answer::Denied, "sh"),
            asked("c 1:5 -", Answer::Allowed, "sh"),
        ];
        let rules = ["allow c 1:3 r", "allow c 10:229 r"];
        // What was denied has not made use of the second rule.
        let expected = ["1: allow c 10:229 r", "c 1:3 rw", "c 1:5 -"];
        assert_eq!(lines(&rules, DefaultDevices::None, &all), expected);
    }

    #[test]
    fn base_rules_are_rules() {
        let all = [asked("c 1:3 rw", Answer::Allowed, "sh")];
        let found = lines(&["deny a *:* rwm"], DefaultDevices::Base, &all);
        assert_eq!(found.len(), 11, "{found:?}");
        assert_eq!(found[0], "1: allow c *:* m");
        // m is decided by the rule for the device itself.
        assert_eq!(found[2], "3: allow c 1:3 m");
    }
}

mod stored_tests {
    use super::*;
    use crate::recording::stored::{MOST_ASKED, MOST_RUNS};
    fn run(id: u64, all: &[Asked]) -> Run {
        let time: Time = "2026-11-24T22:00:00Z".parse().unwrap();
        Run {
            container: Some("c1".parse().unwrap()),
            cgroup: CgroupRef { path: "/sys/fs/cgroup/c1".into(), id },
            boot: "b".to_owned(),
            started: time,
            written: time,
            progress: Progress::Ended,
            method: Method::Told,
            lost: 1,
            asked: all.to_vec(),
        }
    }

    fn recording() -> Recording {
        Recording::new("web".parse().unwrap())
    }

    #[test]
    fn a_run_is_counted_once_however_often_it_is_written() {
        let mut recording = recording();
        recording.put(run(1, &[asked("c 1:3 r", Answer::Allowed, "sh")]));
        let later = Asked { count: 5, ..asked("c 1:3 r", Answer::Allowed, "cat") };
        recording.put(run(1, &[later]));
        recording.put(run(2, &[asked("c 1:3 r", Answer::Allowed, "sh")]));
        let all = recording.asked();
        assert_eq!((all.len(), all[0].count, recording.lost()), (1, 7, 2));
        assert_eq!(all[0].commands, ["sh", "cat"]);
    }

    #[test]
    fn it_is_read_back_with_the_rules_for_people() {
        let mut recording = recording();
        recording.put(run(1, &[asked("c 1:3 r", Answer::Allowed, "sh")]));
        let text = serde_json::to_string(&recording).unwrap();
        assert!(
            text.contains(
                r#""rules":[{"allow":true,"type":"c","major":1,"minor":3,"access":"r","comment":"#
            ),
            "{text}"
        );
        let read: Recording = serde_json::from_str(&text).unwrap();
        assert_eq!((read.runs, read.earlier), (recording.runs, recording.earlier));
    }

    #[test]
    fn many_runs_take_bounded_room() {
        let mut recording = recording();
        for id in 0..200 {
            recording.put(run(id, &[asked("c 1:3 r", Answer::Allowed, "sh")]));
        }
        assert_eq!((recording.runs.len(), recording.run_count()), (MOST_RUNS, 200));
        assert_eq!((recording.asked()[0].count, recording.lost()), (400, 200));
        for id in 200..230 {
            let all: Vec<Asked> = (0..4_000)
                .map(|minor| asked(&format!("c {id}:{minor} r"), Answer::Allowed, "sh"))
                .collect();
            recording.put(run(id, &all));
        }
        assert!(recording.asked().len() <= MOST_ASKED);
        // What is not known any more is told.
        let known: u64 = recording.asked().iter().map(|asked| asked.count).sum();
        assert_eq!(known + recording.lost(), 400 + 200 + 30 * (2 * 4_000 + 1));
    }
}
