//! The users, their devices and rooms, and the comparison with a fresh client.

use std::{collections::BTreeMap, net::SocketAddr};

use client::{
    OutgoingMessage, Result,
    api::NewRoom,
    protocol::{HistoryVisibility, Message, Room, RoomType},
    shared::{MessageId, RoomId},
};
use e2e::{Door, Person, System, eventually};
use proptest::test_runner::TestCaseError;

use super::{
    action::Action,
    device::{Device, history},
};
use crate::support::SOON;

const USERS: usize = 3;
const DEVICES: usize = 2;
const EMOJIS: [&str; 2] = ["👍", "🎉"];

pub struct World<'a> {
    system: &'a mut System,
    /// Processes that serve `/chat`.
    servers: &'static [&'static str],
    users: Vec<Person>,
    /// Two for each user, in their order.
    devices: Vec<Device>,
    rooms: Vec<RoomId>,
    messages: Vec<MessageId>,
    /// Where each user's read mark must at least be, since they are in the room.
    marks: BTreeMap<(usize, RoomId), u64>,
    said: usize,
}

impl<'a> World<'a> {
    /// Three users with two devices each, each device on another server; a room whose members see all, and one whose
    /// members see what was said since they came. All are in both.
    pub async fn new(system: &'a mut System, servers: &'static [&'static str]) -> Self {
        let mut users = Vec::new();
        for name in ["ann", "ben", "cat"] {
            users.push(system.sign_up(name).await.unwrap());
        }
        let mut rooms = Vec::new();
        for visibility in [HistoryVisibility::All, HistoryVisibility::Joined] {
            let room = NewRoom { history_visibility: Some(visibility), ..NewRoom::new("model", RoomType::Public) };
            let room = users[0].api.create_room(&room).await.unwrap().id;
            for user in &users[1..] {
                user.api.join_room(room).await.unwrap();
            }
            rooms.push(room);
        }
        let mut world = Self {
            system,
            servers,
            users,
            devices: Vec::new(),
            rooms,
            messages: Vec::new(),
            marks: BTreeMap::new(),
            said: 0,
        };
        for n in 0..USERS * DEVICES {
            let user = &world.users[n / DEVICES];
            let door = Door::new(world.server(n)).await.unwrap();
            let device = Device::connect(user.id, user.api.clone(), &user.session.token, door).await;
            world.devices.push(device);
        }
        for device in &world.devices {
            let synced = eventually("the device is synced", SOON, async || device.state.lock().synced.then_some(()));
            synced.await.unwrap();
        }
        world
    }

    fn server(&self, n: usize) -> SocketAddr {
        self.system.address(self.servers[n % self.servers.len()], "chat").unwrap()
    }

    /// Does it, by the connection of a device where there is a choice. Commands that are refused change nothing.
    pub async fn perform(&mut self, action: Action) {
        match action {
            Action::Send { by, room, mention } => {
                self.say(by, self.rooms[room % self.rooms.len()], None, mention).await
            }
            Action::Reply { by, to } => {
                if let Some(to) = self.message(to) {
                    self.say(by, to.room, Some(to), false).await;
                }
            }
            Action::Join { by, room } => self.join(by, room).await,
            Action::Leave { by, room } => self.leave(by, room).await,
            Action::Cut { device } => self.device(device).chat.cut().await,
            Action::Move { device } => {
                // Now at the other one, if there is another.
                let at = self.server(device / self.devices.len());
                self.device(device).door.lead_to(at);
            }
            Action::Crash { server } => {
                let name = self.servers[server % self.servers.len()];
                self.system.kill9(name).await.unwrap();
                self.system.restart(name).await.unwrap();
            }
            // Its outcome is that of the whole, so that what follows is still tried.
            Action::Quiet => self.settle().await.unwrap(),
            _ => drop(self.change(action).await),
        }
    }

    /// What a device does to a message.
    async fn change(&mut self, action: Action) -> Option<()> {
        match action {
            Action::Edit { by, of } => {
                let of = self.message(of)?;
                self.said += 1;
                let content = format!("edited {}", self.said);
                self.device(by).chat.edit_message(of, &content).await.ok().map(drop)
            }
            Action::Delete { by, of } => self.device(by).chat.delete_message(self.message(of)?).await.ok(),
            Action::React { by, to, emoji, add } => {
                let emoji = EMOJIS[emoji % EMOJIS.len()];
                self.device(by).chat.react(self.message(to)?, emoji, add).await.ok().map(drop)
            }
            Action::Read { by, of } => {
                let MessageId { room, seq } = self.message(of)?;
                let by = by % self.devices.len();
                let user = &self.users[by / DEVICES];
                if by.is_multiple_of(DEVICES) {
                    self.devices[by].chat.mark_read(room, seq).await.ok()
                } else {
                    user.api.mark_read(room, seq).await.ok()?;
                    self.at_least(by / DEVICES, room, seq);
                    Some(())
                }
            }
            Action::Deliver { by, of } => {
                let MessageId { room, seq } = self.message(of)?;
                self.device(by).chat.mark_delivered(room, seq).await.ok()
            }
            _ => None,
        }
    }

    async fn say(&mut self, by: usize, room: RoomId, reply_to: Option<MessageId>, mention: bool) {
        self.said += 1;
        let named = if mention { format!("@{} ", self.users[self.said % USERS].name) } else { String::new() };
        let message = OutgoingMessage { reply_to, ..OutgoingMessage::new(room, format!("{named}{}", self.said)) };
        let by = by % self.devices.len();
        if let Ok(ack) = self.devices[by].chat.send(&message).await {
            self.messages.push(ack.id);
            self.at_least(by / DEVICES, room, ack.seq);
        }
    }

    /// The first user stays, so that there is always somebody.
    async fn join(&mut self, by: usize, room: usize) {
        let (user, room) = (1 + by % (USERS - 1), self.rooms[room % self.rooms.len()]);
        if self.users[user].api.join_room(room).await.is_ok() {
            self.marks.remove(&(user, room));
        }
    }

    async fn leave(&mut self, by: usize, room: usize) {
        let (user, room) = (1 + by % (USERS - 1), self.rooms[room % self.rooms.len()]);
        if self.users[user].api.leave_room(room).await.is_ok() {
            self.marks.remove(&(user, room));
        }
    }

    fn at_least(&mut self, user: usize, room: RoomId, seq: u64) {
        let mark = self.marks.entry((user, room)).or_default();
        *mark = (*mark).max(seq);
    }

    fn device(&self, n: usize) -> &Device {
        &self.devices[n % self.devices.len()]
    }

    fn message(&self, n: usize) -> Option<MessageId> {
        self.messages.get(n.checked_rem(self.messages.len())?).copied()
    }

    /// The verdict on the history: every device agrees with a fresh client.
    pub async fn agrees(mut self) -> Result<(), TestCaseError> {
        let outcome = self.settle().await;
        for device in self.devices {
            device.chat.close().await;
        }
        outcome.map_err(TestCaseError::fail)
    }

    /// Waits until every device shows what a fresh client shows; the error is the last difference.
    async fn settle(&mut self) -> Result<(), String> {
        let end = tokio::time::Instant::now() + SOON;
        for n in 0..self.devices.len() {
            while let Err(difference) = self.compare(n).await {
                if tokio::time::Instant::now() > end {
                    return Err(format!("device {n} of {}: {difference}", self.users[n / DEVICES].name));
                }
                // The next look; how soon says nothing about the outcome.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    async fn compare(&self, n: usize) -> Result<(), String> {
        let (device, user) = (&self.devices[n], &self.users[n / DEVICES]);
        let rooms = user.api.all_rooms().await.map_err(|e| e.to_string())?;
        let shown = device.state.lock().read.clone();
        let fresh: BTreeMap<RoomId, u64> =
            rooms.iter().map(|room| (room.id, room.last_read_seq.unwrap_or_default())).collect();
        same("rooms and read marks", &shown, &fresh)?;
        for room in rooms {
            let history = history(&user.api, room.id).await.ok_or("the room is gone")?;
            let told = device.state.lock().ledger.judge_device(0, room.id, &history);
            same("breaches", &told.examples, &Vec::new())?;
            self.counts(n / DEVICES, &room, &history.items)?;
        }
        Ok(())
    }

    /// Unread and mentions are what a reader of the history counts; the mark never goes back.
    fn counts(&self, user: usize, room: &Room, items: &[Message]) -> Result<(), String> {
        let me = self.users[user].id;
        let read = room.last_read_seq.unwrap_or_default();
        let mark = self.marks.get(&(user, room.id)).copied().unwrap_or_default();
        if read < mark {
            return Err(format!("the read mark went back from {mark} to {read}"));
        }
        let unread: Vec<_> = items.iter().filter(|item| item.seq > read && item.deleted_at.is_none()).collect();
        if unread.iter().any(|item| item.user_id == me) {
            return Err("an own message is unread".into());
        }
        let mentions = unread.iter().filter(|item| item.mention_all || item.mentions.contains(&me)).count() as u64;
        same("unread", &room.unread, &Some(unread.len() as u64))?;
        same("mentions", &room.mentions, &Some(mentions))?;
        let last = room.last_message.as_ref().map(|message| message.id);
        same("the last message", &last, &items.last().map(|message| message.id))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, shown: &T, fresh: &T) -> Result<(), String> {
    if shown == fresh { Ok(()) } else { Err(format!("{what}: {shown:?}, a fresh client: {fresh:?}")) }
}
