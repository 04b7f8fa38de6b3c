//! Pages of answers: how many items one has, and how many bytes they take.

use serde::Serialize;

use crate::{DomainError, Result};

/// Bytes of contents one page reads from the store at most.
pub(crate) const PAGE_BYTES: usize = 200 * 1024;
/// Bytes the items of an answer take as JSON at most, unless one alone takes more; leaves room for what is around them.
pub(crate) const ANSWER_BYTES: usize = 250 * 1024;

/// How many items a page is to have: `limit`, or `default` where none was given.
pub(crate) fn page_limit(limit: Option<usize>, default: usize, most: usize) -> Result<usize> {
    match limit.unwrap_or(default) {
        limit if (1..=most).contains(&limit) => Ok(limit),
        _ => Err(DomainError::invalid("limit", format!("use 1 to {most}"))),
    }
}

/// How many of the items, in order, take up to `bytes` as JSON; at least one, where there is one. What a message takes
/// beside its content (reactions, escapes) is known only here.
pub(crate) fn fitting<'a, T: Serialize + 'a>(items: impl IntoIterator<Item = &'a T>, bytes: usize) -> usize {
    let mut left = bytes;
    let mut count = 0;
    for item in items {
        // And a comma.
        let size = json_bytes(item) + 1;
        if count > 0 && size > left {
            break;
        }
        left = left.saturating_sub(size);
        count += 1;
    }
    count
}

/// The length of a value as JSON.
fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Answers have no maps with keys that are no text, and counting cannot fail: what was counted is right.
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_items_fit_as_their_json_takes_and_always_one() {
        let items = ["\u{0}".repeat(10), "x".repeat(10), "y".repeat(10)];
        // 62 + 1, 12 + 1, 12 + 1.
        for (bytes, count) in [(0, 1), (62, 1), (75, 1), (76, 2), (88, 2), (89, 3), (1000, 3)] {
            assert_eq!(fitting(&items, bytes), count, "{bytes}");
        }
        assert_eq!(fitting(&[] as &[String], 10), 0);
    }
}
