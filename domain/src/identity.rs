//! Who is calling: access tokens signed by this process's own key, validated with public keys from the store.
//!
//! No secret is shared between processes. A signer publishes its key before it first signs and keeps it published;
//! a validator looks an unknown `kid` up once, and remembers for a moment that there was none. Other products' tokens
//! are taken as ours are: [`external`], [`provisioning`].

pub mod external;
mod provisioning;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use shared::{
    EventId, SessionId, Timestamp, UserId,
    settings::Auth,
    token::{self, Claims, Kid, PublicKey, SigningKey, TokenError, external::HostClaims},
};
pub use store::Login;
use store::{Arrival, Store, Ticket, UserRecord};
use tokio::sync::OnceCell;

use self::external::{Checked, CheckedBy, Hosts, KeySource};

use crate::{DomainError, Names, Result, secret};

/// A caller whose token was valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Viewer {
    pub user: UserId,
    pub username: String,
    pub guest: bool,
    pub login: Login,
    /// As [`Claims::scope`]. Another product's scopes are its own: none counts here.
    pub scope: Option<Arc<str>>,
}

impl Viewer {
    /// The session of ours they are logged in by, for what only such a login can do.
    pub fn session(&self) -> Result<SessionId> {
        match self.login {
            Login::Session(session) => Ok(session),
            Login::Host { .. } => Err(DomainError::Forbidden(
                "you are logged in by a token of another product: password and sessions are that product's",
            )),
        }
    }

    /// Is `wanted` among the scopes of their token?
    pub fn has_scope(&self, wanted: &str) -> bool {
        self.scope.as_deref().is_some_and(|scope| scope.split(' ').any(|one| one == wanted))
    }
}

/// What is kept of a token whose signature was right.
struct Verified {
    by: VerifiedBy,
    user: UserId,
    login: Login,
    nbf: i64,
    exp: i64,
    scope: Option<Arc<str>>,
    /// `None`: to be looked up.
    card: Option<Card>,
}

/// With what a signature was checked.
enum VerifiedBy {
    Ours(Kid),
    Host(CheckedBy),
}

/// What is asked for, to see whether a login stands.
#[derive(PartialEq, Eq, Hash)]
enum Standing {
    Session(SessionId),
    User(UserId),
}

impl Standing {
    fn of(viewer: &Viewer) -> Self {
        match viewer.login {
            Login::Session(session) => Self::Session(session),
            Login::Host { .. } => Self::User(viewer.user),
        }
    }
}

/// Who a token's user is.
struct Card {
    username: String,
    guest: bool,
}

/// From a ticket's making to its use.
pub(crate) const TICKET_LIFETIME: Duration = Duration::from_secs(30);
/// Tokens known to be right; some 200 bytes each.
const VERIFIED: usize = 50_000;
/// Sessions known to live; some 150 bytes each.
const LIVE: u64 = 50_000;
/// How long a session that was seen to live is taken to live on: with it, what a revoked session shows is refused
/// everywhere within a second, whether or not the bus could say so.
const LIVE_FOR: Duration = Duration::from_millis(500);

pub struct Identity {
    store: Store,
    names: Arc<Names>,
    access_lifetime: Duration,
    /// Seconds: the longest lifetime of a token that was signed here, or may be at any time.
    longest: AtomicU64,
    signing: OnceCell<SigningKey>,
    /// `kid` → key, or that there is none; one look-up at a time for each `kid`.
    known: Cache<Kid, PublicKey>,
    unknown: Cache<Kid, ()>,
    /// Those that were known once: looking them up again is not for strangers to use up.
    once_known: moka::sync::Cache<Kid, ()>,
    strangers: Strangers,
    /// By the token's SHA-256: a client shows the same token for all its requests and sockets, and comes back with it.
    /// Only the signature, which cannot become wrong, is not checked again.
    verified: quick_cache::sync::Cache<[u8; 32], Arc<Verified>>,
    /// Only those that live: one that has ended is asked for each time.
    live: Cache<Standing, ()>,
    hosts: Hosts,
}

/// A key outlives the last token signed with it, which has this lifetime, and three missed heartbeats.
fn key_ttl(lifetime: Duration) -> Duration {
    lifetime + 3 * crate::upkeep::KEY_BEAT + Duration::from_secs(60)
}

