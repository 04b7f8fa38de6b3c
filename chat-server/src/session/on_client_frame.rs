//! What a command does: a rule of the domain, and the frame that answers it. The socket is not touched here.

use domain::{
    DomainError, Result,
    messages::{HistoryQuery, Missed},
};
use shared::{
    RoomId, Timestamp,
    protocol::{
        ChatCommand, ClientFrame, Position, Room, ServerFrame,
        command::{CreateRoom, DeleteMessage, GetHistory, JoinRoom, LeaveRoom, TypingStatus},
    },
};

use store::RoomEvent;
use tokio::time::Instant;
use web::{Expiry, sockets::error_frame};

use super::{Session, auth_success, resume};
use crate::hub::GateGuard;

/// How a command is answered.
enum Reply {
    None,
    Frame(ServerFrame),
    /// The frame shows a room at a position; the room's events follow it without a gap.
    Opens(ServerFrame, GateGuard, Position),
    /// Nothing shows the room, which was joined at a position: these have happened since, and its events follow.
    Enters(GateGuard, Position, Vec<RoomEvent>),
}

/// Changes read of those between joining a room and following it.
const SINCE_JOINED: usize = 1000;

/// Handles one command to its end, after those before it: its replies are queued when it returns. Messages alone are
/// only begun: the next may follow before they are answered.
pub async fn on_client_frame(session: &mut Session, frame: ClientFrame<ChatCommand>) {
    let id = frame.request_id.as_deref();
    if !matches!(frame.command, ChatCommand::SendMessage(_)) {
        session.finish_sends().await;
    }
    match answer(session, frame.command, id).await {
        Ok(Reply::None) => {}
        Ok(Reply::Frame(frame)) => session.push(&frame, id),
        Ok(Reply::Opens(frame, gate, position)) => {
            gate.open(session.peer.dialect.encode(&frame, id), position, &[]);
        }
        Ok(Reply::Enters(gate, position, since)) => gate.open(None, position, &since),
        Err(e) => session.push(&error_frame(&e), id),
    }
    session.hub.end_busy(&session.peer);
}

async fn answer(session: &mut Session, command: ChatCommand, id: Option<&str>) -> Result<Reply> {
    let (domain, viewer) = (&session.hub.domain, &session.peer.viewer);
    match command {
        ChatCommand::SendMessage(input) => {
            session.begin_send(input, id).await;
            Ok(Reply::None)
        }
        ChatCommand::JoinRoom(input) => join(session, input).await,
        ChatCommand::LeaveRoom(input) => leave(session, input).await,
        ChatCommand::CreateRoom(input) => create(session, input).await,
        ChatCommand::GetHistory(input) => history(session, input).await,
        ChatCommand::DeleteMessage(DeleteMessage { message_id }) => {
            domain.messages.delete(viewer, message_id).await?;
            Ok(Reply::Frame(ServerFrame::DeleteMessageAck { message_id }))
        }
        ChatCommand::EditMessage(input) => {
            let message = domain.messages.edit(viewer, input).await?;
            let edited_at = message.edited_at.unwrap_or(message.timestamp);
            Ok(Reply::Frame(ServerFrame::EditMessageAck { message_id: message.id, edited_at }))
        }
        ChatCommand::React(input) => {
            let (message_id, emoji) = (input.message_id, input.emoji.clone());
            let count = domain.messages.react(viewer, input).await?;
            Ok(Reply::Frame(ServerFrame::ReactAck { message_id, emoji, count }))
        }
        ChatCommand::MarkRead(input) => {
            domain.messages.mark_read(viewer, &input).await?;
            Ok(Reply::None)
        }
        ChatCommand::MarkDelivered(input) => {
            domain.messages.mark_delivered(viewer, &input).await?;
            Ok(Reply::None)
        }
        ChatCommand::TypingStatus(input) => type_in(session, &input).await,
        ChatCommand::Sync(input) => {
            resume::sync(session, input, id).await?;
            Ok(Reply::None)
        }
        ChatCommand::Resume(input) => {
            resume::resume(session, input, id).await?;
            Ok(Reply::None)
        }
        ChatCommand::Ping => Ok(Reply::Frame(ServerFrame::Pong { server_time: Timestamp::now() })),
        ChatCommand::Authenticate(input) => renew(session, &input.token).await,
    }
}

/// The next token of the user another product's token named: the socket goes on with it.
async fn renew(session: &mut Session, token: &str) -> Result<Reply> {
    let Session { hub, peer, .. } = session;
    let login = hub.domain.identity.renew(&peer.viewer, token).await?;
    let status = hub.domain.presence.own(peer.viewer.user).await?.status;
    let reply = auth_success(hub, &peer.viewer, status, peer.is_held());
    session.expiry = Expiry::of(login);
    Ok(Reply::Frame(reply))
}

