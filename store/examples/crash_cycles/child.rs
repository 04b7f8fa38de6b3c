//! The writer that is killed: appends, and some edits, reactions, replies and entries of the user's own log, each told
//! on a line of its own once it is acknowledged.

use std::{io::Write, path::Path, time::Instant};

use anyhow::{Context, Result, ensure};
use shared::MessageId;
use store::{Actor, Edit, Mentions, Reacting, Store};

use crate::{ROOMS, content, edited, make_rooms, new_message};

const WRITERS: u64 = 8;

/// Writes until it is killed.
pub async fn child(dir: &Path, seed: u64) -> Result<()> {
    let begun = Instant::now();
    let store = store::embedded::open(dir).await?;
    say(&format!("opened {}", begun.elapsed().as_millis()))?;
    let (rooms, author) = make_rooms(&store).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, rooms, author) = (store.clone(), rooms.clone(), author.clone());
        tasks.spawn(async move {
            let mut last = [0; ROOMS as usize];
            for n in 0u64.. {
                let which = usize::try_from((writer + n) % rooms.len() as u64)?;
                let key = format!("{seed:x}-{writer}-{n}");
                let mut message = new_message(rooms[which], &author, Some(key.clone()), content(&key));
                if n % 5 == 4 && last[which] > 0 {
                    message.reply_to = Some(MessageId { room: rooms[which], seq: last[which] });
                }
                let done = store.log.append(&message).await?;
                ensure!(!done.duplicate, "a fresh key was known");
                say(&format!("ack {which} {} {} {key}", done.seq, done.rev))?;
                last[which] = done.seq;
                change(&store, MessageId { room: rooms[which], seq: done.seq }, &author, (n, which, &key)).await?;
            }
            Ok(())
        });
    }
    tasks.join_next().await.context("no writer")??
}

/// Some messages are edited, some get a reaction, some are noted as read.
async fn change(store: &Store, id: MessageId, by: &Actor, (n, which, key): (u64, usize, &str)) -> Result<()> {
    let by = by.clone();
    if n % 4 == 1 {
        let edit = Edit { id, by: by.clone(), content: content(&edited(key)), mentions: Mentions::default() };
        store.log.edit_message(&edit).await?;
        say(&format!("edited {which} {}", id.seq))?;
    }
    if n % 4 < 2 {
        store.log.react(&Reacting { id, by: by.clone(), emoji: "+".into(), add: true }).await?;
        say(&format!("reacted {which} {}", id.seq))?;
    }
    if n % 8 == 7 {
        let noted = store.user_log.note_read_mark(by.id, id.room, id.seq).await?;
        say(&format!("noted {} {}", noted.rev, noted.event_id))?;
    }
    Ok(())
}

/// One line in one write, so that a kill cannot mix two.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    Ok(out.flush()?)
}
