//! What the cases share: people, rooms and messages to act with, and ways to wait for what must come.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use shared::{
    MessageId, RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, MessageType, Position, Role, RoomType},
};
use store::{
    Actor, Appended, BusEvent, Change, Changes, Edit, HistoryPage, Inbox, Marks, Mentions, NewMessage, PageFrom,
    PageRequest, Reacting, RoomEvent, RoomRecord, RoomView, Signal, Store, StoredMessage, Subscriber, Subscriptions,
    Topic, UserChange, UserChangeBody, UserChanges, UserEvent, UserRecord,
};
use tokio::sync::Barrier;

/// What must come, comes within this; what does not is a failure, never a longer wait.
pub const SOON: Duration = Duration::from_secs(10);
/// Members a room may have where the test is not about that.
pub const MANY: u64 = 1_000_000;

/// Asserts that an operation failed with this [`StoreError`](store::StoreError).
macro_rules! fails {
    ($result:expr, $error:ident) => {
        match $result {
            Err(store::StoreError::$error) => {}
            other => panic!("expected {}, got {other:?}", stringify!($error)),
        }
    };
}
pub(crate) use fails;

pub fn actor(name: &str) -> Actor {
    Actor { id: UserId::new(), username: name.into() }
}

pub fn actors(count: usize) -> Vec<Actor> {
    let mut all: Vec<Actor> = (0..count).map(|i| actor(&format!("user{i}"))).collect();
    all.sort_by_key(|a| a.id);
    all
}

pub fn account(name: &str) -> UserRecord {
    UserRecord {
        id: UserId::new(),
        username: name.into(),
        display_name: format!("The {name}"),
        email: None,
        email_verified: false,
        password_hash: Some("$argon2id$v=19$…".into()),
        avatar_url: None,
        bio: None,
        created_at: Timestamp::now(),
        guest: false,
        administrator: false,
        banned_at: None,
    }
}

pub fn public_room(name: &str) -> RoomRecord {
    RoomRecord {
        id: RoomId::new(),
        handle: None,
        name: Some(name.into()),
        description: None,
        kind: RoomType::Public,
        created_by: UserId::new(),
        created_at: Timestamp::now(),
        history_visibility: HistoryVisibility::All,
        retention: None,
        asked: None,
    }
}

pub fn private_room(name: &str) -> RoomRecord {
    let history_visibility = HistoryVisibility::Joined;
    RoomRecord { kind: RoomType::Private, history_visibility, ..public_room(name) }
}

/// A room of these members, public, without a handle.
pub async fn room_of(store: &Store, members: &[&Actor]) -> RoomId {
    let room = public_room("room");
    let members: Vec<Actor> = members.iter().map(|a| (*a).clone()).collect();
    store.rooms.create_room(&room, &members).await.unwrap();
    room.id
}

pub async fn join(store: &Store, room: RoomId, user: &Actor) -> Position {
    store.rooms.join(room, user, Role::Member, MANY).await.unwrap().position
}

pub fn text(room: RoomId, author: &Actor, content: &str) -> NewMessage {
    NewMessage {
        room,
        author: author.clone(),
        kind: MessageType::Text,
        content: content.into(),
        client_message_id: None,
        reply_to: None,
        mentions: Mentions::default(),
        attachments: Vec::new(),
        notify_after: Duration::from_secs(2),
    }
}

pub fn keyed(room: RoomId, author: &Actor, content: &str, key: &str) -> NewMessage {
    NewMessage { client_message_id: Some(key.into()), ..text(room, author, content) }
}

/// A message that names these members.
pub fn naming(room: RoomId, author: &Actor, content: &str, users: &[&Actor]) -> NewMessage {
    NewMessage { mentions: mentions_of(users), ..text(room, author, content) }
}

pub fn mentions_of(users: &[&Actor]) -> Mentions {
    Mentions { users: users.iter().map(|u| u.id).collect(), all: false }
}

