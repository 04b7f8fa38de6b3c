//! Each workload, small.

use std::time::Duration;

use bench::{
    progress::Progress,
    report::Messages,
    workload::{
        Common,
        connections::{self, Connections},
        day::{self, Day},
        history::{self, By, Depth, History},
        resume::{self, Resume},
    },
};
use e2e::System;

use crate::support::{common, embedded, run, run_talk, schedule, talk};

/// So many published and delivered, all as expected and without a fault.
fn assert_accounted(messages: &Messages, [published, delivered]: [u64; 2]) {
    let found = [messages.published, messages.acknowledged, messages.expected, messages.delivered];
    assert_eq!(found, [published, published, delivered, delivered], "{messages:?}");
    let faults = [messages.lost, messages.doubled, messages.reordered, messages.foreign, messages.unanswered];
    assert_eq!(faults, [0; 5], "{messages:?}");
}

#[tokio::test]
async fn every_message_of_a_fan_out_reaches_every_member() {
    let system = embedded().await;
    let report = run_talk(&common(&system), &talk(20, 1, 60)).await;
    assert!(report.passed, "{report}");
    let messages = report.messages.unwrap();
    assert_accounted(&messages, [60, 1200]);
    assert_eq!(messages.delivery_ms.unwrap().samples, 1200);
}

#[tokio::test]
async fn rooms_spread_over_two_chat_servers_lose_nothing() {
    let system = System::over_redis_with(2, &[("LIMITS__ENABLED", "false")]).await.unwrap();
    let report = run_talk(&common(&system), &talk(12, 3, 90)).await;
    assert!(report.passed, "{report}");
    assert_eq!(report.setup.chat_servers, 2);
    assert_accounted(&report.messages.unwrap(), [90, 360]);
}

#[tokio::test]
async fn a_closed_loop_sends_as_many_messages_as_it_was_told() {
    let system = embedded().await;
    let mut talk = talk(6, 2, 200);
    talk.window = Some(8);
    let report = run_talk(&common(&system), &talk).await;
    assert_eq!((report.setup.window, report.setup.rate), (Some(8), None));
    assert_accounted(&report.messages.unwrap(), [200, 600]);
}

#[tokio::test]
async fn nothing_is_expected_at_those_who_do_not_read() {
    let system = embedded().await;
    let mut talk = talk(6, 1, 20);
    talk.slow = 2;
    let report = run_talk(&common(&system), &talk).await;
    assert!(report.passed, "{report}");
    assert_eq!(report.slow.unwrap().connections, 2);
    assert_accounted(&report.messages.unwrap(), [20, 80]);
}

#[tokio::test]
async fn the_registry_names_the_chat_server_where_none_is_given() {
    let system = embedded().await;
    let common = Common { chat: Vec::new(), ..common(&system) };
    assert_accounted(&run_talk(&common, &talk(3, 1, 5)).await.messages.unwrap(), [5, 15]);
}

#[tokio::test]
async fn connections_come_and_stay_one_by_one_and_in_a_storm() {
    let system = embedded().await;
    for (name, storm) in [("connections", false), ("storm", true)] {
        let plan = Connections { name, users: 40, rooms: 4, storm, hold: Duration::ZERO };
        let report = run(connections::run(&common(&system), &plan, &Progress::new())).await;
        assert!(report.passed, "{report}");
        let connect = report.connect.unwrap();
        assert_eq!((connect.opened, connect.failed, report.idle.unwrap().stayed), (40, 0, 40));
    }
}

#[tokio::test]
async fn pages_of_history_are_right_by_socket_and_by_rest() {
    let system = embedded().await;
    for (by, depth) in [(By::Ws, Depth::Anywhere), (By::Rest, Depth::Anywhere), (By::Ws, Depth::Newest)] {
        let (schedule, drain) = (schedule(30), Duration::from_secs(20));
        let plan = History { readers: 3, fill: 130, payload: 40, by, depth, limit: 50, schedule, seed: 7, drain };
        let report = run(history::run(&common(&system), &plan, &Progress::new())).await;
        assert!(report.passed, "{report}");
        let pages = report.pages.unwrap();
        assert_eq!((pages.asked, pages.read, pages.wrong), (30, 30, 0));
    }
}

#[tokio::test]
async fn who_comes_back_is_told_of_exactly_what_they_missed() {
    let system = embedded().await;
    let plan = Resume { users: 12, rooms: 3, missed: 40, payload: 40, drain: Duration::from_secs(20) };
    let report = run(resume::run(&common(&system), &plan, &Progress::new())).await;
    assert!(report.passed, "{report}");
    let (resumes, messages) = (report.resumes.unwrap(), report.messages.unwrap());
    assert_eq!((resumes.disconnects, resumes.resumed, resumes.failed, resumes.resets), (9, 9, 0, 0));
    // Each room has one who stayed and three who were away.
    assert_accounted(&messages, [120, 480]);
    assert_eq!(messages.caught_up, 360);
}

#[tokio::test]
async fn a_day_of_coming_and_going_loses_nothing() {
    let system = embedded().await;
    let (schedule, drain) = (schedule(300), Duration::from_secs(20));
    let plan = Day { users: 24, schedule, leaves: 40.0, payload: 60, seed: 3, drain };
    let report = run(day::run(&common(&system), &plan, &Progress::new())).await;
    assert!(report.passed, "{report}");
    let (messages, resumes) = (report.messages.unwrap(), report.resumes.unwrap());
    assert_eq!(messages.published, messages.acknowledged);
    assert_eq!(messages.expected, messages.delivered);
    assert!(resumes.disconnects > 0 && resumes.disconnects == resumes.resumed, "{resumes:?}");
    assert!(messages.other_frames.contains_key("TYPING_UPDATE") && report.pages.unwrap().read > 0, "{messages:?}");
}

#[tokio::test]
async fn a_deployment_with_limits_is_named_as_what_it_is() {
    let system = System::embedded().await.unwrap();
    let report = run_talk(&common(&system), &talk(1, 1, 200)).await;
    let text = report.to_string();
    let messages = report.messages.unwrap();
    assert!(messages.refused > 0 && messages.acknowledged + messages.refused == 200, "{text}");
    assert_eq!((messages.expected, messages.lost), (messages.acknowledged, 0), "{text}");
    assert!(text.contains("CHATAPP__LIMITS__ENABLED=false"), "{text}");
}
