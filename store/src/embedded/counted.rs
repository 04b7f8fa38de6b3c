//! Counting the messages after some `seq` that are deleted, or name somebody, without walking all of them: beside the
//! entries stand their sums by bucket, so that a count visits at most 510 keys and one for each 65,536
//! messages. What is right by construction stays so: an entry and its sums change in one command.

use std::ops::ControlFlow;

use shared::RoomId;

use super::{
    codec,
    keys::{Counted, Key, Span},
    kv::{Order, Read},
    tx::Tx,
};
use crate::Result;

/// Buckets of a level hold the numbers that differ in so many low bits alone.
const LEVELS: [(u8, u32); 2] = [(1, 8), (2, 16)];
/// Keys of the two lower levels that a count visits.
#[cfg(test)]
pub(super) const MOST_VISITED: u64 = 2 * 255;

/// Enters a message; a read and a write for the entry and for each of two sums.
pub(super) fn enter(tx: &mut Tx, counted: Counted, room: RoomId, seq: u64) -> Result<()> {
    let entry = counted.entry(room, seq);
    if tx.get(&entry)?.is_some() {
        return Ok(());
    }
    tx.put(entry, Vec::new())?;
    change_sums(tx, counted, (room, seq), |sum| sum.saturating_add(1))
}

/// Takes a message out again, if it is there; the same cost.
pub(super) fn remove(tx: &mut Tx, counted: Counted, room: RoomId, seq: u64) -> Result<()> {
    let entry = counted.entry(room, seq);
    if tx.get(&entry)?.is_none() {
        return Ok(());
    }
    tx.delete(entry);
    change_sums(tx, counted, (room, seq), |sum| sum.saturating_sub(1))
}

fn change_sums(tx: &mut Tx, counted: Counted, (room, seq): (RoomId, u64), change: impl Fn(u64) -> u64) -> Result<()> {
    for (level, bits) in LEVELS {
        let key = counted.sum(room, level, seq >> bits);
        let sum = tx.get(&key)?.map_or(Ok(0), |row| codec::number(&row))?;
        put_sum(tx, key, change(sum))?;
    }
    Ok(())
}

/// A bucket of nothing leaves nothing.
fn put_sum(tx: &mut Tx, key: Key, sum: u64) -> Result<()> {
    match sum {
        0 => tx.delete(key),
        sum => tx.put(key, sum.to_be_bytes().to_vec())?,
    }
    Ok(())
}

/// How many there are from after `after` to `last`, beyond which there is none: the rest of the smallest bucket one by
/// one, the rest of the next larger one by sums of the smaller, then sums of the larger; one scan where all are in one
/// bucket.
pub(super) fn count(read: &impl Read, counted: Counted, room: RoomId, (after, last): (u64, u64)) -> Result<u64> {
    let [(small, small_bits), (large, large_bits)] = LEVELS;
    let end = |number: u64, bits: u32| number | ((1 << bits) - 1);
    let mut total = read.count(&counted.entries(room, after, end(after, small_bits)))?;
    if last > end(after, small_bits) {
        let bucket = after >> small_bits;
        total += add_up(read, &counted.sums(room, small, bucket, end(bucket, large_bits - small_bits)))?;
    }
    if last > end(after, large_bits) {
        total += add_up(read, &counted.sums(room, large, after >> large_bits, last >> large_bits))?;
    }
    Ok(total)
}

fn add_up(read: &impl Read, sums: &Span) -> Result<u64> {
    let mut total = 0;
    read.scan(sums, Order::Ascending, &mut |_, row| {
        total += codec::number(row)?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(total)
}
