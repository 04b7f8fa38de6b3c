//! How uploads become a message's: it claims them before it is stored, and the room has them from the step on that stores
//! it.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use shared::{AttachmentId, EventId, RoomId, Timestamp, UserId, protocol::MessageType};
use store::{AttachmentRecord, UploadClaim};

use super::Messages;
use crate::{DomainError, Result};

/// Attachments of a message to be, and the claim on them to take back should it not be stored.
#[derive(Default)]
pub(super) struct Claimed {
    pub(super) attachments: Vec<AttachmentRecord>,
    /// Of a message without a key. What a key has claimed stays the key's: its repeat may be under way.
    pub(super) passing: Option<UploadClaim>,
}

impl Messages {
    /// Claims uploads of the author for the message with this dedupe key. A repeat finds them again.
    pub(super) async fn claim(
        &self,
        author: UserId,
        room: RoomId,
        key: Option<&str>,
        ids: &[AttachmentId],
    ) -> Result<Claimed> {
        if ids.is_empty() {
            return Ok(Claimed::default());
        }
        if ids.len() > self.max_attachments {
            return Err(DomainError::invalid("attachments", format!("use up to {}", self.max_attachments)));
        }
        if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
            return Err(DomainError::invalid("attachments", "one is named twice"));
        }
        let attempt = match key {
            Some(key) => URL_SAFE_NO_PAD.encode(Sha256::digest(key)),
            None => EventId::random().to_string(),
        };
        let claim = UploadClaim { room, attempt };
        let attachments = self.store.attachments.claim_uploads(author, ids, &claim, Timestamp::now()).await?;
        Ok(Claimed { attachments, passing: key.is_none().then_some(claim) })
    }

    /// The message was refused and never will be stored: another may have its uploads.
    pub(super) async fn give_back(&self, author: UserId, attachments: &[AttachmentRecord], claim: &UploadClaim) {
        let ids: Vec<AttachmentId> = attachments.iter().map(|file| file.id).collect();
        if let Err(e) = self.store.attachments.release_uploads(author, &ids, claim).await {
            // They are removed when the claim's time comes.
            DomainError::from(e).log();
        }
    }
}

/// What a message is that says nothing beside its attachments.
pub(super) fn kind_with(kind: MessageType, content: &str, attachments: &[AttachmentRecord]) -> MessageType {
    if kind != MessageType::Text || attachments.is_empty() || !content.trim().is_empty() {
        return kind;
    }
    match attachments.iter().all(|file| file.pixels.is_some()) {
        true => MessageType::Image,
        false => MessageType::File,
    }
}
