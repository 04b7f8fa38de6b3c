//! Sending a message, once.

use std::sync::LazyLock;

use metrics::Counter;
use shared::{
    MessageId, RoomId, Timestamp, UserId,
    protocol::{Message, command::SendMessage},
};
use store::{Appended, Mentions, NewMessage, StoredMessage, UploadClaim};

use super::{
    Messages,
    attaching::{Claimed, kind_with},
};
use crate::{DomainError, Result, Viewer, rooms::actor, validate::check_key};

/// What came of sending.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub id: MessageId,
    pub rev: u64,
    pub timestamp: Timestamp,
    pub client_message_id: Option<String>,
    /// The key was known: this is the first result.
    pub duplicate: bool,
}

/// A message that was checked.
pub struct Prepared {
    message: NewMessage,
    /// It is refused, unless it turns out to be known already.
    refusal: Option<DomainError>,
    /// On its attachments, to be taken back should it not be stored.
    claim: Option<UploadClaim>,
}

impl Prepared {
    /// Is it not to be stored?
    pub fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }
}

/// Messages this process had stored.
static STORED: LazyLock<Counter> = LazyLock::new(|| metrics::counter!("chatapp_messages_total"));

impl Messages {
    /// Stores and publishes a message; when it returns, the message is as durable as the store. One operation of the
    /// store, and more where the rate's grant is used up, the text names somebody, it replies to something or is the first
    /// in a direct room. A repeat
    /// of a `clientMessageId` gives the first result, whatever else would refuse it by now.
    pub async fn send(&self, viewer: &Viewer, input: SendMessage) -> Result<Sent> {
        self.commit(self.prepare(viewer, input).await?).await
    }

    /// Does [`commit`](Self::commit) keep the order of messages whose commits are under way at once?
    pub fn keep_order(&self) -> bool {
        self.store.log.keeps_order()
    }

    /// The second half of [`send`](Self::send). Where messages [keep their order](Self::keep_order), they are stored in
    /// that in which their commits are first polled, though none waits for those before it. One that is
    /// [refused](Prepared::is_refused) may repeat one of those: it is to be committed when they are done.
    pub async fn commit(&self, prepared: Prepared) -> Result<Sent> {
        Ok(sent(self.append(prepared).await?))
    }

    /// [`send`](Self::send), answering the message as it is stored.
    pub async fn post(&self, viewer: &Viewer, input: SendMessage) -> Result<Message> {
        let (message, done) = self.append(self.prepare(viewer, input).await?).await?;
        let id = MessageId { room: message.room, seq: done.seq };
        // A new message that names nobody is as it was sent. Of others the store knows more; should it not answer now,
        // the message is stored all the same, and a failure would have it sent twice.
        let stored = match done.duplicate || !message.mentions.is_empty() {
            true => self.store.log.message(id).await.unwrap_or_else(|e| {
                DomainError::from(e).log();
                None
            }),
            false => None,
        };
        self.show_one(viewer, stored.unwrap_or_else(|| as_sent(message, done))).await
    }

    /// The first half of [`send`](Self::send): every check but those the store makes as it stores. An error is about
    /// what no message can have; what a repeat names can be claimed again for as long as it is known.
    pub async fn prepare(&self, viewer: &Viewer, input: SendMessage) -> Result<Prepared> {
        check_key("clientMessageId", input.client_message_id.as_deref())?;
        let (room, recipient) = match (input.room_id, input.recipient_id) {
            (Some(room), None) => (room, None),
            (None, Some(other)) => (RoomId::direct(viewer.user, other), Some(other)),
            _ => return Err(DomainError::invalid("roomId", "give either roomId or recipientId")),
        };
        let Claimed { attachments, passing: claim } =
            self.claim(viewer.user, room, input.client_message_id.as_deref(), &input.attachments).await?;
        let mut message = NewMessage {
            room,
            author: actor(viewer),
            kind: kind_with(input.kind, &input.content, &attachments),
            content: input.content,
            client_message_id: input.client_message_id,
            reply_to: input.reply_to,
            mentions: Mentions::default(),
            attachments,
            notify_after: self.notify_after,
        };
        let refusal = self.check(viewer, recipient, &mut message).await.err();
        Ok(Prepared { message, refusal, claim })
    }

    async fn append(&self, prepared: Prepared) -> Result<(NewMessage, Appended)> {
        let Prepared { message, refusal, claim } = prepared;
        let done = match refusal {
            None => self.store.log.append(&message).await.map_err(DomainError::from),
            Some(refusal) => Err(refusal),
        };
        let refusal = match done {
            Ok(done) => {
                if !done.duplicate {
                    STORED.increment(1);
                }
                self.note_written(message.author.id, message.room).await;
                return Ok((message, done));
            }
            Err(refusal) => self.rooms.hide(message.room, refusal).await,
        };
        let refused = self.first_result(&message, refusal).await;
        if let (Err(refusal), Some(claim)) = (&refused, &claim)
            && !is_unknown(refusal)
        {
            self.give_back(message.author.id, &message.attachments, claim).await;
        }
        Ok((message, refused?))
    }

    async fn check(&self, viewer: &Viewer, recipient: Option<UserId>, message: &mut NewMessage) -> Result<()> {
        self.check_content(&message.content, !message.attachments.is_empty())?;
        if let Some(other) = recipient {
            self.rooms.open_direct(viewer, other).await?;
        }
        if let Some(reply) = message.reply_to {
            if reply.room != message.room {
                return Err(DomainError::invalid("replyTo", "not a message of this room"));
            }
            let access = self.rooms.access(viewer.user, message.room).await?;
            self.visible_to(&access, reply).await?;
        }
        self.rates.message(viewer.user).await?;
        message.mentions = self.mentions(viewer.user, message.kind, &message.content).await?;
        Ok(())
    }

    /// What a message about to be refused came to when it was sent first; else the refusal. Only who is refused pays
    /// for the look: the store knows the key of what it takes.
    async fn first_result(&self, message: &NewMessage, refusal: DomainError) -> Result<Appended> {
        let settled = matches!(refusal, DomainError::IdempotencyConflict) || is_unknown(&refusal);
        if message.client_message_id.is_none() || settled {
            return Err(refusal);
        }
        match self.store.log.find_append(message).await {
            Ok(Some(first)) => Ok(first),
            Ok(None) | Err(store::StoreError::RoomNotFound) => Err(refusal),
            // Refusing what may have been stored would be false.
            Err(e) => Err(e.into()),
        }
    }
}

/// Was the message stored or not?
fn is_unknown(refusal: &DomainError) -> bool {
    matches!(refusal, DomainError::Unavailable(_) | DomainError::Unexpected(_))
}

fn sent((message, done): (NewMessage, Appended)) -> Sent {
    Sent {
        id: MessageId { room: message.room, seq: done.seq },
        rev: done.rev,
        timestamp: done.at,
        client_message_id: message.client_message_id,
        duplicate: done.duplicate,
    }
}

fn as_sent(message: NewMessage, done: Appended) -> StoredMessage {
    StoredMessage {
        room: message.room,
        seq: done.seq,
        author: message.author.id,
        kind: message.kind,
        content: message.content,
        at: done.at,
        client_message_id: message.client_message_id,
        reply_to: message.reply_to,
        replies: 0,
        mentions: message.mentions,
        attachments: message.attachments,
        reactions: Vec::new(),
        edited_at: None,
        deleted_at: None,
    }
}