pub fn reply(parent: MessageId, author: &Actor, content: &str) -> NewMessage {
    NewMessage { reply_to: Some(parent), ..text(parent.room, author, content) }
}

pub fn edit(id: MessageId, by: &Actor, content: &str) -> Edit {
    Edit { id, by: by.clone(), content: content.into(), mentions: Mentions::default() }
}

pub fn giving(id: MessageId, by: &Actor, emoji: &str) -> Reacting {
    Reacting { id, by: by.clone(), emoji: emoji.into(), add: true }
}

pub fn taking(id: MessageId, by: &Actor, emoji: &str) -> Reacting {
    Reacting { add: false, ..giving(id, by, emoji) }
}

pub async fn send(store: &Store, room: RoomId, author: &Actor, content: &str) -> Appended {
    store.log.append(&text(room, author, content)).await.unwrap()
}

/// Sends `1`, `2`, … up to `count`.
pub async fn send_numbers(store: &Store, room: RoomId, author: &Actor, count: u64) {
    for n in 1..=count {
        send(store, room, author, &n.to_string()).await;
    }
}

pub fn id(room: RoomId, seq: u64) -> MessageId {
    MessageId { room, seq }
}

pub async fn message(store: &Store, room: RoomId, seq: u64) -> StoredMessage {
    store.log.message(id(room, seq)).await.unwrap().unwrap()
}

pub fn page(from: PageFrom, limit: usize) -> PageRequest {
    PageRequest { from, limit, visible_after: 0, max_bytes: 256 * 1024 }
}

pub async fn history(store: &Store, room: RoomId, page: PageRequest) -> HistoryPage {
    store.log.history(room, page).await.unwrap()
}

/// The numbers of a page's messages and whether there is more.
pub async fn seqs(store: &Store, room: RoomId, page: PageRequest) -> (Vec<u64>, bool) {
    let page = history(store, room, page).await;
    (page.items.iter().map(|m| m.seq).collect(), page.has_more)
}

/// Every message of a room, oldest first, read in pages.
pub async fn all_messages(store: &Store, room: RoomId) -> Vec<StoredMessage> {
    let mut all: Vec<StoredMessage> = Vec::new();
    loop {
        let after = all.last().map_or(0, |m| m.seq);
        let page = history(store, room, page(PageFrom::After(after), 200)).await;
        all.extend(page.items);
        if !page.has_more {
            return all;
        }
    }
}

pub async fn head(store: &Store, room: RoomId) -> Position {
    store.rooms.room(room).await.unwrap().unwrap().1.position()
}

/// One page of changes; a reset fails the test.
pub async fn changes(store: &Store, room: RoomId, after: Position, limit: usize) -> (Vec<Change>, bool) {
    match store.log.changes(room, after, limit, usize::MAX).await.unwrap() {
        Changes::Page { changes, has_more } => (changes, has_more),
        Changes::Reset { head } => panic!("reset to {head:?} from {after:?}"),
    }
}

/// Every change after a position, read in pages.
pub async fn all_changes(store: &Store, room: RoomId, after: Position) -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    loop {
        let from = all.last().map_or(after, |c| Position { rev: c.rev, event_id: c.event_id });
        let (more, has_more) = changes(store, room, from, 500).await;
        all.extend(more);
        if !has_more {
            return all;
        }
    }
}

/// A user's log after a position, read in pages; a reset fails the test.
pub async fn user_log(store: &Store, user: UserId, after: Position) -> Vec<UserChange> {
    let mut all: Vec<UserChange> = Vec::new();
    loop {
        let from = all.last().map_or(after, UserChange::position);
        match store.user_log.user_changes(user, from, 400).await.unwrap() {
            UserChanges::Page { changes, has_more } => {
                all.extend(changes);
                if !has_more {
                    return all;
                }
            }
            UserChanges::Reset { head } => panic!("reset to {head:?} from {from:?}"),
        }
    }
}

/// A member's marks, as one pair.
pub async fn marks(store: &Store, room: RoomId, user: &Actor) -> Marks {
    store.log.marks(room, &[user.id]).await.unwrap().remove(0)
}

