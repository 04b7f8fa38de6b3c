//! Where clients and requests may go: the registry's entries without the dead.
//!
//! The entry of a killed process stays until its lease ends. So each instance is asked once, at its address, whether it
//! is the one; from then on it is dead as soon as nobody accepts connections there. Which could not be asked (the address
//! is behind a firewall, or one of another machine) is believed as long as its lease lasts.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, future::ready, stream};
use moka::future::Cache;
use parking_lot::Mutex;
use serde::Deserialize;
use shared::InstanceId;
use store::{Instance, Registry, Service};
use tokio::{
    net::TcpStream,
    time::{MissedTickBehavior, interval, timeout},
};

/// The services that are looked for.
const WATCHED: [Service; 4] = Service::ALL;
/// How often instances that are new are asked who they are.
const LOOK: Duration = Duration::from_secs(1);
/// What accepts no connection within this time is dead.
const ACCEPT: Duration = Duration::from_millis(250);
/// How long what came of trying is good for, however many ask.
const ACCEPT_KEPT: Duration = Duration::from_millis(250);
/// Instances tried at once.
const AT_ONCE: usize = 32;
/// Instances whose last try is remembered; with more they are tried more often.
const TRIES_KEPT: u64 = 1024;

/// Names an instance: the services of one process have one id.
pub(crate) type Key = (Service, InstanceId);

/// One for each process.
pub(crate) struct Directory {
    registry: Arc<dyn Registry>,
    http: reqwest::Client,
    /// Those that answered at their address; bounded by the registry's entries.
    known: Mutex<HashSet<Key>>,
    accepts: Cache<Key, bool>,
    sent: Mutex<Sent>,
}

/// An instance that is not known to be dead.
#[derive(Clone)]
pub(crate) struct Live {
    pub instance: Instance,
    /// Its `address` leads to it, from here.
    pub known: bool,
}

/// What `/health` says of who answers.
#[derive(Deserialize)]
struct Identity {
    instance: InstanceId,
}

impl Directory {
    pub fn new(registry: Arc<dyn Registry>, http: reqwest::Client) -> Self {
        let accepts = Cache::builder().max_capacity(TRIES_KEPT).time_to_live(ACCEPT_KEPT).build();
        Self { registry, http, known: Mutex::default(), accepts, sent: Mutex::default() }
    }

    /// The instance to which a client is to be sent; `load` counts whom this process sent there since it was told.
    pub async fn least_loaded(&self, service: Service) -> store::Result<Option<Instance>> {
        let live = self.live(service).await?.into_iter().map(|live| live.instance).collect();
        Ok(self.sent.lock().choose(service, live))
    }

    /// Has it answered at its address?
    pub fn is_known(&self, service: Service, id: InstanceId) -> bool {
        self.known.lock().contains(&(service, id))
    }

    /// All that are neither stopping nor known to be dead, least loaded first.
    pub async fn live(&self, service: Service) -> store::Result<Vec<Live>> {
        let registered = self.registry.instances(service).await?;
        let looks = registered.into_iter().filter(|instance| !instance.draining).map(|instance| async {
            let known = self.known.lock().contains(&key(&instance));
            let dead = known && !self.accepts(&instance).await;
            (!dead).then_some(Live { instance, known })
        });
        Ok(stream::iter(looks).buffered(AT_ONCE).filter_map(ready).collect().await)
    }

