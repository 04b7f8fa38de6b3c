//! What the writer read or wrote last of the rows that every message needs: the head of its room, and whether its author
//! is a member. All writes pass through the writer, so what is kept here is what is committed; a message of a room that
//! is spoken in is checked without a search through the tables.

use std::cell::RefCell;

use quick_cache::unsync::Cache;

use super::keys::Key;

/// Rows that are kept; each is some 150 bytes with its key.
const ROWS: usize = 32 * 1024;

/// Of the writer thread alone. Bounded by [`ROWS`]; what was not used for the longest time goes first.
pub(super) struct Recent(RefCell<Cache<Key, Option<Vec<u8>>>>);

impl Default for Recent {
    fn default() -> Self {
        Self(RefCell::new(Cache::new(ROWS)))
    }
}

impl Recent {
    /// The committed row, `Some(None)` where there is none; `None`: not known.
    pub(super) fn find(&self, key: &Key) -> Option<Option<Vec<u8>>> {
        if !key.is_of_every_message() {
            return None;
        }
        self.0.borrow().get(key).cloned()
    }

    /// This is what is committed now.
    pub(super) fn keep(&self, key: &Key, row: Option<&[u8]>) {
        if key.is_of_every_message() {
            self.0.borrow_mut().insert(key.clone(), row.map(<[u8]>::to_vec));
        }
    }
}
