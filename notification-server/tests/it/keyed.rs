//! Requests under a key, repeated when a part of them is not known: because a process died, or because it was long ago.

use std::time::Duration;

use serde_json::json;
use shared::{InstanceId, NotificationId, Timestamp};
use store::JobState;

use crate::support::{Engine, Person, World, attempt};

const LEASE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3600);

impl World {
    async fn notify_both(&self, one: &Person, other: &Person) -> NotificationId {
        let request = json!({ "userIds": [one.id, other.id], "title": "Tea", "body": "now" });
        let request = serde_json::from_value(request).unwrap();
        self.domain.notifications.notify([7; 16], Some("k"), request).await.unwrap()
    }

    /// Says of every job that it was tried at `at`: of the first that it is over, of others that they will be retried.
    async fn try_all(&self, at: Timestamp) {
        let outbox = &self.domain.store.outbox;
        let claimed = outbox.claim(InstanceId::new(), Timestamp::now(), LEASE, 100).await.unwrap();
        assert_eq!(claimed.len(), 2);
        for (n, claimed) in claimed.iter().enumerate() {
            let (user, request_hash) = (claimed.job.user, claimed.job.request_hash);
            let attempts = vec![attempt("inbox", "failed", at)];
            let state = JobState { user, done: n == 0, attempts, claim: 1, request_hash };
            let again = (n > 0).then(|| Timestamp::now().after(LEASE));
            outbox.settle(claimed, &state, again).await.unwrap();
        }
    }

    /// Forgets what has been over for long, as it will be in eight days.
    async fn forget(&self) {
        self.domain.store.maintenance.sweep(Timestamp::now().after(8 * DAY)).await.unwrap();
    }
}

/// Redis keeps the states of a request together.
#[actix_web::test]
async fn a_repeat_completes_a_request_unless_it_is_so_late_that_a_part_was_forgotten() {
    for (tried, expected, why) in [
        (Timestamp::now(), 2, "as if a process had died before it queued the other"),
        (Timestamp::now().before(2 * DAY), 1, "nobody is notified again"),
    ] {
        let world = World::new(Engine::Embedded).await;
        let (alice, bob) = (world.person("alice").await, world.person("bob").await);
        let id = world.notify_both(&alice, &bob).await;
        world.try_all(tried).await;
        let states = async || world.domain.store.outbox.states(id).await.unwrap().len();
        assert_eq!(states().await, 2);
        world.forget().await;
        assert_eq!(states().await, 1, "{why}");
        assert_eq!(world.notify_both(&bob, &alice).await, id);
        assert_eq!(states().await, expected, "{why}");
    }
}
