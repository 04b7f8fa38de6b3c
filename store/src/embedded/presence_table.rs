//! Who is connected, in memory: devices, leases and deadlines end with the process that holds them. Pure state; the
//! engine adds locking, memory beyond the process and the bus.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use shared::{InstanceId, Timestamp, UserId};

use crate::{ChosenStatus, Device, PresenceState, Published, Publishing, presence::PresenceEvent};

/// Users without a connection are kept this long, in case they come back.
const IDLE_KEPT: Duration = Duration::from_secs(10 * 60);

/// What outlives the process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) chosen: ChosenStatus,
    pub(super) text: Option<String>,
    pub(super) last_seen: Option<Timestamp>,
}

impl Remembered {
    /// The state of a user who is not in the table.
    pub(super) fn into_state(self) -> PresenceState {
        PresenceState { chosen: self.chosen, text: self.text, last_seen: self.last_seen, ..PresenceState::default() }
    }
}

/// Users with a connection, a published status or a deadline, and those who had one within [`IDLE_KEPT`].
#[derive(Default)]
pub(super) struct PresenceTable {
    /// Boxed: an entry is large, and a growing table is half empty.
    users: HashMap<UserId, Box<Entry>>,
    /// Ends of leases.
    leases: HashMap<InstanceId, Timestamp>,
    /// Users with a device of the instance.
    users_of: HashMap<InstanceId, HashSet<UserId>>,
    deadlines: BTreeSet<(Timestamp, UserId)>,
    /// One counter for all: a user who was forgotten and comes back gets no version they had before.
    versions: u64,
}

struct Entry {
    state: PresenceState,
    due: Option<Due>,
    touched: Timestamp,
}

#[derive(Clone, Copy)]
struct Due {
    at: Timestamp,
    /// Somebody has taken it; else finishing must not end it, as it was set after the one that is finished.
    taken: bool,
}

