//! What members may see of an edited message. Only an edit shows what was written before one joined, and edits are rare:
//! from where on each member may read is asked when the first of them comes, behind the room's gap.

use std::collections::HashMap;

use domain::Result;
use shared::{RoomId, UserId, protocol::HistoryVisibility};
use store::{ChangeBody, RoomEvent};

use super::{Hub, State, room::Room};

impl State {
    /// Is it an edit, and not known of every member here whether they may see it? Then the room's log is read first.
    pub(super) fn lacks_bounds(&mut self, event: &RoomEvent) -> bool {
        let edit = matches!(event.change.body, ChangeBody::Edited(_));
        let Some(room) = self.rooms.get_mut(&event.room).filter(|_| edit) else { return false };
        room.edited = true;
        lacks_bounds(room)
    }

    /// The room was changed: where that may have changed who sees what, it is to be asked anew.
    pub(super) fn room_changed(&mut self, room: RoomId, history: HistoryVisibility) {
        if let Some(room) = self.rooms.get_mut(&room)
            && room.history != Some(history)
        {
            room.forget_bounds();
            room.history = Some(history);
        }
    }
}

impl Room {
    /// Who may see what may have changed.
    pub(super) fn forget_bounds(&mut self) {
        self.history = None;
        self.members.iter_mut().for_each(|member| member.visible_after = None);
    }
}

fn lacks_bounds(room: &Room) -> bool {
    room.edited && room.members.iter().any(|member| member.visible_after.is_none())
}

impl Hub {
    /// Asks for what is not known, where an edit is on its way. One read, and in a room that shows its history only
    /// since one joined, one for each member here of whom it is not known. When it returns all is known, also of who
    /// came meanwhile, until the next await.
    pub(super) async fn learn_bounds(&self, room: RoomId) -> Result<()> {
        loop {
            let mut users: Vec<UserId> = match self.state.borrow().rooms.get(&room).filter(|entry| entry.edited) {
                Some(entry) => {
                    let unknown = entry.members.iter().filter(|member| member.visible_after.is_none());
                    unknown.map(|member| member.peer.viewer.user).collect()
                }
                None => return Ok(()),
            };
            if users.is_empty() {
                return Ok(());
            }
            users.sort_unstable();
            users.dedup();
            let bounds = self.domain.rooms.hidden_up_to(room, &users).await?;
            let bounds: HashMap<UserId, u64> = users.into_iter().zip(bounds).collect();
            self.update(|state| {
                let Some(entry) = state.rooms.get_mut(&room) else { return };
                for member in entry.members.iter_mut().filter(|member| member.visible_after.is_none()) {
                    member.visible_after = bounds.get(&member.peer.viewer.user).copied();
                }
            });
        }
    }
}
