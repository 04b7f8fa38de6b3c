//! Finding messages by what they say. There is no index: a search reads back through the room, a bounded part a call.

use serde::{Deserialize, Serialize};
use shared::{
    RoomId,
    protocol::{Message, MessageType},
};
use store::{PageFrom, PageRequest, StoredMessage};
use utoipa::ToSchema;

use super::{DEFAULT_PAGE, MAX_PAGE, Messages};
use crate::{
    Result, Viewer,
    pages::{ANSWER_BYTES, PAGE_BYTES, fitting, page_limit},
    validate::Check,
};

/// Messages one call reads at most, and about how many bytes of contents.
const MAX_SCANNED: usize = 2000;
const MAX_SCANNED_BYTES: usize = 1024 * 1024;
/// Characters of a query.
const MAX_QUERY: usize = 100;

/// What to look for in a room.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct SearchQuery {
    /// Found anywhere in the text, in any case; 1 to 100 characters.
    pub query: String,
    /// Only messages before this `seq`: `nextBefore` of the call before.
    pub before: Option<u64>,
    /// 1 to 200, default 50.
    pub limit: Option<usize>,
}

/// What was found, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchPage {
    pub items: Vec<Message>,
    /// Where to go on; there may be older ones, also where `items` is empty. None: all has been searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

impl Messages {
    /// The text messages that hold `query` and that the viewer may see. Reads at most 2,000 messages or about a MiB, in
    /// pages, each looked through before the next is read: half a millisecond of this worker at a time.
    pub async fn search(&self, viewer: &Viewer, room: RoomId, query: &SearchQuery) -> Result<SearchPage> {
        let limit = page_limit(query.limit, DEFAULT_PAGE, MAX_PAGE)?;
        Check::default().line("query", &query.query, 1, MAX_QUERY).done()?;
        let wanted = query.query.to_lowercase();
        let access = self.rooms.access(viewer.user, room).await?;
        let mut from = query.before.map_or(PageFrom::Newest, PageFrom::Before);
        let mut found = Vec::new();
        let (mut scanned, mut bytes) = (0, 0);
        let mut next_before = loop {
            let page = PageRequest {
                from,
                limit: MAX_PAGE.min(MAX_SCANNED - scanned),
                visible_after: access.visible_after(),
                max_bytes: PAGE_BYTES,
            };
            let page = self.store.log.history(room, page).await?;
            let Some(oldest) = page.items.last().map(|message| message.seq) else { break None };
            let next = page.has_more.then_some(oldest);
            scanned += page.items.len();
            bytes += page.items.iter().map(|message| message.content.len()).sum::<usize>();
            found.extend(page.items.into_iter().filter(|message| says(message, &wanted)));
            if found.len() > limit {
                found.truncate(limit);
                break found.last().map(|message| message.seq);
            }
            match next {
                Some(seq) if found.len() < limit && scanned < MAX_SCANNED && bytes < MAX_SCANNED_BYTES => {
                    from = PageFrom::Before(seq);
                }
                next => break next,
            }
        };
        let mut items = self.show(viewer, found).await?;
        let fitting = fitting(&items, ANSWER_BYTES);
        if fitting < items.len() {
            items.truncate(fitting);
            next_before = items.last().map(|message| message.seq);
        }
        Ok(SearchPage { items, next_before })
    }
}

fn says(message: &StoredMessage, wanted: &str) -> bool {
    message.kind == MessageType::Text && message.deleted_at.is_none() && message.content.to_lowercase().contains(wanted)
}
