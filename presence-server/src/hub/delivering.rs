//! The worker's loop: what the bus brings goes to who watches, and how somebody may watch is looked at again whenever
//! that may have changed.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    rc::{Rc, Weak},
    time::Duration,
};

use domain::{Domain, Login, Result, outage::Outage};
use futures_util::{StreamExt, stream};
use shared::UserId;
use socket::{CloseCode, Outbound};
use store::{BusEvent, Inbox, Signal, UserChangeBody, UserEvent};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use web::sessions::Logins;

use super::Hub;

/// How long to wait when the store is away, first and at most.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(4);
/// Viewers looked at again at once.
const AT_ONCE: usize = 16;

/// What is to be looked at again: (viewer, user). Bounded by what this worker's connections watch.
#[derive(Default)]
pub(super) struct Rechecks {
    pending: RefCell<HashSet<(UserId, UserId)>>,
    asked: Notify,
}

impl Rechecks {
    pub fn add(&self, pairs: impl IntoIterator<Item = (UserId, UserId)>) {
        self.pending.borrow_mut().extend(pairs);
    }

    /// Wakes the loop, if there is something to be done.
    pub fn ask(&self) {
        if !self.pending.borrow().is_empty() {
            self.asked.notify_one();
        }
    }
}

/// Ends with the worker's hub, or the store. Awaits what it reads before it delivers on, so that what is older comes first.
pub(super) async fn deliver(hub: Weak<Hub>, domain: Domain, mut inbox: Inbox, rechecks: Rc<Rechecks>) {
    let mut outage = Outage::new("read how those who are watched stand");
    // While the store is away: when it is tried next.
    let mut again: Option<Instant> = None;
    loop {
        let first = tokio::select! {
            signal = inbox.recv() => match signal {
                Some(signal) => Some(signal),
                None => return,
            },
            () = rechecks.asked.notified() => None,
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => None,
        };
        let Some(hub) = hub.upgrade() else { return };
        let mut touched = Vec::new();
        let mut next = first;
        while let Some(signal) = next {
            if matches!(signal, Signal::Lost) {
                again = None;
            }
            take(&hub, signal, &mut touched);
            next = inbox.try_recv();
        }
        touched.iter().for_each(Outbound::wake);
        if again.is_none_or(|at| at <= Instant::now()) {
            again = match recheck(&hub, &domain).await {
                Ok(()) => {
                    outage.over();
                    None
                }
                Err(e) => Some(Instant::now() + pause(outage.failed(&e))),
            };
        }
    }
}

/// After so many failures in a row.
fn pause(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << (failures - 1).min(8)).min(LAST_RETRY)
}

fn take(hub: &Hub, signal: Signal, touched: &mut Vec<Outbound>) {
    match signal {
        Signal::Event(BusEvent::Presence(event)) => {
            let pending = hub.rechecks.pending.borrow();
            let is_open = |viewer| pending.contains(&(viewer, event.user));
            hub.watches.borrow_mut().publish(&event, is_open, touched);
        }
        Signal::Event(BusEvent::AccessChanged { user, watcher }) => {
            let viewers = hub.watches.borrow().viewers(user, watcher);
            hub.rechecks.add(viewers.into_iter().map(|viewer| (viewer, user)));
        }
        Signal::Event(BusEvent::User(user, event)) => match &*event {
            UserEvent::SessionEnded(session) => hub.close(user, Login::Session(*session), CloseCode::Unauthorized),
            UserEvent::AccountClosed => hub.close_account(user),
            UserEvent::Change(change) => match change.body {
                // Of the one who watches: of the others their own topic tells.
                UserChangeBody::RoomAdded(_) | UserChangeBody::RoomRemoved(_) => {
                    hub.rechecks.add(hub.watched_by(user).into_iter().map(|watched| (user, watched)));
                }
                _ => {}
            },
        },
        Signal::Event(BusEvent::Room(_) | BusEvent::Marked(_) | BusEvent::Typing(_)) => {}
        // What was missed may be anything.
        Signal::Lost => {
            hub.rechecks.add(hub.watches.borrow().all());
            hub.lost.notify_one();
        }
    }
}

/// Looks at all that is to be looked at again, and tells each watcher what they do not know yet. An error: some is left.
async fn recheck(hub: &Hub, domain: &Domain) -> Result<()> {
    let mut by_viewer: HashMap<UserId, Vec<UserId>> = HashMap::new();
    for (viewer, user) in hub.rechecks.pending.take() {
        by_viewer.entry(viewer).or_default().push(user);
    }
    let looks = by_viewer.into_iter().map(|(viewer, users)| async move {
        let seen = domain.presence.see(viewer, &users).await;
        (viewer, users, seen)
    });
    let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
    let mut all = Ok(());
    while let Some((viewer, users, seen)) = looks.next().await {
        let seen = match seen {
            Ok(seen) => seen,
            Err(e) => {
                hub.rechecks.add(users.into_iter().map(|user| (viewer, user)));
                all = Err(e);
                continue;
            }
        };
        let mut touched = Vec::new();
        for seen in seen {
            let user = seen.presence.user_id;
            if !hub.watches.borrow_mut().look_again(viewer, seen, &mut touched) {
                hub.rechecks.add([(viewer, user)]);
            }
        }
        touched.iter().for_each(Outbound::wake);
    }
    all
}