pub const fn both(seq: u64) -> Marks {
    Marks { delivered: seq, read: seq }
}

pub async fn view(store: &Store, room: RoomId, user: &Actor) -> RoomView {
    store.rooms.views(user.id, &[room]).await.unwrap().remove(0).unwrap()
}

/// What a reader who knows only the view's marks and the history counts: unread, and mentions among them.
pub async fn counted_afresh(store: &Store, room: RoomId, user: &Actor) -> (u64, u64) {
    let seen = view(store, room, user).await;
    let from = seen.read_seq.max(seen.membership.joined_seq);
    let mut new = all_messages(store, room).await;
    new.retain(|m| m.seq > from && m.deleted_at.is_none());
    let names_them = |m: &&StoredMessage| m.mentions.all || m.mentions.users.contains(&user.id);
    (new.len() as u64, new.iter().filter(names_them).count() as u64)
}

/// Unread and mentions as the view tells them; what is counted afresh is the same.
pub async fn counts(store: &Store, room: RoomId, user: &Actor) -> (u64, u64) {
    let seen = view(store, room, user).await;
    let told = (seen.unread, seen.mentions);
    assert_eq!(told, counted_afresh(store, room, user).await, "what the view tells, and what a fresh reader counts");
    told
}

pub async fn unread(store: &Store, room: RoomId, user: &Actor) -> u64 {
    view(store, room, user).await.unread
}

/// Runs all of these at the same moment, each a task; the results in order.
pub async fn at_once<F, T>(jobs: impl IntoIterator<Item = F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let jobs: Vec<F> = jobs.into_iter().collect();
    let barrier = Arc::new(Barrier::new(jobs.len()));
    let tasks: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            let barrier = barrier.clone();
            tokio::spawn(async move {
                barrier.wait().await;
                job.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Asks again until the answer is yes, for what real time brings about; fails after [`SOON`].
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let asked = Instant::now();
    while !holds().await {
        assert!(asked.elapsed() < SOON, "still not: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An inbox together with what keeps it subscribed.
pub struct Following {
    pub inbox: Inbox,
    pub subscriptions: Arc<dyn Subscriptions>,
}

impl Deref for Following {
    type Target = Inbox;
    fn deref(&self) -> &Inbox {
        &self.inbox
    }
}

impl DerefMut for Following {
    fn deref_mut(&mut self) -> &mut Inbox {
        &mut self.inbox
    }
}

/// A new subscriber that follows these topics.
pub async fn follow(store: &Store, topics: &[Topic]) -> Following {
    let Subscriber { inbox, subscriptions } = store.bus.subscriber();
    subscriptions.subscribe(topics).await.unwrap();
    Following { inbox, subscriptions }
}

pub async fn signal(inbox: &mut Inbox) -> Signal {
    tokio::time::timeout(SOON, inbox.recv()).await.expect("no event came").expect("the bus closed")
}

pub async fn room_event(inbox: &mut Inbox) -> Arc<RoomEvent> {
    match signal(inbox).await {
        Signal::Event(BusEvent::Room(event)) => event,
        other => panic!("expected a room's event, got {other:?}"),
    }
}

/// The next entry of a user's own log, with its number and name.
pub async fn user_entry(inbox: &mut Inbox) -> (UserId, UserChange) {
    match signal(inbox).await {
        Signal::Event(BusEvent::User(user, event)) => match &*event {
            UserEvent::Change(change) => (user, change.clone()),
            other @ (UserEvent::SessionEnded(_) | UserEvent::AccountClosed) => {
                panic!("expected a change, got {other:?}")
            }
        },
        other => panic!("expected a user's event, got {other:?}"),
    }
}

/// What the next entry of a user's own log says.
pub async fn user_change(inbox: &mut Inbox) -> (UserId, UserChangeBody) {
    let (user, change) = user_entry(inbox).await;
    (user, change.body)
}