    /// Gets to know instances as they come.
    pub async fn watch(&self) -> Infallible {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for service in WATCHED {
                if let Err(e) = self.look(service).await {
                    // Whoever asks for an instance is told so, too.
                    tracing::debug!("cannot read the registry: {e}");
                }
            }
        }
    }

    async fn look(&self, service: Service) -> store::Result<()> {
        let registered = self.registry.instances(service).await?;
        let there: HashSet<Key> = registered.iter().map(key).collect();
        self.known.lock().retain(|known| known.0 != service || there.contains(known));
        let unknown = registered.iter().filter(|instance| !self.known.lock().contains(&key(instance)));
        let met = stream::iter(unknown.map(|instance| async {
            let address = instance.address?;
            (self.who_answers(address).await == Some(instance.id)).then(|| key(instance))
        }));
        let met: Vec<Key> = met.buffered(AT_ONCE).filter_map(ready).collect().await;
        let mut known = self.known.lock();
        known.extend(met);
        let count = known.iter().filter(|known| known.0 == service).count();
        metrics::gauge!("chatapp_instances_known", "service" => service.as_str()).set(count as f64);
        Ok(())
    }

    async fn who_answers(&self, address: SocketAddr) -> Option<InstanceId> {
        let ask = self.http.get(format!("http://{address}/health")).timeout(LOOK).send();
        let answer = ask.await.ok()?;
        // An answer of ours is short; what says that it is longer is no instance.
        let short = answer.content_length().is_some_and(|length| length < 4096);
        Some(if short { answer.json::<Identity>().await.ok()? } else { return None }.instance)
    }

    async fn accepts(&self, instance: &Instance) -> bool {
        let Some(address) = instance.address else { return true };
        let tried = async { matches!(timeout(ACCEPT, TcpStream::connect(address)).await, Ok(Ok(_))) };
        self.accepts.get_with(key(instance), tried).await
    }
}

pub(crate) fn key(instance: &Instance) -> Key {
    (instance.service, instance.id)
}

/// Whom this process sent where since each instance last told its load: without counting them, all who ask between two
/// beats would meet at one instance.
#[derive(Default)]
struct Sent(HashMap<Key, SentTo>);

struct SentTo {
    beat: u64,
    clients: u64,
}

impl Sent {
    /// The least-loaded of the live ones, with one client more from now on. O(instances).
    fn choose(&mut self, service: Service, mut live: Vec<Instance>) -> Option<Instance> {
        self.0.retain(|(of, id), _| *of != service || live.iter().any(|instance| instance.id == *id));
        for instance in &mut live {
            let sent = self.0.entry(key(instance)).or_insert(SentTo { beat: 0, clients: 0 });
            if sent.beat != instance.beat {
                *sent = SentTo { beat: instance.beat, clients: 0 };
            }
            instance.load += sent.clients;
        }
        let chosen = live.into_iter().min_by_key(|instance| (instance.load, instance.id))?;
        if let Some(sent) = self.0.get_mut(&key(&chosen)) {
            sent.clients += 1;
        }
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(name: &str, load: u64) -> Instance {
        let (id, service, version) = (InstanceId::new(), Service::Chat, "0".into());
        Instance { id, service, url: name.into(), address: None, beat: 1, load, version, draining: false }
    }

    fn choose(sent: &mut Sent, live: &[Instance]) -> String {
        sent.choose(Service::Chat, live.to_vec()).unwrap().url
    }

    #[test]
    fn a_storm_of_clients_fills_the_instances_evenly() {
        let live = [instance("a", 2), instance("b", 5), instance("c", 100)];
        let mut sent = Sent::default();
        let to: Vec<String> = (0..13).map(|_| choose(&mut sent, &live)).collect();
        assert_eq!(to[..3], ["a", "a", "a"]);
        let count = |name: &str| to.iter().filter(|to| *to == name).count();
        assert_eq!((count("a"), count("b"), count("c")), (8, 5, 0));
    }

    #[test]
    fn what_an_instance_tells_takes_the_place_of_what_was_counted() {
        let mut live = [instance("a", 0), instance("b", 3)];
        let mut sent = Sent::default();
        assert_eq!([(); 3].map(|()| choose(&mut sent, &live)), ["a", "a", "a"]);
        // They went elsewhere: it has none of them.
        live[0].beat = 2;
        assert_eq!(choose(&mut sent, &live), "a");
        assert_eq!(sent.choose(Service::Chat, live.to_vec()).unwrap().load, 1);
    }

    #[test]
    fn instances_that_are_gone_are_not_remembered() {
        let (one, other) = (instance("a", 0), instance("b", 0));
        let mut sent = Sent::default();
        choose(&mut sent, &[one, other.clone()]);
        choose(&mut sent, &[other]);
        assert_eq!(sent.0.len(), 1);
        assert!(sent.choose(Service::Presence, Vec::new()).is_none());
        assert_eq!(sent.0.len(), 1, "those of another service stay");
    }
}
