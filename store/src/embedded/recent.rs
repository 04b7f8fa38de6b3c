//! What the writer remembers between commands, because all writes pass through it: rows that every message needs (the head
//! of its room, and whether its author is a member), and where the queue of due rooms begins. A message of a room that is
//! spoken in is checked without a search through the tables, and a look at the queue does not walk over what was taken
//! from it since the last compaction.

use std::cell::RefCell;

use quick_cache::unsync::Cache;

use super::keys::{Key, Span};

/// Rows that are kept; each is some 150 bytes with its key.
const ROWS: usize = 32 * 1024;

/// Of the writer thread alone. Bounded by [`ROWS`]; what was not used for the longest time goes first.
pub(super) struct Recent {
    rows: RefCell<Cache<Key, Option<Vec<u8>>>>,
    /// No key of the queue of due rooms is before this one.
    due_from: RefCell<Vec<u8>>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { rows: RefCell::new(Cache::new(ROWS)), due_from: RefCell::default() }
    }
}

impl Recent {
    /// The committed row, `Some(None)` where there is none; `None`: not known.
    pub(super) fn find(&self, key: &Key) -> Option<Option<Vec<u8>>> {
        if !key.is_of_every_message() {
            return None;
        }
        self.rows.borrow().get(key).cloned()
    }

    /// This is what is committed now.
    pub(super) fn keep(&self, key: &Key, row: Option<&[u8]>) {
        if key.is_of_every_message() {
            self.rows.borrow_mut().insert(key.clone(), row.map(<[u8]>::to_vec));
        }
    }

    /// Only the part of the queue that may hold something.
    pub(super) fn begin_at_first_due(&self, span: &mut Span) {
        let from = self.due_from.borrow();
        if *from > span.lo {
            span.lo.clone_from(&from);
        }
    }

    /// Everything before `from` has been taken.
    pub(super) fn due_begins(&self, from: &[u8]) {
        *self.due_from.borrow_mut() = from.to_vec();
    }

    /// This key enters the queue.
    pub(super) fn due_enters(&self, key: &Key) {
        let mut from = self.due_from.borrow_mut();
        if key.bytes < *from {
            from.clone_from(&key.bytes);
        }
    }
}
