//! A client that has connected: its events, as commands of the [`Session`] it has once it is somebody.

use std::future::pending;

use bytes::Bytes;
use domain::{
    DomainError, Result,
    accounts::{Guest, Tokens},
};
use serde_json::json;
use shared::{
    AttachmentId, RoomId,
    protocol::{
        ChatCommand, ClientFrame, MessageType,
        command::{JoinRoom, LeaveRoom, SendMessage, TypingStatus},
    },
};
use socket::{CloseCode, Flow};
use web::sockets::{bad_frame, error_frame};

use super::Line;
use crate::{
    dialect::socketio::{
        self as dialect, Command, Say,
        packet::{Event, Malformed, Packet},
    },
    session::{Session, on_client_frame::on_client_frame},
};

/// A client that has connected to the namespace.
pub struct Client {
    line: Line,
    /// `None`: nobody yet.
    who: Option<Box<Session>>,
}

impl Client {
    pub(super) fn new(line: Line, who: Option<Box<Session>>) -> Self {
        Self { line, who }
    }

    async fn on_packet(&mut self, packet: std::result::Result<Option<Packet>, Malformed>) -> Flow {
        match packet {
            Ok(None | Some(Packet::Ack)) => Flow::Continue,
            // Boxed: idle connections are the many.
            Ok(Some(Packet::Event(event))) => Box::pin(self.on_event(event)).await,
            Ok(Some(Packet::Elsewhere { namespace, connects })) => {
                if connects {
                    self.line.refuse_namespace(&namespace);
                }
                Flow::Bad
            }
            Ok(Some(Packet::Disconnect)) => Flow::Close(CloseCode::Normal),
            // It is connected already, or speaks something else.
            Ok(Some(Packet::Connect(_))) | Err(Malformed) => Flow::Close(CloseCode::ProtocolError),
        }
    }

    async fn on_event(&mut self, event: Event) -> Flow {
        let ack = event.ack.clone();
        let command = match dialect::decode(event) {
            Ok(command) => command,
            Err(bad) => {
                socket::Session::finish(self).await;
                self.line.push(&bad_frame(bad), ack.as_deref());
                return Flow::Bad;
            }
        };
        if let Err(e) = self.run(command, ack.as_deref()).await {
            socket::Session::finish(self).await;
            self.line.push(&error_frame(&e), ack.as_deref());
        }
        Flow::Continue
    }

    /// `Err`: the command has not been answered yet.
    async fn run(&mut self, command: Command, ack: Option<&str>) -> Result<()> {
        let command = match (command, &mut self.who) {
            (Command::AddUser(name), None) => return self.add_user(name, ack).await,
            (_, None) => return Err(DomainError::Unauthorized("send add_user first, or connect with auth")),
            (command, Some(session)) => name(session, command).await?,
        };
        let Some(session) = &mut self.who else { return Ok(()) };
        let frame = ClientFrame { command, request_id: ack.map(str::to_owned) };
        let answered = on_client_frame(session, frame).await;
        if let (false, Some(ack)) = (answered, ack) {
            self.line.outbound.push(dialect::acknowledge(ack, &json!({"ok": true})));
        }
        Ok(())
    }

    /// A guest of this name. The token is for coming back as the same.
    async fn add_user(&mut self, name: String, ack: Option<&str>) -> Result<()> {
        let domain = &self.line.hub.domain;
        let signed_in =
            domain.accounts.guest_for(Guest { username: Some(name) }, &self.line.from, Tokens::Lasting).await?;
        let viewer = domain.identity.identify(&signed_in.token).await?;
        self.who = Some(self.line.begin(viewer).await?);
        if let Some(ack) = ack {
            let reply = json!({
                "ok": true,
                "userId": signed_in.user.id,
                "username": signed_in.user.username,
                "token": signed_in.token,
                "expiresIn": signed_in.expires_in,
            });
            self.line.outbound.push(dialect::acknowledge(ack, &reply));
        }
        Ok(())
    }
}

/// The command as every client's is: its room by id, its image as an upload.
async fn name(session: &Session, command: Command) -> Result<ChatCommand> {
    Ok(match command {
        Command::CreateRoom(input) => ChatCommand::CreateRoom(input),
        Command::JoinRoom(input) => ChatCommand::JoinRoom(input),
        Command::LeaveRoom(target) => ChatCommand::LeaveRoom(LeaveRoom { room_id: room(session, &target).await? }),
        Command::Typing { room: target, is_typing } => {
            ChatCommand::TypingStatus(TypingStatus { room_id: room(session, &target).await?, is_typing })
        }
        Command::SendMessage(Say { room: target, content, client_message_id, image }) => {
            let room_id = Some(room(session, &target).await?);
            let attachments = match image {
                Some(image) => vec![keep(session, &image).await?],
                None => Vec::new(),
            };
            let kind = MessageType::Text;
            let (recipient_id, reply_to) = (None, None);
            let input = SendMessage { room_id, recipient_id, content, kind, client_message_id, reply_to, attachments };
            ChatCommand::SendMessage(input)
        }
        Command::AddUser(_) => return Err(DomainError::invalid("username", "you have one already")),
    })
}

async fn room(session: &Session, target: &JoinRoom) -> Result<RoomId> {
    session.hub.domain.rooms.resolve(target).await
}

/// An image, kept as every upload is: within the user's rate and the budget of the process, decoded by its pool.
async fn keep(session: &Session, image: &Bytes) -> Result<AttachmentId> {
    let (files, viewer) = (&session.hub.domain.files, &session.peer.viewer);
    let mut intake = files.begin_upload(viewer).await?;
    intake.push(image)?;
    Ok(files.upload_image(viewer, "image", intake).await?.id)
}

impl socket::Session for Client {
    async fn on_text(&mut self, text: &str) -> Flow {
        let packet = self.line.decoder.text(text);
        self.on_packet(packet).await
    }

    async fn on_binary(&mut self, bytes: Bytes) -> Flow {
        let packet = self.line.decoder.binary(bytes);
        self.on_packet(packet).await
    }

    async fn under_way(&mut self) {
        match &mut self.who {
            Some(session) => session.under_way().await,
            None => pending().await,
        }
    }

    async fn finish(&mut self) {
        if let Some(session) = &mut self.who {
            session.finish().await;
        }
    }

    fn is_full(&self) -> bool {
        self.who.as_ref().is_some_and(|session| session.is_full())
    }

    fn on_drain(&mut self) {
        if let Some(session) = &mut self.who {
            session.on_drain();
        }
    }

    async fn on_end(&mut self) {
        if let Some(session) = &mut self.who {
            session.on_end().await;
        }
    }
}
