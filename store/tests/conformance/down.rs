//! A store that is down says so, in every operation: never "no", "nobody" or "nothing".

use std::{fmt::Debug, pin::Pin, time::Duration};

use shared::{
    AttachmentId, InstanceId, NotificationId, RoomId, SessionId, Timestamp, UserId,
    protocol::{LastSeenFor, Position, Role},
    token::Kid,
};
use store::{
    AttachmentRecord, ChosenStatus, Exchange, Gathered, Login, Most, NewInvite, NotifySettings, Orphan, Outcome,
    PageFrom, ProfilePatch, PushKind, PushSubscription, Removal, RoleChange, RoomPatch, RoomUpdate, Secret, SecretKind,
    Service, SessionRecord, Store, StoreError, Ticket, TypingEvent, UploadClaim, UploadQuota,
};

use crate::{
    engine::{Engine, Fixture},
    mails::mail,
    support::{account, actor, edit, giving, id, keyed, page, public_room},
};

/// An operation that has not answered by then would hold its caller for ever.
const LIMIT: Duration = Duration::from_secs(30);

/// All of these at the same time.
macro_rules! together {
    ($($operation:expr,)*) => {{
        let operations: Vec<Pin<Box<dyn Future<Output = Option<String>> + Send + '_>>> = vec![$(Box::pin($operation)),*];
        futures_util::future::join_all(operations).await
    }};
}

async fn down<T: Debug>(name: &'static str, operation: impl Future<Output = store::Result<T>>) -> Option<String> {
    match tokio::time::timeout(LIMIT, operation).await {
        Ok(Err(StoreError::Unavailable(_))) => None,
        Ok(other) => Some(format!("{name}: {other:?}")),
        Err(_) => Some(format!("{name}: no answer")),
    }
}

