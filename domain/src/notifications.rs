//! Notifications: who is told of what. Requests and absent readers' messages become jobs of the durable outbox;
//! channels (notification-server) carry them out.

mod deciding;
mod inbox;
mod requests;
mod texts;

use std::sync::Arc;

pub use deciding::{Decision, decide};
pub use inbox::{Notification, NotificationPage, inbox_item};
pub use requests::{ChannelState, NotifyRequest, NotifyState};
use store::Store;

use crate::Names;

/// Channels a request may name.
pub const CHANNELS: [&str; 2] = [INBOX, EMAIL];
/// The in-app inbox: every user has it.
pub const INBOX: &str = "inbox";
/// To the account's verified address, where a request names it.
pub const EMAIL: &str = "email";

pub struct Notifications {
    store: Store,
    names: Arc<Names>,
}

impl Notifications {
    pub(crate) fn new(store: Store, names: Arc<Names>) -> Self {
        Self { store, names }
    }
}
