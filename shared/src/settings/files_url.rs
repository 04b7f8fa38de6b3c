//! The URL that says where uploaded files are kept.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesUrl {
    /// A directory; several processes must share it.
    Directory(PathBuf),
    /// A bucket of S3 or of what speaks as it does, and what all names in it begin with; empty for nothing.
    S3 { bucket: String, prefix: String },
}

impl fmt::Display for FilesUrl {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Directory(dir) => write!(f, "file:{}", dir.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl FromStr for FilesUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(dir) = text.strip_prefix("file:").filter(|dir| !dir.is_empty()) {
            return Ok(Self::Directory(dir.strip_prefix("//").unwrap_or(dir).into()));
        }
        let (bucket, prefix) = match text.strip_prefix("s3://") {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None => ("", ""),
        };
        if bucket.is_empty() || !bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
            return Err("expected file:DIR or s3://BUCKET[/PREFIX]".into());
        }
        Ok(Self::S3 { bucket: bucket.into(), prefix: prefix.trim_matches('/').into() })
    }
}

impl<'de> Deserialize<'de> for FilesUrl {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for FilesUrl {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
