//! How far it is, for a person who waits: a bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error. Hidden by itself where that is no terminal.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg:34} [{elapsed_precise}] {bar:30} {pos}/{len}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Something begins that takes so many steps.
    pub fn stage(&self, what: &str, steps: u64) {
        self.0.reset();
        self.0.set_length(steps);
        self.0.set_message(what.to_owned());
        self.0.tick();
    }

    pub fn step(&self) {
        self.0.inc(1);
    }

    /// So far.
    pub fn at(&self, steps: u64) {
        self.0.set_position(steps);
    }

    /// Seconds of so many.
    pub fn time(&self, so_far: Duration) {
        self.at(so_far.as_secs());
    }

    pub fn end(&self) {
        self.0.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