impl PresenceTable {
    pub(super) fn contains(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    pub(super) fn state(&self, user: UserId) -> Option<PresenceState> {
        self.users.get(&user).map(|e| e.state.clone())
    }

    /// What to write down of a user; `None` when they are not here.
    pub(super) fn remembered(&self, user: UserId) -> Option<Remembered> {
        let state = &self.users.get(&user)?.state;
        Some(Remembered { chosen: state.chosen, text: state.text.clone(), last_seen: state.last_seen })
    }

    /// Brings in a user as remembered, unless they are here.
    pub(super) fn admit(&mut self, user: UserId, remembered: Remembered) {
        let state = remembered.into_state();
        self.users.entry(user).or_insert_with(|| Box::new(Entry { state, due: None, touched: Timestamp::now() }));
    }

    /// The entry of a user, with a new version: it is about to change.
    fn change(&mut self, user: UserId) -> &mut Entry {
        self.versions += 1;
        let version = self.versions;
        let entry = self.users.entry(user).or_insert_with(|| {
            Box::new(Entry { state: PresenceState::default(), due: None, touched: Timestamp::now() })
        });
        entry.state.version = version;
        entry.touched = Timestamp::now();
        entry
    }

    pub(super) fn beat(&mut self, instance: InstanceId, until: Timestamp) {
        self.leases.insert(instance, until);
    }

    /// Gives the state with the device, and whether `alone` is to be sent, and is in it.
    pub(super) fn put_device(&mut self, user: UserId, device: &Device, alone: &PresenceEvent) -> (PresenceState, bool) {
        let state = &mut self.change(user).state;
        let same = |d: &&mut Device| d.instance == device.instance && d.connection == device.connection;
        match state.devices.iter_mut().find(same) {
            Some(old) => *old = device.clone(),
            None => {
                // Nearly everyone has one: room for four would be most of what a user costs here.
                state.devices.reserve_exact(1);
                state.devices.push(device.clone());
            }
        }
        let chose = state.chosen != ChosenStatus::default() || state.text.is_some();
        let news = state.devices.len() == 1 && !chose && state.published != alone.published;
        if news {
            state.published = alone.published.clone();
        }
        let state = state.clone();
        self.users_of.entry(device.instance).or_default().insert(user);
        (state, news)
    }

    /// Was it the user's last?
    pub(super) fn remove_device(
        &mut self,
        user: UserId,
        (instance, connection): (InstanceId, u64),
        at: Timestamp,
        grace: Duration,
    ) -> bool {
        let is_it = |d: &Device| d.instance == instance && d.connection == connection;
        let had = self.users.get(&user).is_some_and(|e| e.state.devices.iter().any(is_it));
        if !had {
            return false;
        }
        let entry = self.change(user);
        entry.state.devices.retain(|d| !is_it(d));
        let last = entry.state.devices.is_empty();
        if last {
            entry.state.last_seen = Some(at);
        }
        if !entry.state.devices.iter().any(|d| d.instance == instance) {
            self.leave_instance(user, instance);
        }
        if last {
            self.set_due(user, at.after(grace));
        }
        last
    }

    fn leave_instance(&mut self, user: UserId, instance: InstanceId) {
        if let Some(users) = self.users_of.get_mut(&instance) {
            users.remove(&user);
            if users.is_empty() {
                self.users_of.remove(&instance);
            }
        }
    }

    pub(super) fn set_chosen(&mut self, user: UserId, chosen: ChosenStatus, text: Option<String>) {
        let state = &mut self.change(user).state;
        state.chosen = chosen;
        state.text = text;
    }

    /// Stale is told before unchanged: what was derived from an old state says nothing about the new one.
    pub(super) fn publish(&mut self, event: &PresenceEvent, version: u64) -> Publishing {
        self.admit(event.user, Remembered::default());
        let Some(entry) = self.users.get_mut(&event.user) else { return Publishing::Stale };
        if entry.state.version != version {
            return Publishing::Stale;
        }
        if entry.state.published == event.published {
            return Publishing::Unchanged;
        }
        entry.state.published = event.published.clone();
        entry.touched = Timestamp::now();
        Publishing::Sent
    }

    fn set_due(&mut self, user: UserId, at: Timestamp) {
        let Some(entry) = self.users.get_mut(&user) else { return };
        if let Some(old) = entry.due.replace(Due { at, taken: false }) {
            self.deadlines.remove(&(old.at, user));
        }
        self.deadlines.insert((at, user));
    }

    pub(super) fn take_due(&mut self, now: Timestamp, lease: Duration, limit: usize) -> Vec<UserId> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now).take(limit);
        let due: Vec<UserId> = due.map(|(_, user)| *user).collect();
        for user in &due {
            self.set_due(*user, now.after(lease));
            if let Some(due) = self.users.get_mut(user).and_then(|e| e.due.as_mut()) {
                due.taken = true;
            }
        }
        due
    }

    pub(super) fn finish_due(&mut self, user: UserId) {
        let Some(entry) = self.users.get_mut(&user) else { return };
        if let Some(due) = entry.due.take_if(|due| due.taken) {
            self.deadlines.remove(&(due.at, user));
        }
    }

    /// Removes connections of instances whose lease ended, of up to `limit` users; those users.
    pub(super) fn reap(&mut self, now: Timestamp, limit: usize) -> Vec<UserId> {
        let ended = self.leases.iter().filter(|(_, until)| **until <= now);
        let ended: Vec<InstanceId> = ended.map(|(instance, _)| *instance).collect();
        let mut touched = Vec::new();
        for instance in ended {
            let room = limit.saturating_sub(touched.len());
            let users = self.users_of.get(&instance).into_iter().flatten();
            let users: Vec<UserId> = users.take(room).copied().collect();
            for user in &users {
                let state = &mut self.change(*user).state;
                state.devices.retain(|d| d.instance != instance);
                if state.devices.is_empty() {
                    state.last_seen = Some(now);
                }
                self.leave_instance(*user, instance);
                self.set_due(*user, now);
            }
            touched.extend(users);
            if !self.users_of.contains_key(&instance) {
                self.leases.remove(&instance);
            }
        }
        touched
    }

    /// Drops a user with all that is known of them; gives what was published last.
    pub(super) fn forget(&mut self, user: UserId) -> Option<Published> {
        let entry = self.users.remove(&user)?;
        if let Some(due) = entry.due {
            self.deadlines.remove(&(due.at, user));
        }
        for device in entry.state.devices {
            self.leave_instance(user, device.instance);
        }
        Some(entry.state.published)
    }

    /// Drops users of whom nothing is left but what is written down.
    pub(super) fn forget_idle(&mut self, now: Timestamp) {
        let nothing = Published::default();
        self.users.retain(|_, e| {
            let kept = !e.state.devices.is_empty() || e.due.is_some() || e.state.published != nothing;
            kept || now.since(e.touched) < IDLE_KEPT
        });
    }
}

