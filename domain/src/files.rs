//! Files: attachments of messages, and avatars. What is known of them is in the store, they themselves are where
//! `attachments.url` says ([`objects`]).
//!
//! Reading order: [`intake`] → [`kind`] → [`picture`] → uploading (here) → [`reading`] → [`avatars`] → [`cleaning`]. How an
//! upload becomes a message's is in [`crate::messages`].

mod avatars;
mod cleaning;
mod intake;
mod kind;
mod objects;
mod picture;
mod reading;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
pub use cleaning::check_place;
pub use intake::Intake;
use kind::Kind;
pub use objects::Reading;
pub use reading::Found;
use shared::{AttachmentId, Settings, Timestamp, UserId, protocol::Attachment, settings};
use store::{AttachmentRecord, Store, UploadQuota};

use self::{intake::Budget, objects::Objects, picture::BadPicture};
use crate::{DomainError, Messages, Names, Result, Viewer, pool::Pool, rates::Rates};

/// Bytes all intakes of a process may hold, or four files' where that is more.
const INTAKES: usize = 64 << 20;
/// Images that may wait to be worked on; more are refused as overload.
const WAITING: usize = 64;
/// Uploads of a user that no message has.
const UNCLAIMED: usize = 100;

pub struct Files {
    store: Store,
    messages: Arc<Messages>,
    rates: Arc<Rates>,
    names: Arc<Names>,
    objects: Objects,
    images: Pool,
    budget: Budget,
    settings: settings::Attachments,
}

impl Files {
    pub(crate) fn new(
        store: Store,
        settings: &Settings,
        messages: Arc<Messages>,
        rates: Arc<Rates>,
        names: Arc<Names>,
    ) -> Self {
        let own = settings.attachments.clone();
        Self {
            store,
            messages,
            rates,
            names,
            objects: Objects::new(settings.files_url(), own.clone()),
            images: Pool::new("images", own.image_threads, WAITING),
            budget: Budget::new(INTAKES.max(own.max_bytes.saturating_mul(4))),
            settings: own,
        }
    }

    /// Takes in a file that the viewer is about to send.
    pub async fn begin_upload(&self, viewer: &Viewer) -> Result<Intake> {
        self.begin(viewer, self.settings.max_bytes).await
    }

    async fn begin(&self, viewer: &Viewer, most: usize) -> Result<Intake> {
        if !self.settings.enabled {
            return Err(DomainError::Forbidden("files cannot be uploaded here"));
        }
        self.rates.upload(viewer.user).await?;
        Ok(self.budget.intake(most))
    }

    /// [`Self::upload`] of what must be an image.
    pub async fn upload_image(&self, viewer: &Viewer, name: &str, intake: Intake) -> Result<Attachment> {
        if matches!(kind::sniff(intake.bytes()), Kind::Other(_)) {
            return Err(DomainError::invalid("image", "is none of PNG, JPEG, GIF and WebP"));
        }
        self.upload(viewer, name, intake).await
    }

    /// Keeps a file for a message of the viewer's to come. `name`: as the viewer calls it.
    pub async fn upload(&self, viewer: &Viewer, name: &str, intake: Intake) -> Result<Attachment> {
        let (bytes, _held) = intake.finish();
        if bytes.is_empty() {
            return Err(DomainError::invalid("file", "is empty"));
        }
        let mut record = AttachmentRecord {
            id: AttachmentId::new(),
            name: kind::clean_name(name),
            mime: String::new(),
            size: 0,
            pixels: None,
        };
        let (file, thumbnail) = match kind::sniff(&bytes) {
            Kind::Picture(format) => {
                let limits = self.picture_limits();
                let picture = self.images.run(move || picture::take_in(&bytes, format, limits)).await?;
                let picture = picture.map_err(|why| refused(why, "file", limits))?;
                record.name = kind::picture_name(&record.name, picture.mime);
                record.mime = picture.mime.into();
                record.pixels = Some(picture.pixels);
                (picture.file, Some(picture.thumbnail))
            }
            Kind::Other(mime) => {
                record.mime = mime.into();
                (Bytes::from(bytes), None)
            }
        };
        record.size = file.len() as u64;
        self.keep(viewer.user, &record, file, thumbnail).await?;
        Ok(shown(record, "/api/attachments"))
    }

    /// The record first: a file without one would stay for ever.
    async fn keep(&self, user: UserId, record: &AttachmentRecord, file: Bytes, thumbnail: Option<Bytes>) -> Result<()> {
        let until = Timestamp::now().after(Duration::from_secs(self.settings.unclaimed_hours * 3600));
        let quota = UploadQuota { uploads: UNCLAIMED, bytes: self.settings.unclaimed_bytes };
        self.store.attachments.put_upload(user, record, until, quota).await?;
        let stored = async {
            self.objects.put(&file_name(record.id), file).await?;
            match thumbnail {
                Some(thumbnail) => self.objects.put(&thumbnail_name(record.id), thumbnail).await,
                None => Ok(()),
            }
        };
        if let Err(e) = stored.await {
            // Should this fail too, it is removed when its time comes.
            self.store.attachments.drop_uploads(user, Some(record.id)).await?;
            return Err(e);
        }
        Ok(())
    }

    fn picture_limits(&self) -> picture::Limits {
        picture::Limits { pixels: self.settings.max_pixels, bytes: self.settings.max_bytes }
    }

    /// What a user uploaded and sent to nobody, and their avatar, are no more: for who deletes their account. What they
    /// sent is the rooms'.
    pub async fn forget_user(&self, user: UserId) -> Result<()> {
        self.store.attachments.drop_uploads(user, None).await?;
        self.objects.remove_all(&avatars::directory(user)).await
    }
}

fn refused(why: BadPicture, field: &str, limits: picture::Limits) -> DomainError {
    match why {
        BadPicture::Unreadable => DomainError::invalid(field, "begins like an image and cannot be read as one"),
        BadPicture::TooManyPixels => {
            DomainError::TooLarge(format!("an image may have {} pixels, of 4 bytes each", limits.pixels))
        }
        BadPicture::TooManyBytes => {
            DomainError::TooLarge(format!("an image may have {} bytes as a JPEG", limits.bytes))
        }
    }
}

/// As clients see it, under this path.
pub(crate) fn shown(record: AttachmentRecord, path: &str) -> Attachment {
    let url = format!("{path}/{}", record.id);
    Attachment {
        id: record.id,
        thumbnail_url: record.pixels.map(|_| format!("{url}/thumbnail")),
        url,
        name: record.name,
        mime: record.mime,
        size: record.size,
        width: record.pixels.map(|(width, _)| width),
        height: record.pixels.map(|(_, height)| height),
    }
}

/// Where an attachment is. Spread over directories by the end of its id, which is random.
fn file_name(id: AttachmentId) -> String {
    let text = id.to_string();
    format!("files/{}/{text}", &text[34..])
}

fn thumbnail_name(id: AttachmentId) -> String {
    format!("{}.thumbnail", file_name(id))
}
