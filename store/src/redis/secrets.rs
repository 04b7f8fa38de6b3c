//! Secrets of a user: one hash in the user's tag. Its fields do not expire by themselves, so every reader looks at the
//! time.

use async_trait::async_trait;
use redis::cmd;
use shared::{EventId, SessionId, Timestamp, UserId};

use super::{
    Engine,
    codec::{hex, json, parse},
    connection::corrupt,
    scripts::{self, Call},
    users::{self, CONTENDERS},
};
use crate::{Result, Secret, SecretKind, Secrets, StoreError, UserRecord};

const fn kind_text(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Reset => "reset",
        SecretKind::Verify => "verify",
    }
}

/// `kind expires address`, as it stands in the hash; of one that was taken `taken expires` and by which call.
fn encode(secret: &Secret) -> String {
    format!("{} {} {}", kind_text(secret.kind), secret.expires_at.as_millis(), secret.address)
}

/// The reverse of [`encode`]; `None`: it was taken.
fn decode(hash: [u8; 32], text: &str) -> Result<Option<Secret>> {
    let mut parts = text.splitn(3, ' ');
    let mut next = || parts.next().ok_or_else(|| corrupt("a secret"));
    let kind = match next()? {
        "reset" => SecretKind::Reset,
        "verify" => SecretKind::Verify,
        "taken" => return Ok(None),
        _ => return Err(corrupt("a secret")),
    };
    let expires_at = Timestamp::from_millis(parse(next()?, "a time")?);
    Ok(Some(Secret { hash, kind, address: next()?.to_owned(), expires_at }))
}

impl Engine {
    /// Takes a secret and changes the account, in one step; gives which sessions ended.
    async fn take_secret(
        &self,
        user: UserId,
        hash: &[u8; 32],
        kind: SecretKind,
        now: Timestamp,
        change: impl Fn(UserRecord) -> UserRecord,
    ) -> Result<Option<Vec<SessionId>>> {
        let (key, field, attempt) = (self.keys.user(user), hex(hash), EventId::random());
        for _ in 0..CONTENDERS {
            let reads =
                vec![cmd("GET").arg(&key).to_owned(), cmd("HGET").arg(self.keys.secrets(user)).arg(&field).to_owned()];
            let (record, text): (Option<String>, Option<String>) =
                self.connections.ask_atomic("read a secret", reads).await?;
            let secret = text.as_deref().map(|text| decode(*hash, text)).transpose()?.flatten();
            let Some(secret) = secret.filter(|secret| secret.kind == kind && secret.expires_at > now) else {
                return Ok(None);
            };
            let account = users::record(record.as_deref())?;
            let Some(account) = account.filter(|account| account.email.as_ref() == Some(&secret.address)) else {
                return Ok(None);
            };
            let take = Call::new(&scripts::TAKE_SECRET)
                .keys([self.keys.sessions(user), self.keys.user_channel(user), key.clone(), self.keys.secrets(user)])
                .arg("")
                .arg("")
                .arg(Timestamp::now().as_millis())
                .arg(record)
                .arg(json(&change(account))?)
                .arg(&field)
                .arg(text)
                .arg(attempt.to_string())
                .arg(kind_text(kind));
            let ended: Option<Vec<String>> = self.connections.run("take a secret", take).await?;
            if let Some(ended) = ended {
                return ended.iter().map(|id| parse(id, "a session")).collect::<Result<_>>().map(Some);
            }
        }
        Err(StoreError::Unavailable(anyhow::anyhow!("too many changes of one account at once")))
    }
}

#[async_trait]
impl Secrets for Engine {
    async fn put_secret(&self, user: UserId, secret: &Secret, now: Timestamp, keep: usize) -> Result<()> {
        let put = Call::new(&scripts::PUT_SECRET)
            .key(self.keys.secrets(user))
            .arg(hex(&secret.hash))
            .arg(encode(secret))
            .arg(now.as_millis())
            .arg(keep);
        self.connections.run::<i64>("keep a secret", put).await.map(drop)
    }

    async fn secret(&self, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<Option<Secret>> {
        let read = cmd("HGET").arg(self.keys.secrets(user)).arg(hex(hash)).to_owned();
        let text: Option<String> = self.connections.ask("read a secret", &read).await?;
        let secret = text.as_deref().map(|text| decode(*hash, text)).transpose()?.flatten();
        Ok(secret.filter(|secret| secret.expires_at > now))
    }

    async fn verify_address(&self, user: UserId, hash: &[u8; 32], now: Timestamp) -> Result<bool> {
        let verified = |account| UserRecord { email_verified: true, ..account };
        Ok(self.take_secret(user, hash, SecretKind::Verify, now, verified).await?.is_some())
    }

    async fn reset_password(
        &self,
        user: UserId,
        hash: &[u8; 32],
        next: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<SessionId>>> {
        let reset = |account| UserRecord { email_verified: true, password_hash: Some(next.to_owned()), ..account };
        self.take_secret(user, hash, SecretKind::Reset, now, reset).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_was_written() {
        for (kind, address) in [(SecretKind::Reset, "a@x.org"), (SecretKind::Verify, "\"a b\"@x.org")] {
            let secret =
                Secret { hash: [7; 32], kind, address: address.into(), expires_at: Timestamp::from_millis(-5) };
            assert_eq!(decode([7; 32], &encode(&secret)).unwrap(), Some(secret));
        }
        assert_eq!(decode([7; 32], "taken 5 x").unwrap(), None);
        for bad in ["", "reset", "reset 5", "reset x a@x.org", "other 5 a@x.org"] {
            assert!(decode([7; 32], bad).is_err(), "{bad}");
        }
    }
}
