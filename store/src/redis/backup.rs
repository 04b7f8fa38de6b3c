//! A backup of Redis: every master saves its snapshot (RDB) where it is configured to.

use std::{collections::HashMap, path::Path, time::Duration};

use anyhow::anyhow;
use async_trait::async_trait;
use redis::cmd;

use super::{
    Engine,
    health::{field, setting, time},
};
use crate::{BackedUp, Backups, Result};

/// Between two looks at how far the saving is.
const LOOK: Duration = Duration::from_millis(200);
/// The server tells in seconds when it last saved: a save in the second of the one before would not show.
const SECOND: Duration = Duration::from_millis(1100);

/// How often saving is begun anew where another save came between.
const TRIES: usize = 8;

/// Of each master by its address: seconds since 1970.
type Seconds = HashMap<String, u64>;

impl Engine {
    async fn persistence(&self) -> Result<Vec<(String, redis::Value)>> {
        let info = cmd("INFO").arg("persistence").to_owned();
        self.connections.ask_named_masters("read how saving goes", info).await
    }

    async fn clocks(&self) -> Result<Seconds> {
        let times = self.connections.ask_named_masters("read the clocks", cmd("TIME")).await?;
        let seconds = |(node, answer): (String, redis::Value)| Some((node, time(&answer)?.as_secs()));
        Ok(times.into_iter().filter_map(seconds).collect())
    }
}

impl Engine {
    /// Each master begins to save what it holds now. A save that is under way was begun before: it is waited for.
    async fn begin_to_save(&self) -> Result<()> {
        // Scheduled: where the append-only file is being rewritten, it waits for that.
        let save = cmd("BGSAVE").arg("SCHEDULE").to_owned();
        let mut tries = 0;
        loop {
            while self.persistence().await?.iter().any(|(_, info)| is_saving(info)) {
                tokio::time::sleep(LOOK).await;
            }
            match self.connections.ask_named_masters("save", save.clone()).await {
                // Another save began in between, with some of them perhaps this one.
                Err(e) if tries < TRIES && format!("{e:?}").contains("already in progress") => tries += 1,
                begun => return begun.map(drop),
            }
        }
    }
}

fn is_saving(info: &redis::Value) -> bool {
    field(info, "rdb_bgsave_in_progress") != Some("0")
}

#[async_trait]
impl Backups for Engine {
    async fn back_up(&self, _: Option<&Path>) -> Result<BackedUp> {
        tokio::time::sleep(SECOND).await;
        let begun = self.clocks().await?;
        self.begin_to_save().await?;
        loop {
            tokio::time::sleep(LOOK).await;
            let mut done = true;
            for (node, info) in self.persistence().await? {
                let saving = is_saving(&info);
                let saved = field(&info, "rdb_last_save_time").and_then(|at| at.parse::<u64>().ok()).unwrap_or(0);
                let failed = field(&info, "rdb_last_bgsave_status") != Some("ok");
                if !saving && failed {
                    return Err(anyhow!("{node} could not save: see its log").into());
                }
                let begun =
                    begun.get(&node).ok_or_else(|| anyhow!("the masters changed while they saved: begin again"))?;
                done &= !saving && saved >= *begun;
            }
            if done {
                break;
            }
        }
        let places = cmd("CONFIG").arg("GET").arg("dir").arg("dbfilename").to_owned();
        let places = self.connections.ask_named_masters("read where it was saved", places).await?;
        let place = |(node, answer): (String, redis::Value)| {
            let part = |name| setting(&answer, name).unwrap_or("?").to_owned();
            (node, format!("{}/{}", part("dir"), part("dbfilename")))
        };
        Ok(BackedUp::Servers(places.into_iter().map(place).collect()))
    }
}