async fn join(session: &Session, input: JoinRoom) -> Result<Reply> {
    let Session { hub, peer, .. } = session;
    let room = hub.domain.rooms.resolve(&input).await?;
    hub.begin_busy(peer);
    let position = hub.domain.rooms.join(&peer.viewer, room).await?;
    if !peer.dialect.shows_rooms() {
        return enter(session, room, position).await.inspect_err(|_| hub.look_later(peer, room));
    }
    let joined = async {
        let gate = hub.gate(peer, room).await?;
        Ok::<_, DomainError>((gate, hub.domain.rooms.snapshot(&peer.viewer, room).await?))
    };
    // They are a member: if it cannot be shown now, the room is added after the command.
    let (gate, snapshot) = joined.await.inspect_err(|_| hub.look_later(peer, room))?;
    let position = snapshot.position;
    let frame = ServerFrame::RoomJoined {
        // What the frame shows is current to its own position, though the room was read a moment later.
        room: Room { position: Some(position), ..snapshot.room },
        position,
        messages: snapshot.messages,
        users: snapshot.users,
        member_count: snapshot.member_count,
    };
    Ok(Reply::Opens(frame, gate, position))
}

/// For dialects that show no room: what was said since they joined is told, as all that follows.
async fn enter(session: &Session, room: RoomId, joined: Position) -> Result<Reply> {
    let Session { hub, peer, .. } = session;
    let gate = hub.gate(peer, room).await?;
    match hub.domain.messages.missed(room, joined, SINCE_JOINED).await? {
        Missed::Events { events, has_more: false } => Ok(Reply::Enters(gate, joined, events)),
        Missed::Gone => Err(DomainError::RoomNotFound),
        Missed::Events { .. } | Missed::Reset { .. } => {
            Err(DomainError::Unavailable(anyhow::anyhow!("what was said since the room was joined cannot be told")))
        }
    }
}

async fn create(session: &Session, input: CreateRoom) -> Result<Reply> {
    let Session { hub, peer, .. } = session;
    hub.begin_busy(peer);
    let id = hub.domain.rooms.create(&peer.viewer, input).await?.id;
    let created = async {
        let gate = hub.gate(peer, id).await?;
        // Read again behind the gate: what happened since is either in it or held.
        let room = hub.domain.rooms.view(&peer.viewer, id).await?;
        let position = room.position.ok_or(DomainError::RoomNotFound)?;
        Ok::<_, DomainError>((gate, room, position))
    };
    let (gate, room, position) = created.await.inspect_err(|_| hub.look_later(peer, id))?;
    Ok(Reply::Opens(ServerFrame::RoomCreated { room }, gate, position))
}

async fn leave(session: &Session, input: LeaveRoom) -> Result<Reply> {
    let Session { hub, peer, .. } = session;
    let room_id = input.room_id;
    let was_there = hub.is_in(peer, room_id);
    peer.leaving.set(Some(room_id));
    let left = hub.domain.rooms.leave(&peer.viewer, room_id).await;
    peer.leaving.set(None);
    if let Err(e) = left {
        if was_there && !hub.is_in(peer, room_id) {
            // Done all the same, and its event was not told because the reply would be.
            session.push(&ServerFrame::RoomRemoved { room_id, user_position: None }, None);
        }
        return Err(e);
    }
    hub.leave(peer, room_id);
    session.typing.borrow_mut().forget(room_id);
    Ok(Reply::Frame(ServerFrame::RoomLeft { room_id }))
}

/// The store is asked only where the hub does not know of the membership: on a connection that has yet to resume, and
/// where there is none.
async fn type_in(session: &Session, input: &TypingStatus) -> Result<Reply> {
    let Session { hub, peer, typing, .. } = session;
    if !hub.is_in(peer, input.room_id) {
        hub.domain.rooms.check_member(&peer.viewer, input.room_id).await?;
    }
    let news = typing.borrow_mut().say(input.room_id, input.is_typing, Instant::now())?;
    if news {
        let told = hub.domain.messages.typing(&peer.viewer, input).await;
        told.inspect_err(|_| typing.borrow_mut().forget(input.room_id))?;
    }
    Ok(Reply::None)
}

async fn history(session: &Session, input: GetHistory) -> Result<Reply> {
    let GetHistory { room_id, before, after, limit } = input;
    let query = HistoryQuery { before, after, around: None, limit };
    let page = session.hub.domain.messages.history(&session.peer.viewer, room_id, query).await?;
    Ok(Reply::Frame(ServerFrame::History {
        room_id,
        items: page.items,
        has_more: page.has_more,
        position: page.position,
    }))
}
