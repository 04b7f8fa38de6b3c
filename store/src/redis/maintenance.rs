//! The sweep that settles what dead processes began, and the end of the store.

use async_trait::async_trait;
use shared::Timestamp;

use super::{Engine, intents::PENDING};
use crate::{Maintenance, Result};

/// Intents one sweep settles of each shard; the next sweep goes on.
const LIMIT: usize = 100;

#[async_trait]
impl Maintenance for Engine {
    async fn sweep(&self, now: Timestamp) -> Result<usize> {
        let settled = self.settle_intents(now.before(PENDING), LIMIT).await?;
        self.end_rooms().await?;
        self.prune_signing_keys().await?;
        Ok(settled)
    }

    async fn trim(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.trim_rooms(now, limit).await
    }

    /// Nothing waits here: what was acknowledged is in Redis. Ends the bus.
    async fn close(&self) -> Result<()> {
        self.wire.close();
        Ok(())
    }
}
