//! What a connection asks: authentication first, then commands. Frames go out through its `Outbound`.

use std::{collections::HashSet, future::poll_fn, rc::Rc};

use bytes::Bytes;
use domain::{Domain, DomainError, Result, Viewer};
use shared::{
    Timestamp, UserId,
    protocol::{
        BadFrame, ClientFrame, PresenceCommand, ServerFrame, Status,
        command::{OwnStatus, SetStatus},
        encode_frame,
    },
};
use socket::{Credential, Flow, Outbound, Step, text_frame};
use store::SocketKind;
use web::{
    Announced, Expiry, Sockets,
    sockets::{self, bad_frame, error_frame, no_binary, refusal},
};

use crate::hub::{Hub, Watching};

/// Authenticated sockets of this process.
pub(crate) static SOCKETS: Sockets = Sockets::new("presence");

/// A connection whose user is not known yet.
pub(crate) struct Handshake {
    domain: Domain,
    hub: Rc<Hub>,
    outbound: Outbound,
}

/// An authenticated user on a connection.
pub(crate) struct Session {
    viewer: Viewer,
    domain: Domain,
    hub: Rc<Hub>,
    outbound: Outbound,
    /// Its number in presence and in the hub.
    connection: u64,
    presence: Announced,
    watching: Watching,
    expiry: Expiry,
}

impl Handshake {
    pub fn new(domain: Domain, hub: Rc<Hub>, outbound: Outbound) -> Self {
        Self { domain, hub, outbound }
    }

    async fn authenticate(&mut self, credential: Credential, request_id: Option<&str>) -> Step<Session> {
        // Boxed: what a connection needs only while it begins is not kept for its life.
        match Box::pin(self.open(&credential, request_id)).await {
            Ok(session) => Step::Done(session),
            Err(e) => {
                push(&self.outbound, &error_frame(&e), request_id);
                Step::Close(refusal(&e))
            }
        }
    }

    async fn open(&mut self, credential: &Credential, request_id: Option<&str>) -> Result<Session> {
        let viewer = sockets::authenticate(&self.domain, credential).await?;
        let connection = socket::next_connection_id();
        let watching = Watching::default();
        let leave = {
            let (hub, user, watching) = (self.hub.clone(), viewer.user, watching.clone());
            move || {
                hub.unwatch(connection, watching.take());
                hub.leave(user, connection);
            }
        };
        // Leaves everything again when it is dropped on the way.
        let presence = SOCKETS.announce(&self.domain.presence, &viewer, connection, leave);
        self.hub.enter(&viewer, connection, (&self.outbound, &watching)).await?;
        // After following: a session that ends from now on is heard of.
        self.domain.identity.check_login(&viewer).await?;
        let status = self.domain.presence.connected(&viewer, connection, SocketKind::Presence).await?;
        push(&self.outbound, &auth_success(&self.domain, &viewer, status), request_id);
        let expiry = Expiry::of(viewer.login);
        let (domain, hub, outbound) = (self.domain.clone(), self.hub.clone(), self.outbound.clone());
        Ok(Session { viewer, domain, hub, outbound, connection, presence, watching, expiry })
    }
}

impl socket::Handshake for Handshake {
    type Session = Session;

    async fn on_credential(&mut self, credential: Credential) -> Step<Session> {
        self.authenticate(credential, None).await
    }

    async fn on_text(&mut self, text: &str) -> Step<Session> {
        match ClientFrame::<PresenceCommand>::parse(text) {
            Ok(ClientFrame { command: PresenceCommand::Authenticate(it), request_id }) => {
                return self.authenticate(Credential::Token(it.token), request_id.as_deref()).await;
            }
            Ok(frame) => {
                let error = DomainError::Unauthorized("send AUTHENTICATE first");
                push(&self.outbound, &error_frame(&error), frame.request_id.as_deref());
            }
            Err(bad) => misunderstood(&self.outbound, bad),
        }
        Step::Again
    }

    fn on_binary(&mut self) {
        push(&self.outbound, &no_binary(), None);
    }
}

impl socket::Session for Session {
    async fn on_text(&mut self, text: &str) -> Flow {
        let frame = match ClientFrame::<PresenceCommand>::parse(text) {
            Ok(frame) => frame,
            Err(bad) => {
                misunderstood(&self.outbound, bad);
                return Flow::Bad;
            }
        };
        let request_id = frame.request_id.as_deref();
        // Boxed: idle connections are the many, and a command needs far more room than waiting for one.
        if let Err(e) = Box::pin(self.on_command(frame.command, request_id)).await {
            self.reply(&error_frame(&e), request_id);
        }
        Flow::Continue
    }

    fn under_way(&mut self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            let Self { outbound, expiry, .. } = self;
            expiry.poll(cx, outbound, |frame| push(outbound, frame, None))
        })
    }

    async fn on_binary(&mut self, _: Bytes) -> Flow {
        self.reply(&no_binary(), None);
        Flow::Bad
    }

    fn on_drain(&mut self) {
        self.reply(&self.hub.drain().reconnect(), None);
    }

    async fn on_end(&mut self) {
        Box::pin(self.presence.end()).await;
    }
}

