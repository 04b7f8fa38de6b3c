//! Uploads: whose they are, who may claim them, and what becomes of their files.

use std::{collections::BTreeSet, time::Duration};

use shared::{AttachmentId, RoomId, Timestamp, UserId, protocol::Role};
use store::{
    Actor, AttachmentRecord, NewMessage, RoomPatch, RoomUpdate, Store, UploadClaim, UploadQuota,
    attachments::{CLAIM_KEPT, SWEPT_AFTER},
};

use crate::{
    engine::Fixture,
    support::{actor, actors, all_messages, at_once, edit, fails, id, keyed, message, room_event, room_of, send, text},
};

const QUOTA: UploadQuota = UploadQuota { uploads: 100, bytes: 1_000_000 };
const DAY: Duration = Duration::from_secs(24 * 3600);

fn file(name: &str, size: u64) -> AttachmentRecord {
    AttachmentRecord {
        id: AttachmentId::new(),
        name: name.into(),
        mime: "image/png".into(),
        size,
        pixels: Some((3, u32::MAX)),
    }
}

fn claim(room: RoomId, attempt: &str) -> UploadClaim {
    UploadClaim { room, attempt: attempt.into() }
}

fn tomorrow() -> Timestamp {
    Timestamp::now().after(DAY)
}

/// An upload of this user, to be claimed within a day.
async fn uploaded(s: &Store, user: UserId) -> AttachmentRecord {
    let file = file("a \"b\"\t\n{\"id\":\"x\"} é.png", 10);
    s.attachments.put_upload(user, &file, tomorrow(), QUOTA).await.unwrap();
    file
}

/// Claims and sends.
async fn sent(s: &Store, room: RoomId, author: &Actor, files: &[AttachmentRecord]) -> u64 {
    let ids: Vec<AttachmentId> = files.iter().map(|file| file.id).collect();
    let attachments = s.attachments.claim_uploads(author.id, &ids, &claim(room, "x"), Timestamp::now()).await.unwrap();
    s.log.append(&NewMessage { attachments, ..text(room, author, "see") }).await.unwrap().seq
}

/// Sweeps until nothing is left, as at this time.
async fn sweep(s: &Store, at: Timestamp) {
    while s.attachments.sweep_uploads(at.after(SWEPT_AFTER), 100).await.unwrap() > 0 {}
}

async fn orphans(s: &Store) -> BTreeSet<AttachmentId> {
    s.attachments.orphans(1000).await.unwrap().into_iter().map(|orphan| orphan.id).collect()
}

fn ids<'a>(files: impl IntoIterator<Item = &'a AttachmentRecord>) -> BTreeSet<AttachmentId> {
    files.into_iter().map(|file| file.id).collect()
}

pub async fn an_upload_is_its_uploader_s_until_it_is_claimed(s: &Fixture) {
    let (alice, bob, now) = (UserId::new(), UserId::new(), Timestamp::now());
    let file = uploaded(s, alice).await;
    assert_eq!(s.attachments.upload(alice, file.id, now).await.unwrap(), Some(file.clone()));
    assert_eq!(s.attachments.upload(bob, file.id, now).await.unwrap(), None);
    assert_eq!(s.attachments.upload(alice, file.id, tomorrow().after(DAY)).await.unwrap(), None, "its time has come");
    let claim = claim(RoomId::new(), "x");
    fails!(s.attachments.claim_uploads(bob, &[file.id], &claim, now).await, UploadNotFound);
    assert_eq!(s.attachments.claim_uploads(alice, &[file.id], &claim, now).await.unwrap(), std::slice::from_ref(&file));
    assert_eq!(s.attachments.upload(alice, file.id, now).await.unwrap(), None);
}

pub async fn uploads_are_claimed_all_or_none_and_again_by_the_same_claim_alone(s: &Fixture) {
    let (user, room, now) = (UserId::new(), RoomId::new(), Timestamp::now());
    let (one, two) = (uploaded(s, user).await, uploaded(s, user).await);
    let mine = claim(room, "k1");
    let of = async |ids: &[AttachmentId], claim: &UploadClaim| s.attachments.claim_uploads(user, ids, claim, now).await;
    fails!(of(&[one.id, AttachmentId::new()], &mine).await, UploadNotFound);
    assert_eq!(of(&[two.id], &claim(room, "k0")).await.unwrap(), std::slice::from_ref(&two));
    fails!(of(&[one.id, two.id], &mine).await, UploadNotFound);
    assert!(s.attachments.upload(user, one.id, now).await.unwrap().is_some(), "none was claimed");
    let three = uploaded(s, user).await;
    assert_eq!(of(&[three.id, one.id], &mine).await.unwrap(), [three.clone(), one.clone()], "in order");
    assert_eq!(of(&[one.id, three.id], &mine).await.unwrap(), [one.clone(), three.clone()], "and again");
    for other in [claim(room, "k2"), claim(RoomId::new(), "k1")] {
        fails!(of(&[one.id], &other).await, UploadNotFound);
        s.attachments.release_uploads(user, &[one.id, three.id], &other).await.unwrap();
    }
    s.attachments.release_uploads(user, &[one.id], &mine).await.unwrap();
    assert_eq!(of(&[one.id], &claim(room, "k2")).await.unwrap(), [one]);
    fails!(of(&[three.id], &claim(room, "k2")).await, UploadNotFound);
}

