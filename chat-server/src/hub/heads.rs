//! The heartbeat of heads: what was lost without a sign is found by comparing where the logs stand with how far they
//! have been delivered here.

use std::{rc::Rc, time::Duration};

use domain::DomainError;
use shared::{RoomId, UserId, protocol::Position};

use super::{Hub, repair, users};

/// Logs looked at in one read.
const CHUNK: usize = 256;

/// Compares all heads again and again; ends with the worker. One read for each [`CHUNK`] of rooms or users.
pub(super) async fn run(hub: Rc<Hub>) {
    let every = Duration::from_secs(hub.domain.settings.chat.heads_seconds);
    loop {
        tokio::time::sleep(every).await;
        // Where the store is away, the bus says that something may have been lost when it is back.
        let first = compare_rooms(&hub).await.or(compare_users(&hub).await);
        first.iter().for_each(DomainError::log);
    }
}

/// All of them, also where some cannot be read: one part of the store may be away. Gives the first error.
async fn compare_rooms(hub: &Rc<Hub>) -> Option<DomainError> {
    let mut failed = None;
    let rooms: Vec<(RoomId, Position)> = {
        let state = hub.state.borrow();
        state.rooms.iter().filter_map(|(id, room)| Some((*id, room.track.last()?))).collect()
    };
    for chunk in rooms.chunks(CHUNK) {
        let ids: Vec<RoomId> = chunk.iter().map(|(id, _)| *id).collect();
        let heads = match hub.domain.rooms.positions(&ids).await {
            Ok(heads) => heads,
            Err(e) => {
                failed.get_or_insert(e);
                continue;
            }
        };
        for ((room, before), head) in chunk.iter().zip(heads) {
            let suspect = hub.update(|state| {
                let now = state.rooms.get(room).and_then(|entry| entry.track.last());
                now.is_some_and(|now| differs(*before, head, now)) && state.suspect(*room)
            });
            if suspect {
                actix_web::rt::spawn(repair::repair(hub.clone(), *room));
            }
        }
    }
    failed
}

async fn compare_users(hub: &Rc<Hub>) -> Option<DomainError> {
    let mut failed = None;
    let logs: Vec<(UserId, Position)> = {
        let state = hub.state.borrow();
        state.users.iter().filter_map(|(id, user)| Some((*id, user.own.last()?))).collect()
    };
    for chunk in logs.chunks(CHUNK) {
        let ids: Vec<UserId> = chunk.iter().map(|(id, _)| *id).collect();
        let heads = match users::own_heads(hub, &ids).await {
            Ok(heads) => heads,
            Err(e) => {
                failed.get_or_insert(e);
                continue;
            }
        };
        for ((user, before), head) in chunk.iter().zip(heads) {
            hub.update(|state| {
                let Some(entry) = state.users.get_mut(user) else { return };
                if entry.own.last().is_some_and(|now| differs(*before, Some(head), now)) {
                    entry.own.suspect();
                }
            });
            users::start_telling(hub, *user);
        }
    }
    failed
}

/// Must the log be read? `head` was read after delivery stood at `before`, and before it stood at `now`. Something is
/// missing, or the log lost writes and stands further back, or went on differently. `None`: there is no such log.
fn differs(before: Position, head: Option<Position>, now: Position) -> bool {
    let Some(head) = head else { return true };
    head.rev > now.rev || head.rev < before.rev || (head.rev == now.rev && head != now)
}

#[cfg(test)]
mod tests {
    use shared::EventId;

    use super::*;

    #[test]
    fn a_head_further_on_further_back_or_of_another_name_is_looked_into_and_a_late_one_is_not() {
        let at = |rev, event_id| Position { rev, event_id: EventId::from_bits(event_id) };
        let cases = [
            (at(5, 5), Some(at(5, 5)), at(5, 5), false),
            (at(5, 5), Some(at(6, 6)), at(5, 5), true),
            (at(5, 5), Some(at(6, 6)), at(8, 8), false),
            (at(5, 5), Some(at(4, 4)), at(5, 5), true),
            (at(5, 5), Some(at(5, 9)), at(5, 5), true),
            (at(5, 5), None, at(5, 5), true),
        ];
        for (before, head, now, expected) in cases {
            assert_eq!(differs(before, head, now), expected, "{before:?} {head:?} {now:?}");
        }
    }
}
