//! Argon2id (RFC 9106) off the event loop, in a bounded pool, so that a storm of logins cannot starve messages.

use std::sync::Arc;

use anyhow::Context;
use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::{DomainError, Result};

/// Hashes that may wait for one that runs; more are refused as overload.
const WAITING: usize = 256;

pub struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// What an unknown user's password is compared with, so that it takes as long as a known one's.
    decoy: tokio::sync::OnceCell<String>,
}

impl Passwords {
    /// At most `threads` hashes at once. Each takes about 20 ms and 19 MiB.
    pub fn new(threads: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(threads)),
            admitted: Arc::new(Semaphore::new(threads + WAITING)),
            decoy: tokio::sync::OnceCell::new(),
        }
    }

    /// The PHC string of a password, with a fresh salt.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.run(move || {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|h| h.to_string()).map_err(|e| anyhow::anyhow!("hash a password: {e}"))
        })
        .await
    }

    /// Is it the password of `hash`? With no hash: `false`, after the same time.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.decoy.get_or_try_init(|| self.hash("decoy password".into())).await?.clone(),
        };
        let right = self
            .run(move || {
                let parsed = PasswordHash::new(&hash).map_err(|e| anyhow::anyhow!("read a password hash: {e}"))?;
                Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
            })
            .await?;
        Ok(right && known)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> Result<T> {
        let overload = || DomainError::Unavailable(anyhow::anyhow!("too many password hashes are waiting"));
        let _admitted = self.admitted.clone().try_acquire_owned().map_err(|_| overload())?;
        let running = self.running.clone().acquire_owned().await.context("the hash pool is closed")?;
        let done = tokio::task::spawn_blocking(move || {
            let _running = running;
            work()
        });
        Ok(done.await.context("a hash thread died")??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_right() {
        let passwords = Passwords::new(1);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("decoy password".into(), None).await.unwrap());
    }
}
