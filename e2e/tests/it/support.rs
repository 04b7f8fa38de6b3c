//! Waiting for what a socket says.

use std::time::Duration;

use client::{
    Event, Events,
    protocol::{Message, ServerFrame},
    shared::UserId,
};
use e2e::within;

/// How long anything may take that should come at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(15);

/// The first frame that `find` makes something of; others are passed over.
pub async fn frame<T>(what: &str, events: &mut Events, find: impl Fn(&ServerFrame) -> Option<T>) -> T {
    frame_within(what, SOON, events, find).await
}

/// [`frame`] with a limit of its own.
pub async fn frame_within<T>(
    what: &str,
    limit: Duration,
    events: &mut Events,
    find: impl Fn(&ServerFrame) -> Option<T>,
) -> T {
    let search = async {
        loop {
            match events.next().await {
                Some(Event::Frame(frame)) => {
                    if let Some(found) = find(&frame) {
                        return found;
                    }
                }
                Some(_) => {}
                None => panic!("the events ended before: {what}"),
            }
        }
    };
    within(what, limit, search).await.unwrap()
}

/// The next message, which must have this content.
pub async fn message(content: &str, events: &mut Events) -> Message {
    let message = frame(content, events, |frame| match frame {
        ServerFrame::NewMessage { message, .. } => Some(message.clone()),
        _ => None,
    })
    .await;
    assert_eq!(message.content, content);
    message
}

/// The next change of this user's status.
pub async fn status_of(user: UserId, limit: Duration, events: &mut Events) -> String {
    frame_within("a presence update", limit, events, |frame| match frame {
        ServerFrame::PresenceUpdate(presence) if presence.user_id == user => {
            Some(serde_json::to_value(presence.status).unwrap().as_str().unwrap().to_owned())
        }
        _ => None,
    })
    .await
}
