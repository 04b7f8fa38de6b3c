//! Attachments and avatars: where they are, and what is taken.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{FilesUrl, hidden_one};

/// Files and avatars; api-server keeps them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attachments {
    /// May files and avatars be uploaded? What is there is served all the same.
    pub enabled: bool,
    /// Default: [`Settings::files_url`](super::Settings::files_url).
    pub url: Option<FilesUrl>,
    /// Where another S3 than Amazon's is.
    pub s3_endpoint: Option<String>,
    pub s3_region: Option<String>,
    /// Both or none; default: as AWS' own tools find them.
    pub s3_access_key_id: Option<String>,
    #[serde(serialize_with = "hidden_one")]
    pub s3_secret_access_key: Option<SecretString>,
    /// Of a file, as it is sent and as it is kept.
    pub max_bytes: usize,
    /// Of an image.
    pub max_pixels: u64,
    /// Images decoded at the same time, in one process.
    pub image_threads: usize,
    pub max_per_message: usize,
    /// An upload that no message has is removed after so long.
    pub unclaimed_hours: u64,
    /// Bytes of a user's uploads that no message has.
    pub unclaimed_bytes: u64,
}

impl Default for Attachments {
    fn default() -> Self {
        Self {
            enabled: true,
            url: None,
            s3_endpoint: None,
            s3_region: None,
            s3_access_key_id: None,
            s3_secret_access_key: None,
            max_bytes: 10 << 20,
            max_pixels: 40_000_000,
            image_threads: 1,
            max_per_message: 10,
            unclaimed_hours: 24,
            unclaimed_bytes: 100 << 20,
        }
    }
}

impl Attachments {
    /// The rules a type cannot say; else the key below `attachments`, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if !(1024..=1 << 30).contains(&self.max_bytes) {
            return Err(("max_bytes", "must be 1024 to 1073741824"));
        }
        if self.max_per_message > 100 {
            return Err(("max_per_message", "must be at most 100"));
        }
        if self.unclaimed_bytes < self.max_bytes as u64 {
            return Err(("unclaimed_bytes", "must be at least attachments.max_bytes"));
        }
        if self.s3_access_key_id.is_some() != self.s3_secret_access_key.is_some() {
            return Err(("s3_secret_access_key", "goes with attachments.s3_access_key_id"));
        }
        Ok(())
    }
}