#[cfg(test)]
mod tests {
    use shared::protocol::Status;

    use super::*;
    use crate::{SocketKind, presence::silent};

    const GRACE: Duration = Duration::from_secs(5);
    const LEASE: Duration = Duration::from_secs(30);

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    fn device(instance: InstanceId, connection: u64) -> Device {
        Device { instance, connection, kind: SocketKind::Chat, focused: None, since: at(0) }
    }

    #[test]
    fn a_deadline_set_while_another_is_in_hand_survives_its_finish() {
        let (mut table, user, instance) = (PresenceTable::default(), UserId::new(), InstanceId::new());
        table.put_device(user, &device(instance, 1), &silent(user));
        assert!(table.remove_device(user, (instance, 1), at(0), GRACE));
        assert_eq!(table.take_due(at(4), LEASE, 9), []);
        assert_eq!(table.take_due(at(5), LEASE, 9), [user]);
        table.put_device(user, &device(instance, 2), &silent(user));
        assert!(table.remove_device(user, (instance, 2), at(6), GRACE));
        table.finish_due(user);
        assert_eq!(table.take_due(at(11), LEASE, 9), [user]);
        table.finish_due(user);
        assert_eq!(table.take_due(at(1000), LEASE, 9), []);
    }

    #[test]
    fn a_dead_instance_takes_only_its_own_devices_and_a_bounded_number_at_a_time() {
        let (mut table, dead, live) = (PresenceTable::default(), InstanceId::new(), InstanceId::new());
        let users: Vec<UserId> = (0..3).map(|_| UserId::new()).collect();
        table.beat(dead, at(10));
        table.beat(live, at(100));
        for user in &users {
            table.put_device(*user, &device(dead, 1), &silent(*user));
        }
        table.put_device(users[0], &device(live, 1), &silent(users[0]));
        assert_eq!(table.reap(at(9), 9), []);
        let mut reaped = table.reap(at(10), 2);
        assert_eq!(reaped.len(), 2);
        reaped.extend(table.reap(at(10), 2));
        reaped.sort();
        assert_eq!(reaped, users);
        assert_eq!(table.reap(at(10), 9), []);
        assert_eq!(table.state(users[0]).unwrap().devices, [device(live, 1)]);
        assert_eq!(table.state(users[0]).unwrap().last_seen, None);
        assert_eq!(table.state(users[1]).unwrap().last_seen, Some(at(10)));
        assert_eq!(table.take_due(at(10), LEASE, 9).len(), 3);
    }

    #[test]
    fn only_users_with_nothing_left_are_forgotten() {
        let (mut table, instance) = (PresenceTable::default(), InstanceId::new());
        let (gone, here, shown) = (UserId::new(), UserId::new(), UserId::new());
        table.set_chosen(gone, ChosenStatus::Busy, None);
        table.put_device(here, &device(instance, 1), &silent(here));
        let published = Published { status: Status::Online, text: None };
        let event = PresenceEvent { user: shown, username: "s".into(), published, last_seen: None };
        assert_eq!(table.publish(&event, 0), Publishing::Sent);
        assert_eq!(table.publish(&event, 0), Publishing::Unchanged);
        assert_eq!(table.publish(&event, 1), Publishing::Stale);
        table.forget_idle(Timestamp::now());
        assert!(table.contains(gone));
        table.forget_idle(Timestamp::now().after(2 * IDLE_KEPT));
        assert!(!table.contains(gone) && table.contains(here) && table.contains(shown));
    }
}
