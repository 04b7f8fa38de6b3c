//! Letters about accounts, and the e-mail of a notification. They are jobs of the outbox; who they go to and what they
//! say is decided when they are written, so that what happened meanwhile counts.

mod texts;
mod unread;
mod unsubscribing;

use std::{sync::Arc, time::Duration};

use shared::{NotificationId, Settings, Timestamp, UserId, settings};
use store::{Job, Letter, Secret, SecretKind, Store, UserRecord};

use self::texts::Page;
pub use self::unread::Gathering;
use self::unsubscribing::Links;
use crate::{Names, Result, notifications::EMAIL, rates::Rates, secret};

/// Secrets of one kind that are good for one account at once. More than one: who asks again, or gets a letter twice, may
/// open either.
const SECRETS_KEPT: usize = 5;
/// A letter that tells what happened is of no use later.
const NEWS_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a token: an id, a dot, a secret. Longer ones are refused unread.
const MAX_TOKEN: usize = 36 + 1 + secret::LENGTH;

/// An e-mail to be sent, the same each time it is written.
#[derive(Debug, PartialEq)]
pub struct Mail {
    /// One address, without a name.
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// Where the receiver says that they want no more of them (RFC 8058). None: it is no notification, or it is not known
    /// where this deployment is reached.
    pub unsubscribe: Option<String>,
    /// Mails with the same one belong together: the local part of a `Message-ID`.
    pub thread: Option<String>,
}

/// What came of writing a letter.
#[derive(Debug, PartialEq)]
pub enum Written {
    Mail(Mail),
    /// There is nobody to send it to, or no reason any more.
    Nothing(&'static str),
}

pub struct Letters {
    store: Store,
    settings: settings::Auth,
    batch_seconds: u64,
    names: Arc<Names>,
    rates: Arc<Rates>,
    links: Links,
}

impl Letters {
    pub(crate) fn new(store: Store, settings: &Settings, names: Arc<Names>, rates: Arc<Rates>) -> Self {
        let links = Links::new(settings.api.public_url.as_deref());
        let batch_seconds = settings.notification.email_batch_seconds;
        Self { store, settings: settings.auth.clone(), batch_seconds, names, rates, links }
    }

    /// With a token to choose another password with. Costs the same whoever has the address.
    pub(crate) async fn reset_password(&self, address: String) -> Result<()> {
        let letter = Letter::ResetPassword { address, secret: secret::random() };
        self.queue(UserId::new(), letter, Duration::from_secs(self.settings.reset_minutes * 60)).await
    }

    /// Asks whether the account's address is right.
    pub(crate) async fn verify_address(&self, user: UserId) -> Result<()> {
        let letter = Letter::VerifyAddress { secret: secret::random() };
        self.queue(user, letter, Duration::from_secs(self.settings.verify_hours * 3600)).await
    }

    /// Tells that it has another password.
    pub(crate) async fn password_changed(&self, user: UserId) -> Result<()> {
        self.queue(user, Letter::PasswordChanged, NEWS_LIFETIME).await
    }

    /// Stored when it returns. What a letter has in it is good as long as it may be sent.
    async fn queue(&self, user: UserId, letter: Letter, lifetime: Duration) -> Result<()> {
        Ok(self.store.outbox.enqueue(&[job(user, letter, Some(lifetime))]).await?)
    }

    /// The e-mail of a job. A secret in it is kept from now on, as long as the letter says.
    pub async fn write(&self, job: &Job) -> Result<Written> {
        match &job.letter {
            Some(Letter::ResetPassword { address, secret }) => self.write_reset(job, address, secret).await,
            Some(Letter::VerifyAddress { secret }) => self.write_verification(job, secret).await,
            Some(Letter::PasswordChanged) => self.write_to_verified(job, texts::password_changed).await,
            Some(Letter::Unread { room }) => self.write_unread(job, *room).await,
            None => {
                let link = self.unsubscribe_link(job.user).await?;
                let page = |_: &str| texts::notification(&job.title, &job.body).with_unsubscribe(link);
                self.write_to_verified(job, page).await
            }
        }
    }

