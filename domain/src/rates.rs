//! Rates, per user or address, over all instances. The store holds the buckets; for messages each process takes
//! grants of several tokens, so that the hot path seldom waits for a second slot.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::sync::Cache;
use parking_lot::Mutex;
use shared::{UserId, settings};
use store::Limits;
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{DomainError, Result};

/// Tokens taken at once for a user's messages; unused ones are dropped after [`GRANT_KEPT`].
const GRANT: u32 = 8;
const GRANT_KEPT: Duration = Duration::from_secs(1);

/// The time in which so many wrong passwords may be tried at one account.
const WRONG_PASSWORDS_PER: Duration = Duration::from_secs(15 * 60);

/// The time in which so many letters may be asked for to one e-mail address.
const LETTERS_PER: Duration = Duration::from_secs(3600);

/// A try at a password, which counts only where it [was wrong](Self::was_wrong): else it is given back, also where the password was not looked at, or nobody waits for it any more.
pub struct Attempt {
    limits: Arc<dyn Limits>,
    /// `None`: it counts, or nothing does.
    bucket: Option<(String, u32)>,
}

impl Attempt {
    /// It counts.
    pub fn was_wrong(mut self) {
        self.bucket = None;
    }

    /// It does not, and has been given back when this returns.
    pub async fn was_right(mut self) {
        if let Some(given) = self.give_back() {
            // It logs what goes wrong.
            let _ = given.await;
        }
    }

    /// A task of its own: who asked may go away. As many at once as tries that end.
    fn give_back(&mut self) -> Option<JoinHandle<()>> {
        let (key, burst) = self.bucket.take()?;
        let limits = self.limits.clone();
        let given = async move {
            if let Err(e) = limits.give_back(&key, burst, WRONG_PASSWORDS_PER, 1).await {
                DomainError::from(e).log();
            }
        };
        Some(Handle::try_current().ok()?.spawn(given))
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        drop(self.give_back());
    }
}

struct Grant {
    left: u32,
    taken: Instant,
}

pub struct Rates {
    limits: Arc<dyn Limits>,
    settings: settings::Limits,
    /// Bounded; losing an entry costs the user the tokens of one grant.
    grants: Cache<UserId, Arc<Mutex<Grant>>>,
}

impl Rates {
    pub fn new(limits: Arc<dyn Limits>, settings: settings::Limits) -> Self {
        let grants = Cache::builder().max_capacity(100_000).time_to_idle(GRANT_KEPT).build();
        Self { limits, settings, grants }
    }

    /// One message of this user. Usually answered from this process's grant; else one trip to the store.
    pub async fn message(&self, user: UserId) -> Result<()> {
        if !self.settings.enabled {
            return Ok(());
        }
        if let Some(grant) = self.grants.get(&user) {
            let mut grant = grant.lock();
            if grant.left > 0 && grant.taken.elapsed() < GRANT_KEPT {
                grant.left -= 1;
                return Ok(());
            }
        }
        let burst = self.settings.messages_burst;
        let refill = Duration::from_secs_f64(f64::from(burst) / f64::from(self.settings.messages_per_second));
        let taken = self.limits.take(&format!("msg:{user}"), burst, refill, GRANT.min(burst)).await?;
        if taken.granted == 0 {
            return Err(DomainError::RateLimited { retry_after: taken.retry_after });
        }
        let grant = Grant { left: taken.granted - 1, taken: Instant::now() };
        self.grants.insert(user, Arc::new(Mutex::new(grant)));
        Ok(())
    }

    /// One signup or guest account from this address.
    pub async fn signup(&self, address: &str) -> Result<()> {
        self.per_minute("signup", address, self.settings.signups_per_minute).await
    }

    /// One attempt to log in from this address.
    pub async fn login(&self, address: &str) -> Result<()> {
        self.per_minute("login", address, self.settings.logins_per_minute).await
    }

    /// One try at the password of this account: it counts wrong ones. Taken before, so that many at once are no more than
    /// they may be. Who goes on guessing keeps the owner from logging in by password as long, never from the sessions they
    /// have.
    pub async fn password(&self, account: &str) -> Result<Attempt> {
        let mut attempt = Attempt { limits: self.limits.clone(), bucket: None };
        if self.settings.enabled {
            let (key, burst) = (format!("password:{account}"), self.settings.wrong_passwords);
            let taken = self.limits.take(&key, burst, WRONG_PASSWORDS_PER, 1).await?;
            if taken.granted == 0 {
                return Err(DomainError::RateLimited { retry_after: taken.retry_after });
            }
            attempt.bucket = Some((key, burst));
        }
        Ok(attempt)
    }

