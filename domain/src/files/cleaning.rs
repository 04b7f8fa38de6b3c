//! Files that nothing has any more are removed; and whether files can be kept at all.

use bytes::Bytes;
use shared::{
    EventId, Timestamp,
    settings::{self, FilesUrl},
};

use super::{Files, Objects, file_name, thumbnail_name};
use crate::Result;

/// Uploads and files looked after in one step.
const STEP: usize = 100;
/// Steps of one call; the rest comes with the next.
const STEPS: usize = 20;
/// Written and removed again by whoever asks whether files can be kept.
const PROBE: &str = "probe";

impl Files {
    /// Looks after uploads that no message has, and removes files that nothing has any more, at most some thousand. Gives
    /// how many were removed. Every process that has the files may call it.
    pub async fn clean(&self) -> Result<usize> {
        let attachments = &self.store.attachments;
        for _ in 0..STEPS {
            if attachments.sweep_uploads(Timestamp::now(), STEP).await? == 0 {
                break;
            }
        }
        let mut removed = 0;
        for _ in 0..STEPS {
            let orphans = attachments.orphans(STEP).await?;
            for orphan in &orphans {
                self.objects.remove(&thumbnail_name(orphan.id)).await?;
                self.objects.remove(&file_name(orphan.id)).await?;
            }
            attachments.forget_orphans(&orphans).await?;
            removed += orphans.len();
            if orphans.len() < STEP {
                break;
            }
        }
        Ok(removed)
    }
}

/// Can files be written, read and removed there?
pub async fn check_place(place: FilesUrl, settings: &settings::Attachments) -> Result<()> {
    let objects = Objects::new(place, settings.clone());
    let name = format!("{PROBE}-{}", EventId::random());
    objects.put(&name, Bytes::from_static(PROBE.as_bytes())).await?;
    let there = objects.get(&name, None).await?.is_some();
    // Listed, as all of a user's are.
    objects.remove_all(&name).await?;
    objects.remove(&name).await?;
    match there {
        true => Ok(()),
        false => Err(anyhow::anyhow!("what was written is not there").into()),
    }
}
