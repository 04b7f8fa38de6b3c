//! Messages: sending once, reading, editing, reacting, deleting, marks, and the log's changes for who follows a room.

mod attaching;
mod changing;
mod delivery;
mod following;
mod marks;
mod mentions;
mod paging;
mod reaching;
mod reading;
mod search;
mod sending;
mod showing;

use std::{sync::Arc, time::Duration};

pub use delivery::{Delivery, DeliveryPage, Push};
pub use following::Missed;
pub use marks::ReceiptPage;
use moka::sync::Cache;
pub use paging::{OffsetPage, Tracked};
pub use reading::{HistoryQuery, MessagePage, ReplyPage};
pub use search::{SearchPage, SearchQuery};
pub use sending::{Prepared, Sent};
use shared::{RoomId, Settings, UserId, protocol::Message};
pub use showing::named_message;
pub(crate) use showing::{name_of, preview, show};
use store::{Store, StoredMessage};

use crate::{DomainError, Names, Result, Viewer, rates::Rates, rooms::Rooms};

/// Messages a page gives at most, and by default.
const MAX_PAGE: usize = 200;
const DEFAULT_PAGE: usize = 50;
/// Read marks remembered as told to the user's other devices, and for how long.
const NOTED_MARKS: u64 = 10_000;
const NOTED_FOR: Duration = Duration::from_secs(600);
/// Authors and direct rooms that are remembered.
const REACHED: u64 = 100_000;

pub struct Messages {
    store: Store,
    rooms: Arc<Rooms>,
    rates: Arc<Rates>,
    names: Arc<Names>,
    content_chars: usize,
    /// Members of a room beyond which it is not known what all of them have read.
    small: u64,
    max_attachments: usize,
    notify_after: Duration,
    /// Read marks that this process has told the user's other devices of, lately.
    noted: Cache<(UserId, RoomId), u64>,
    /// Authors who are known to have said something in this direct room.
    reached: Cache<(UserId, RoomId), ()>,
}

impl Messages {
    pub(crate) fn new(
        store: Store,
        settings: &Settings,
        rooms: Arc<Rooms>,
        rates: Arc<Rates>,
        names: Arc<Names>,
    ) -> Self {
        Self {
            store,
            rooms,
            rates,
            names,
            content_chars: settings.limits.content_chars,
            small: settings.chat.receipt_members,
            max_attachments: settings.attachments.max_per_message,
            notify_after: Duration::from_millis(settings.notification.delay_ms),
            noted: Cache::builder().max_capacity(NOTED_MARKS).time_to_live(NOTED_FOR).build(),
            reached: Cache::new(REACHED),
        }
    }

    /// What any message must be, sent or edited. With attachments it need not say anything.
    fn check_content(&self, content: &str, attached: bool) -> Result<()> {
        // Bytes first: a text of that few bytes cannot have more characters, and most are short.
        if content.len() > self.content_chars && content.chars().count() > self.content_chars {
            return Err(DomainError::invalid("content", format!("use up to {} characters", self.content_chars)));
        }
        if content.trim().is_empty() && !attached {
            return Err(DomainError::invalid("content", "must not be blank"));
        }
        Ok(())
    }

    async fn show(&self, viewer: &Viewer, messages: Vec<StoredMessage>) -> Result<Vec<Message>> {
        show(&self.store, &self.names, viewer.user, messages).await
    }

    async fn show_one(&self, viewer: &Viewer, message: StoredMessage) -> Result<Message> {
        self.show(viewer, vec![message]).await?.pop().ok_or(DomainError::MessageNotFound)
    }
}
