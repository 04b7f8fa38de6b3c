//! What a command sees while it runs on the writer thread: its own writes over its group's writes over the database.

use std::{cmp::Ordering, collections::BTreeMap, ops::ControlFlow};

use super::{
    keys::{Key, Span},
    kv::{Order, Read, Snapshot, Visit, check_key},
    recent::Recent,
};
use crate::{BusEvent, Result};

/// Writes not committed yet; `None` deletes.
pub(super) type Overlay = BTreeMap<Key, Option<Vec<u8>>>;

/// A command's view and its writes. Dropped without [`Tx::finish`], it leaves nothing.
pub(super) struct Tx<'a> {
    base: &'a Snapshot,
    recent: Option<&'a Recent>,
    group: &'a Overlay,
    own: Overlay,
    events: Vec<BusEvent>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(base: &'a Snapshot, group: &'a Overlay) -> Self {
        Self { base, recent: None, group, own: Overlay::new(), events: Vec::new() }
    }

    /// Asks `recent`, which knows what is committed, before the database.
    pub(super) fn with_recent(self, recent: &'a Recent) -> Self {
        Self { recent: Some(recent), ..self }
    }

    fn committed(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        let Some(recent) = self.recent else { return self.base.get(key) };
        if let Some(row) = recent.find(key) {
            return Ok(row);
        }
        let row = self.base.get(key)?;
        recent.keep(key, row.as_deref());
        Ok(row)
    }

    pub(super) fn put(&mut self, key: Key, value: Vec<u8>) -> Result<()> {
        check_key(&key)?;
        self.own.insert(key, Some(value));
        Ok(())
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.own.insert(key, None);
    }

    /// Sent once the command's group is durable, in the order of the commands.
    pub(super) fn publish(&mut self, event: BusEvent) {
        self.events.push(event);
    }

    /// What the command wrote and published.
    pub(super) fn finish(self) -> (Overlay, Vec<BusEvent>) {
        (self.own, self.events)
    }

    /// The uncommitted writes in a span, newest winning.
    fn pending<'t>(&'t self, span: &Span) -> BTreeMap<&'t [u8], Option<&'t [u8]>> {
        let mut pending = BTreeMap::new();
        if span.hi <= span.lo {
            return pending;
        }
        let bound = |bytes: &Vec<u8>| Key { space: span.space, bytes: bytes.clone() };
        let range = bound(&span.lo)..bound(&span.hi);
        for (key, value) in self.group.range(range.clone()).chain(self.own.range(range)) {
            pending.insert(key.bytes.as_slice(), value.as_deref());
        }
        pending
    }
}

impl Read for Tx<'_> {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        match self.own.get(key).or_else(|| self.group.get(key)) {
            Some(value) => Ok(value.clone()),
            None => self.committed(key),
        }
    }

    fn scan(&self, span: &Span, order: Order, visit: &mut Visit) -> Result<()> {
        let pending = self.pending(span);
        if pending.is_empty() {
            return self.base.scan(span, order, visit);
        }
        let mut pending: Box<dyn Iterator<Item = _>> = match order {
            Order::Ascending => Box::new(pending.into_iter()),
            Order::Descending => Box::new(pending.into_iter().rev()),
        };
        let mut stored = self.base.pairs(span, order);
        let (mut from_tx, mut from_base) = (pending.next(), stored.next().transpose()?);
        loop {
            let first = match (&from_tx, &from_base) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((key, _)), Some((stored, _))) => match order {
                    Order::Ascending => (*key).cmp(stored),
                    Order::Descending => (**stored).cmp(key),
                },
            };
            // An equal key: the pending write hides the stored one.
            let base_pair = if first == Ordering::Less { None } else { from_base.take() };
            let tx_pair = if first == Ordering::Greater { None } else { from_tx.take() };
            let flow = match (&tx_pair, &base_pair) {
                (Some((key, Some(value))), _) => visit(key, value)?,
                (Some((_, None)), _) | (None, None) => ControlFlow::Continue(()),
                (None, Some((key, value))) => visit(key, value)?,
            };
            if flow.is_break() {
                return Ok(());
            }
            if tx_pair.is_some() {
                from_tx = pending.next();
            }
            if base_pair.is_some() {
                from_base = stored.next().transpose()?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{keys, kv::Kv},
        *,
    };
    use shared::RoomId;

    fn seqs(tx: &Tx, span: &Span, order: Order, limit: usize) -> Vec<(u64, u8)> {
        tx.collect(span, order, limit, |key, value| Ok((keys::last_number(key).unwrap(), value[0]))).unwrap()
    }

    #[test]
    fn a_scan_merges_own_writes_over_the_groups_over_the_stored() {
        let dir = tempfile::tempdir().unwrap();
        let kv = Kv::open(dir.path()).unwrap();
        let room = RoomId::new();
        let key = |seq| keys::message(room, seq);
        kv.commit([1, 2, 3, 5].map(|seq| (key(seq), Some(vec![0]))).into_iter()).unwrap();
        let base = kv.snapshot();
        let group = Overlay::from([(key(2), None), (key(3), Some(vec![1])), (key(4), Some(vec![1]))]);
        let mut tx = Tx::new(&base, &group);
        tx.put(key(4), vec![2]).unwrap();
        tx.put(key(2), vec![2]).unwrap();
        tx.delete(key(5));
        tx.put(key(7), vec![2]).unwrap();

        let span = keys::messages_between(room, 0, u64::MAX);
        let all = [(1, 0), (2, 2), (3, 1), (4, 2), (7, 2)];
        assert_eq!(seqs(&tx, &span, Order::Ascending, 9), all);
        assert_eq!(seqs(&tx, &span, Order::Descending, 9), all.into_iter().rev().collect::<Vec<_>>());
        assert_eq!(seqs(&tx, &span, Order::Descending, 2), [(7, 2), (4, 2)]);
        assert_eq!(tx.count(&span).unwrap(), 5);
        assert_eq!(tx.get(&key(5)).unwrap(), None);
        assert_eq!(tx.get(&key(3)).unwrap(), Some(vec![1]));
        assert_eq!(tx.count(&keys::messages_between(room, 7, 3)).unwrap(), 0);
    }
}
