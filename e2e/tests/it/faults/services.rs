//! Services that are killed, stopped, halted and restarted.

use std::time::Duration;

use e2e::{Signal, System};

use super::{begin, errors, goes_on, grows, is_kept, plan, rounds};

/// A chat-server that is there and does nothing.
const HALTED: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_the_embedded_process_breaks_no_promise() {
    let mut system = System::embedded().await.unwrap();
    let run = begin(plan(&system)).await;
    for _ in 0..rounds() {
        goes_on(&run).await;
        system.kill9("chatapp").await.unwrap();
        grows(&run, "the connections are lost", |counts| counts.disconnects - counts.cuts.min(counts.disconnects))
            .await;
        system.restart("chatapp").await.unwrap();
    }
    is_kept(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_each_service_in_turn_breaks_no_promise() {
    let mut system = System::over_redis(2).await.unwrap();
    let run = begin(plan(&system)).await;
    for _ in 0..rounds() {
        for service in ["chat-0", "chat-1", "api-0", "presence-0", "notification-0"] {
            goes_on(&run).await;
            let before = run.counts();
            system.kill9(service).await.unwrap();
            match service {
                "chat-0" | "chat-1" => {
                    // Half of the users are on it.
                    let lost = before.disconnects + 4;
                    run.until("its clients are lost", super::AT_MOST, |now| now.disconnects >= lost).await.unwrap();
                }
                "api-0" => grows(&run, "REST fails", |counts| errors(counts, "http")).await,
                // What they do is not waited for by any message.
                _ => goes_on(&run).await,
            }
            system.restart(service).await.unwrap();
        }
    }
    is_kept(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_server_that_is_halted_for_a_while_breaks_no_promise() {
    let mut system = System::over_redis(2).await.unwrap();
    let run = begin(plan(&system)).await;
    for _ in 0..rounds() {
        goes_on(&run).await;
        system.signal("chat-1", Signal::Stop).await.unwrap();
        // Not for synchronisation: this is the fault.
        tokio::time::sleep(HALTED).await;
        system.signal("chat-1", Signal::Continue).await.unwrap();
    }
    is_kept(run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_two_chat_servers_under_load_breaks_no_promise() {
    let mut system = System::over_redis(2).await.unwrap();
    let run = begin(plan(&system)).await;
    for _ in 0..rounds() {
        for service in ["chat-0", "chat-1"] {
            goes_on(&run).await;
            let (before, cuts) = (run.counts().resumes, run.counts().cuts);
            let exit = system.sigterm(service).await.unwrap();
            assert_eq!(exit.code, Some(0), "{}", exit.output);
            // Those of the stopped server go on elsewhere, while it is down.
            let moved = |counts: &chatapp::verify::Counts| counts.resumes >= before + 4 + (counts.cuts - cuts) / 2;
            run.until("its clients resume at the other", super::AT_MOST, moved).await.unwrap();
            system.restart(service).await.unwrap();
        }
    }
    is_kept(run).await;
}
