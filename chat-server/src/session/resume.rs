//! `RESUME` and `SYNC`: a held connection becomes live from where its client left off.
//!
//! The logs are told page by page, at the pace of the peer, while nothing is read from it. Then the connection is put
//! into each room in one step with seeing that nothing later has been delivered there: no gap, no double, no buffer.

mod missed;

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use domain::{DomainError, Result, messages::Missed, rooms::SyncPage};
use shared::{
    RoomId, UserId,
    protocol::{
        Position, ResumeStatus, Resumed, ServerFrame,
        command::{Resume, Sync},
    },
};

use super::Session;
use crate::hub::{FIRST_RETRY, Hub, LAST_RETRY, Peer, is_outage, users};

/// Changes of a room after which it is to be fetched anew instead.
const MOST_MISSED: u64 = 1000;

/// Rooms in one `RESUMED`: less than 200 KiB.
const ROOMS_PER_FRAME: usize = 800;

/// One more `RESUME`: when it is the last, all that was missed is told, then `RESUMED`, then what comes. Where it
/// fails the connection is held on, and the client may ask again from what it has got by then.
pub async fn resume(session: &Session, input: Resume, id: Option<&str>) -> Result<()> {
    let Session { hub, peer, .. } = session;
    hub.hold_expects(peer, true);
    let Some(asked) = peer.collect(input)? else { return Ok(()) };
    hub.hold_expects(peer, false);
    let told = (Replay { hub, peer, pipe: peer.outbound.replay() }).run(asked, id).await;
    hub.hold_expects(peer, true);
    match told {
        Ok(()) | Err(Stop::Ending) => Ok(()),
        Err(Stop::Failed(e)) => Err(e),
    }
}

/// A page of all rooms. On a held connection each room of the page goes on from the position shown, and with the last
/// page the connection is live.
pub async fn sync(session: &Session, input: Sync, id: Option<&str>) -> Result<()> {
    let Session { hub, peer, .. } = session;
    let page = hub.domain.rooms.sync(&peer.viewer, &input).await?;
    if !peer.is_held() {
        let SyncPage { user, rooms, next_cursor } = page;
        session.push(&ServerFrame::Synced { user, rooms, next_cursor }, id);
        return Ok(());
    }
    hub.hold_expects(peer, false);
    let opened = (Replay { hub, peer, pipe: peer.outbound.replay() }).open_page(page, id).await;
    hub.hold_expects(peer, true);
    match opened {
        Ok(()) | Err(Stop::Ending) => Ok(()),
        Err(Stop::Failed(e)) => Err(e),
    }
}

/// Why a replay goes no further.
enum Stop {
    /// The connection is about to end.
    Ending,
    Failed(DomainError),
}

type Outcome<T> = std::result::Result<T, Stop>;

impl From<DomainError> for Stop {
    fn from(e: DomainError) -> Self {
        Self::Failed(e)
    }
}

/// A room on its way to being live.
struct Line {
    room: RoomId,
    /// Told up to here.
    at: Position,
    /// Messages up to this `seq` are hidden from the user; `None`: what was told may have changed that.
    visible_after: Option<u64>,
    /// The page after `at`, where it has been read already.
    ahead: Option<Result<Missed>>,
    /// Nothing is left to do: it is open, or not the user's any more.
    ended: bool,
}

impl Line {
    fn new(room: RoomId, at: Position, visible_after: u64) -> Self {
        Self { room, at, visible_after: Some(visible_after), ahead: None, ended: false }
    }
}

/// What came of telling a room's log.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Telling {
    Done,
    /// It cannot be told.
    Reset,
    /// The user left on the way.
    Left,
}

/// A held connection while its logs are told.
struct Replay<'a> {
    hub: &'a Rc<Hub>,
    peer: &'a Rc<Peer>,
    pipe: socket::Replay,
}

