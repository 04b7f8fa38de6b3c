//! What a process wrote, line by line, and waiting for a line.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    sync::Notify,
};

/// Lines kept of one process; the oldest go.
const KEPT: usize = 5000;

/// Clones share the lines.
#[derive(Clone, Default)]
pub(crate) struct Logs(Arc<Inner>);

#[derive(Default)]
struct Inner {
    lines: Mutex<VecDeque<String>>,
    /// Streams that may still bring lines.
    open: Mutex<usize>,
    news: Notify,
}

impl Logs {
    /// Takes in lines until the stream ends.
    pub fn follow(&self, stream: impl AsyncRead + Unpin + Send + 'static) {
        *self.0.open.lock() += 1;
        let logs = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stream).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                logs.push(line);
            }
            *logs.0.open.lock() -= 1;
            logs.0.news.notify_waiters();
        });
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lines.lock();
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
        self.0.news.notify_waiters();
    }

    /// The first thing `find` makes of a line, now or later; `None` when the process ended without it.
    pub async fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        loop {
            let news = self.0.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let ended = *self.0.open.lock() == 0;
            if let Some(found) = self.0.lines.lock().iter().find_map(|line| find(line)) {
                return Some(found);
            }
            if ended {
                return None;
            }
            news.await;
        }
    }

    /// All lines, once the process has ended.
    pub async fn to_end(&self) -> String {
        self.wait_for(|_| None::<()>).await;
        self.text()
    }

    /// All lines so far.
    pub fn text(&self) -> String {
        self.0.lines.lock().iter().fold(String::new(), |text, line| text + line + "\n")
    }
}
