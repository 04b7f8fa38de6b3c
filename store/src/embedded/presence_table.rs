//! Who is connected, in memory: devices, leases and deadlines end with the process that holds them. Pure state; the
//! engine adds locking, memory beyond the process and the bus.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use shared::{
    InstanceId, Timestamp, UserId,
    protocol::{LastSeenFor, Status},
};

use crate::{ChosenStatus, Device, PresenceState, Published, Publishing, presence::PresenceEvent};

/// Users without a connection are kept this long, in case they come back.
const IDLE_KEPT: Duration = Duration::from_secs(10 * 60);

/// What outlives the process.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) chosen: ChosenStatus,
    pub(super) text: Option<String>,
    pub(super) last_seen: Option<Timestamp>,
    #[serde(default)]
    pub(super) last_seen_for: LastSeenFor,
}

impl Remembered {
    /// The state of a user who is not in the table.
    pub(super) fn into_state(self) -> PresenceState {
        let Self { chosen, text, last_seen, last_seen_for } = self;
        PresenceState { chosen, text, last_seen, last_seen_for, ..PresenceState::default() }
    }
}

/// Users with a connection, a published status or a deadline, and those who had one within [`IDLE_KEPT`].
#[derive(Default)]
pub(super) struct PresenceTable {
    /// Boxed: an entry is large, and a growing table is half empty.
    users: HashMap<UserId, Box<Entry>>,
    /// Ends of leases.
    leases: HashMap<InstanceId, Timestamp>,
    /// Instances whose lease ended, and whose connections are being removed.
    dead: HashSet<InstanceId>,
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

/// What came of removing devices.
struct Removed {
    /// The user's last, or one in focus.
    left: bool,
    gone: Option<Gone>,
}

/// A user's last connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// Of who did not look offline: they are last seen then.
    Seen,
    Hidden,
}

impl PresenceTable {
    pub(super) fn contains(&self, user: UserId) -> bool {
        self.users.contains_key(&user)
    }

    pub(super) fn state(&self, user: UserId) -> Option<PresenceState> {
        self.users.get(&user).map(|e| e.state.clone())
    }

    pub(super) fn last_seen(&self, user: UserId) -> Option<Timestamp> {
        self.users.get(&user)?.state.last_seen
    }

