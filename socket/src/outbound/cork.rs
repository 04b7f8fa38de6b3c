//! Holding back what is sent until the reply it belongs to.

use super::Outbound;

/// While one lives, what is queued waits, unless half the queue is taken. Wake the socket after dropping it.
pub struct Cork(Outbound);

impl Cork {
    pub(super) fn new(outbound: Outbound) -> Self {
        outbound.inner.corks.set(outbound.inner.corks.get() + 1);
        Self(outbound)
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        self.0.inner.corks.set(self.0.inner.corks.get() - 1);
    }
}