impl Replay<'_> {
    fn user(&self) -> UserId {
        self.peer.viewer.user
    }

    async fn push(&self, frame: &ServerFrame, id: Option<&str>) -> Outcome<()> {
        let Some(frame) = self.peer.dialect.encode(frame, id) else { return Ok(()) };
        if self.pipe.push(frame).await { Ok(()) } else { Err(Stop::Ending) }
    }

    async fn run(self, asked: Resume, id: Option<&str>) -> Outcome<()> {
        let mut added = HashMap::new();
        let (own, own_status) = match asked.user {
            Some(from) => self.tell_own_log(from, &asked.rooms, &mut added).await?,
            None => (self.own_head().await?, ResumeStatus::New),
        };
        let (rooms, lines) = self.tell_rooms(&asked.rooms, &added).await?;
        let ids: Vec<RoomId> = lines.iter().map(|line| line.room).collect();
        // Nothing of these is delivered yet, but from here on this worker knows how far each room is.
        let pins = self.hub.follow(&ids).await?;
        let user =
            Resumed { status: own_status, position: Some(own), unread: None, mentions: None, last_read_seq: None };
        self.push_resumed(user, rooms, id).await?;
        self.open(lines).await?;
        drop(pins);
        self.hub.go_live(self.peer, own);
        Ok(())
    }

    /// In as many frames as it takes.
    async fn push_resumed(&self, user: Resumed, mut rooms: BTreeMap<RoomId, Resumed>, id: Option<&str>) -> Outcome<()> {
        loop {
            let next = rooms.keys().nth(ROOMS_PER_FRAME).copied();
            let later = next.map(|next| rooms.split_off(&next)).unwrap_or_default();
            let more = !later.is_empty();
            self.push(&ServerFrame::Resumed { user: user.clone(), rooms, more }, id).await?;
            if !more {
                return Ok(());
            }
            rooms = later;
        }
    }

    /// As [`run`](Self::run), for the rooms of a page of `SYNC`.
    async fn open_page(self, mut page: SyncPage, id: Option<&str>) -> Outcome<()> {
        let ids: Vec<RoomId> = page.rooms.iter().map(|room| room.id).collect();
        let standings = self.hub.domain.rooms.standings(self.user(), &ids).await?;
        let bounds: HashMap<RoomId, u64> = standings.iter().flatten().map(|s| (s.room, s.visible_after)).collect();
        // Left since the page was read.
        page.rooms.retain(|room| bounds.contains_key(&room.id));
        let line = |room: &shared::protocol::Room| Some(Line::new(room.id, room.position?, *bounds.get(&room.id)?));
        let lines: Vec<Line> =
            page.rooms.iter().filter_map(line).filter(|l| !self.hub.is_in(self.peer, l.room)).collect();
        let ids: Vec<RoomId> = lines.iter().map(|line| line.room).collect();
        let pins = self.hub.follow(&ids).await?;
        let own = self.peer.synced_from(page.user);
        let last = page.next_cursor.is_none();
        let frame = ServerFrame::Synced { user: page.user, rooms: page.rooms, next_cursor: page.next_cursor };
        self.push(&frame, id).await?;
        self.open(lines).await?;
        drop(pins);
        if last {
            self.hub.go_live(self.peer, own);
        }
        Ok(())
    }

    async fn own_head(&self) -> Result<Position> {
        Ok(users::own_heads(self.hub, &[self.user()]).await?.pop().unwrap_or(Position::BEGINNING))
    }

    /// Puts the connection into the rooms. All are told as far as they are first, so that what comes live from one
    /// does not meet a queue that another fills.
    async fn open(&self, mut lines: Vec<Line>) -> Outcome<()> {
        for line in &mut lines {
            self.tell_until(line, |line| !self.hub.is_past(line.room, line.at)).await?;
        }
        for line in &mut lines {
            self.tell_until(line, |line| self.hub.open_at(self.peer, line.room, line.at, line.visible_after)).await?;
        }
        Ok(())
    }

    /// Tells page after page; each goes further, or ends it.
    async fn tell_until(&self, line: &mut Line, there: impl Fn(&Line) -> bool) -> Outcome<()> {
        let most = line.at.rev + MOST_MISSED;
        while !line.ended && !there(line) {
            let telling = match line.at.rev < most {
                true => self.until_read(async || self.tell_page(line, u64::MAX).await).await?,
                false => Telling::Reset,
            };
            line.ended = telling != Telling::Done;
            match telling {
                Telling::Done => {}
                Telling::Reset => self.hub.open_anew(self.peer, line.room),
                Telling::Left => {
                    self.push(&ServerFrame::RoomRemoved { room_id: line.room, user_position: None }, None).await?;
                }
            }
        }
        Ok(())
    }

    /// Tries again while the store is away: what has been promised by now cannot be answered with an error.
    async fn until_read<T>(&self, mut read: impl AsyncFnMut() -> Outcome<T>) -> Outcome<T> {
        let mut wait = FIRST_RETRY;
        loop {
            match read().await {
                Err(Stop::Failed(_)) if self.peer.outbound.is_ending() => return Err(Stop::Ending),
                Err(Stop::Failed(e)) if is_outage(&e) => e.log(),
                other => return other,
            }
            self.pipe.flush();
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_RETRY);
        }
    }
}
