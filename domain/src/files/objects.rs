//! Where the files are: a directory, or a bucket of S3. Opened with the first use, because only some services have any.

use std::{io, ops::Range, path::Path as FilePath, sync::Arc};

use anyhow::Context;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
    prefix::PrefixStore,
};
use secrecy::ExposeSecret;
use shared::settings::{self, FilesUrl};
use tokio::sync::OnceCell;

use crate::{DomainError, Result};

/// A file being read.
pub struct Reading {
    /// Bytes of the whole file.
    pub size: u64,
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

pub struct Objects {
    place: FilesUrl,
    settings: settings::Attachments,
    opened: OnceCell<Arc<dyn ObjectStore>>,
}

impl Objects {
    pub fn new(place: FilesUrl, settings: settings::Attachments) -> Self {
        Self { place, settings, opened: OnceCell::new() }
    }

    async fn store(&self) -> Result<&Arc<dyn ObjectStore>> {
        let opened = self.opened.get_or_try_init(|| async {
            match &self.place {
                FilesUrl::Directory(dir) => {
                    let dir = dir.clone();
                    tokio::task::spawn_blocking(move || open_directory(&dir)).await.context("open the directory")?
                }
                FilesUrl::S3 { bucket, prefix } => open_bucket(bucket, prefix, &self.settings),
            }
        });
        opened.await.map_err(DomainError::Unavailable)
    }

    /// Stores a file; when it returns, the file is as durable as the place is.
    pub async fn put(&self, name: &str, file: Bytes) -> Result<()> {
        self.store().await?.put(&Path::from(name), file.into()).await.map(drop).map_err(away)
    }

    /// The file, or this part of it; `None`: there is none.
    pub async fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Reading>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.store().await?.get_opts(&Path::from(name), options).await {
            Ok(found) => {
                let size = found.meta.size;
                Ok(Some(Reading { size, body: found.into_stream().map_err(io::Error::other).boxed() }))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(away(e)),
        }
    }

    /// Removes a file; one that is not there is removed.
    pub async fn remove(&self, name: &str) -> Result<()> {
        match self.store().await?.delete(&Path::from(name)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(away(e)),
        }
    }

    /// Removes all files whose names begin with this directory's.
    pub async fn remove_all(&self, directory: &str) -> Result<()> {
        let mut listed = self.store().await?.list(Some(&Path::from(directory)));
        while let Some(found) = listed.try_next().await.map_err(away)? {
            self.remove(found.location.as_ref()).await?;
        }
        Ok(())
    }
}

fn away(e: Error) -> DomainError {
    DomainError::Unavailable(anyhow::Error::new(e).context("the files"))
}

/// The directory, made if need be, for its owner alone. What is written is on disk before it is acknowledged.
fn open_directory(dir: &FilePath) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).with_context(|| format!("make the directory {}", dir.display()))?;
    let store = LocalFileSystem::new_with_prefix(dir).with_context(|| format!("open {}", dir.display()))?;
    Ok(Arc::new(store.with_fsync(true)))
}

/// What the settings do not say is taken from the variables that all programs for S3 read, or from the machine's role.
fn open_bucket(bucket: &str, prefix: &str, settings: &settings::Attachments) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    if let Some(endpoint) = &settings.s3_endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(region) = &settings.s3_region {
        builder = builder.with_region(region);
    }
    if let (Some(id), Some(secret)) = (&settings.s3_access_key_id, &settings.s3_secret_access_key) {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose_secret());
    }
    let store = builder.build().context("attachments.url")?;
    Ok(match prefix.is_empty() {
        true => Arc::new(store),
        false => Arc::new(PrefixStore::new(store, prefix)),
    })
}
