//! The judge is fed streams with every fault there is, and says so.

use super::*;

/// Two rooms; members 0, 1 and 2 in the first, 2 and 3 in the second.
fn judge() -> Judge {
    let mut judge = Judge::new(2, 4);
    for (member, room) in [(0, 0), (1, 0), (2, 0), (2, 1), (3, 1)] {
        judge.enter(member, room, 0);
    }
    judge
}

fn deliver(judge: &mut Judge, member: usize, number: u64, seq: u64) {
    judge.deliver(member, Delivery { number: Some(number), seq }, 1000);
}

/// Two messages in the first room, acknowledged and delivered, but for what `fault` does to the deliveries
/// `(member, number, seq)`.
fn after(fault: impl Fn(&mut Vec<(usize, u64, u64)>)) -> (Tally, Verdict) {
    let mut judge = judge();
    let numbers = [judge.publish(0, 0, true), judge.publish(0, 0, true)];
    let mut stream = Vec::new();
    for (number, seq) in numbers.into_iter().zip(1..) {
        judge.acknowledge(number, seq, 500);
        stream.extend((0..3).map(|member| (member, number, seq)));
    }
    fault(&mut stream);
    stream.iter().for_each(|&(member, number, seq)| deliver(&mut judge, member, number, seq));
    (judge.tally.clone(), judge.verdict())
}

#[test]
fn a_stream_without_fault_is_clean() {
    let (tally, verdict) = after(|_| {});
    let expected = Tally { published: 2, acknowledged: 2, expected: 6, delivered: 6, ..Tally::default() };
    assert_eq!((tally, verdict), (expected, Verdict::default()));
}

#[test]
fn a_dropped_delivery_is_lost() {
    let (tally, verdict) = after(|stream| {
        stream.remove(1);
    });
    assert_eq!((verdict.lost, tally.delivered, tally.doubled, tally.reordered), (1, 5, 0, 0));
    assert_eq!(verdict.examples, ["message 0 of room 0: 1 of 3 members were not told"]);
}

#[test]
fn a_doubled_delivery_is_doubled_while_others_wait_and_when_all_are_told() {
    let (tally, verdict) = after(|stream| stream.insert(1, stream[0]));
    assert_eq!((tally.doubled, tally.delivered, verdict.lost), (1, 6, 0));
    let (tally, verdict) = after(|stream| stream.push(stream[0]));
    assert_eq!((tally.doubled, tally.delivered, verdict.lost), (1, 6, 0));
}

#[test]
fn a_double_does_not_stand_in_for_a_loss() {
    let (tally, verdict) = after(|stream| stream[1] = stream[0]);
    assert_eq!((tally.doubled, verdict.lost), (1, 1));
}

#[test]
fn two_messages_in_the_wrong_order_are_reordered_once() {
    let (tally, verdict) = after(|stream| stream.swap(0, 3));
    assert_eq!((tally.reordered, tally.doubled, tally.delivered, verdict.lost), (1, 0, 6, 0));
}

#[test]
fn a_message_that_is_stored_twice_is_doubled() {
    let (tally, verdict) = after(|stream| stream.extend((0..3).map(|member| (member, 1, 3))));
    assert_eq!((tally.doubled, verdict.lost), (3, 0));
}

#[test]
fn what_is_not_for_a_member_or_of_no_message_of_this_run_is_foreign() {
    let mut judge = judge();
    let number = judge.publish(0, 0, true);
    deliver(&mut judge, 3, number, 1);
    deliver(&mut judge, 0, number + 1, 1);
    judge.deliver(0, Delivery { number: None, seq: 1 }, 0);
    assert_eq!(judge.tally.foreign, 3);
}

#[test]
fn a_refused_message_is_expected_nowhere() {
    let mut judge = judge();
    let number = judge.publish(1, 0, true);
    deliver(&mut judge, 2, number, 1);
    judge.refuse(Some(number), "RATE_LIMIT_EXCEEDED");
    deliver(&mut judge, 3, number, 1);
    let tally = &judge.tally;
    assert_eq!((tally.refused, tally.expected, tally.delivered), (1, 0, 0));
    // One came before the refusal; the other after the message was forgotten.
    assert_eq!(tally.foreign + tally.doubled, 2);
    assert_eq!(tally.errors["RATE_LIMIT_EXCEEDED"], 1);
    assert_eq!((judge.finished(), judge.verdict()), (1, Verdict::default()));
}

#[test]
fn a_message_nobody_answered_nor_was_told_of_is_unanswered_and_one_that_some_were_told_of_is_lost_at_the_others() {
    let mut judge = judge();
    judge.publish(0, 0, true);
    assert_eq!(judge.verdict(), Verdict { unanswered: 1, ..Verdict::default() });
    deliver(&mut judge, 0, 0, 1);
    assert_eq!((judge.verdict().lost, judge.verdict().unanswered), (2, 1));
}

#[test]
fn who_is_dropped_is_missed_in_what_was_under_way_and_not_expected_afterwards() {
    let mut judge = judge();
    let under_way = judge.publish(0, 0, true);
    judge.drop_out(1);
    let later = judge.publish(0, 0, true);
    for (number, seq) in [(under_way, 1), (later, 2)] {
        judge.acknowledge(number, seq, 0);
        deliver(&mut judge, 0, number, seq);
        deliver(&mut judge, 2, number, seq);
    }
    assert_eq!((judge.tally.dropped, judge.tally.expected, judge.verdict().lost), (1, 5, 1));
}

#[test]
fn latency_counts_from_due_and_not_while_warming_up() {
    let mut judge = Judge::new(1, 1);
    judge.enter(0, 0, 0);
    for (due, measured) in [(0, false), (400, true)] {
        let number = judge.publish(0, due, measured);
        judge.acknowledge(number, number + 1, 900);
        deliver(&mut judge, 0, number, number + 1);
    }
    assert_eq!((judge.delivery.len(), judge.delivery.max()), (1, 600));
    assert_eq!((judge.acknowledgement.len(), judge.acknowledgement.max()), (1, 500));
}

#[test]
fn who_is_away_is_expected_to_catch_up_and_how_long_they_were_away_is_no_latency() {
    let mut judge = judge();
    judge.set_away(1, true);
    let number = judge.publish(0, 0, true);
    judge.acknowledge(number, 1, 0);
    (0..2).for_each(|member| deliver(&mut judge, member, number, 1));
    assert_eq!((judge.verdict().lost, judge.tally.caught_up, judge.delivery.len()), (1, 1, 1));
    judge.set_away(1, false);
    deliver(&mut judge, 2, number, 1);
    assert_eq!((judge.verdict().lost, judge.tally.caught_up, judge.delivery.len()), (0, 1, 2));
}

#[test]
fn only_what_is_unfinished_is_kept() {
    let mut judge = judge();
    for seq in 1..=1000 {
        let number = judge.publish(0, 0, false);
        judge.acknowledge(number, seq, 0);
        (0..3).for_each(|member| deliver(&mut judge, member, number, seq));
    }
    assert_eq!((judge.unfinished.len(), judge.finished(), judge.unfinished()), (0, 1000, 0));
}
