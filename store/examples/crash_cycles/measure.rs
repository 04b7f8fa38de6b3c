//! Appends a second, and what one costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use store::embedded::Embedded;

use crate::{make_rooms, new_message};

/// Appends for so long, by more and more at once.
pub async fn bench(length: Duration) -> Result<()> {
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
pub fn cpu_ticks(process: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields = stat.rsplit_once(')').context("no process status")?.1;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}
