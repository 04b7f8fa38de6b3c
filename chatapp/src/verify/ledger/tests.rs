//! A judge must be able to condemn: each breach is fed to it once. What is right is not condemned.

use client::{
    protocol::{MessageType, Reaction},
    shared::Timestamp,
};

use super::*;

/// One room, its author (device 0) and a reader (device 1), who watch from the beginning. The test acts as the server.
struct Scene {
    ledger: Ledger,
    room: RoomId,
    author: UserId,
    reader: UserId,
    stored: Vec<Message>,
    rev: u64,
    accounts: Vec<Account>,
}

impl Scene {
    fn new() -> Self {
        let (room, author, reader) = (RoomId::new(), UserId::new(), UserId::new());
        let mut ledger = Ledger::default();
        let empty = History { items: Vec::new(), position: Position::BEGINNING };
        ledger.watch(0, author, room, &empty);
        ledger.watch(1, reader, room, &empty);
        Self { ledger, room, author, reader, stored: Vec::new(), rev: 0, accounts: Vec::new() }
    }

    /// The server stores a message and tells nobody.
    fn store(&mut self, content: &str) -> Message {
        let seq = self.stored.len() as u64 + 1;
        let message = Message {
            id: MessageId { room: self.room, seq },
            room_id: self.room,
            seq,
            user_id: self.author,
            username: "author".into(),
            content: content.into(),
            kind: MessageType::Text,
            timestamp: Timestamp::now(),
            client_message_id: None,
            reply_to: None,
            reply_count: 0,
            mentions: Vec::new(),
            mention_all: false,
            attachments: Vec::new(),
            reactions: Vec::new(),
            edited_at: None,
            deleted_at: None,
        };
        self.stored.push(message.clone());
        self.rev += 1;
        message
    }

    fn ack(&mut self, message: &Message, seq: u64) {
        let id = MessageId { room: self.room, seq };
        let ack = Ack { id, room_id: self.room, seq, rev: seq, timestamp: message.timestamp, duplicate: false };
        self.ledger.acknowledge_message(key_of(&message.content), &ack);
    }

    /// What the server tells of a message it stored as `rev`.
    fn written(message: &Message, rev: u64) -> ServerFrame {
        ServerFrame::NewMessage { message: message.clone(), rev, event_id: EventId::from_bits(rev) }
    }

    fn tell_all(&mut self, frame: &ServerFrame) {
        self.ledger.tell(0, frame);
        self.ledger.tell(1, frame);
    }

    /// Sent, stored, acknowledged and told, as it should be.
    fn say(&mut self, content: &str) -> Message {
        self.ledger.attempt_message(self.room, self.author, content);
        let message = self.store(content);
        let frame = Self::written(&message, self.rev);
        self.tell_all(&frame);
        self.ack(&message, message.seq);
        message
    }

    fn history(&self) -> History {
        let position = Position { rev: self.rev, event_id: EventId::from_bits(self.rev) };
        History { items: self.stored.clone(), position }
    }

    fn account(&mut self, user: UserId, unread: u64, mentions: u64, last_read_seq: u64) {
        self.accounts.push(Account { user, room: self.room, unread, mentions, last_read_seq });
    }

    fn verdict(&self) -> Breaches {
        let histories = [(self.room, self.history())].into();
        self.ledger.judge(&Truth { histories, accounts: self.accounts.clone() })
    }

    /// The verdict's counts, in the order of the report; examples must be there if and only if something is wrong.
    fn counts(&self) -> [u64; 6] {
        let Breaches { lost, doubled, reordered, holes, diverged, unread_wrong, examples } = self.verdict();
        let counts = [lost, doubled, reordered, holes, diverged, unread_wrong];
        assert_eq!(counts == [0; 6], examples.is_empty(), "{counts:?} {examples:?}");
        counts
    }
}

const RIGHT: [u64; 6] = [0; 6];

#[test]
fn a_run_in_which_all_went_well_is_right() {
    let mut scene = Scene::new();
    let first = scene.say("a.1 hi");
    scene.say("a.2 there");
    scene.account(scene.author, 0, 0, 2);
    scene.account(scene.reader, 2, 0, 0);
    scene.ack(&first, 1);
    assert_eq!(scene.counts(), RIGHT);
    let tally = Tally { sent: 2, acknowledged: 2, changes: 0, delivered: 2, resets: 0 };
    assert_eq!(scene.ledger.tally(), tally, "repeated acknowledgements are one");
}

