//! The rooms of one connection.

use shared::RoomId;

/// Ids in order. Finding one is O(log n); adding and removing move what is behind it, 16 bytes each, and a user's rooms
/// come in order. A hash set costs an idle connection in one room six times as much.
#[derive(Debug, Default)]
pub struct RoomSet(Vec<RoomId>);

impl RoomSet {
    pub fn contains(&self, room: RoomId) -> bool {
        self.0.binary_search(&room).is_ok()
    }

    pub fn insert(&mut self, room: RoomId) {
        if let Err(at) = self.0.binary_search(&room) {
            self.0.insert(at, room);
        }
    }

    pub fn remove(&mut self, room: RoomId) {
        if let Ok(at) = self.0.binary_search(&room) {
            self.0.remove(at);
        }
    }

    /// Room for so many more, and no more than that.
    pub fn reserve(&mut self, more: usize) {
        self.0.reserve_exact(more);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for RoomSet {
    type Item = RoomId;
    type IntoIter = std::vec::IntoIter<RoomId>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_in_it_once_from_being_added_to_being_removed() {
        let mut rooms: Vec<RoomId> = (0..5).map(|_| RoomId::new()).collect();
        let mut set = RoomSet::default();
        for room in rooms.iter().rev().chain(&rooms) {
            set.insert(*room);
        }
        set.remove(rooms[2]);
        set.remove(rooms[2]);
        assert!(!set.contains(rooms[2]) && set.contains(rooms[0]) && set.contains(rooms[4]));
        rooms.remove(2);
        rooms.sort();
        assert!(!set.is_empty());
        assert_eq!(set.into_iter().collect::<Vec<_>>(), rooms);
    }
}
