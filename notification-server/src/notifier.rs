//! The notifier: takes rooms with something new and has `domain::notifications` decide who is told.

use std::time::Duration;

use domain::Domain;
use futures_util::{StreamExt, stream};
use shared::Timestamp;
use store::DueRoom;
use tokio_util::sync::CancellationToken;

use crate::outage::Outage;

/// How often due rooms are looked for while there are none.
const POLL: Duration = Duration::from_millis(250);
/// A room taken is nobody else's for so long; considering one twice queues nothing twice.
const LEASE: Duration = Duration::from_secs(30);
/// Rooms taken at once.
const ROOMS: usize = 64;
/// Rooms considered at the same time.
const CONCURRENCY: usize = 8;

pub struct Notifier {
    domain: Domain,
}

impl Notifier {
    pub fn new(domain: Domain) -> Self {
        Self { domain }
    }

    /// Runs until `shutdown`. What is under way then is dropped: its rooms are due again when their lease ends.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            let mut outage = Outage::new("look for rooms with something new");
            loop {
                tokio::time::sleep(self.turn(&mut outage).await).await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }

    /// Considers what is due; gives how long to wait for the next turn.
    async fn turn(&self, outage: &mut Outage) -> Duration {
        let due = match self.domain.store.notify_queue.take_due(Timestamp::now(), LEASE, ROOMS).await {
            Ok(due) => due,
            Err(e) => return outage.failed(&e.into()),
        };
        let full = due.len() == ROOMS;
        let mut failure = None;
        let mut outcomes = stream::iter(due).map(|due| self.consider(due)).buffer_unordered(CONCURRENCY);
        while let Some(outcome) = outcomes.next().await {
            failure = outcome.err().or(failure);
        }
        match failure {
            Some(e) => outage.failed(&e),
            None => {
                outage.over();
                if full { Duration::ZERO } else { POLL }
            }
        }
    }

    async fn consider(&self, due: DueRoom) -> domain::Result<()> {
        let queued = self.domain.notifications.consider(&due).await?;
        metrics::counter!("chatapp_notifier_rooms_total").increment(1);
        metrics::counter!("chatapp_notifier_queued_total").increment(queued as u64);
        Ok(())
    }
}