#[test]
fn an_acknowledged_message_that_is_not_stored_is_lost() {
    let mut scene = Scene::new();
    scene.ledger.attempt_message(scene.room, scene.author, "a.1 hi");
    let message = scene.store("a.1 hi");
    scene.ack(&message, 1);
    (scene.stored, scene.rev) = (Vec::new(), 0);
    assert_eq!(scene.counts(), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_message_in_whose_place_another_is_stored_is_lost() {
    let mut scene = Scene::new();
    scene.say("a.1 hi");
    scene.ledger.attempt_message(scene.room, scene.author, "a.2 there");
    scene.stored[0].content = "a.2 there".into();
    assert_eq!(scene.counts(), [1, 0, 0, 0, 2, 0], "and both devices saw the first one");
}

#[test]
fn a_message_stored_twice_is_doubled() {
    let mut scene = Scene::new();
    scene.say("a.1 hi");
    let again = scene.store("a.1 hi");
    let frame = Scene::written(&again, 2);
    scene.tell_all(&frame);
    assert_eq!(scene.counts(), [0, 1, 0, 0, 0, 0]);
}

#[test]
fn a_message_acknowledged_at_two_places_is_doubled() {
    let mut scene = Scene::new();
    let message = scene.say("a.1 hi");
    scene.ack(&message, 2);
    assert_eq!(scene.verdict().doubled, 1);
}

#[test]
fn a_change_told_twice_is_doubled_also_as_another_rev() {
    let mut scene = Scene::new();
    let message = scene.say("a.1 hi");
    let frame = Scene::written(&message, 1);
    scene.ledger.tell(1, &frame);
    assert_eq!(scene.counts(), [0, 1, 0, 0, 0, 0]);
    scene.rev = 2;
    let frame = Scene::written(&message, 2);
    scene.tell_all(&frame);
    assert_eq!(scene.counts(), [0, 3, 0, 0, 0, 0]);
}

#[test]
fn a_message_of_nobody_is_a_divergence() {
    let mut scene = Scene::new();
    let message = scene.store("x.1 whose?");
    let frame = Scene::written(&message, 1);
    scene.tell_all(&frame);
    assert_eq!(scene.counts(), [0, 0, 0, 0, 1, 0]);
}

#[test]
fn a_number_below_one_acknowledged_before_is_reordered() {
    let mut scene = Scene::new();
    let (first, second) = (scene.store("a.2 there"), scene.store("a.1 hi"));
    for (message, rev) in [(&second, 2), (&first, 1)] {
        scene.ledger.attempt_message(scene.room, scene.author, &message.content);
        scene.ack(message, rev);
    }
    for message in [first, second] {
        let frame = Scene::written(&message, message.seq);
        scene.tell_all(&frame);
    }
    assert_eq!(scene.counts(), [0, 0, 1, 0, 0, 0]);
}

#[test]
fn changes_told_in_another_order_are_reordered() {
    let mut scene = Scene::new();
    let revs = [2, 1];
    let messages = ["a.1 hi", "a.2 there"].map(|content| {
        scene.ledger.attempt_message(scene.room, scene.author, content);
        let message = scene.store(content);
        scene.ledger.tell(0, &Scene::written(&message, message.seq));
        message
    });
    for rev in revs {
        scene.ledger.tell(1, &Scene::written(&messages[rev - 1], rev as u64));
    }
    let verdict = scene.verdict();
    assert_eq!((verdict.reordered, verdict.holes, verdict.doubled), (1, 0, 0));
}

#[test]
fn a_change_never_told_is_a_hole_at_the_end_as_in_the_middle() {
    let mut scene = Scene::new();
    for content in ["a.1 x", "a.2 x", "a.3 x"] {
        scene.ledger.attempt_message(scene.room, scene.author, content);
        let message = scene.store(content);
        let frame = Scene::written(&message, message.seq);
        if message.seq != 2 {
            scene.ledger.tell(0, &frame);
        }
        if message.seq != 3 {
            scene.ledger.tell(1, &frame);
        }
    }
    assert!(!scene.ledger.has_reached(&[(scene.room, scene.history().position)].into()));
    assert_eq!(scene.counts(), [0, 0, 0, 2, 2, 0], "a hole each, and each lacks a message");
}

#[test]
fn where_the_server_said_reset_there_is_no_hole() {
    let mut scene = Scene::new();
    scene.say("a.1 x");
    scene.ledger.attempt_message(scene.room, scene.author, "a.2 x");
    let missed = scene.store("a.2 x");
    scene.ledger.tell(0, &Scene::written(&missed, 2));
    let history = scene.history();
    scene.ledger.reset(1, scene.room, history.position);
    scene.ledger.refetch(1, scene.room, &history);
    scene.say("a.3 x");
    assert_eq!(scene.counts(), RIGHT);
    assert_eq!(scene.ledger.tally().resets, 1);
}

#[test]
fn a_reset_that_nobody_followed_by_a_fetch_shows() {
    let mut scene = Scene::new();
    scene.ledger.attempt_message(scene.room, scene.author, "a.1 x");
    let missed = scene.store("a.1 x");
    scene.ledger.tell(0, &Scene::written(&missed, 1));
    scene.ledger.reset(1, scene.room, scene.history().position);
    assert_eq!(scene.counts(), [0, 0, 0, 0, 1, 0]);
}

#[test]
fn what_a_fetch_brought_already_may_be_told_after_it() {
    let mut scene = Scene::new();
    scene.ledger.attempt_message(scene.room, scene.author, "a.1 x");
    let message = scene.store("a.1 x");
    scene.ledger.reset(1, scene.room, Position::BEGINNING);
    scene.ledger.refetch(1, scene.room, &scene.history());
    let frame = Scene::written(&message, 1);
    scene.tell_all(&frame);
    assert_eq!(scene.counts(), RIGHT);
}

#[test]
fn edits_deletions_and_reactions_build_the_same_state_or_diverge() {
    for (told, diverged) in [(true, 0), (false, 3)] {
        let mut scene = Scene::new();
        let (_, _, author) = (scene.say("a.1 x"), scene.say("a.2 x"), scene.author);
        let mut third = scene.say("a.3 x");
        scene.ledger.attempt_edit("a.1 edited");
        scene.ledger.acknowledge_edit("a.1 edited");
        scene.ledger.attempt_deletion("a.2");
        scene.ledger.acknowledge_deletion("a.2");
        scene.ledger.attempt_reaction("a.3", "+1", author, true);
        scene.ledger.acknowledge_reaction("a.3", "+1", author, true);
        let now = Some(Timestamp::now());
        (scene.stored[0].content, scene.stored[0].edited_at) = ("a.1 edited".into(), now);
        (scene.stored[1].content, scene.stored[1].deleted_at) = (String::new(), now);
        third.reactions = vec![Reaction { emoji: "+1".into(), count: 1, user_ids: vec![author], me: false }];
        scene.stored[2] = third;
        scene.rev = 6;
        let (room_id, event_id) = (scene.room, EventId::from_bits);
        let edited = ServerFrame::MessageEdited { message: scene.stored[0].clone(), rev: 4, event_id: event_id(4) };
        let deleted = ServerFrame::MessageDeleted {
            room_id,
            message_id: scene.stored[1].id,
            seq: 2,
            user_id: author,
            rev: 5,
            event_id: event_id(5),
        };
        let reacted = ServerFrame::ReactionUpdated {
            room_id,
            message_id: scene.stored[2].id,
            seq: 3,
            user_id: author,
            username: "author".into(),
            emoji: "+1".into(),
            added: true,
            count: 1,
            rev: 6,
            event_id: event_id(6),
        };
        for frame in [edited, deleted, reacted] {
            scene.ledger.tell(0, &frame);
            // The reader is told that something happened, and not what.
            let other = Change::of(&frame).unwrap();
            let nothing = ServerFrame::UserJoined {
                room_id,
                user_id: author,
                username: "author".into(),
                rev: other.rev,
                event_id: other.event_id,
            };
            scene.ledger.tell(1, if told { &frame } else { &nothing });
        }
        assert_eq!(scene.counts(), [0, 0, 0, 0, diverged, 0]);
        assert_eq!(scene.ledger.tally().changes, 3);
    }
}

#[test]
fn acknowledged_changes_that_are_not_in_the_history_are_lost() {
    let mut scene = Scene::new();
    for content in ["a.1 x", "a.2 x", "a.3 x"] {
        scene.say(content);
    }
    scene.ledger.attempt_edit("a.1 edited");
    scene.ledger.attempt_deletion("a.2");
    scene.ledger.attempt_reaction("a.3", "+1", scene.reader, true);
    assert_eq!(scene.counts(), RIGHT, "of what was tried nobody knows");
    scene.ledger.acknowledge_edit("a.1 edited");
    scene.ledger.acknowledge_deletion("a.2");
    scene.ledger.acknowledge_reaction("a.3", "+1", scene.reader, true);
    assert_eq!(scene.counts(), [3, 0, 0, 0, 0, 0]);
}

#[test]
fn a_deleted_message_that_still_has_its_content_is_a_divergence() {
    let mut scene = Scene::new();
    scene.say("a.1 secret");
    scene.ledger.attempt_deletion("a.1");
    let deleted = ServerFrame::MessageDeleted {
        room_id: scene.room,
        message_id: scene.stored[0].id,
        seq: 1,
        user_id: scene.author,
        rev: 2,
        event_id: EventId::from_bits(2),
    };
    scene.tell_all(&deleted);
    scene.rev = 2;
    scene.stored[0].deleted_at = Some(Timestamp::now());
    assert_eq!(scene.counts(), [0, 0, 0, 0, 1, 0]);
}

#[test]
fn a_change_of_what_a_device_may_not_see_is_right_while_it_shows_nothing() {
    for (partial, content, diverged) in [(true, "", 0), (true, "a.1 edited", 1), (false, "", 1)] {
        let mut scene = Scene::new();
        let mut message = scene.store("a.1 from before");
        let history = History { items: Vec::new(), position: scene.history().position };
        scene.ledger.watch(2, scene.reader, scene.room, &history);
        if partial {
            scene.ledger.hide_older(2, scene.room);
        }
        message.content = content.into();
        let edited = ServerFrame::MessageEdited { message, rev: 2, event_id: EventId::from_bits(2) };
        scene.ledger.tell(2, &edited);
        assert_eq!(scene.ledger.seen().diverged, diverged, "{partial} {content:?}");
    }
}

#[test]
fn two_events_of_one_number_are_a_divergence() {
    let mut scene = Scene::new();
    scene.ledger.attempt_message(scene.room, scene.author, "a.1 x");
    let message = scene.store("a.1 x");
    scene.ledger.tell(0, &Scene::written(&message, 1));
    let other = ServerFrame::NewMessage { message, rev: 1, event_id: EventId::from_bits(77) };
    scene.ledger.tell(1, &other);
    assert_eq!(scene.counts(), [0, 0, 0, 0, 1, 0]);
}

#[test]
fn counts_that_a_reader_of_the_history_would_not_give_are_wrong() {
    let mut scene = Scene::new();
    for content in ["a.1 x", "a.2 x", "a.3 x"] {
        scene.say(content);
    }
    scene.stored[2].mention_all = true;
    scene.ledger.mark(scene.reader, scene.room, 1, true);
    scene.ledger.mark(scene.reader, scene.room, 2, false);
    let (author, reader) = (scene.author, scene.reader);
    for (user, unread, mentions, read, wrong) in [
        (reader, 2, 1, 1, 0),
        (reader, 1, 1, 2, 0),
        (reader, 3, 1, 1, 1),
        (reader, 2, 0, 1, 1),
        // The mark went back.
        (reader, 3, 1, 0, 1),
        // Nobody marked so far.
        (reader, 0, 0, 3, 1),
        // Own messages are read.
        (author, 0, 0, 3, 0),
        (author, 1, 0, 2, 1),
    ] {
        scene.accounts.clear();
        scene.account(user, unread, mentions, read);
        assert_eq!(scene.verdict().unread_wrong >= 1, wrong == 1, "{unread} {mentions} {read}");
    }
}

#[test]
fn a_gap_in_the_numbers_of_the_history_is_a_hole() {
    let mut scene = Scene::new();
    scene.say("a.1 x");
    scene.stored[0].seq = 2;
    assert!(scene.verdict().holes == 1);
}
