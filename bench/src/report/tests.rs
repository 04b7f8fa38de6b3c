//! What passes, what does not, and what is said about it.

use std::time::Duration;

use super::*;
use crate::latency;

fn judged(report: Report, own_cpu: Duration, lag_ms: u64) -> Report {
    let mut lag = latency::histogram();
    latency::record(&mut lag, lag_ms * 1000);
    report.judged(&Span { time: Duration::from_secs(1), own_cpu, ..Span::default() }, &lag)
}

fn of(messages: Messages) -> Report {
    let report = Report { messages: Some(messages), ..Report::default() };
    judged(report, Duration::from_millis(500), 1)
}

fn clean() -> Messages {
    Messages { published: 5, acknowledged: 5, expected: 10, delivered: 10, ..Messages::default() }
}

#[test]
fn a_run_passes_when_every_message_is_accounted_for() {
    assert!(of(clean()).passed);
    for fault in [
        |m: &mut Messages| m.lost = 1,
        |m: &mut Messages| m.doubled = 1,
        |m: &mut Messages| m.reordered = 1,
        |m: &mut Messages| m.foreign = 1,
        |m: &mut Messages| m.unanswered = 1,
        |m: &mut Messages| m.unreadable = 1,
        |m: &mut Messages| m.dropped = 1,
        |m: &mut Messages| m.acknowledged = 0,
    ] {
        let mut messages = clean();
        fault(&mut messages);
        assert!(!of(messages.clone()).passed, "{messages:?}");
    }
}

#[test]
fn connections_that_failed_or_went_and_pages_that_were_wrong_do_not_pass() {
    let connect = Some(Connect { failed: 1, ..Connect::default() });
    let pages = Some(Pages { wrong: 1, ..Pages::default() });
    let resumes = Some(Resumes { resets: 1, ..Resumes::default() });
    let idle = Some(Idle { stayed: 1, ..Idle::default() });
    for report in [
        Report { connect, ..Report::default() },
        Report { pages, ..Report::default() },
        Report { resumes, ..Report::default() },
        Report { idle, ..Report::default() },
    ] {
        assert!(!judged(report, Duration::ZERO, 0).passed);
    }
}

#[test]
fn a_tool_that_was_the_limit_says_so() {
    assert!(!judged(Report::default(), Duration::from_millis(500), 1).tool.limited);
    for (cpu, lag) in [(950, 1), (500, 20)] {
        let report = judged(Report::default(), Duration::from_millis(cpu), lag);
        assert!(report.tool.limited && report.to_string().contains("this tool was the limit"), "{report}");
    }
}

#[test]
fn rate_limits_are_named_with_the_way_out() {
    let report = of(Messages { errors: [("RATE_LIMIT_EXCEEDED".into(), 3)].into(), ..clean() });
    assert!(report.to_string().contains("CHATAPP__LIMITS__ENABLED=false"), "{report}");
}

#[test]
fn reports_are_appended_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("runs.json");
    let reports = [of(clean()), of(Messages { lost: 2, ..clean() })];
    reports.iter().for_each(|report| report.append_to(&file).unwrap());
    assert_eq!(Report::read_all(&file).unwrap(), reports);
}
