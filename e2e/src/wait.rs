//! Waiting for what another process does: with an end, so that a test fails instead of hanging.

use std::time::Duration;

use tokio::time::Instant;

/// How often [`eventually`] looks.
const LOOK: Duration = Duration::from_millis(25);

/// Looks again and again until there is something; an error after `limit`, naming `what`.
pub async fn eventually<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        // A look that hangs ends with the limit too.
        match tokio::time::timeout_at(end, look()).await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) if Instant::now() < end => tokio::time::sleep(LOOK).await,
            _ => anyhow::bail!("not within {limit:?}: {what}"),
        }
    }
}

/// The outcome of `work`; an error after `limit`, naming `what`.
pub async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(limit, work).await.map_err(|_| anyhow::anyhow!("not within {limit:?}: {what}"))
}
