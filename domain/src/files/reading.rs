//! Reading files: who may see a message may have its attachments.

use std::ops::Range;

use shared::{AttachmentId, MessageId, Timestamp};
use store::AttachmentRecord;

use super::{Files, Reading, file_name, thumbnail_name};
use crate::{DomainError, Result, Viewer};

const GONE: DomainError = DomainError::NotFound("there is no such attachment");

/// A file that the viewer may have.
pub struct Found {
    pub name: String,
    pub mime: String,
    /// A browser may show it: it was made by us.
    pub inline: bool,
    /// Names its content, which never changes.
    pub tag: String,
    /// Bytes, where it is known before it is read.
    pub size: Option<u64>,
    object: String,
}

impl Files {
    /// An attachment of a message that the viewer may see, or its thumbnail. Nobody else's, and none of a deleted
    /// message.
    pub async fn of_message(
        &self,
        viewer: &Viewer,
        message: MessageId,
        id: AttachmentId,
        thumbnail: bool,
    ) -> Result<Found> {
        let (message, _) = self.messages.visible(viewer, message).await?;
        let record = message.attachments.into_iter().find(|record| record.id == id).ok_or(GONE)?;
        found(record, thumbnail)
    }

    /// An upload of the viewer's that no message has, or its thumbnail.
    pub async fn own_upload(&self, viewer: &Viewer, id: AttachmentId, thumbnail: bool) -> Result<Found> {
        let record = self.store.attachments.upload(viewer.user, id, Timestamp::now()).await?;
        found(record.ok_or(GONE)?, thumbnail)
    }

    /// Reads it, or this part of it.
    pub async fn read(&self, found: &Found, range: Option<Range<u64>>) -> Result<Reading> {
        match self.objects.get(&found.object, range).await? {
            Some(reading) => Ok(reading),
            None => {
                tracing::warn!(object = found.object, "a file is missing where attachments.url says");
                Err(GONE)
            }
        }
    }
}

fn found(record: AttachmentRecord, thumbnail: bool) -> Result<Found> {
    let inline = record.pixels.is_some();
    if thumbnail && !inline {
        return Err(DomainError::NotFound("only images have a thumbnail"));
    }
    Ok(Found {
        name: record.name,
        mime: record.mime,
        inline,
        tag: format!("{}{}", record.id, if thumbnail { "-t" } else { "" }),
        size: (!thumbnail).then_some(record.size),
        object: if thumbnail { thumbnail_name(record.id) } else { file_name(record.id) },
    })
}
