//! What a held connection has missed: the user's own log, then each room's.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{DomainError, Result, messages::Missed, rooms::Standing};
use shared::{
    RoomId,
    protocol::{Position, ResumeStatus, Resumed, ServerFrame},
};
use store::{ChangeBody, RoomEvent, UserChanges};

use super::{Line, MOST_MISSED, Outcome, Replay, Telling};
use crate::{
    hub::{
        added::Added,
        users::{self, Told},
    },
    session::on_event::{hidden, is_hidden, on_event},
};

/// Rooms looked at together.
const ROOMS: usize = 100;

/// Of those, rooms whose logs are read at once.
const AHEAD: usize = 8;

/// A room whose turn will come.
struct Turn {
    room: RoomId,
    /// `None`: the user is no member.
    standing: Option<Standing>,
    /// Where telling it begins; `None`: there is nothing to tell.
    from: Option<Position>,
    /// How it goes on, if what is to be told can be.
    status: ResumeStatus,
}

impl Turn {
    fn new((room, standing): (RoomId, Option<Standing>), named: Option<&Position>, added: Option<&Position>) -> Self {
        let (from, status) = match (&standing, named, added) {
            (None, ..) => (None, ResumeStatus::Gone),
            (Some(standing), Some(from), _) if from.rev >= standing.joined_rev => (Some(*from), ResumeStatus::CaughtUp),
            (Some(_), Some(_), _) => (None, ResumeStatus::Reset),
            (Some(_), None, Some(from)) => (Some(*from), ResumeStatus::New),
            (Some(_), None, None) => (None, ResumeStatus::New),
        };
        Self { room, standing, from, status }
    }

    /// What [`Replay::tell_up_to`] reads first.
    fn to_read(&self) -> Option<(RoomId, Position)> {
        let (from, standing) = (self.from?, self.standing.as_ref()?);
        let missed = standing.position.rev.checked_sub(from.rev)?;
        (1..=MOST_MISSED).contains(&missed).then_some((self.room, from))
    }
}

