//! History by offset: what a page holds, and that it costs the same wherever it is.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::Domain;
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use shared::{
    MessageId, RoomId, UserId,
    protocol::{Position, Role},
};
use store::{
    Actor, Appended, Changes, Edit, HistoryPage, Marked, Marks, NewMessage, PageRequest, Reacting, Result, RoomLog,
    StoredMessage,
};

use crate::support::{Engine, TestServer};

/// The store's log, which notes what history was asked for, and how many messages came.
struct NotingLog {
    inner: Arc<dyn RoomLog>,
    asked: Mutex<Vec<(PageRequest, usize)>>,
}

#[async_trait]
impl RoomLog for NotingLog {
    async fn history(&self, room: RoomId, page: PageRequest) -> Result<HistoryPage> {
        let answer = self.inner.history(room, page).await?;
        self.asked.lock().unwrap().push((page, answer.items.len()));
        Ok(answer)
    }
    async fn append(&self, message: &NewMessage) -> Result<Appended> {
        self.inner.append(message).await
    }
    fn keeps_order(&self) -> bool {
        self.inner.keeps_order()
    }
    async fn find_append(&self, message: &NewMessage) -> Result<Option<Appended>> {
        self.inner.find_append(message).await
    }
    async fn edit_message(&self, edit: &Edit) -> Result<StoredMessage> {
        self.inner.edit_message(edit).await
    }
    async fn react(&self, reacting: &Reacting) -> Result<u64> {
        self.inner.react(reacting).await
    }
    async fn reacted(&self, room: RoomId, user: UserId, seqs: &[u64]) -> Result<Vec<(u64, String)>> {
        self.inner.reacted(room, user, seqs).await
    }
    async fn replies(
        &self,
        id: MessageId,
        after: u64,
        limit: usize,
        most: usize,
    ) -> Result<(Vec<StoredMessage>, bool)> {
        self.inner.replies(id, after, limit, most).await
    }
    async fn delete_message(&self, id: MessageId, by: &Actor, by_role: Option<Role>) -> Result<Option<Position>> {
        self.inner.delete_message(id, by, by_role).await
    }
    async fn message(&self, id: MessageId) -> Result<Option<StoredMessage>> {
        self.inner.message(id).await
    }
    async fn mark_read(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked> {
        self.inner.mark_read(room, user, seq).await
    }
    async fn mark_delivered(&self, room: RoomId, user: UserId, seq: u64) -> Result<Marked> {
        self.inner.mark_delivered(room, user, seq).await
    }
    async fn marks(&self, room: RoomId, users: &[UserId]) -> Result<Vec<Marks>> {
        self.inner.marks(room, users).await
    }
    async fn changes(&self, room: RoomId, after: Position, limit: usize, max_bytes: usize) -> Result<Changes> {
        self.inner.changes(room, after, limit, max_bytes).await
    }
}

#[rstest]
#[tokio::test]
async fn a_page_reads_its_own_messages_alone_wherever_it_is(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    const MESSAGES: u64 = 3000;
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    let (id, viewer) = (room.parse().unwrap(), server.domain.identity.authenticate(&alice.token).await.unwrap());
    let say = |n: u64| {
        let (message, log) = (
            NewMessage {
                room: id,
                author: Actor { id: viewer.user, username: "alice".into() },
                kind: Default::default(),
                content: n.to_string(),
                client_message_id: None,
                reply_to: None,
                mentions: Default::default(),
                attachments: Vec::new(),
                notify_after: std::time::Duration::from_secs(3600),
            },
            server.domain.store.log.clone(),
        );
        async move { log.append(&message).await.unwrap() }
    };
    for some in (1..=MESSAGES).collect::<Vec<_>>().chunks(500) {
        join_all(some.iter().map(|n| say(*n))).await;
    }
    let log = Arc::new(NotingLog { inner: server.domain.store.log.clone(), asked: Mutex::default() });
    let mut store = server.domain.store.clone();
    store.log = log.clone();
    let domain = Domain::new(store, server.domain.settings.clone());
    for offset in [0, 1, 777, MESSAGES / 2, MESSAGES - 40, MESSAGES - 7] {
        let page = domain.messages.history_from(&viewer, &room, offset, Some(40)).await.unwrap();
        let seqs: Vec<u64> = page.items.iter().map(|one| one.message.seq).collect();
        let newest = MESSAGES - offset;
        let expected: Vec<u64> = (newest.saturating_sub(39).max(1)..=newest).rev().collect();
        assert_eq!((seqs, page.total), (expected.clone(), MESSAGES));
        let asked = std::mem::take(&mut *log.asked.lock().unwrap());
        let [(request, came)] = asked[..] else { panic!("one read: {asked:?}") };
        assert_eq!((request.limit, came), (40, expected.len()), "none is read to be passed over");
    }
    for offset in [MESSAGES, MESSAGES + 1, u64::MAX] {
        let page = domain.messages.history_from(&viewer, &room, offset, None).await.unwrap();
        assert_eq!((page.items.len(), page.total), (0, MESSAGES));
    }
    assert_eq!(log.asked.lock().unwrap().len(), 0, "behind the end there is nothing to be read");
}

#[rstest]
#[tokio::test]
async fn pages_follow_each_other_and_deleted_messages_keep_their_place(
    #[values(Engine::Embedded, Engine::Redis)] engine: Engine,
) {
    let server = TestServer::start(engine).await;
    let (alice, old, bob, room) = server.late().await;
    for n in 1..=7 {
        alice.send(&room, &n.to_string()).await;
    }
    let third = alice.get(format!("/api/messages/history/{room}?limit=1&offset=4")).await.expect(200).raw;
    assert_eq!(third["data"][0]["content"], "3");
    alice.delete(format!("/api/messages/{}", third["data"][0]["id"].as_str().unwrap())).await.expect(204);

    // Alice sees the one from before Bob; he does not, nor is it counted.
    for (who, all) in
        [(&alice, &["7", "6", "5", "4", "", "2", "1", "before bob"][..]), (&bob, &["7", "6", "5", "4", "", "2", "1"])]
    {
        let mut seen = Vec::new();
        for offset in (0..12).step_by(3) {
            let page = who.get(format!("/api/messages/history/{room}?limit=3&offset={offset}")).await.expect(200).raw;
            assert_eq!(page["pagination"], json!({ "limit": 3, "offset": offset, "total": all.len() }));
            for message in page["data"].as_array().unwrap() {
                let content = message["content"].as_str().unwrap();
                assert_eq!(message["deletedAt"].is_string(), content.is_empty());
                seen.push(content.to_owned());
            }
        }
        assert_eq!(seen, all);
    }
    bob.put(format!("/api/messages/{old}/read"), json!({})).await.refused(404, "MESSAGE_NOT_FOUND");
}

#[rstest]
#[tokio::test]
async fn a_page_of_long_messages_is_whole(#[values(Engine::Embedded, Engine::Redis)] engine: Engine) {
    let server = TestServer::start(engine).await;
    let (alice, _, room) = server.room().await;
    let long = "é".repeat(8000);
    join_all((0..40).map(|_| alice.send(&room, &long))).await;
    let page = alice.get(format!("/api/messages/history/{room}?limit=40")).await.expect(200).raw;
    assert_eq!(page["data"].as_array().unwrap().len(), 40, "640 kB: several reads");
}
