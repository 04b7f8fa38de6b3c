//! Who may what in a room. `docs/roles.md` is the table of it.

use shared::protocol::{Role, RoomType};

use super::Access;
use crate::{DomainError, Result};

/// What not everybody may do in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Delete what another wrote.
    DeleteMessage,
    /// Take out, or ban, somebody of this role; who is no member counts as one.
    Remove(Role),
    /// See and lift bans.
    LiftBans,
    /// Make, see and withdraw invites.
    Invite,
    /// Change what the room is called.
    ChangeName,
    /// Change who sees what, and how long it is kept.
    ChangeHistory,
    /// Delete the room.
    DeleteRoom,
    /// Give another member a role in place of one; [`Role::Owner`] passes the room on.
    Appoint { from: Role, to: Role },
    /// Give oneself this role.
    StepDown(Role),
}

/// The rule. `role` is that of who acts.
pub(crate) fn may(kind: RoomType, role: Role, act: Act) -> bool {
    if kind == RoomType::Direct {
        return false;
    }
    match act {
        Act::DeleteMessage | Act::LiftBans | Act::Invite | Act::ChangeName => role >= Role::Admin,
        Act::ChangeHistory | Act::DeleteRoom => role == Role::Owner,
        Act::Remove(of) => role >= Role::Admin && of < role,
        Act::Appoint { from, .. } => role == Role::Owner && from != Role::Owner,
        Act::StepDown(to) => role == Role::Admin && to == Role::Member,
    }
}

impl Access {
    /// [`DomainError::Forbidden`] unless the viewer [`may`].
    pub fn require(&self, act: Act) -> Result<()> {
        let (kind, role) = (self.record.kind, self.membership.role);
        if may(kind, role, act) {
            return Ok(());
        }
        Err(DomainError::Forbidden(match (kind, role, act) {
            (RoomType::Direct, ..) => "a direct room has neither owner nor admins",
            (_, Role::Owner, Act::StepDown(_)) => "pass the room on by making another member its owner",
            (_, _, Act::DeleteMessage) => "only its author or an admin of the room may delete a message",
            _ => "your role in this room does not allow that",
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 3] = [Role::Owner, Role::Admin, Role::Member];

    fn table() -> Vec<(&'static str, Vec<Act>)> {
        use Role::{Admin, Member, Owner};
        let appoint = |from, to| Act::Appoint { from, to };
        vec![
            ("delete messages of others", vec![Act::DeleteMessage]),
            ("take out or ban a member", vec![Act::Remove(Member)]),
            ("take out or ban an admin", vec![Act::Remove(Admin)]),
            ("see and lift bans, ban who is no member", vec![Act::LiftBans, Act::Remove(Member)]),
            ("make, see and withdraw invites", vec![Act::Invite]),
            ("change `name` and `description`", vec![Act::ChangeName]),
            ("change `historyVisibility` and `retention`", vec![Act::ChangeHistory]),
            ("make a member an admin, or an admin a member", vec![appoint(Member, Admin), appoint(Admin, Member)]),
            ("pass the room on to another member", vec![appoint(Member, Owner), appoint(Admin, Owner)]),
            ("delete the room", vec![Act::DeleteRoom]),
            ("become a member again", vec![Act::StepDown(Member)]),
        ]
    }

    #[test]
    fn the_document_s_table_is_the_rule() {
        let document = include_str!("../../../docs/roles.md");
        let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let row = |(what, acts): (&str, Vec<Act>)| {
            let cells = ROLES.map(|role| {
                let allowed: Vec<bool> = acts.iter().map(|act| may(RoomType::Private, role, *act)).collect();
                assert!(allowed.iter().all(|may| *may == allowed[0]), "{what}: one answer for all of it");
                assert_eq!(allowed[0], may(RoomType::Public, role, acts[0]), "{what}: of whichever type");
                if allowed[0] { "yes" } else { "–" }
            });
            format!("| {what} | {} |", cells.join(" | "))
        };
        assert_eq!(rows, table().into_iter().map(row).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_may_anything_to_an_owner_or_in_a_direct_room() {
        for role in ROLES {
            for to in ROLES {
                assert!(!may(RoomType::Public, role, Act::Appoint { from: Role::Owner, to }));
                assert!(to == Role::Member || !may(RoomType::Public, role, Act::StepDown(to)));
            }
            assert!(!may(RoomType::Public, role, Act::Remove(Role::Owner)));
            for (what, acts) in table() {
                assert!(acts.into_iter().all(|act| !may(RoomType::Direct, role, act)), "{what}");
            }
        }
    }
}