impl Identity {
    /// `keys` reads those of other products.
    pub fn new(store: Store, settings: &Auth, names: Arc<Names>, keys: &Arc<dyn KeySource>) -> Self {
        Self {
            hosts: Hosts::new(&settings.external, keys),
            store,
            names,
            access_lifetime: Duration::from_secs(settings.access_token_seconds),
            longest: AtomicU64::new(settings.access_token_seconds),
            signing: OnceCell::new(),
            known: Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(300)).build(),
            unknown: Cache::builder().max_capacity(1000).time_to_live(Duration::from_secs(5)).build(),
            once_known: moka::sync::Cache::new(1000),
            strangers: Strangers::default(),
            verified: quick_cache::sync::Cache::new(VERIFIED),
            live: Cache::builder().max_capacity(LIVE).time_to_live(LIVE_FOR).build(),
        }
    }

    /// An access token and its lifetime: `lifetime`, or that of all. The first call makes and publishes the key.
    pub async fn issue(
        &self,
        user: &UserRecord,
        session: SessionId,
        lifetime: Option<Duration>,
    ) -> Result<(String, Duration)> {
        let lifetime = lifetime.unwrap_or(self.access_lifetime);
        let key = self.signing.get_or_try_init(|| self.make_key()).await?;
        if lifetime.as_secs() > self.longest.load(Ordering::Relaxed) {
            // Published before it signs what needs it for longer; how long is noted only then, for whoever comes next.
            self.store.signing_keys.publish_key(key.public(), key_ttl(lifetime)).await?;
            self.longest.fetch_max(lifetime.as_secs(), Ordering::Relaxed);
        }
        let claims = Claims {
            preferred_username: Some(user.username.clone()),
            guest: user.guest,
            ..token::access_claims(user.id, session, lifetime)
        };
        Ok((key.sign(&claims).context("sign a token")?, lifetime))
    }

    async fn make_key(&self) -> Result<SigningKey> {
        let key = SigningKey::generate().map_err(|_| anyhow::anyhow!("no randomness for a signing key"))?;
        self.store.signing_keys.publish_key(key.public(), self.key_ttl()).await?;
        Ok(key)
    }

    /// For how long the key is published, each time.
    fn key_ttl(&self) -> Duration {
        key_ttl(Duration::from_secs(self.longest.load(Ordering::Relaxed)))
    }

    /// Publishes this process's key again, if it has one.
    pub async fn republish_key(&self) -> Result<()> {
        if let Some(key) = self.signing.get() {
            self.store.signing_keys.publish_key(key.public(), self.key_ttl()).await?;
        }
        Ok(())
    }

    /// The public keys as a JWK set (RFC 7517 §5).
    pub async fn jwks(&self) -> Result<serde_json::Value> {
        let keys = self.store.signing_keys.signing_keys().await?;
        Ok(serde_json::json!({ "keys": keys.iter().map(PublicKey::to_jwk).collect::<Vec<_>>() }))
    }

    /// The caller a token names, whose login has not ended: 401 within a second of its end, on every instance. As
    /// [`Self::identify`], and one read for each session in half a second.
    pub async fn authenticate(&self, token: &str) -> Result<Viewer> {
        let viewer = self.identify(token).await?;
        let look = async {
            match self.store.sessions.live(&[(viewer.user, viewer.login)]).await {
                Ok(live) if live == [true] => Ok(()),
                Ok(_) => Err(None),
                Err(e) => Err(Some(e.to_string())),
            }
        };
        match self.live.try_get_with(Standing::of(&viewer), look).await {
            Ok(()) => Ok(viewer),
            Err(failure) => match failure.as_ref() {
                None => Err(ended(viewer.login)),
                Some(cause) => Err(DomainError::Unavailable(anyhow::anyhow!("look for a login: {cause}"))),
            },
        }
    }

    /// The caller a token names. Whether their login still stands is for the caller to ask, as [`Self::arrive`] does.
    /// Costs one signature check (about 30 µs) for a token not seen lately, else 1 µs; the store is asked only for a new
    /// `kid`, and where the token does not name its user: once for each of another product's tokens, whose user is made
    /// where they are seen for the first time.
    pub async fn identify(&self, token: &str) -> Result<Viewer> {
        let verified = self.verify(token, Timestamp::now()).await?;
        let Verified { user, login, .. } = *verified;
        let scope = verified.scope.clone();
        match &verified.card {
            Some(Card { username, guest }) => {
                Ok(Viewer { user, username: username.clone(), guest: *guest, login, scope })
            }
            None => self.viewer(user, login, scope).await,
        }
    }

    /// How the viewer, who is on a socket by another product's token, goes on by the next one.
    pub async fn renew(&self, viewer: &Viewer, token: &str) -> Result<Login> {
        if viewer.session().is_ok() {
            return Err(DomainError::invalid("type", "this socket is authenticated"));
        }
        let next = self.identify(token).await?;
        if next.user != viewer.user {
            return Err(DomainError::Forbidden("the token is another user's"));
        }
        self.check_login(&next).await?;
        Ok(next.login)
    }

    /// A ticket that names the caller once, within [`TICKET_LIFETIME`].
    pub(crate) async fn issue_ticket(&self, viewer: &Viewer) -> Result<String> {
        let secret = secret::random();
        let scope = viewer.scope.as_deref().map(str::to_owned);
        let ticket = Ticket { user: viewer.user, login: viewer.login, scope };
        self.store.tickets.put_ticket(secret::hash(&secret), &ticket, TICKET_LIFETIME).await?;
        Ok(secret)
    }

    /// The caller a ticket names; the ticket is used up. As [`Self::identify`], their login may have ended. One read.
    pub async fn redeem(&self, ticket: &str) -> Result<Viewer> {
        const REFUSED: DomainError = DomainError::Unauthorized("the ticket is not valid");
        if ticket.len() != secret::LENGTH {
            return Err(REFUSED);
        }
        let taken = self.store.tickets.take_ticket(secret::hash(ticket), EventId::random()).await?;
        let Ticket { user, login, scope } = taken.ok_or(REFUSED)?;
        self.viewer(user, login, scope.map(Arc::from)).await
    }

    async fn viewer(&self, user: UserId, login: Login, scope: Option<Arc<str>>) -> Result<Viewer> {
        let Some(card) = self.names.card(user).await? else {
            return Err(DomainError::AccountClosed);
        };
        Ok(Viewer { user, username: card.username.clone(), guest: card.guest, login, scope })
    }

    /// The session has ended: here nobody takes it to live any more.
    pub(crate) async fn forget_session(&self, session: SessionId) {
        self.live.invalidate(&Standing::Session(session)).await;
    }

    /// The account is gone: so here, too.
    pub(crate) async fn forget_user(&self, user: UserId) {
        self.live.invalidate(&Standing::User(user)).await;
    }

    /// Which of these logins have ended, or expired, and why. One read; one more where some have. For who keeps sockets
    /// open and may have missed it.
    pub async fn ended(&self, logins: &[(UserId, Login)]) -> Result<Vec<((UserId, Login), DomainError)>> {
        let live = self.store.sessions.live(logins).await?;
        let over: Vec<_> = logins.iter().zip(live).filter(|(_, live)| !live).map(|(login, _)| *login).collect();
        if over.is_empty() {
            return Ok(Vec::new());
        }
        let users: Vec<UserId> = over.iter().map(|(user, _)| *user).collect();
        let accounts = self.store.users.users(&users).await?;
        let why = |(login, account): ((UserId, Login), Option<UserRecord>)| match account {
            Some(_) => (login, ended(login.1)),
            None => (login, DomainError::AccountClosed),
        };
        Ok(over.into_iter().zip(accounts).map(why).collect())
    }

    /// Has the caller's login not ended? For who holds on to a viewer: ask after following the user's topic, and a
    /// login that ends later is heard of. One read.
    pub async fn check_login(&self, viewer: &Viewer) -> Result<()> {
        match self.ended(&[(viewer.user, viewer.login)]).await?.pop() {
            None => Ok(()),
            Some((_, why)) => Err(why),
        }
    }

    /// [`Self::check_login`], and what a user who connects is shown of themselves. One read.
    pub async fn arrive(&self, viewer: &Viewer) -> Result<Arrival> {
        if let Some(arrival) = self.store.sessions.arrival(viewer.user, viewer.login).await? {
            return Ok(arrival);
        }
        self.check_login(viewer).await?;
        Err(ended(viewer.login))
    }

    /// Its times, and that its key is still known, are checked each time.
    async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Verified>> {
        if token.len() > self.hosts.max_token() {
            return Err(refused(TokenError::Malformed));
        }
        let name: [u8; 32] = Sha256::digest(token).into();
        if let Some(verified) = self.verified.get(&name) {
            token::check_times(verified.nbf, verified.exp, now).map_err(refused)?;
            let stands = match &verified.by {
                VerifiedBy::Ours(kid) => self.key(kid).await.map(|_| true)?,
                VerifiedBy::Host(by) => self.hosts.stands(*by).await?,
            };
            if stands {
                return Ok(verified);
            }
        }
        let verified = match self.hosts.issuer(token)? {
            None => self.verify_ours(token).await?,
            Some(host) => self.verify_hosts(host, token).await?,
        };
        let verified = Arc::new(verified);
        self.verified.insert(name, verified.clone());
        Ok(verified)
    }

    async fn verify_ours(&self, token: &str) -> Result<Verified> {
        let kid = token::peek_kid(token).map_err(refused)?;
        let key = self.key(&kid).await?;
        let claims = token::verify(token, &key).map_err(refused)?;
        let Claims { sub: user, sid, nbf, exp, scope, preferred_username, guest, .. } = claims;
        let card = preferred_username.map(|username| Card { username, guest });
        let (by, login) = (VerifiedBy::Ours(kid), Login::Session(sid));
        Ok(Verified { by, user, login, nbf, exp, scope: scope.map(Arc::from), card })
    }

    async fn verify_hosts(&self, host: usize, token: &str) -> Result<Verified> {
        let Checked { claims, external, by } = self.hosts.verify(host, token).await?;
        let user = self.provisioned(&external, &claims).await?;
        let HostClaims { nbf, exp, .. } = claims;
        let login = Login::Host { until: token::taken_until(exp) };
        Ok(Verified { by: VerifiedBy::Host(by), user, login, nbf, exp, scope: None, card: None })
    }

    async fn key(&self, kid: &Kid) -> Result<PublicKey> {
        self.find_key(kid).await?.ok_or_else(|| refused(TokenError::UnknownKey))
    }

    async fn find_key(&self, kid: &Kid) -> Result<Option<PublicKey>> {
        if let Some(key) = self.known.get(kid).await {
            return Ok(Some(key));
        }
        if self.unknown.contains_key(kid) {
            return Ok(None);
        }
        // Those who wait for the same key make one read together.
        let look_up = async {
            if !self.once_known.contains_key(kid) && !self.strangers.may_ask(Instant::now()) {
                return Err(Some("too many tokens name keys that nobody knows".into()));
            }
            match self.store.signing_keys.signing_key(kid).await {
                Ok(Some(key)) => Ok(key),
                Ok(None) => Err(None),
                Err(e) => Err(Some(e.to_string())),
            }
        };
        match self.known.try_get_with_by_ref(kid, look_up).await {
            Ok(key) => {
                self.once_known.insert(kid.clone(), ());
                Ok(Some(key))
            }
            Err(failure) => match failure.as_ref() {
                None => {
                    self.unknown.insert(kid.clone(), ()).await;
                    Ok(None)
                }
                Some(cause) => Err(DomainError::Unavailable(anyhow::anyhow!("look up a signing key: {cause}"))),
            },
        }
    }
}

/// Reads for keys never seen before, in this process and second. Whoever makes up a `kid` for each token must not make a
/// read for each.
#[derive(Default)]
struct Strangers(parking_lot::Mutex<Option<(Instant, u32)>>);

impl Strangers {
    const MOST: u32 = 50;

    fn may_ask(&self, now: Instant) -> bool {
        let mut second = self.0.lock();
        let asked = match *second {
            Some((began, asked)) if now.duration_since(began) < Duration::from_secs(1) => asked + 1,
            _ => {
                *second = Some((now, 1));
                return true;
            }
        };
        if let Some((_, count)) = second.as_mut() {
            *count = asked;
        }
        asked <= Self::MOST
    }
}

fn ended(login: Login) -> DomainError {
    match login {
        Login::Session(_) => DomainError::Unauthorized("the session has ended"),
        Login::Host { .. } => DomainError::AccountClosed,
    }
}

/// The reason goes no further than "expired" or "not valid".
fn refused(e: TokenError) -> DomainError {
    DomainError::Unauthorized(match e {
        TokenError::Expired => "the token has expired",
        TokenError::Malformed | TokenError::UnknownKey | TokenError::Refused => "the token is not valid",
    })
}

#[cfg(test)]
mod tests;
