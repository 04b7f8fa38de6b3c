//! A user's connection, counted and in presence, until it ends: in order, or dropped while authenticating or with its
//! worker.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{Presence, Viewer};
use shared::UserId;

/// The authenticated sockets of a service in this process.
pub struct Sockets {
    /// As `/metrics` names them.
    kind: &'static str,
    open: AtomicU64,
}

/// One of them. Make it before the connection is in the hub or in presence: what is begun after it is undone with it.
pub struct Announced {
    sockets: &'static Sockets,
    presence: Arc<Presence>,
    user: UserId,
    connection: u64,
    /// Out of its worker's hub; `None` once that is done.
    leave: Option<Box<dyn FnOnce()>>,
}

impl Sockets {
    pub const fn new(kind: &'static str) -> Self {
        Self { kind, open: AtomicU64::new(0) }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a connection of this user; `leave` takes it out of its worker's hub, and is called once.
    pub fn announce(
        &'static self,
        presence: &Arc<Presence>,
        viewer: &Viewer,
        connection: u64,
        leave: impl FnOnce() + 'static,
    ) -> Announced {
        self.open.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("chatapp_connections", "socket" => self.kind).increment(1);
        let (presence, leave) = (presence.clone(), Some(Box::new(leave) as Box<dyn FnOnce()>));
        Announced { sockets: self, presence, user: viewer.user, connection, leave }
    }
}

impl Announced {
    /// Out of the hub at once, then out of presence.
    pub async fn end(&mut self) {
        if self.leave_hub() {
            disconnect(&self.presence, self.user, self.connection).await;
        }
    }

    /// `false`: it had left.
    fn leave_hub(&mut self) -> bool {
        let Some(leave) = self.leave.take() else { return false };
        self.sockets.open.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("chatapp_connections", "socket" => self.sockets.kind).decrement(1);
        leave();
        true
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if !self.leave_hub() {
            return;
        }
        let (presence, user, connection) = (self.presence.clone(), self.user, self.connection);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { disconnect(&presence, user, connection).await });
        }
    }
}

async fn disconnect(presence: &Presence, user: UserId, connection: u64) {
    if let Err(e) = presence.disconnected(user, connection).await {
        // The process's lease stands for it until it is found out.
        e.log();
    }
}
