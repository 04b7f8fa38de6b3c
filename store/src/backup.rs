//! Copies of a whole store.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Result;

/// Where a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackedUp {
    /// Of an embedded store: a directory of its own.
    Directory { path: PathBuf, pairs: u64, bytes: u64 },
    /// Each Redis server has saved what it holds where it is configured to: its address, and the path on its machine.
    Servers(Vec<(String, String)>),
}

#[async_trait]
pub trait Backups: Send + Sync {
    /// A copy of all that is stored now, complete when this returns, while others go on writing. An embedded store needs
    /// a directory that is not there yet; Redis saves where it is configured to, whatever is given.
    async fn back_up(&self, into: Option<&Path>) -> Result<BackedUp>;
}
