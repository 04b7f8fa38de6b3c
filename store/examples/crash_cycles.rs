//! Kills the embedded store with `kill -9` again and again and checks that nothing acknowledged is lost.
//!
//! `crash_cycles [--cycles N] [--seed N] [--dir DIR]` starts itself as a writer on a directory, kills it at a random
//! moment, reopens and compares. `crash_cycles --bench` measures appends instead. Exit code 1 on any loss, an open of
//! more than 10 s, or a directory that grows out of bounds.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use shared::{
    MessageId, RoomId, Timestamp, UserId,
    protocol::{HistoryVisibility, MessageType, Position, RoomType},
};
use store::{
    Actor, ChangeBody, Changes, Edit, Mentions, NewMessage, PageFrom, PageRequest, Reacting, RoomRecord, Store,
    StoredMessage, UserChanges, embedded::Embedded,
};

const ROOMS: u8 = 4;
const WRITERS: u64 = 8;
const SLOWEST_OPEN: Duration = Duration::from_secs(10);
/// A full comparison of everything so often; in between what is new since the last.
const FULL_EVERY: u64 = 20;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).cloned();
    let number = |name: &str| option(name).and_then(|text| text.parse::<u64>().ok());
    let done = if let Some(dir) = option("--child") {
        child(Path::new(&dir), number("--seed").unwrap_or(0)).await
    } else if args.iter().any(|a| a == "--bench") {
        bench(Duration::from_secs(number("--seconds").unwrap_or(5))).await
    } else {
        let seed = number("--seed").unwrap_or_else(rand::random);
        crash(number("--cycles").unwrap_or(200), seed, option("--dir").map(PathBuf::from)).await
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
        notify_after,
    }
}

// The writer that is killed

async fn child(dir: &Path, seed: u64) -> Result<()> {
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

/// What the content of a message follows from once it is edited.
fn edited(key: &str) -> String {
    format!("{key} edited")
}

/// One line in one write, so that a kill cannot mix two.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    Ok(out.flush()?)
}

// The killer

/// An append the child was told of.
struct Ack {
    room: usize,
    seq: u64,
    rev: u64,
    key: String,
    /// The child was told of its edit, or of a reaction to it.
    edited: bool,
    reacted: bool,
}

#[derive(Default)]
struct Totals {
    acknowledged: u64,
    bytes: u64,
    lost: u64,
    killed_while_opening: u64,
    slowest_open: Duration,
    largest: u64,
    /// The last entry of the user's own log that a child was told of.
    noted: Option<Position>,
}

/// What the last comparison found a room to be.
#[derive(Default, Clone, Copy)]
struct Known {
    seq: u64,
    position: Option<Position>,
}

async fn crash(cycles: u64, seed: u64, dir: Option<PathBuf>) -> Result<()> {
    println!("seed {seed}");
    let temporary = tempfile::tempdir()?;
    let dir = dir.unwrap_or_else(|| temporary.path().join("store"));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut totals = Totals::default();
    let mut known = vec![Known::default(); usize::from(ROOMS)];
    let mut acks = Vec::new();
    let mut all = Vec::new();
    for cycle in 1..=cycles {
        let wait = Duration::from_millis(rng.random_range(50..800));
        // One in four is killed counting from its start, so often while it opens; the others once they write.
        let kill = Kill { after: wait, from_open: cycle % 4 != 0 };
        let fresh = run_and_kill(&dir, rng.random(), kill, &mut totals)?;
        totals.acknowledged += fresh.len() as u64;
        totals.bytes += fresh.iter().map(|a| content(&a.key).len() as u64).sum::<u64>();
        acks.extend(fresh);
        // Every other kill is followed by another run, not by our own orderly open and close.
        if cycle % 2 == 0 || cycle == cycles {
            let begun = Instant::now();
            let opened = tokio::time::timeout(SLOWEST_OPEN, store::embedded::open(&dir)).await;
            let store = opened.context("the store hangs at open")??;
            totals.slowest_open = totals.slowest_open.max(begun.elapsed());
            totals.lost += compare(&store, &acks, &mut known).await?;
            check_user_log(&store, totals.noted).await?;
            all.append(&mut acks);
            if cycle % FULL_EVERY == 0 || cycle == cycles {
                totals.lost += compare(&store, &all, &mut vec![Known::default(); usize::from(ROOMS)]).await?;
                println!("cycle {cycle}: {} acknowledged, {} MiB on disk", all.len(), disk(&dir)? >> 20);
            }
            store.maintenance.close().await?;
            check_growth(&dir, &mut totals)?;
        }
    }
    report(&dir, cycles, &totals)
}