pub async fn of_many_claims_of_one_upload_at_once_one_wins(s: &Fixture) {
    let user = UserId::new();
    let file = uploaded(s, user).await;
    let jobs = (0..8).map(|n| {
        let (store, claim) = (s.store.clone(), claim(RoomId::new(), &format!("k{n}")));
        async move { store.attachments.claim_uploads(user, &[file.id], &claim, Timestamp::now()).await.is_ok() }
    });
    assert_eq!(at_once(jobs).await.into_iter().filter(|won| *won).count(), 1);
}

pub async fn what_no_message_has_is_bounded_for_each_user(s: &Fixture) {
    let (user, other) = (UserId::new(), UserId::new());
    let quota = UploadQuota { uploads: 3, bytes: 100 };
    let put = async |user, file: &AttachmentRecord| s.attachments.put_upload(user, file, tomorrow(), quota).await;
    let (first, second) = (file("a", 60), file("b", 40));
    put(user, &first).await.unwrap();
    fails!(put(user, &file("c", 41)).await, TooManyUploads);
    put(user, &second).await.unwrap();
    put(user, &second).await.unwrap();
    put(user, &file("empty", 0)).await.unwrap();
    fails!(put(user, &file("one more", 0)).await, TooManyUploads);
    put(other, &file("another's", 100)).await.unwrap();
    s.attachments.claim_uploads(user, &[first.id], &claim(RoomId::new(), "x"), Timestamp::now()).await.unwrap();
    put(user, &file("d", 60)).await.unwrap();
    sweep(s, Timestamp::now()).await;
    assert_eq!(orphans(s).await, BTreeSet::new(), "what was refused is nothing");
}

pub async fn a_message_has_its_attachments_wherever_it_is_read(s: &Fixture) {
    let (alice, bob) = (actor("alice"), actor("bob"));
    let room = room_of(s, &[&alice, &bob]).await;
    let mut inbox = crate::support::follow(s, &[store::Topic::Room(room)]).await;
    let files = [uploaded(s, alice.id).await, uploaded(s, alice.id).await];
    let seq = sent(s, room, &alice, &files).await;
    let store::ChangeBody::Message(told) = room_event(&mut inbox).await.change.body.clone() else {
        panic!("a message")
    };
    assert_eq!(told.attachments, files);
    assert_eq!(message(s, room, seq).await.attachments, files);
    assert_eq!(all_messages(s, room).await[0].attachments, files);
    let edited = s.log.edit_message(&edit(id(room, seq), &alice, "")).await.unwrap();
    assert_eq!((edited.content.as_str(), &edited.attachments[..]), ("", &files[..]));
    assert_eq!(message(s, room, seq).await, edited);
}

pub async fn a_repeat_is_of_the_same_attachments(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(s, &[&alice]).await;
    let (one, two) = (uploaded(s, alice.id).await, uploaded(s, alice.id).await);
    let with = |attachments: &[&AttachmentRecord]| NewMessage {
        attachments: attachments.iter().map(|file| (*file).clone()).collect(),
        ..keyed(room, &alice, "see", "k")
    };
    let first = s.log.append(&with(&[&one, &two])).await.unwrap();
    let again = s.log.append(&with(&[&one, &two])).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (first.seq, true));
    assert_eq!(s.log.find_append(&with(&[&one, &two])).await.unwrap(), Some(again));
    for other in [with(&[]), with(&[&one]), with(&[&two, &one])] {
        fails!(s.log.append(&other).await, IdempotencyConflict);
    }
}

