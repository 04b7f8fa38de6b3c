//! Tickets, in memory: a process that ends takes its sockets with it.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use shared::EventId;
use tokio::time::Instant;

use super::Embedded;
use crate::{Result, StoreError, Ticket, Tickets};

/// Tickets kept at once, some 150 bytes each; while so many live, no more are given out.
const MOST: usize = 100_000;

/// By hash: the ticket and when it ends.
#[derive(Default)]
pub(super) struct Kept {
    tickets: HashMap<[u8; 32], (Ticket, Instant)>,
    /// Looking for those that ended costs one walk, so only when there are twice as many as the last walk left.
    prune_at: usize,
}

impl Kept {
    fn put(&mut self, hash: [u8; 32], ticket: Ticket, ends: Instant, now: Instant) -> Result<()> {
        if self.tickets.len() >= self.prune_at {
            self.tickets.retain(|_, (_, ends)| *ends > now);
            self.prune_at = (2 * self.tickets.len()).clamp(1024, MOST);
        }
        if self.tickets.len() >= MOST {
            return Err(StoreError::Unavailable(anyhow::anyhow!("{MOST} tickets are kept")));
        }
        self.tickets.insert(hash, (ticket, ends));
        Ok(())
    }

    fn take(&mut self, hash: &[u8; 32], now: Instant) -> Option<Ticket> {
        self.tickets.remove(hash).filter(|(_, ends)| *ends > now).map(|(ticket, _)| ticket)
    }
}

#[async_trait]
impl Tickets for Embedded {
    async fn put_ticket(&self, hash: [u8; 32], ticket: &Ticket, ttl: Duration) -> Result<()> {
        let now = Instant::now();
        self.tickets.lock().put(hash, ticket.clone(), now + ttl, now)
    }

    async fn take_ticket(&self, hash: [u8; 32], _: EventId) -> Result<Option<Ticket>> {
        Ok(self.tickets.lock().take(&hash, Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use shared::{SessionId, UserId};

    use super::*;
    use crate::Login;

    #[test]
    fn tickets_that_ended_make_room_and_those_that_live_have_a_bound() {
        let (mut kept, start) = (Kept::default(), Instant::now());
        let ticket = Ticket { user: UserId::new(), login: Login::Session(SessionId::new()), scope: None };
        let hash = |n: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            hash
        };
        let second = Duration::from_secs(1);
        for n in 0..MOST {
            kept.put(hash(n), ticket.clone(), start + second, start).unwrap();
        }
        assert!(kept.put(hash(MOST), ticket.clone(), start + second, start).is_err());
        kept.put(hash(MOST), ticket.clone(), start + 2 * second, start + second).unwrap();
        assert_eq!(kept.tickets.len(), 1);
        assert_eq!(kept.take(&hash(0), start), None);
        assert_eq!(kept.take(&hash(MOST), start + second), Some(ticket.clone()));
        assert_eq!(kept.take(&hash(MOST), start + second), None);
    }
}
