//! Kills the embedded store with `kill -9` again and again and checks that nothing acknowledged is lost.
//!
//! `crash_cycles [--cycles N] [--seed N] [--dir DIR]` starts itself as a writer on a directory, kills it at a random
//! moment, reopens and compares. `crash_cycles --bench` measures appends instead. Exit code 1 on any loss, an open of
//! more than 10 s, or a directory that grows out of bounds.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod child;
mod compare;
mod killer;
mod measure;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use shared::{
    RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, MessageType, RoomType},
};
use store::{Actor, Mentions, NewMessage, RoomRecord, Store};

const ROOMS: u8 = 4;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).cloned();
    let number = |name: &str| option(name).and_then(|text| text.parse::<u64>().ok());
    let done = if let Some(dir) = option("--child") {
        child::child(Path::new(&dir), number("--seed").unwrap_or(0)).await
    } else if args.iter().any(|a| a == "--bench") {
        measure::bench(Duration::from_secs(number("--seconds").unwrap_or(5))).await
    } else {
        let seed = number("--seed").unwrap_or_else(rand::random);
        killer::crash(number("--cycles").unwrap_or(200), seed, option("--dir").map(PathBuf::from)).await
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn room(n: u8) -> Option<RoomId> {
    RoomId::from_slice(&[n + 1; 16])
}

fn alice() -> Option<Actor> {
    Some(Actor { id: UserId::from_slice(&[9; 16])?, username: "alice".into() })
}

async fn make_rooms(store: &Store) -> Result<(Vec<RoomId>, Actor)> {
    let rooms: Vec<RoomId> = (0..ROOMS).filter_map(room).collect();
    let author = alice().context("an author")?;
    for id in &rooms {
        let record = RoomRecord {
            id: *id,
            handle: None,
            name: Some(format!("room {id}")),
            description: None,
            kind: RoomType::Public,
            created_by: author.id,
            created_at: Timestamp::now(),
            history_visibility: HistoryVisibility::All,
            retention: None,
            asked: None,
        };
        store.rooms.create_room(&record, std::slice::from_ref(&author)).await?;
    }
    Ok((rooms, author))
}

/// A message's text follows from its key, so that the parent can tell a wrong one. One in ten is long, so that tables
/// and journals turn over in the middle of the kills.
fn content(key: &str) -> String {
    let seed = key.bytes().fold(7u64, |h, b| h.wrapping_mul(0x0100_0000_01b3) ^ u64::from(b));
    let mut rng = StdRng::seed_from_u64(seed);
    let longest = if rng.random_ratio(1, 10) { 20_000 } else { 1_500 };
    let len = rng.random_range(1..longest);
    (0..len).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

/// What the content of a message follows from once it is edited.
fn edited(key: &str) -> String {
    format!("{key} edited")
}

fn new_message(room: RoomId, author: &Actor, key: Option<String>, content: String) -> NewMessage {
    let notify_after = Duration::from_secs(5);
    let author = author.clone();
    NewMessage {
        room,
        author,
        kind: MessageType::Text,
        content,
        client_message_id: key,
        reply_to: None,
        mentions: Mentions::default(),
        attachments: Vec::new(),
        notify_after,
    }
}