impl Session {
    async fn on_command(&mut self, command: PresenceCommand, request_id: Option<&str>) -> Result<()> {
        match command {
            PresenceCommand::Ping => self.reply(&ServerFrame::Pong { server_time: Timestamp::now() }, request_id),
            PresenceCommand::Authenticate(input) => {
                let login = self.domain.identity.renew(&self.viewer, &input.token).await?;
                let status = self.domain.presence.own(self.viewer.user).await?.status;
                self.reply(&auth_success(&self.domain, &self.viewer, status), request_id);
                self.expiry = Expiry::of(login);
            }
            PresenceCommand::SetStatus(input) => {
                self.domain.presence.choose(&self.viewer, &input).await?;
                self.reply(&status_set(&input), request_id);
            }
            PresenceCommand::Focus(input) => {
                self.domain.presence.focus(&self.viewer, self.connection, input.focused).await?;
                self.reply(&ServerFrame::FocusSet { focused: input.focused }, request_id);
            }
            PresenceCommand::Subscribe(input) => self.subscribe(input.user_ids, request_id).await?,
            PresenceCommand::Unsubscribe(input) => {
                self.watching.borrow_mut().retain(|user| !input.user_ids.contains(user));
                self.hub.unwatch(self.connection, input.user_ids.iter().copied());
                self.reply(&ServerFrame::Unsubscribed { user_ids: input.user_ids }, request_id);
            }
        }
        Ok(())
    }

    /// They are followed from before the snapshot is read, so that no change falls between; also those who may not be
    /// watched, as that can change.
    async fn subscribe(&mut self, users: Option<Vec<UserId>>, request_id: Option<&str>) -> Result<()> {
        let users = self.domain.presence.watched(&self.viewer, users).await?;
        let fresh = self.want(&users)?;
        let connection = self.connection;
        if let Err(e) = self.hub.hold(connection, self.viewer.user, &self.outbound, &users).await {
            self.watching.borrow_mut().retain(|user| !fresh.contains(user));
            return Err(e);
        }
        match self.domain.presence.see(self.viewer.user, &users).await {
            Ok(seen) => {
                let users = seen.iter().map(|seen| seen.presence.clone()).collect();
                self.reply(&ServerFrame::PresenceSnapshot { users }, request_id);
                self.hub.release(connection, seen);
                Ok(())
            }
            Err(e) => {
                let unknown = self.hub.abandon(connection, &users);
                self.watching.borrow_mut().retain(|user| !unknown.contains(user));
                self.hub.unwatch(connection, unknown);
                Err(e)
            }
        }
    }

    /// Adds to whom the connection watches. Gives those whom it did not.
    fn want(&self, users: &[UserId]) -> Result<HashSet<UserId>> {
        let mut watching = self.watching.borrow_mut();
        let fresh: HashSet<UserId> = users.iter().copied().filter(|user| !watching.contains(user)).collect();
        let most = self.domain.settings.presence.max_watched;
        if watching.len() + fresh.len() > most {
            return Err(DomainError::invalid("userIds", format!("one connection may watch {most} users")));
        }
        watching.extend(&fresh);
        Ok(fresh)
    }

    fn reply(&self, frame: &ServerFrame, request_id: Option<&str>) {
        push(&self.outbound, frame, request_id);
    }
}

fn auth_success(domain: &Domain, viewer: &Viewer, status: Status) -> ServerFrame {
    ServerFrame::AuthSuccess {
        user_id: viewer.user,
        username: viewer.username.clone(),
        status,
        session_id: viewer.session().ok(),
        heartbeat_ms: domain.settings.limits.heartbeat_seconds * 1000,
        resuming: false,
    }
}

fn status_set(input: &SetStatus) -> ServerFrame {
    let status = match input.status {
        OwnStatus::Online => "online",
        OwnStatus::Away => "away",
        OwnStatus::Busy => "busy",
        OwnStatus::Invisible => "invisible",
    };
    ServerFrame::StatusSet { status: status.into(), text: input.text.clone() }
}

fn push(outbound: &Outbound, frame: &ServerFrame, request_id: Option<&str>) {
    outbound.push(text_frame(encode_frame(frame, request_id)));
}

fn misunderstood(outbound: &Outbound, bad: BadFrame) {
    let request_id = bad.request_id.clone();
    push(outbound, &bad_frame(bad), request_id.as_deref());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_to_set_status_names_what_was_chosen_not_what_others_see() {
        let input = SetStatus { status: OwnStatus::Invisible, text: None };
        let text = encode_frame(&status_set(&input), Some("1"));
        assert_eq!(text, r#"{"type":"STATUS_SET","payload":{"status":"invisible"},"requestId":"1"}"#);
    }
}