/// When a child is killed: so long after its start, or after it has opened the store.
struct Kill {
    after: Duration,
    from_open: bool,
}

/// Runs a child and kills it; what it was acknowledged.
fn run_and_kill(dir: &Path, seed: u64, kill: Kill, totals: &mut Totals) -> Result<Vec<Ack>> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--child")
        .arg(dir)
        .args(["--seed", &seed.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().context("the child's output")?;
    let (opened, has_opened) = mpsc::sync_channel(1);
    let reader = std::thread::spawn(move || read_lines(BufReader::new(out), &opened));
    let hangs = kill.from_open && has_opened.recv_timeout(SLOWEST_OPEN).is_err();
    if hangs {
        // Stuck or only slow? The time it got on a processor tells.
        let spent = Duration::from_millis(10 * cpu_ticks(child.id())?);
        let late = has_opened.recv_timeout(6 * SLOWEST_OPEN).is_ok();
        eprintln!("not open after {SLOWEST_OPEN:?}, of which {spent:?} on a processor; open a minute later: {late}");
    }
    let ended = wait_for(&mut child, kill.after)?;
    child.kill()?;
    child.wait()?;
    let lines = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    ensure!(!ended, "the child ended by itself");
    ensure!(!hangs, "the child hangs at open");
    let mut acks: Vec<Ack> = Vec::new();
    let mut opened = None;
    let of = |acks: &mut Vec<Ack>, room: usize, seq: u64, mark: fn(&mut Ack)| {
        acks.iter_mut().rev().find(|a| (a.room, a.seq) == (room, seq)).map(mark).context("a change before its message")
    };
    for line in lines {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            ["opened", ms] => opened = Some(Duration::from_millis(ms.parse()?)),
            ["ack", room, seq, rev, key] => {
                let (room, seq, rev, key) = (room.parse()?, seq.parse()?, rev.parse()?, key.to_owned());
                acks.push(Ack { room, seq, rev, key, edited: false, reacted: false });
            }
            ["edited", room, seq] => of(&mut acks, room.parse()?, seq.parse()?, |a| a.edited = true)?,
            ["reacted", room, seq] => of(&mut acks, room.parse()?, seq.parse()?, |a| a.reacted = true)?,
            ["noted", rev, event_id] => {
                let noted = Position { rev: rev.parse()?, event_id: event_id.parse()? };
                if totals.noted.is_none_or(|last| last.rev < noted.rev) {
                    totals.noted = Some(noted);
                }
            }
            _ => bail!("the child said {line:?}"),
        }
    }
    match opened {
        Some(took) => totals.slowest_open = totals.slowest_open.max(took),
        None => totals.killed_while_opening += 1,
    }
    Ok(acks)
}

/// Did the child end within `wait`?
fn wait_for(child: &mut Child, wait: Duration) -> Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "the moment of the kill is a time, not an event")]
    std::thread::sleep(wait);
    Ok(child.try_wait()?.is_some())
}

/// Whole lines only: the kill may have cut the last. Tells of the first, which says that the store is open.
fn read_lines(mut from: impl BufRead, opened: &mpsc::SyncSender<()>) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        match line.strip_suffix('\n') {
            Some(whole) => {
                lines.push(whole.to_owned());
                let _ = opened.try_send(());
            }
            None => return Ok(lines),
        }
    }
}

