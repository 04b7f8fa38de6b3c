//! Accounts: sign up, log in, guests, lost passwords, profiles, search, and their end.

pub(crate) mod deleting;
mod recovery;
mod sessions;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use deleting::DeleteAccount;
pub use recovery::{ForgotPassword, LetterToken, ResetPassword};
use serde::{Deserialize, Serialize};
pub use sessions::{Refresh, SessionItem, SessionList, SignedIn, Tokens, WsTicket};
use sha2::{Digest, Sha256};
use shared::{
    Settings, Timestamp, UserId,
    protocol::{LastSeenFor, Status, User, UserPresence},
};
use store::{ProfilePatch, Store, UserRecord};
use utoipa::ToSchema;

use crate::{
    DomainError, Identity, Letters, Names, Presence, Result, Viewer, pages::page_limit, passwords::Passwords,
    rates::Rates, validate::Check,
};

/// Users a search gives at most.
const MAX_SEARCH: usize = 100;

/// A wrong name and a wrong password cannot be told apart.
const WRONG_LOGIN: DomainError = DomainError::Unauthorized("wrong name or password");

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The caller's address.
    pub address: String,
    /// What rates are counted by: the address or, as whoever has one IPv6 address has 2^64, its network.
    pub network: String,
    /// What the client calls itself.
    pub agent: Option<String>,
}

