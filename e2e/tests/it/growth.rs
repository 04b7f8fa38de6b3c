//! What rooms do not keep is nowhere: neither the memory nor the directory of a process grows with the messages that
//! have passed through it. The short form of 20 minutes under load (docs/performance.md).

use std::path::Path;

use client::{
    Chat, Event, Events, PageQuery,
    api::NewRoom,
    protocol::{Retention, RoomType, ServerFrame},
    shared::RoomId,
};
use e2e::{Person, System, eventually, within};
use futures_util::{StreamExt, future::join_all, stream};

use crate::support::SOON;

const ROOMS: usize = 4;
/// Messages each room keeps.
const KEPT: u64 = 100;
/// Messages sent in each room in each of the four phases.
const MESSAGES: u64 = 300;
/// Messages of a room that wait for their acknowledgement: fewer than a connection's queue holds.
const IN_FLIGHT: usize = 8;
/// Bytes of a message: as many as are allowed, 8,000 characters of four bytes, so that few messages are many bytes.
const BYTES: usize = 32_000;

/// What the last two phases may add, to memory and to the directory, over what there was after the first two.
///
/// Two phases are 2 × 4 × 300 messages of 32,000 bytes: 77 MB. So a process that holds on to one copy of each message is
/// found out, and what comes and goes (memtables of 16 MiB, pages the allocator has not given back, tables that wait to
/// be merged) has room. The first two fill what fills but once: journals and the cache of blocks. Small things that stay
/// with each message are not found here: that takes the millions of messages of the long form.
const BOUND: u64 = 48 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn neither_memory_nor_disk_grows_with_messages_that_are_not_kept() {
    let settings = [("LIMITS__ENABLED", "false"), ("STORE__RETENTION_SECONDS", "1")];
    let system = System::embedded_with(&settings).await.unwrap();
    let mut rooms = join_all((0..ROOMS).map(|_| Busy::open(&system))).await;
    let mut sizes = Vec::new();
    for phase in 1..=4 {
        join_all(rooms.iter_mut().map(Busy::talk)).await;
        join_all(rooms.iter().map(|room| room.is_trimmed(phase * MESSAGES))).await;
        let size = Size { memory: memory_of(&system), disk: bytes_in(&system.directory().join("data")) };
        println!("phase {phase}: memory {} KiB, disk {} KiB", size.memory >> 10, size.disk >> 10);
        sizes.push(size);
    }
    let (warm, end) = (&sizes[1], &sizes[3]);
    assert!(end.memory < warm.memory + BOUND, "memory grew from {} to {} bytes", warm.memory, end.memory);
    assert!(end.disk < warm.disk + BOUND, "the directory grew from {} to {} bytes", warm.disk, end.disk);
}

struct Size {
    memory: u64,
    disk: u64,
}

/// A room with one who writes, and reads it.
struct Busy {
    room: RoomId,
    writer: Person,
    chat: Chat,
    events: Events,
}

impl Busy {
    async fn open(system: &System) -> Self {
        let writer = system.sign_up("writer").await.unwrap();
        let retention = Retention { max_age_seconds: None, max_messages: Some(KEPT) };
        let room = NewRoom { retention: Some(retention), ..NewRoom::new("busy", RoomType::Public) };
        let room = writer.api.create_room(&room).await.unwrap().id;
        let (chat, events) = writer.chat(&system.chat_url().unwrap()).await.unwrap();
        Self { room, writer, chat, events }
    }

    /// Sends a phase's messages; each is acknowledged, and comes.
    async fn talk(&mut self) {
        let (chat, room) = (&self.chat, self.room);
        let sent = stream::iter(0..MESSAGES)
            .map(|_| async move { chat.send_message(room, &text()).await.unwrap() })
            .buffer_unordered(IN_FLIGHT)
            .count();
        let heard = async {
            let mut heard = 0;
            while heard < MESSAGES {
                let event = self.events.next().await.expect("the connection goes on");
                heard += u64::from(matches!(event, Event::Frame(ServerFrame::NewMessage { .. })));
            }
        };
        within("all is sent and heard", 8 * SOON, async { tokio::join!(sent, heard) }).await.unwrap();
    }

    /// Waits until the room keeps no more than it should of `sent` messages.
    async fn is_trimmed(&self, sent: u64) {
        let oldest = PageQuery { after: Some(0), limit: Some(1), ..PageQuery::default() };
        eventually("what is not kept is removed", 4 * SOON, async || {
            let page = self.writer.api.history(self.room, oldest).await.unwrap();
            (page.items.first()?.seq > sent - KEPT).then_some(())
        })
        .await
        .unwrap();
    }
}

/// Random characters of four bytes each, which no compression makes small.
fn text() -> String {
    let ideograph = || char::from_u32(rand::random_range(0x2_0000..0x2_A000)).unwrap();
    std::iter::repeat_with(ideograph).take(BYTES / 4).collect()
}

/// Resident memory in bytes.
fn memory_of(system: &System) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", system.process_id("chatapp").unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Bytes of all files under a directory, those that go away meanwhile not counted.
fn bytes_in(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
