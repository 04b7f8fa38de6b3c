//! The rules of chat: accounts, identity, rooms, messages, presence, notifications.
//!
//! No HTTP, no sockets and no Redis here: services parse, call one method, and answer. Every rule is here once, so
//! that REST, the native sockets and every dialect behave alike.
//!
//! Reading order: [`error`] → [`identity`] → [`accounts`] → [`letters`] → [`people`] → [`rooms`] → [`messages`] →
//! [`files`] → [`presence`] → [`notifications`] → [`upkeep`]; for operators [`admin`] and [`doctor`].

pub mod accounts;
pub mod admin;
pub mod doctor;
pub mod error;
pub mod files;
pub mod identity;
pub mod letters;
pub mod messages;
pub mod names;
pub mod notifications;
pub mod outage;
mod pages;
mod passwords;
pub mod people;
mod pool;
pub mod presence;
mod rates;
pub mod rooms;
mod secret;
pub mod upkeep;
mod validate;

use std::sync::Arc;

pub use accounts::Accounts;
pub use error::DomainError;
pub use files::Files;
use identity::external::{KeySource, NoKeys};
pub use identity::{Identity, Login, Viewer};
pub use letters::Letters;
pub use messages::Messages;
pub use names::Names;
pub use notifications::Notifications;
pub use people::People;
pub use presence::Presence;
pub use rooms::Rooms;
use shared::{InstanceId, Settings};
use store::Store;

pub type Result<T> = std::result::Result<T, DomainError>;

/// Everything a service may ask for. One for each process; clones share it.
#[derive(Clone)]
pub struct Domain {
    pub store: Store,
    pub settings: Arc<Settings>,
    /// This run of this process.
    pub instance: InstanceId,
    pub identity: Arc<Identity>,
    pub accounts: Arc<Accounts>,
    pub people: Arc<People>,
    pub rooms: Arc<Rooms>,
    pub messages: Arc<Messages>,
    pub files: Arc<Files>,
    pub presence: Arc<Presence>,
    pub notifications: Arc<Notifications>,
    pub letters: Arc<Letters>,
    pub names: Arc<Names>,
}

impl Domain {
    /// Over an open store. Spawns nothing: what must run beside it is [`upkeep::run`].
    /// It takes no other product's tokens.
    pub fn new(store: Store, settings: Arc<Settings>) -> Self {
        Self::with_keys(store, settings, Arc::new(NoKeys))
    }

    /// The same, with the keys of other products' tokens from `keys`.
    pub fn with_keys(store: Store, settings: Arc<Settings>, keys: Arc<dyn KeySource>) -> Self {
        let instance = InstanceId::new();
        let names = Arc::new(Names::new(store.users.clone()));
        let rates = Arc::new(rates::Rates::new(store.limits.clone(), settings.limits.clone()));
        let identity = Arc::new(Identity::new(store.clone(), &settings.auth, names.clone(), &keys));
        let rooms = Arc::new(Rooms::new(store.clone(), settings.limits.clone(), names.clone(), rates.clone()));
        let letters = Arc::new(Letters::new(store.clone(), &settings, names.clone(), rates.clone()));
        let presence = Arc::new(Presence::new(store.clone(), &settings, instance, names.clone()));
        let messages = Arc::new(Messages::new(store.clone(), &settings, rooms.clone(), rates.clone(), names.clone()));
        let accounts = Arc::new(Accounts::new(
            store.clone(),
            &settings,
            identity.clone(),
            presence.clone(),
            rates.clone(),
            names.clone(),
            letters.clone(),
        ));
        Self {
            people: Arc::new(People::new(store.clone(), &settings, accounts.clone(), names.clone(), rates.clone())),
            accounts,
            files: Arc::new(Files::new(store.clone(), &settings, messages.clone(), rates, names.clone())),
            messages,
            notifications: Arc::new(Notifications::new(store.clone(), &settings.notification, names.clone())),
            letters,
            store,
            settings,
            instance,
            identity,
            rooms,
            presence,
            names,
        }
    }
}