    /// What to write down of a user; `None` when they are not here.
    pub(super) fn remembered(&self, user: UserId) -> Option<Remembered> {
        let state = &self.users.get(&user)?.state;
        let PresenceState { chosen, last_seen, last_seen_for, .. } = *state;
        Some(Remembered { chosen, text: state.text.clone(), last_seen, last_seen_for })
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

    /// Had it a lease?
    pub(super) fn beat(&mut self, instance: InstanceId, until: Timestamp) -> bool {
        self.leases.insert(instance, until).is_some()
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

    /// Has what is written down of the user changed?
    pub(super) fn remove_device(
        &mut self,
        user: UserId,
        (instance, connection): (InstanceId, u64),
        at: Timestamp,
        grace: Duration,
    ) -> Option<Gone> {
        let removed = self.drop_devices(user, at, |d| d.instance == instance && d.connection == connection);
        let removed = removed?;
        let mut left = self.users.get(&user).into_iter().flat_map(|e| &e.state.devices);
        if !left.any(|d| d.instance == instance) {
            self.leave_instance(user, instance);
        }
        if removed.left {
            self.note_due(user, at.after(grace));
        }
        removed.gone
    }

    /// Removes these of the user's devices; `None`: there were none.
    fn drop_devices(&mut self, user: UserId, at: Timestamp, is_it: impl Fn(&Device) -> bool) -> Option<Removed> {
        let devices = &self.users.get(&user)?.state.devices;
        let looked = devices.iter().any(|d| is_it(d) && d.focused == Some(true));
        if !devices.iter().any(&is_it) {
            return None;
        }
        let state = &mut self.change(user).state;
        state.devices.retain(|d| !is_it(d));
        let last = state.devices.is_empty();
        let hidden = state.published.status == Status::Offline;
        let gone = last.then_some(if hidden { Gone::Hidden } else { Gone::Seen });
        let removed = Removed { left: last || looked, gone };
        if removed.left {
            state.left = Some(at);
        }
        if removed.gone == Some(Gone::Seen) {
            state.last_seen = Some(at);
        }
        Some(removed)
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

    pub(super) fn set_last_seen_for(&mut self, user: UserId, whom: LastSeenFor) {
        self.change(user).state.last_seen_for = whom;
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
        entry.state.last_seen = event.last_seen.or(entry.state.last_seen);
        entry.touched = Timestamp::now();
        Publishing::Sent
    }

    /// At `at`, or as early as before. One that somebody has in hand counts no more: they may have looked already.
    pub(super) fn note_due(&mut self, user: UserId, at: Timestamp) {
        let due = self.users.get(&user).and_then(|e| e.due);
        if !due.is_some_and(|due| !due.taken && due.at <= at) {
            self.put_due(user, Due { at, taken: false });
        }
    }

    fn put_due(&mut self, user: UserId, due: Due) {
        let Some(entry) = self.users.get_mut(&user) else { return };
        if let Some(old) = entry.due.replace(due) {
            self.deadlines.remove(&(old.at, user));
        }
        self.deadlines.insert((due.at, user));
    }

    pub(super) fn take_due(&mut self, now: Timestamp, lease: Duration, limit: usize) -> Vec<UserId> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now).take(limit);
        let due: Vec<UserId> = due.map(|(_, user)| *user).collect();
        for user in &due {
            self.put_due(*user, Due { at: now.after(lease), taken: true });
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
        self.dead.extend(self.leases.extract_if(|_, until| *until <= now).map(|(instance, _)| instance));
        let mut touched = Vec::new();
        for instance in self.dead.iter().copied().collect::<Vec<_>>() {
            let room = limit.saturating_sub(touched.len());
            let users = self.users_of.get(&instance).into_iter().flatten();
            let users: Vec<UserId> = users.take(room).copied().collect();
            for user in &users {
                self.drop_devices(*user, now, |d| d.instance == instance);
                self.leave_instance(*user, instance);
                self.note_due(*user, now);
            }
            touched.extend(users);
            if !self.users_of.contains_key(&instance) {
                self.dead.remove(&instance);
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
        table.remove_device(user, (instance, 1), at(0), GRACE);
        assert_eq!(table.take_due(at(4), LEASE, 9), []);
        assert_eq!(table.take_due(at(5), LEASE, 9), [user]);
        table.put_device(user, &device(instance, 2), &silent(user));
        table.remove_device(user, (instance, 2), at(6), GRACE);
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
        assert_eq!(table.state(users[0]).unwrap().left, None);
        assert_eq!(table.state(users[1]).unwrap().left, Some(at(10)));
        assert_eq!(table.take_due(at(10), LEASE, 9).len(), 3);
    }

    #[test]
    fn only_users_with_nothing_left_are_forgotten() {
        let (mut table, instance) = (PresenceTable::default(), InstanceId::new());
        let (gone, here, shown) = (UserId::new(), UserId::new(), UserId::new());
        table.set_chosen(gone, ChosenStatus::Busy, None);
        table.put_device(here, &device(instance, 1), &silent(here));
        let published = Published { status: Status::Online, text: None };
        let event = PresenceEvent { user: shown, username: "s".into(), published, ..silent(shown) };
        assert_eq!(table.publish(&event, 0), Publishing::Sent);
        assert_eq!(table.publish(&event, 0), Publishing::Unchanged);
        assert_eq!(table.publish(&event, 1), Publishing::Stale);
        table.forget_idle(Timestamp::now());
        assert!(table.contains(gone));
        table.forget_idle(Timestamp::now().after(2 * IDLE_KEPT));
        assert!(!table.contains(gone) && table.contains(here) && table.contains(shown));
    }
}
