//! Notifications: who is told of what. Requests and absent readers' messages become jobs of the durable outbox;
//! channels (notification-server) carry them out.

mod deciding;
mod gathered;
mod inbox;
mod push;
mod requests;
mod settings;
mod texts;

use std::sync::Arc;

pub(crate) use deciding::{Decision, Exceptions, PRIVATE, Recipient, decide};
pub use gathered::GATHERED;
pub(crate) use gathered::as_carried;
pub use inbox::{Notification, NotificationPage, inbox_item};
pub use push::{
    BadTarget, Subscribe, Subscription, SubscriptionKeys, SubscriptionList, SubscriptionType, Unsubscribe, is_global,
    push_key, target,
};
pub use requests::{ChannelState, NotifyRequest, NotifyState};
pub use settings::{Gate, Hours, Preferences, RoomPreferences, gate};
use store::{PushKind, Store};

use crate::Names;

/// Channels a request may name.
pub const CHANNELS: [&str; 6] = [INBOX, EMAIL, WEB_PUSH, FCM, APNS, WEBHOOK];
/// The in-app inbox: every user has it.
pub const INBOX: &str = "inbox";
/// Browsers, and whatever else speaks RFC 8030; every subscription is a place of its own.
pub const WEB_PUSH: &str = "webpush";
/// Apps on Firebase Cloud Messaging; every subscription is a place of its own.
pub const FCM: &str = "fcm";
/// Apps on Apple's devices; every subscription is a place of its own.
pub const APNS: &str = "apns";
/// URLs of users' own; every subscription is a place of its own.
pub const WEBHOOK: &str = "webhook";
/// To the account's verified address. What messages say is gathered for a while, and is one mail for a room.
pub const EMAIL: &str = "email";

pub struct Notifications {
    store: Store,
    names: Arc<Names>,
    /// Which kinds of push are switched on.
    carried: [(PushKind, bool); 4],
    private_targets: bool,
}

impl Notifications {
    pub(crate) fn new(store: Store, settings: &shared::settings::Notification, names: Arc<Names>) -> Self {
        Self {
            store,
            names,
            carried: [
                (PushKind::WebPush, settings.webpush.contact.is_some()),
                (PushKind::Fcm, settings.fcm.service_account.is_some()),
                (PushKind::Apns, settings.apns.key_file.is_some()),
                (PushKind::Webhook, settings.webhooks),
            ],
            private_targets: settings.allow_private_targets,
        }
    }
}