impl Replay<'_> {
    /// The user's own log after `from`. Rooms it tells as added are put into `added` with the position told.
    pub(super) async fn tell_own_log(
        &self,
        from: Position,
        named: &HashMap<RoomId, Position>,
        added: &mut HashMap<RoomId, Position>,
    ) -> Outcome<(Position, ResumeStatus)> {
        let mut at = from;
        loop {
            let (changes, has_more) = match users::own_changes(self.hub, self.user(), at).await? {
                UserChanges::Reset { head } => return Ok((head, ResumeStatus::Reset)),
                UserChanges::Page { changes, has_more } => (changes, has_more),
            };
            for (position, told) in users::explain(self.hub, self.user(), changes).await? {
                at = position;
                match told {
                    Told::Frame(frame) => self.push(&frame, None).await?,
                    Told::Nothing => {}
                    Told::Added(room) | Told::Removed(room) if self.knows(room, named).await? => {}
                    Told::Added(room) => self.tell_added(room, position, added).await?,
                    Told::Removed(room_id) => {
                        added.remove(&room_id);
                        self.push(&ServerFrame::RoomRemoved { room_id, user_position: Some(position) }, None).await?;
                    }
                }
            }
            self.pipe.flush();
            if !has_more {
                return Ok((at, ResumeStatus::CaughtUp));
            }
        }
    }

    /// Has the client seen the user's joining already, or have they joined on this very connection?
    async fn knows(&self, room: RoomId, named: &HashMap<RoomId, Position>) -> Result<bool> {
        if self.hub.is_in(self.peer, room) {
            return Ok(true);
        }
        let Some(position) = named.get(&room) else { return Ok(false) };
        let standing = self.hub.domain.rooms.standings(self.user(), &[room]).await?.pop().flatten();
        Ok(standing.is_some_and(|standing| position.rev >= standing.joined_rev))
    }

    async fn tell_added(&self, room: RoomId, position: Position, added: &mut HashMap<RoomId, Position>) -> Outcome<()> {
        if added.contains_key(&room) {
            return Ok(());
        }
        // Left again: the log goes on to say so.
        let Some(shown) = Added::read(self.hub, &self.peer.viewer, room, Some(position)).await? else { return Ok(()) };
        self.push(&shown.frame, None).await?;
        // What has happened since is told with the other rooms' events.
        added.insert(room, shown.position);
        Ok(())
    }

    /// Every room's log, up to where the room stands when its turn comes. What of it goes on is to be opened.
    pub(super) async fn tell_rooms(
        &self,
        named: &HashMap<RoomId, Position>,
        added: &HashMap<RoomId, Position>,
    ) -> Outcome<(BTreeMap<RoomId, Resumed>, Vec<Line>)> {
        let mut ids: BTreeSet<RoomId> = self.hub.domain.rooms.joined(self.user()).await?.into_iter().collect();
        ids.extend(named.keys());
        let ids: Vec<RoomId> = ids.into_iter().collect();
        let (mut rooms, mut lines) = (BTreeMap::new(), Vec::new());
        for chunk in ids.chunks(ROOMS) {
            let standings = self.hub.domain.rooms.standings(self.user(), chunk).await?;
            let turns: Vec<Turn> = chunk
                .iter()
                .zip(standings)
                .map(|(room, standing)| Turn::new((*room, standing), named.get(room), added.get(room)))
                .collect();
            for some in turns.chunks(AHEAD) {
                let mut pages = self.read_ahead(some).await;
                for turn in some {
                    let Some(standing) = &turn.standing else {
                        if named.contains_key(&turn.room) {
                            rooms.insert(turn.room, gone());
                        }
                        continue;
                    };
                    // Joined on this very connection, which has been told all since.
                    if let Some(position) = self.hub.live_at(self.peer, turn.room) {
                        let standing = Standing { position, ..*standing };
                        rooms.insert(turn.room, resumed(ResumeStatus::CaughtUp, &standing));
                        continue;
                    }
                    let status = self.tell_room(standing, turn, pages.remove(&turn.room)).await?;
                    rooms.insert(turn.room, resumed(status, standing));
                    lines.push(Line::new(turn.room, standing.position, standing.visible_after));
                }
            }
        }
        Ok((rooms, lines))
    }

    /// The first page of each room that has something to tell: who has a few messages in each of many rooms would wait
    /// for as many reads. None is under way while the peer sets the pace.
    async fn read_ahead(&self, turns: &[Turn]) -> HashMap<RoomId, Result<Missed>> {
        let asked = turns.iter().filter(|turn| !self.hub.is_in(self.peer, turn.room));
        let asked: Vec<(RoomId, Position)> = asked.filter_map(Turn::to_read).collect();
        if asked.is_empty() {
            return HashMap::new();
        }
        let pages = self.hub.missed_in(&asked).await;
        asked.into_iter().map(|(room, _)| room).zip(pages).collect()
    }

    async fn tell_room(
        &self,
        standing: &Standing,
        turn: &Turn,
        ahead: Option<Result<Missed>>,
    ) -> Outcome<ResumeStatus> {
        let Some(from) = turn.from else { return Ok(turn.status) };
        let mut line = Line { ahead, ..Line::new(standing.room, from, standing.visible_after) };
        let telling = match standing.position.rev.checked_sub(from.rev) {
            Some(missed) if missed <= MOST_MISSED => self.tell_up_to(&mut line, standing.position).await?,
            _ => Telling::Reset,
        };
        Ok(if telling == Telling::Done { turn.status } else { ResumeStatus::Reset })
    }

    /// The room's changes up to exactly `to`, which is not before where the line stands.
    async fn tell_up_to(&self, line: &mut Line, to: Position) -> Outcome<Telling> {
        while line.at.rev < to.rev {
            match self.tell_page(line, to.rev).await? {
                Telling::Done => {}
                other => return Ok(other),
            }
        }
        Ok(if line.at == to { Telling::Done } else { Telling::Reset })
    }

    /// One page of a room's log, not further than `most`; at least one change.
    pub(super) async fn tell_page(&self, line: &mut Line, most: u64) -> Outcome<Telling> {
        let missed = match line.ahead.take() {
            Some(read) => read,
            None => self.hub.missed(line.room, line.at).await,
        };
        let missed = match missed {
            // It will not be read the next time either.
            Err(DomainError::Unexpected(cause)) => {
                tracing::error!(room = %line.room, "the room's log cannot be read: {cause:#}");
                return Ok(Telling::Reset);
            }
            other => other?,
        };
        let events = match missed {
            Missed::Events { events, .. } if !events.is_empty() => events,
            // The log ends before it should, or has gone on differently.
            Missed::Events { .. } | Missed::Reset { .. } => return Ok(Telling::Reset),
            Missed::Gone => return Ok(Telling::Left),
        };
        for event in events.iter().take_while(|event| event.change.rev <= most) {
            if self.is_own_leaving(event) {
                return Ok(Telling::Left);
            }
            let frame = if self.hides(line, event).await? { on_event(&hidden(event)) } else { on_event(event) };
            self.push(&frame, None).await?;
            if matches!(event.change.body, ChangeBody::Updated(_)) {
                line.visible_after = None;
            }
            line.at = Position { rev: event.change.rev, event_id: event.change.event_id };
        }
        self.pipe.flush();
        Ok(Telling::Done)
    }

    /// Must it not be shown to the user? Asks for what is not known any more, where it is about an edit.
    async fn hides(&self, line: &mut Line, event: &RoomEvent) -> Result<bool> {
        if !is_hidden(event, u64::MAX) {
            return Ok(false);
        }
        let visible_after = match line.visible_after {
            Some(known) => known,
            None => {
                let asked = self.hub.domain.rooms.hidden_up_to(line.room, &[self.user()]).await?;
                asked.first().copied().unwrap_or(u64::MAX)
            }
        };
        line.visible_after = Some(visible_after);
        Ok(is_hidden(event, visible_after))
    }

    fn is_own_leaving(&self, event: &RoomEvent) -> bool {
        event.change.body.ends_membership() && event.change.user == self.user()
    }
}

fn gone() -> Resumed {
    Resumed { status: ResumeStatus::Gone, position: None, unread: None, mentions: None, last_read_seq: None }
}

fn resumed(status: ResumeStatus, standing: &Standing) -> Resumed {
    Resumed {
        status,
        position: Some(standing.position),
        unread: Some(standing.unread),
        mentions: Some(standing.mentions),
        last_read_seq: Some(standing.read_seq),
    }
}