    async fn write_reset(&self, job: &Job, address: &str, secret: &str) -> Result<Written> {
        let Some(user) = self.store.users.user_id_by_email(address).await? else {
            return Ok(Written::Nothing("nobody has this address"));
        };
        let Some(record) = self.store.users.user(user).await?.filter(|record| record.password_hash.is_some()) else {
            return Ok(Written::Nothing("the account has no password"));
        };
        self.write_secret(job, record, SecretKind::Reset, secret).await
    }

    async fn write_verification(&self, job: &Job, secret: &str) -> Result<Written> {
        match self.store.users.user(job.user).await? {
            Some(record) if record.email_verified => Ok(Written::Nothing("the address is verified")),
            Some(record) => self.write_secret(job, record, SecretKind::Verify, secret).await,
            None => Ok(Written::Nothing("the account is gone")),
        }
    }

    async fn write_secret(&self, job: &Job, record: UserRecord, kind: SecretKind, secret: &str) -> Result<Written> {
        let Some(to) = record.email else { return Ok(Written::Nothing("the account has no address")) };
        let expires_at = job.expires_at.unwrap_or(job.created_at);
        let kept = Secret { hash: secret::hash(secret), kind, address: to.clone(), expires_at };
        self.store.secrets.put_secret(record.id, &kept, Timestamp::now(), SECRETS_KEPT).await?;
        let token = format!("{}.{secret}", record.id);
        let link = match kind {
            SecretKind::Reset => &self.settings.reset_url,
            SecretKind::Verify => &self.settings.verify_url,
        };
        let link = link.as_ref().map(|link| link.replace("{token}", &token));
        let lifetime = expires_at.since(job.created_at);
        let page = texts::with_token(kind, &record.username, lifetime, &token, link.as_deref());
        Ok(Written::Mail(page.to(to)))
    }

    /// To an address that is known to be the user's alone: anybody can sign up with a stranger's.
    async fn write_to_verified(&self, job: &Job, page: impl FnOnce(&str) -> Page) -> Result<Written> {
        Ok(match self.verified(job.user).await? {
            Ok((username, to)) => Written::Mail(page(&username).to(to)),
            Err(why) => Written::Nothing(why),
        })
    }

    /// The name and the verified address of an account; else why there is none.
    async fn verified(&self, user: UserId) -> Result<std::result::Result<(String, String), &'static str>> {
        let Some(record) = self.store.users.user(user).await? else { return Ok(Err("the account is gone")) };
        let to = record.email.filter(|_| record.email_verified);
        Ok(to.map(|to| (record.username, to)).ok_or("no verified e-mail address"))
    }
}

/// A letter as a job, which is of no use after its lifetime.
fn job(user: UserId, letter: Letter, lifetime: Option<Duration>) -> Job {
    let now = Timestamp::now();
    Job {
        id: NotificationId::new(),
        user,
        title: String::new(),
        body: String::new(),
        data: None,
        category: None,
        channels: Some(vec![EMAIL.into()]),
        collapse_key: None,
        expires_at: lifetime.map(|lifetime| now.after(lifetime)),
        created_at: now,
        message: None,
        after: 0,
        badge: None,
        letter: Some(letter),
        request_hash: None,
    }
}

/// `USER.SECRET`.
pub(crate) fn parse_token(token: &str) -> Option<(UserId, &str)> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let (user, secret) = token.split_once('.')?;
    Some((user.parse().ok()?, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_only_in_its_own_form() {
        let (user, secret) = (UserId::new(), secret::random());
        let token = format!("{user}.{secret}");
        assert_eq!(token.len(), MAX_TOKEN);
        assert_eq!(parse_token(&token), Some((user, secret.as_str())));
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)), "fits into any link");
        for bad in ["", ".", secret.as_str(), &format!("x.{secret}"), &format!("{token}x"), &"é.".repeat(40)] {
            assert_eq!(parse_token(bad), None, "{bad}");
        }
    }
}