/// Reads each room from where it was known: dense numbers, right contents, no key twice; then looks for each
/// acknowledged append. Gives how many are missing or wrong.
async fn compare(store: &Store, acks: &[Ack], known: &mut [Known]) -> Result<u64> {
    let mut lost = 0;
    for (n, known) in known.iter_mut().enumerate() {
        let Some(room) = room(u8::try_from(n)?) else { bail!("no room {n}") };
        let messages = match store.rooms.room(room).await? {
            Some(_) => read_messages(store, room, known).await?,
            None => HashMap::new(),
        };
        let revs = read_revs(store, room, known).await?;
        for ack in acks.iter().filter(|ack| ack.room == n) {
            let message = messages.get(&ack.seq);
            let right = message.is_some_and(|m| {
                m.client_message_id.as_ref() == Some(&ack.key)
                    && (m.edited_at.is_some() || !ack.edited)
                    && (m.reactions.len() == 1 || !ack.reacted)
            });
            let changed = revs.get(&ack.rev).is_none_or(|seq| *seq == Some(ack.seq));
            if !right || !changed {
                eprintln!("lost: room {n} seq {} rev {} key {}", ack.seq, ack.rev, ack.key);
                lost += 1;
            }
        }
    }
    Ok(lost)
}

async fn read_messages(store: &Store, room: RoomId, known: &mut Known) -> Result<HashMap<u64, StoredMessage>> {
    let mut messages = HashMap::new();
    let mut keys = HashSet::new();
    loop {
        let from = PageFrom::After(known.seq);
        let page = PageRequest { from, limit: 200, visible_after: 0, max_bytes: 1 << 20 };
        let page = store.log.history(room, page).await?;
        check_reactions(store, room, &page.items).await?;
        for message in page.items {
            ensure!(message.seq == known.seq + 1, "a gap: {} follows {}", message.seq, known.seq);
            known.seq = message.seq;
            let key = message.client_message_id.clone().context("a message without its key")?;
            let text = content(&if message.edited_at.is_some() { edited(&key) } else { key.clone() });
            ensure!(message.content == text, "message {} has another content", message.seq);
            ensure!(keys.insert(key), "message {} is there twice", message.seq);
            messages.insert(message.seq, message);
        }
        if !page.has_more {
            break;
        }
    }
    // What a message answers was sent by the same child, so it is among these.
    let mut replies: HashMap<u64, u64> = HashMap::new();
    for parent in messages.values().filter_map(|m| m.reply_to) {
        *replies.entry(parent.seq).or_default() += 1;
    }
    for message in messages.values() {
        let counted = replies.get(&message.seq).copied().unwrap_or_default();
        ensure!(message.replies == counted, "message {} has {counted} replies, not {}", message.seq, message.replies);
    }
    Ok(messages)
}

/// The messages' tallies and the index behind them say the same.
async fn check_reactions(store: &Store, room: RoomId, messages: &[StoredMessage]) -> Result<()> {
    let author = alice().context("an author")?.id;
    let seqs: Vec<u64> = messages.iter().map(|m| m.seq).collect();
    let given = store.log.reacted(room, author, &seqs).await?;
    let given: Vec<u64> = given.into_iter().map(|(seq, _)| seq).collect();
    let tallied: Vec<u64> = messages.iter().filter(|m| !m.reactions.is_empty()).map(|m| m.seq).collect();
    ensure!(given == tallied, "reactions are given to {given:?} and tallied for {tallied:?}");
    Ok(())
}

/// The user's own log goes on, dense, from the last entry a child was told of to its head.
async fn check_user_log(store: &Store, noted: Option<Position>) -> Result<()> {
    let Some(noted) = noted else { return Ok(()) };
    let author = alice().context("an author")?.id;
    let head = store.user_log.user_positions(&[author]).await?[0];
    let UserChanges::Page { changes, has_more: false } = store.user_log.user_changes(author, noted, 1000).await? else {
        bail!("entry {} is not in the user's log, which stands at {}", noted.rev, head.rev);
    };
    ensure!(changes.iter().map(|c| c.rev).eq(noted.rev + 1..=head.rev), "a gap in the user's log after {}", noted.rev);
    Ok(())
}