impl From<&str> for Source {
    fn from(address: &str) -> Self {
        Self { address: address.into(), network: address.into(), agent: None }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signup {
    /// `[A-Za-z0-9_.-]{1,32}`, unique without case.
    pub username: String,
    pub email: String,
    /// 8 to 128 characters; none of the most common.
    pub password: String,
    pub display_name: Option<String>,
}

/// By username or by e-mail: exactly one of the two.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Login {
    pub username: Option<String>,
    pub email: Option<String>,
    pub password: String,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ChangePassword {
    pub old: String,
    /// 8 to 128 characters; none of the most common.
    pub new: String,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct Guest {
    /// Default: one is made up.
    pub username: Option<String>,
}

/// What to change; a field left out stays, an empty `bio` is removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchProfile {
    pub display_name: Option<String>,
    pub bio: Option<String>,
    /// Who of those who may watch the caller is told when they were last seen.
    pub last_seen_for: Option<LastSeenFor>,
}

/// One page of users.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPage {
    pub items: Vec<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

pub struct Accounts {
    store: Store,
    identity: Arc<Identity>,
    presence: Arc<Presence>,
    rates: Arc<Rates>,
    names: Arc<Names>,
    letters: Arc<Letters>,
    passwords: Passwords,
    guests: bool,
    guest_idle: Duration,
    refresh_lifetime: Duration,
    lasting_lifetime: Duration,
}

impl Accounts {
    pub(crate) fn new(
        store: Store,
        settings: &Settings,
        identity: Arc<Identity>,
        presence: Arc<Presence>,
        rates: Arc<Rates>,
        names: Arc<Names>,
        letters: Arc<Letters>,
    ) -> Self {
        Self {
            store,
            identity,
            presence,
            rates,
            names,
            letters,
            passwords: Passwords::new(settings.auth.hash_threads),
            guests: settings.auth.guests,
            guest_idle: Duration::from_secs(settings.auth.guest_idle_hours * 3600),
            refresh_lifetime: Duration::from_secs(settings.auth.refresh_token_days * 24 * 3600),
            lasting_lifetime: Duration::from_secs(settings.auth.lasting_token_hours * 3600),
        }
    }

    /// Makes an account and logs it in. A letter asks whether the address is right.
    pub async fn sign_up(&self, input: Signup, source: &Source) -> Result<SignedIn> {
        let record = self.create(input, source).await?;
        let (asked, signed_in) =
            tokio::join!(self.letters.verify_address(record.id), self.start_session(record, source, Tokens::Refreshed));
        // The account is there, and can ask for the letter again.
        unless_sent(asked);
        signed_in
    }

    /// The same without logging it in.
    pub async fn register(&self, input: Signup, source: &Source) -> Result<User> {
        let record = self.create(input, source).await?;
        unless_sent(self.letters.verify_address(record.id).await);
        let presence = self.presence.own_shown(record.id).await?;
        Ok(own_user(record, presence))
    }

    async fn create(&self, input: Signup, source: &Source) -> Result<UserRecord> {
        let mut check = Check::default();
        check.name("username", &input.username).email("email", &input.email).password("password", &input.password);
        if let Some(name) = &input.display_name {
            check.line("displayName", name, 1, 64);
        }
        check.done()?;
        self.rates.signup(&source.network).await?;
        // Taken names are refused before the costly hash; the store decides again, atomically.
        if self.store.users.user_id_by_name(&input.username).await?.is_some() {
            return Err(DomainError::UsernameTaken);
        }
        let record = UserRecord {
            id: UserId::new(),
            display_name: input.display_name.unwrap_or_else(|| input.username.clone()),
            username: input.username,
            email: Some(input.email),
            email_verified: false,
            password_hash: Some(self.passwords.hash(input.password).await?),
            avatar_url: None,
            bio: None,
            created_at: Timestamp::now(),
            guest: false,
        };
        self.store.users.create_user(&record).await?;
        self.names.taken(&record.username).await;
        Ok(record)
    }

    /// A wrong name and a wrong password cannot be told apart, by text or by time.
    pub async fn log_in(&self, input: Login, source: &Source) -> Result<SignedIn> {
        self.log_in_for(input, source, Tokens::Refreshed).await
    }

    /// The same, for tokens of this kind.
    pub async fn log_in_for(&self, input: Login, source: &Source, tokens: Tokens) -> Result<SignedIn> {
        self.rates.login(&source.network).await?;
        let given = match (&input.username, &input.email) {
            (Some(given), None) | (None, Some(given)) => given,
            _ => return Err(DomainError::invalid("username", "give either username or email")),
        };
        // What cannot be a name is nobody's, and is no key for the store, whose keys have a longest length.
        let mut check = Check::default();
        let id = match (&input.username, &input.email) {
            (Some(name), None) if check.name("username", name).done().is_ok() => {
                self.store.users.user_id_by_name(name).await?
            }
            (None, Some(email)) if check.email("email", email).done().is_ok() => {
                self.store.users.user_id_by_email(email).await?
            }
            _ => None,
        };
        // However it is named, an account has one count; nobody's name has one of its own, so that none can be told from it.
        let account = id.map_or_else(|| account_key(given), |id| id.to_string());
        let attempt = self.rates.password(&account).await?;
        // Nobody's id takes as long to look up as somebody's.
        let record = self.store.users.user(id.unwrap_or_else(UserId::new)).await?;
        let hash = record.as_ref().and_then(|r| r.password_hash.clone());
        let right = self.passwords.verify(input.password, hash).await?;
        match record {
            Some(record) if right => {
                attempt.was_right().await;
                self.start_session(record, source, tokens).await
            }
            _ => {
                attempt.was_wrong();
                Err(WRONG_LOGIN)
            }
        }
    }

    /// An account without e-mail and password, if `auth.guests` allows. It goes when its user was not seen for long.
    pub async fn guest(&self, input: Guest, source: &Source) -> Result<SignedIn> {
        self.guest_for(input, source, Tokens::Refreshed).await
    }

    /// The same, for tokens of this kind.
    pub async fn guest_for(&self, input: Guest, source: &Source, tokens: Tokens) -> Result<SignedIn> {
        if !self.guests {
            return Err(DomainError::Forbidden("guests are not allowed here"));
        }
        let username = input.username.unwrap_or_else(|| format!("guest-{:08x}", rand::random::<u32>()));
        Check::default().name("username", &username).done()?;
        self.rates.signup(&source.network).await?;
        let record = UserRecord {
            id: UserId::new(),
            display_name: username.clone(),
            username,
            email: None,
            email_verified: false,
            password_hash: None,
            avatar_url: None,
            bio: None,
            created_at: Timestamp::now(),
            guest: true,
        };
        self.store.users.create_user(&record).await?;
        self.names.taken(&record.username).await;
        self.start_session(record, source, tokens).await
    }

    /// Puts another password in the place of the caller's, and ends all their other sessions: who knew the old one is
    /// out.
    pub async fn change_password(&self, viewer: &Viewer, input: ChangePassword) -> Result<()> {
        let session = viewer.session()?;
        Check::default().password("new", &input.new).done()?;
        let record = self.store.users.user(viewer.user).await?.ok_or(DomainError::UserNotFound)?;
        let Some(old) = record.password_hash else {
            return Err(DomainError::Forbidden("this account has no password"));
        };
        let attempt = self.rates.password(&viewer.user.to_string()).await?;
        if !self.passwords.verify(input.old, Some(old.clone())).await? {
            attempt.was_wrong();
            return Err(DomainError::Forbidden("the old password is wrong"));
        }
        attempt.was_right().await;
        let next = self.passwords.hash(input.new).await?;
        let ended = self.store.users.change_password(viewer.user, &old, &next, session).await?;
        // Changed meanwhile: what was given is not the old one any more.
        let ended = ended.ok_or(DomainError::Forbidden("the old password is wrong"))?;
        for session in ended {
            self.identity.forget_session(session).await;
        }
        unless_sent(self.letters.password_changed(viewer.user).await);
        Ok(())
    }

    /// The caller's own profile.
    pub async fn profile(&self, viewer: &Viewer) -> Result<User> {
        let record = self.store.users.user(viewer.user).await?.ok_or(DomainError::UserNotFound)?;
        Ok(own_user(record, self.presence.own_shown(viewer.user).await?))
    }

    pub async fn patch_profile(&self, viewer: &Viewer, input: PatchProfile) -> Result<User> {
        let mut check = Check::default();
        if let Some(name) = &input.display_name {
            check.line("displayName", name, 1, 64);
        }
        check.optional_text("bio", input.bio.as_deref(), 500).done()?;
        let patch = ProfilePatch {
            display_name: input.display_name,
            bio: input.bio.map(|bio| if bio.is_empty() { None } else { Some(bio) }),
        };
        let record = self.store.users.update_profile(viewer.user, &patch).await?;
        if let Some(whom) = input.last_seen_for {
            self.presence.tell_last_seen(viewer.user, whom).await?;
        }
        self.names.forget(viewer.user).await;
        Ok(own_user(record, self.presence.own_shown(viewer.user).await?))
    }

    /// Another user as the viewer may see them.
    pub async fn user(&self, viewer: &Viewer, id: UserId) -> Result<User> {
        self.users(viewer, &[id]).await?.pop().ok_or(DomainError::UserNotFound)
    }

    /// Those of the users that exist, in order, as the viewer may see them.
    pub(crate) async fn users(&self, viewer: &Viewer, ids: &[UserId]) -> Result<Vec<User>> {
        let records = self.store.users.users(ids).await?;
        let presence = self.presence.seen_by(viewer, ids).await?;
        let both = records.into_iter().zip(presence);
        Ok(both.filter_map(|(record, presence)| record.map(|r| public_user(r, presence))).collect())
    }

    /// Accounts whose username starts with `query`, in order of name.
    pub async fn search(
        &self,
        viewer: &Viewer,
        query: &str,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<UserPage> {
        if viewer.guest {
            return Err(DomainError::Forbidden("guests may not search for people"));
        }
        self.rates.search(viewer.user).await?;
        let mut check = Check::default();
        check.name("query", query);
        if let Some(cursor) = cursor {
            check.name("cursor", cursor);
        }
        check.done()?;
        let limit = page_limit(limit, 20, MAX_SEARCH)?;
        let ids = self.store.users.search_users(query, cursor, limit).await?;
        let full = ids.len() == limit;
        let items = self.users(viewer, &ids).await?;
        let next_cursor = items.last().filter(|_| full).map(|u| u.username.to_ascii_lowercase());
        Ok(UserPage { items, next_cursor })
    }

    /// Accounts and guests there are.
    pub async fn count(&self) -> Result<u64> {
        Ok(self.store.users.count_users().await?)
    }
}

/// A letter about something that is done and stays so: where it could not be queued, the log says why.
fn unless_sent(queued: Result<()>) {
    if let Err(e) = queued {
        e.log();
    }
}

/// What was given as a name or address, existing or not, as a key to count by: of a fixed length, and nobody's id.
fn account_key(given: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(given.to_ascii_lowercase()))
}

fn own_user(record: UserRecord, (presence, last_seen_for): (UserPresence, LastSeenFor)) -> User {
    let (email, verified) = (record.email.clone(), record.email_verified);
    let (email_verified, last_seen_for) = (email.is_some().then_some(verified), Some(last_seen_for));
    User { email, email_verified, last_seen_for, ..public_user(record, presence) }
}

fn public_user(record: UserRecord, presence: UserPresence) -> User {
    User {
        id: record.id,
        username: record.username,
        display_name: record.display_name,
        avatar_url: record.avatar_url,
        bio: record.bio,
        status: presence.status,
        status_text: presence.status_text,
        last_seen: presence.last_seen.filter(|_| presence.status == Status::Offline),
        created_at: record.created_at,
        guest: record.guest,
        email: None,
        email_verified: None,
        last_seen_for: None,
    }
}
