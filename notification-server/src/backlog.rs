//! How many jobs wait, for `/metrics`.

use std::{convert::Infallible, time::Duration};

use domain::Domain;
use shared::Timestamp;
use store::Backlog;
use tokio::time::{MissedTickBehavior, interval};

/// How often they are counted.
const EVERY: Duration = Duration::from_secs(5);

/// Counts them again and again; what cannot be counted now keeps its last number. May be dropped at any time.
pub async fn watch(domain: &Domain) -> Infallible {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match domain.store.outbox.backlog(Timestamp::now()).await {
            Ok(Backlog { due, later }) => {
                metrics::gauge!("chatapp_outbox_jobs", "state" => "due").set(due as f64);
                metrics::gauge!("chatapp_outbox_jobs", "state" => "later").set(later as f64);
            }
            // Whoever works on the outbox is told so, too.
            Err(e) => tracing::debug!("cannot count the outbox: {e}"),
        }
    }
}
