//! The stop of a service, as its sockets see it: when it begins for them, and where each of them is sent.

use domain::upkeep;
use parking_lot::Mutex;
use shared::protocol::ServerFrame;
use store::Instance;
use tokio_util::sync::{CancellationToken, DropGuard};

/// One for each running service; begun when clients no longer find this instance.
#[derive(Default)]
pub struct Drain {
    begun: CancellationToken,
    /// Where clients may go instead. Empty while the service runs, and where there is nobody or the store is away.
    places: Mutex<Vec<Place>>,
}

/// An instance that takes this one's clients.
struct Place {
    url: String,
    /// Its connections, with those sent there.
    load: u64,
}

impl Drain {
    /// Cancelled when the sockets are to go.
    pub fn begun(&self) -> &CancellationToken {
        &self.begun
    }

    /// The sockets are told to go when this is dropped, however its holder ends.
    pub(crate) fn begin_at_drop(&self) -> DropGuard {
        self.begun.clone().drop_guard()
    }

    /// Where clients may go: the other live instances of the service.
    pub(crate) fn set_places(&self, others: impl IntoIterator<Item = Instance>) {
        *self.places.lock() = others.into_iter().map(|other| Place { url: other.url, load: other.load }).collect();
    }

    /// The last frame before a drained socket is closed. The wait is random, so that a deploy is no stampede.
    pub fn reconnect(&self) -> ServerFrame {
        let after_ms = u64::try_from(upkeep::reconnect_after().as_millis()).unwrap_or(u64::MAX);
        ServerFrame::Reconnect { after_ms, url: self.next_place() }
    }

    /// The least-loaded instance, counting whom this one has sent there already: loads in the registry are seconds old,
    /// and without counting all of this instance's clients would meet at one other. O(instances), once for each socket.
    fn next_place(&self) -> Option<String> {
        let mut places = self.places.lock();
        let place = places.iter_mut().min_by_key(|place| place.load)?;
        place.load += 1;
        Some(place.url.clone())
    }
}

#[cfg(test)]
mod tests {
    use shared::InstanceId;
    use store::Service;

    use super::*;

    fn instance(url: &str, load: u64) -> Instance {
        let (id, service, version) = (InstanceId::new(), Service::Chat, "0".into());
        Instance { id, service, url: url.into(), address: None, beat: 1, load, version, draining: false }
    }

    #[test]
    fn clients_are_sent_to_the_least_loaded_instance_and_fill_the_others_evenly() {
        let drain = Drain::default();
        drain.set_places([instance("a", 2), instance("b", 5), instance("c", 100)]);
        let mut sent: Vec<String> = (0..13).map(|_| drain.next_place().unwrap()).collect();
        assert_eq!(sent[..3], ["a", "a", "a"]);
        sent.sort();
        assert_eq!((sent.iter().filter(|to| *to == "a").count(), sent.iter().filter(|to| *to == "b").count()), (8, 5));
    }

    #[test]
    fn without_another_instance_there_is_no_url() {
        assert!(matches!(Drain::default().reconnect(), ServerFrame::Reconnect { url: None, .. }));
    }

    #[test]
    fn the_sockets_go_also_when_who_looks_for_a_place_fails() {
        let drain = Drain::default();
        let guard = drain.begin_at_drop();
        assert!(!drain.begun().is_cancelled());
        drop(guard);
        assert!(drain.begun().is_cancelled());
    }
}
