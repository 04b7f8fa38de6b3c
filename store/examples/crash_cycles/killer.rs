//! Runs children on a directory, kills them, and compares what they leave.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use shared::protocol::Position;

use crate::{
    ROOMS,
    compare::{Ack, Known, check_user_log, compare},
    content,
    measure::cpu_ticks,
};

const SLOWEST_OPEN: Duration = Duration::from_secs(10);
/// A full comparison of everything so often; in between what is new since the last.
const FULL_EVERY: u64 = 20;

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

/// So many kills; an error where anything acknowledged is lost.
pub async fn crash(cycles: u64, seed: u64, dir: Option<PathBuf>) -> Result<()> {
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
