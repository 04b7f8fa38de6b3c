//! What a server writes, line by line, and waiting for it: no polling.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Lines kept, the newest.
const KEPT: usize = 200;

#[derive(Debug, Default)]
struct Said {
    lines: VecDeque<String>,
    ended: bool,
}

#[derive(Debug)]
pub(crate) struct Log(Arc<(Mutex<Said>, Condvar)>);

impl Log {
    /// Reads all of `output` on a thread of its own, which ends with it.
    pub fn follow(output: impl Read + Send + 'static) -> Self {
        let log = Arc::new((Mutex::new(Said::default()), Condvar::new()));
        let of_thread = log.clone();
        std::thread::spawn(move || {
            let (said, changed) = &*of_thread;
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.lines.len() == KEPT {
                    said.lines.pop_front();
                }
                said.lines.push_back(String::from_utf8_lossy(&line).into_owned());
                changed.notify_all();
            }
            said.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
            changed.notify_all();
        });
        Self(log)
    }

    /// Did a line with this text come, before the end and before the deadline?
    pub fn wait_for(&self, text: &str, deadline: Duration) -> bool {
        let has = |said: &Said| said.lines.iter().any(|line| line.contains(text));
        self.wait(deadline, |said| has(said) || said.ended, has)
    }

    /// Did whoever writes it end before the deadline?
    pub fn wait_for_end(&self, deadline: Duration) -> bool {
        self.wait(deadline, |said| said.ended, |said| said.ended)
    }

    fn wait(&self, deadline: Duration, until: impl Fn(&Said) -> bool, answer: impl Fn(&Said) -> bool) -> bool {
        let (said, changed) = &*self.0;
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(said, deadline, |said| !until(said));
        answer(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    pub fn text(&self) -> String {
        let said = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}