/// rev → seq of the changes since the known position; dense, up to the head.
async fn read_revs(store: &Store, room: RoomId, known: &mut Known) -> Result<HashMap<u64, Option<u64>>> {
    let mut revs = HashMap::new();
    let Some((_, head)) = store.rooms.room(room).await? else { return Ok(revs) };
    let Some(mut at) = known.position else {
        known.position = Some(head.position());
        return Ok(revs);
    };
    loop {
        let Changes::Page { changes, has_more } = store.log.changes(room, at, 500).await? else {
            bail!("position {} is not in the log any more", at.rev);
        };
        for change in changes {
            ensure!(change.rev == at.rev + 1, "a gap: change {} follows {}", change.rev, at.rev);
            at = Position { rev: change.rev, event_id: change.event_id };
            let seq = if let ChangeBody::Message(message) = change.body { Some(message.seq) } else { None };
            revs.insert(change.rev, seq);
        }
        if !has_more {
            break;
        }
    }
    ensure!(at == head.position(), "the log ends at {} and the head says {}", at.rev, head.rev);
    known.position = Some(at);
    Ok(revs)
}

/// Bytes on disk; a journal's length is reserved, not used.
fn disk(dir: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(dir)? {
        let (path, meta) =
            (entry.as_ref().map(std::fs::DirEntry::path), entry.as_ref().map(std::fs::DirEntry::metadata));
        let (Ok(path), Ok(Ok(meta))) = (path, meta) else { continue };
        total += if meta.is_dir() { disk(&path)? } else { meta.blocks() * 512 };
    }
    Ok(total)
}

/// Twice what was written, and the journals.
fn check_growth(dir: &Path, totals: &mut Totals) -> Result<()> {
    let used = disk(dir)?;
    totals.largest = totals.largest.max(used);
    let bound = 2 * totals.bytes + (320 << 20);
    ensure!(used <= bound, "{} MiB on disk for {} MiB of messages", used >> 20, totals.bytes >> 20);
    Ok(())
}

fn report(dir: &Path, cycles: u64, totals: &Totals) -> Result<()> {
    let journals = std::fs::read_dir(dir.join("db"))?.flatten();
    let journals: Vec<u64> = journals
        .filter(|e| e.path().extension().is_some_and(|x| x == "jnl"))
        .filter_map(|e| e.metadata().ok().map(|m| m.blocks() * 512))
        .collect();
    println!(
        "cycles {cycles}, acknowledged {}, lost {}, slowest open {} ms, killed while opening {}, messages {} MiB, \
         directory {} MiB (at most {} MiB), journals {} of {} MiB",
        totals.acknowledged,
        totals.lost,
        totals.slowest_open.as_millis(),
        totals.killed_while_opening,
        totals.bytes >> 20,
        disk(dir)? >> 20,
        totals.largest >> 20,
        journals.len(),
        journals.iter().sum::<u64>() >> 20,
    );
    ensure!(totals.lost == 0, "{} acknowledged messages were lost", totals.lost);
    ensure!(totals.slowest_open <= SLOWEST_OPEN, "an open took {:?}", totals.slowest_open);
    Ok(())
}

// Measuring

async fn bench(length: Duration) -> Result<()> {
    for appenders in [1, 8, 64] {
        let dir = tempfile::tempdir()?;
        let engine = Embedded::open(dir.path()).await?;
        let store = engine.store();
        let (rooms, author) = make_rooms(&store).await?;
        let (commits, cpu, begun) = (engine.group_commits(), cpu_ticks(std::process::id())?, Instant::now());
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..appenders {
            let (store, author, room) = (store.clone(), author.clone(), rooms[n % rooms.len()]);
            tasks.spawn(async move {
                while begun.elapsed() < length {
                    let key = Some(format!("{:x}", rand::random::<u64>()));
                    store.log.append(&new_message(room, &author, key, "x".repeat(100))).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        let (took, after) = (begun.elapsed(), engine.group_commits());
        let (appends, groups) = (after.commands - commits.commands, after.commits - commits.commits);
        // USER_HZ is 100 on Linux, whatever the kernel's own tick.
        let cpu_us = (cpu_ticks(std::process::id())? - cpu) * 10_000;
        println!(
            "{appenders} appenders: {:.0} appends/s, {:.1} us CPU per append, {:.1} appends per commit",
            appends as f64 / took.as_secs_f64(),
            cpu_us as f64 / appends as f64,
            appends as f64 / groups as f64,
        );
        store.maintenance.close().await?;
    }
    Ok(())
}

/// User and system time of a process (proc(5), fields 14 and 15).
fn cpu_ticks(process: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').context("no process status")?.1;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}
