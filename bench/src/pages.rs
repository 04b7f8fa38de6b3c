//! Pages of history that were asked for: whether they are right, and how long they took.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;
use serde::Deserialize;

use crate::{latency, report::Pages};

/// Pages that may be under way at once; who asks must wait beyond it.
pub const MAX_UNDER_WAY: usize = 10_000;
/// What a request for a page is called, before its number: no hexadecimal digit, so that it is no message.
const PREFIX: char = 'p';

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Messages with a smaller number.
    pub before: u64,
    /// At most so many.
    pub limit: u64,
    /// Microseconds since the run began.
    pub due: u64,
    pub measured: bool,
}

/// A page as far as it counts here.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub items: Vec<Item>,
}

/// A message on it.
#[derive(Debug, Deserialize)]
pub struct Item {
    pub seq: u64,
}

/// What became of them.
pub struct Reading {
    under_way: HashMap<u64, Asked>,
    asked: u64,
    read: u64,
    wrong: u64,
    failed: BTreeMap<String, u64>,
    pub latency: Histogram<u64>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            under_way: HashMap::new(),
            asked: 0,
            read: 0,
            wrong: 0,
            failed: BTreeMap::new(),
            latency: latency::histogram(),
        }
    }
}

impl Reading {
    /// A page is asked for; gives its `requestId`.
    pub fn ask(&mut self, asked: Asked) -> String {
        let number = self.asked;
        self.asked += 1;
        self.under_way.insert(number, asked);
        format!("{PREFIX}{number}")
    }

    /// The answer to `request`: a page, or an error's code. `false`: it was no request for a page.
    pub fn answer(&mut self, request: &str, answer: Result<&Page, &str>, now: u64) -> bool {
        let number = request.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
        let Some(asked) = number.and_then(|number: u64| self.under_way.remove(&number)) else { return false };
        match answer {
            Ok(page) => {
                self.read += 1;
                self.wrong += u64::from(!is_right(asked, page));
                if asked.measured {
                    latency::record(&mut self.latency, now.saturating_sub(asked.due));
                }
            }
            Err(code) => *self.failed.entry(code.to_owned()).or_default() += 1,
        }
        true
    }

    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// How it went; what is still under way has failed.
    pub fn pages(&self) -> Pages {
        let mut failed = self.failed.clone();
        if !self.under_way.is_empty() {
            failed.insert("no answer".to_owned(), self.under_way.len() as u64);
        }
        Pages {
            asked: self.asked,
            read: self.read,
            wrong: self.wrong,
            failed,
            latency_ms: latency::Latency::of(&self.latency),
            ..Pages::default()
        }
    }
}

/// Newest first, without a hole, as many as there are up to the limit.
fn is_right(asked: Asked, page: &Page) -> bool {
    let expected = (1..asked.before).rev().take(asked.limit as usize);
    page.items.iter().map(|item| item.seq).eq(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(seqs: &[u64]) -> Page {
        Page { items: seqs.iter().map(|&seq| Item { seq }).collect() }
    }

    fn answered(seqs: &[u64]) -> Pages {
        let mut reading = Reading::default();
        let request = reading.ask(Asked { before: 5, limit: 3, due: 0, measured: true });
        assert!(reading.answer(&request, Ok(&page(seqs)), 2000));
        reading.pages()
    }

    #[test]
    fn a_page_is_right_without_a_hole_a_double_or_another_order() {
        assert_eq!((answered(&[4, 3, 2]).wrong, answered(&[4, 3, 2]).read), (0, 1));
        for wrong in [&[4, 3][..], &[4, 2, 1], &[4, 4, 3], &[3, 4, 2], &[3, 2, 1], &[4, 3, 2, 1], &[]] {
            assert_eq!(answered(wrong).wrong, 1, "{wrong:?}");
        }
    }

    #[test]
    fn errors_and_missing_answers_are_failures_and_other_answers_are_not_taken() {
        let mut reading = Reading::default();
        let asked = Asked { before: 1, limit: 1, due: 0, measured: false };
        let requests = [reading.ask(asked), reading.ask(asked)];
        assert!(reading.answer(&requests[0], Err("UNAVAILABLE"), 0));
        assert!(!reading.answer(&requests[0], Err("UNAVAILABLE"), 0) && !reading.answer("1f", Err("X"), 0));
        let pages = reading.pages();
        assert_eq!((pages.failed["UNAVAILABLE"], pages.failed["no answer"], pages.read), (1, 1, 0));
    }
}
