//! Work that takes long and would hold an event loop, on threads of its own, bounded: hashing passwords, decoding
//! images. A storm of it cannot starve messages.

use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Semaphore;

use crate::{DomainError, Result};

pub struct Pool {
    /// What waits, as the refusal says it.
    what: &'static str,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Pool {
    /// At most `threads` at once; so many more may wait, and beyond that they are refused as overload.
    pub fn new(what: &'static str, threads: usize, waiting: usize) -> Self {
        Self { what, running: Arc::new(Semaphore::new(threads)), admitted: Arc::new(Semaphore::new(threads + waiting)) }
    }

    /// Does the work when its turn comes; to the end, even if nobody waits for it any more.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let overload = |_| DomainError::Unavailable(anyhow::anyhow!("too many {} are waiting", self.what));
        let admitted = self.admitted.clone().try_acquire_owned().map_err(overload)?;
        let running = self.running.clone().acquire_owned().await.context("the pool is closed")?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (admitted, running);
            work()
        });
        Ok(done.await.context("a thread of the pool died")?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test]
    async fn what_would_wait_too_long_is_refused_and_the_rest_is_done() {
        let pool = Arc::new(Pool::new("stones", 1, 1));
        let (go, gone) = sync_channel::<()>(0);
        let (tell, told) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move {
                pool.run(move || {
                    tell.send(()).unwrap();
                    gone.recv()
                })
                .await
            }
        });
        told.await.unwrap();
        let mut second = Box::pin(pool.run(|| 2));
        assert!(futures_util::poll!(&mut second).is_pending());
        let refused = pool.run(|| 3).await.unwrap_err();
        assert!(matches!(&refused, DomainError::Unavailable(why) if why.to_string().contains("stones")), "{refused:?}");
        go.send(()).unwrap();
        first.await.unwrap().unwrap().unwrap();
        assert_eq!(second.await.unwrap(), 2);
        assert_eq!(pool.run(|| 4).await.unwrap(), 4);
    }
}