pub async fn every_operation_of_a_store_that_is_down_is_unavailable(s: &Fixture) {
    let store = s.broken().await;
    // Together: each may take until the engine gives up.
    let (users, reached, rooms, others) = tokio::join!(users(&store), reached(&store), rooms(&store), others(&store));
    let mut wrong: Vec<String> = [users, reached, rooms, others].into_iter().flatten().flatten().collect();
    if s.engine == Engine::Embedded {
        // Kept in memory: as long as there is a process to ask, they cannot be down.
        wrong.retain(|said| {
            let in_memory = [
                "due_users: ",
                "beat: ",
                "instances: ",
                "ask_to_drain: ",
                "draining: ",
                "take: ",
                "give_back: ",
                "publish_typing: ",
                "put_ticket: ",
                "take_ticket: ",
            ];
            !in_memory.iter().any(|name| said.starts_with(name))
        });
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn users(s: &Store) -> Vec<Option<String>> {
    let (user, session, now) = (UserId::new(), SessionId::new(), Timestamp::now());
    let (record, patch, ids) = (account("alice"), ProfilePatch::default(), [user]);
    let login = SessionRecord {
        id: session,
        user,
        refresh_hash: [0; 32],
        family_hash: [9; 32],
        replaced: None,
        created_at: now,
        used_at: now,
        expires_at: now,
        agent: None,
        address: None,
    };
    let by = Login::Session(session);
    let logins = [(user, by), (user, Login::Host { until: now })];
    let ticket = Ticket { user, login: by, scope: None };
    let secret = Secret { hash: [0; 32], kind: SecretKind::Reset, address: "a@x.org".into(), expires_at: now };
    let exchange =
        Exchange { presented: [0; 32], family: [9; 32], next: [1; 32], at: now, grace: LIMIT, expires_at: now };
    together![
        down("create_user", s.users.create_user(&record)),
        down("provision_user", s.users.provision_user(&record, &[0; 32])),
        down("user_id_by_external", s.users.user_id_by_external(&[0; 32])),
        down("user", s.users.user(user)),
        down("users", s.users.users(&ids)),
        down("user_id_by_name", s.users.user_id_by_name("alice")),
        down("user_id_by_email", s.users.user_id_by_email("a@x.org")),
        down("change_password", s.users.change_password(user, "old", "new", session)),
        down("set_avatar", s.users.set_avatar(user, None)),
        down("update_profile", s.users.update_profile(user, &patch)),
        down("set_administrator", s.users.set_administrator(user, true)),
        down("ban_user", s.users.ban_user(user, now)),
        down("unban_user", s.users.unban_user(user)),
        down("search_users", s.users.search_users("a", None, 9)),
        down("count_users", s.users.count_users()),
        down("begin_deletion", s.deletions.begin_deletion(user, None)),
        down("deletions", s.deletions.deletions(now, 9)),
        down("clear_deleted", s.deletions.clear_deleted(user)),
        down("end_deletion", s.deletions.end_deletion(user)),
        down("idle_guests", s.deletions.idle_guests(now, now, 9)),
        down("contacts", s.people.contacts(user)),
        down("add_contact", s.people.add_contact(user, user, 9)),
        down("remove_contact", s.people.remove_contact(user, user)),
        down("ask_contact", s.people.ask_contact(user, UserId::new(), Most { contacts: 9, requests: 9 })),
        down("drop_requests", s.people.drop_requests(user, UserId::new())),
        down("requests", s.people.requests(user)),
        down("block", s.people.block(user, user, 9)),
        down("unblock", s.people.unblock(user, user)),
        down("blocks", s.people.blocks(user)),
        down("blocks_among", s.people.blocks_among(&ids, &ids)),
        down("note_written", s.people.note_written(user, user)),
        down("relations", s.people.relations(user, &ids)),
        down("user_positions", s.user_log.user_positions(&ids)),
        down("user_changes", s.user_log.user_changes(user, Position::BEGINNING, 9)),
        down("note_read_mark", s.user_log.note_read_mark(user, RoomId::new(), 1)),
        down("create_session", s.sessions.create_session(&login, 9, None)),
        down("sessions", s.sessions.sessions(user)),
        down("session", s.sessions.session(user, session)),
        down("live", s.sessions.live(&logins)),
        down("arrival", s.sessions.arrival(user, by)),
        down("rotate_refresh", s.sessions.rotate_refresh(user, session, &exchange)),
        down("end_session", s.sessions.end_session(user, session)),
        down("end_sessions", s.sessions.end_sessions(user, None)),
        down("put_secret", s.secrets.put_secret(user, &secret, now, 9)),
        down("secret", s.secrets.secret(user, &[0; 32], now)),
        down("verify_address", s.secrets.verify_address(user, &[0; 32], now)),
        down("reset_password", s.secrets.reset_password(user, &[0; 32], "next", now)),
        down("put_ticket", s.tickets.put_ticket([0; 32], &ticket, LIMIT)),
        down("take_ticket", s.tickets.take_ticket([0; 32], shared::EventId::random())),
    ]
}

/// How users are reached who are not there.
async fn reached(s: &Store) -> Vec<Option<String>> {
    let (user, preferences) = (UserId::new(), NotifySettings::default());
    let users = [user];
    let subscription = PushSubscription {
        kind: PushKind::Webhook,
        endpoint: String::new(),
        keys: None,
        secret: None,
        session: None,
        created_at: Timestamp::now(),
    };
    together![
        down("put_subscription", s.push.put_subscription(user, &subscription, 9)),
        down("subscriptions", s.push.subscriptions(user)),
        down("remove_subscription", s.push.remove_subscription(user, "x")),
        down("push_key", s.push.push_key(b"x")),
        down("notify_settings", s.notify_preferences.notify_settings(user)),
        down("put_notify_settings", s.notify_preferences.put_notify_settings(user, &preferences)),
        down("switch_off", s.notify_preferences.switch_off(user, "email")),
        down("reach", s.notify_preferences.reach(user)),
        down("room_levels", s.notify_preferences.room_levels(RoomId::new(), &users)),
    ]
}

async fn rooms(s: &Store) -> Vec<Option<String>> {
    let (alice, room) = (actor("alice"), RoomId::new());
    let (record, members, new) = (public_room("room"), [alice.clone()], keyed(room, &alice, "hello", "k"));
    let (ids, users) = ([room], [alice.id]);
    let (edit, reacting) = (edit(id(room, 1), &alice, "x"), giving(id(room, 1), &alice, "x"));
    let typing = TypingEvent { room, user: alice.id, username: "alice".into(), typing: true };
    let after = Position { rev: 1, event_id: shared::EventId::random() };
    let (by, user, by_role) = (alice.clone(), alice.clone(), Role::Owner);
    let removal = Removal { room, by, by_role, user, role: Some(Role::Member), ban: true };
    let (by, user) = (alice.clone(), alice.clone());
    let change = RoleChange { room, by, by_role, user, from: Role::Member, to: Role::Admin };
    let (lifetime, by) = (Duration::from_secs(60), alice.id);
    let invite = NewInvite { room, by, by_role, hash: [0; 32], lifetime, max_uses: None };
    let upload = AttachmentRecord {
        id: AttachmentId::new(),
        name: "a".into(),
        mime: "text/plain".into(),
        size: 1,
        pixels: None,
    };
    let (quota, claim) = (UploadQuota { uploads: 9, bytes: 9 }, UploadClaim { room, attempt: "x".into() });
    let (uploads, orphans) = ([upload.id], [Orphan { id: upload.id, shard: 0 }]);
    let update = RoomUpdate { room, by: alice.clone(), by_role, patch: RoomPatch::default() };
    together![
        down("create_room", s.rooms.create_room(&record, &members)),
        down("room", s.rooms.room(room)),
        down("room_id_by_handle", s.rooms.room_id_by_handle("lobby")),
        down("join", s.rooms.join(room, &alice, Role::Member, 9)),
        down("leave", s.rooms.leave(room, &alice)),
        down("set_role", s.room_admin.set_role(&change)),
        down("remove_member", s.room_admin.remove_member(&removal)),
        down("put_invite", s.invites.put_invite(&invite)),
        down("invites", s.invites.invites(room)),
        down("remove_invite", s.invites.remove_invite(room, alice.id, Role::Owner, &[0; 32])),
        down("redeem", s.invites.redeem(room, &alice, &[0; 32], 9)),
        down("invite_salt", s.invites.invite_salt(room)),
        down("delete_room", s.room_admin.delete_room(room, &alice, Some(by_role))),
        down("update_room", s.room_admin.update_room(&update)),
        down("unban", s.room_admin.unban(room, alice.id, Role::Owner, alice.id)),
        down("bans", s.room_admin.bans(room, None, 9)),
        down("membership", s.rooms.membership(room, alice.id)),
        down("members", s.rooms.members(room, 0, 9)),
        down("listed_rooms", s.rooms.listed_rooms(&users)),
        down("rooms_of", s.rooms.rooms_of(alice.id)),
        down("views", s.rooms.views(alice.id, &ids)),
        down("standings", s.rooms.standings(alice.id, &ids)),
        down("public_rooms", s.rooms.public_rooms("", None, 9)),
        down("positions", s.rooms.positions(&ids)),
        down("append", s.log.append(&new)),
        down("find_append", s.log.find_append(&new)),
        down("edit_message", s.log.edit_message(&edit)),
        down("react", s.log.react(&reacting)),
        down("reacted", s.log.reacted(room, alice.id, &[1])),
        down("replies", s.log.replies(id(room, 1), 0, 9, 1000)),
        down("delete_message", s.log.delete_message(id(room, 1), &alice, None)),
        down("message", s.log.message(id(room, 1))),
        down("history", s.log.history(room, page(PageFrom::Newest, 9))),
        down("mark_read", s.log.mark_read(room, alice.id, 1)),
        down("mark_delivered", s.log.mark_delivered(room, alice.id, 1)),
        down("publish_typing", s.bus.publish_typing(&typing)),
        down("put_upload", s.attachments.put_upload(alice.id, &upload, Timestamp::now(), quota)),
        down("upload", s.attachments.upload(alice.id, upload.id, Timestamp::now())),
        down("claim_uploads", s.attachments.claim_uploads(alice.id, &uploads, &claim, Timestamp::now())),
        down("release_uploads", s.attachments.release_uploads(alice.id, &uploads, &claim)),
        down("drop_uploads", s.attachments.drop_uploads(alice.id, None)),
        down("sweep_uploads", s.attachments.sweep_uploads(Timestamp::now(), 9)),
        down("orphans", s.attachments.orphans(9)),
        down("forget_orphans", s.attachments.forget_orphans(&orphans)),
        down("marks", s.log.marks(room, &users)),
        down("changes", s.log.changes(room, after, 9, 9)),
    ]
}

async fn others(s: &Store) -> Vec<Option<String>> {
    let (user, me, now, second) = (UserId::new(), InstanceId::new(), Timestamp::now(), Duration::from_secs(1));
    let (ids, room) = ([user], RoomId::new());
    let outcomes = [(user, Outcome { after: 0, seq: 1, at: now, notification: None, reason: Some("online".into()) })];
    let (notification, kid) = (NotificationId::new(), Kid::parse("abc_DEF-0123456789abcd").unwrap());
    let mail = mail(user, room);
    together![
        down("take_due", s.notify_queue.take_due(now, second, 9)),
        down("conclude", s.notify_queue.conclude(room, 1, &outcomes)),
        down("put_outcomes", s.notify_queue.put_outcomes(room, &outcomes)),
        down("outcomes", s.notify_queue.outcomes(room, &ids)),
        down("brief", s.notify_queue.brief(room, None, 0, 9)),
        down("claim", s.outbox.claim(me, now, second, 9)),
        down("backlog", s.outbox.backlog(now)),
        down("states", s.outbox.states(notification)),
        down("gather", s.mails.gather(&mail, room, Gathered { after: 0, upto: 1 }, now)),
        down("seal", s.mails.seal(notification, user, room)),
        down("inbox", s.inboxes.inbox(user, None, 9)),
        down("inbox_unread", s.inboxes.inbox_unread(user)),
        down("mark_inbox_read", s.inboxes.mark_inbox_read(user, notification, now)),
        down("mark_inbox_all_read", s.inboxes.mark_inbox_all_read(user, now)),
        down("presence", s.presence.presence(&ids)),
        down("set_chosen", s.presence.set_chosen(user, ChosenStatus::Away, None)),
        down("set_last_seen_for", s.presence.set_last_seen_for(user, LastSeenFor::Nobody)),
        down("due_at", s.presence.due_at(user, now)),
        down("beat", s.presence.beat(me, now, second)),
        down("due_users", s.presence.due_users(now, second, 9)),
        down("signing_key", s.signing_keys.signing_key(&kid)),
        down("signing_keys", s.signing_keys.signing_keys()),
        down("instances", s.registry.instances(Service::Chat)),
        down("ask_to_drain", s.registry.ask_to_drain(me, second)),
        down("draining", s.registry.draining()),
        down("take", s.limits.take("k", 9, second, 1)),
        down("give_back", s.limits.give_back("k", 9, second, 1)),
        down("check", s.health.check()),
        down("keys", s.api_keys.keys()),
        down("revoke_key", s.api_keys.revoke_key("x")),
        down("sweep", s.maintenance.sweep(now)),
        down("trim", s.maintenance.trim(now, 9)),
    ]
}
