//! A file on its way in, in memory. All intakes of a process share one budget, and one takes of it as its bytes come:
//! who is slow holds what they sent and no more.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{DomainError, Result};

/// Bytes of the budget taken at once.
const UNIT: usize = 64 * 1024;

/// What all intakes may hold together.
#[derive(Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// For a file of at most `most` bytes.
    pub fn intake(&self, most: usize) -> Intake {
        Intake { bytes: Vec::new(), most, budget: self.clone(), held: None }
    }
}

/// A file that is being received.
pub struct Intake {
    bytes: Vec<u8>,
    most: usize,
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

impl Intake {
    /// The next bytes. [`DomainError::TooLarge`] beyond what a file may have; [`DomainError::Unavailable`] where too many
    /// files are being received.
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let length = self.bytes.len() + chunk.len();
        if length > self.most {
            return Err(DomainError::TooLarge(format!("a file may have {} bytes", self.most)));
        }
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = length.div_ceil(UNIT).saturating_sub(held);
        if more > 0 {
            let full = |_| DomainError::Unavailable(anyhow::anyhow!("too many files are being received"));
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let permit = self.budget.0.clone().try_acquire_many_owned(more).map_err(full)?;
            match &mut self.held {
                Some(held) => held.merge(permit),
                None => self.held = Some(permit),
            }
        }
        // To the unit: no more memory than was taken of the budget.
        self.bytes.reserve_exact((length.div_ceil(UNIT) * UNIT).min(self.most).saturating_sub(self.bytes.len()));
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    /// What has come so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lets go of what has come, and of its part of the budget.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.held = None;
    }

    /// What has come. The budget is held for as long as the second is.
    pub(super) fn finish(self) -> (Vec<u8>, Option<OwnedSemaphorePermit>) {
        (self.bytes, self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_of_the_budget_what_has_come_and_gives_it_back() {
        let budget = Budget::new(4 * UNIT);
        let mut slow = budget.intake(10 * UNIT);
        slow.push(b"x").unwrap();
        let mut large = budget.intake(10 * UNIT);
        large.push(&vec![0; 3 * UNIT]).unwrap();
        assert!(matches!(large.push(b"x"), Err(DomainError::Unavailable(_))));
        slow.push(&vec![0; UNIT - 1]).unwrap();
        assert!(matches!(slow.push(b"x"), Err(DomainError::Unavailable(_))));
        drop(large);
        slow.push(b"x").unwrap();
        let (bytes, held) = slow.finish();
        assert_eq!((bytes.len(), bytes.capacity(), held.unwrap().num_permits()), (UNIT + 1, 2 * UNIT, 2));
    }

    #[test]
    fn a_file_over_its_limit_is_refused_at_the_byte_that_is_too_many() {
        let mut intake = Budget::new(UNIT).intake(3);
        intake.push(b"abc").unwrap();
        assert!(matches!(intake.push(b"d"), Err(DomainError::TooLarge(_))));
    }
}