    /// The account has another password: who could not remember the old one may try as if they never had.
    pub async fn forget_wrong_passwords(&self, account: &str) -> Result<()> {
        let burst = self.settings.wrong_passwords;
        Ok(self.limits.give_back(&format!("password:{account}"), burst, WRONG_PASSWORDS_PER, burst).await?)
    }

    /// One search for people by this user.
    pub async fn search(&self, user: UserId) -> Result<()> {
        self.per_minute("search", &user.to_string(), self.settings.searches_per_minute).await
    }

    /// One ticket for a socket of this user.
    pub async fn ticket(&self, user: UserId) -> Result<()> {
        self.per_minute("ticket", &user.to_string(), self.settings.tickets_per_minute).await
    }

    /// One file or avatar of this user.
    pub async fn upload(&self, user: UserId) -> Result<()> {
        self.per_minute("upload", &user.to_string(), self.settings.uploads_per_minute).await
    }

    /// Once asking somebody to be a contact.
    pub async fn contact_request(&self, user: UserId) -> Result<()> {
        self.per_minute("contact", &user.to_string(), self.settings.contact_requests_per_minute).await
    }

    /// One invite made by this user.
    pub async fn invite(&self, user: UserId) -> Result<()> {
        self.per_minute("invite", &user.to_string(), self.settings.invites_per_minute).await
    }

    /// One code tried by this user, who may have many addresses, from this one, which may have many users.
    pub async fn redeem(&self, user: UserId, address: &str) -> Result<()> {
        let most = self.settings.redeems_per_minute;
        self.per_minute("redeem", &user.to_string(), most).await?;
        self.per_minute("redeem-from", address, most).await
    }

    /// One password said to be lost, or one token of a letter that is tried, from this address.
    pub async fn reset(&self, address: &str) -> Result<()> {
        self.per_minute("reset", address, self.settings.resets_per_minute).await
    }

    /// One letter to this e-mail address that was asked for.
    pub async fn letter(&self, address: &str) -> Result<()> {
        self.take("letter", address, self.settings.letters_per_hour, LETTERS_PER).await
    }

    /// Once switching e-mail off by a link of this user's.
    pub async fn unsubscribe(&self, user: UserId) -> Result<()> {
        self.per_minute("unsubscribe", &user.to_string(), self.settings.resets_per_minute).await
    }

    async fn per_minute(&self, what: &str, who: &str, burst: u32) -> Result<()> {
        self.take(what, who, burst, Duration::from_secs(60)).await
    }

    async fn take(&self, what: &str, who: &str, burst: u32, refill: Duration) -> Result<()> {
        if !self.settings.enabled {
            return Ok(());
        }
        let taken = self.limits.take(&format!("{what}:{who}"), burst, refill, 1).await?;
        if taken.granted == 0 {
            return Err(DomainError::RateLimited { retry_after: taken.retry_after });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use store::Taken;

    use super::*;

    /// One bucket that gains nothing.
    struct Bucket(AtomicU32);

    #[async_trait]
    impl Limits for Bucket {
        async fn take(&self, _: &str, _: u32, refill: Duration, _: u32) -> store::Result<Taken> {
            let granted = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            Ok(Taken { granted: granted.map_or(0, |_| 1), retry_after: refill })
        }

        async fn give_back(&self, _: &str, _: u32, _: Duration, count: u32) -> store::Result<()> {
            self.0.fetch_add(count, Ordering::SeqCst);
            Ok(())
        }
    }

    #[tokio::test]
    async fn only_a_wrong_password_counts() {
        let bucket = Arc::new(Bucket(AtomicU32::new(2)));
        let rates = Rates::new(bucket.clone(), settings::Limits::default());
        let left = async |count| {
            while bucket.0.load(Ordering::SeqCst) != count {
                tokio::task::yield_now().await;
            }
        };
        drop(rates.password("a").await.unwrap());
        left(2).await;
        // Whoever asked has gone while it was looked at.
        let mut asking = Box::pin(async {
            let _attempt = rates.password("a").await;
            std::future::pending::<()>().await;
        });
        assert!(futures_util::poll!(&mut asking).is_pending());
        left(1).await;
        drop(asking);
        left(2).await;
        rates.password("a").await.unwrap().was_right().await;
        assert_eq!(bucket.0.load(Ordering::SeqCst), 2);
        rates.password("a").await.unwrap().was_wrong();
        rates.password("a").await.unwrap().was_wrong();
        left(0).await;
        assert!(matches!(rates.password("a").await, Err(DomainError::RateLimited { .. })));
    }
}