pub async fn a_deleted_message_s_files_are_orphans_and_their_names_are_gone(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(s, &[&alice]).await;
    let (gone, kept) = ([uploaded(s, alice.id).await, uploaded(s, alice.id).await], uploaded(s, alice.id).await);
    let seq = sent(s, room, &alice, &gone).await;
    sent(s, room, &alice, std::slice::from_ref(&kept)).await;
    assert_eq!(orphans(s).await, BTreeSet::new());
    s.log.delete_message(id(room, seq), &alice, None).await.unwrap();
    let left = message(s, room, seq).await;
    assert_eq!((left.author, &left.attachments[..]), (alice.id, &[][..]));
    assert_eq!(orphans(s).await, ids(&gone));
    s.log.delete_message(id(room, seq), &alice, None).await.unwrap();
    let found = s.attachments.orphans(1).await.unwrap();
    assert_eq!(found.len(), 1, "as many as were asked for");
    s.attachments.forget_orphans(&found).await.unwrap();
    assert_eq!(orphans(s).await.len(), 1);
    let rest = s.attachments.orphans(9).await.unwrap();
    s.attachments.forget_orphans(&rest).await.unwrap();
    sweep(s, Timestamp::now()).await;
    assert_eq!(orphans(s).await, BTreeSet::new());
}

pub async fn what_retention_removes_leaves_its_files_as_orphans(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(s, &[&alice]).await;
    let mut files = Vec::new();
    for _ in 0..13 {
        let file = uploaded(s, alice.id).await;
        sent(s, room, &alice, std::slice::from_ref(&file)).await;
        files.push(file);
    }
    let retention = shared::protocol::Retention { max_age_seconds: None, max_messages: Some(10) };
    let patch = RoomPatch { retention: Some(Some(retention)), ..RoomPatch::default() };
    s.room_admin.update_room(&RoomUpdate { room, by: alice.clone(), by_role: Role::Owner, patch }).await.unwrap();
    while s.maintenance.trim(Timestamp::now(), 100).await.unwrap() > 0 {}
    assert_eq!(orphans(s).await, ids(&files[..3]));
}

pub async fn a_deleted_room_leaves_all_its_files_as_orphans(s: &Fixture) {
    let people = actors(3);
    let alice = people[0].clone();
    let room = room_of(s, &people.iter().collect::<Vec<_>>()).await;
    let mut files = Vec::new();
    for _ in 0..5 {
        let pair = [uploaded(s, alice.id).await, uploaded(s, alice.id).await];
        sent(s, room, &alice, &pair).await;
        files.extend(pair);
    }
    s.room_admin.delete_room(room, &alice, Some(Role::Owner)).await.unwrap();
    s.maintenance.sweep(Timestamp::now().after(Duration::from_secs(1))).await.unwrap();
    assert_eq!(orphans(s).await, ids(&files));
}

pub async fn the_sweep_knows_what_was_sent_from_what_was_not(s: &Fixture) {
    let alice = actor("alice");
    let room = room_of(s, &[&alice]).await;
    let never_claimed = uploaded(s, alice.id).await;
    let (stored, died) = (uploaded(s, alice.id).await, uploaded(s, alice.id).await);
    sent(s, room, &alice, std::slice::from_ref(&stored)).await;
    // The process died between the claim and the append.
    s.attachments.claim_uploads(alice.id, &[died.id], &claim(room, "y"), Timestamp::now()).await.unwrap();
    sweep(s, Timestamp::now().after(DAY / 2)).await;
    assert_eq!(orphans(s).await, BTreeSet::new(), "nobody's time has come");
    sweep(s, tomorrow()).await;
    assert_eq!(orphans(s).await, ids([&never_claimed]), "a claim holds for as long as its repeat is known");
    let late = Timestamp::now().after(CLAIM_KEPT);
    fails!(s.attachments.claim_uploads(alice.id, &[died.id], &claim(room, "y"), late).await, UploadNotFound);
    sweep(s, late).await;
    assert_eq!(orphans(s).await, ids([&never_claimed, &died]));
    assert_eq!(message(s, room, 1).await.attachments, [stored]);
    sweep(s, late.after(DAY)).await;
    assert_eq!(orphans(s).await.len(), 2, "what was looked after is forgotten");
}

pub async fn dropped_uploads_cannot_be_claimed_and_go_with_the_next_sweep(s: &Fixture) {
    let (user, now) = (UserId::new(), Timestamp::now());
    let files = [uploaded(s, user).await, uploaded(s, user).await, uploaded(s, user).await];
    let held = claim(RoomId::new(), "x");
    s.attachments.claim_uploads(user, &[files[2].id], &held, now).await.unwrap();
    s.attachments.drop_uploads(user, Some(files[0].id)).await.unwrap();
    fails!(s.attachments.claim_uploads(user, &[files[0].id], &held, now).await, UploadNotFound);
    assert_eq!(s.attachments.upload(user, files[0].id, now).await.unwrap(), None);
    sweep(s, now).await;
    assert_eq!(orphans(s).await, ids(&files[..1]));
    s.attachments.drop_uploads(user, None).await.unwrap();
    sweep(s, now).await;
    assert_eq!(orphans(s).await, ids(&files[..2]), "what is claimed is a message's");
    let other = actor("bob");
    let room = room_of(s, &[&other]).await;
    send(s, room, &other, "unrelated").await;
}
