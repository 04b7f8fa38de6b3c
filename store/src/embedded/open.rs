//! Opening a directory: the lock, the first making of the database in one step, and its format version.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow, bail};

use super::{
    keys,
    kv::{Kv, Read},
};
use crate::{Result, StoreError};

/// What this program writes. Raise it when a row or key changes its meaning.
pub(super) const FORMAT: u32 = 4;
/// Locked by the process that has the store open.
pub(super) const LOCK: &str = "lock";
/// A process that is ending may hold the lock a moment longer: tried so often, this far apart.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// fjall's own marker of a database that was made completely.
const MARKER: &str = "version";

/// See [`super::open()`].
pub(super) async fn open(dir: &Path) -> Result<Kv> {
    let dir = dir.to_owned();
    let lock = make_and_lock(&dir).await?;
    let opened = tokio::task::spawn_blocking(move || {
        let kv = open_locked(&dir).with_context(|| format!("open the store in {}", dir.display()));
        kv.map(|kv| kv.keep_locked(lock))
    });
    match opened.await {
        Ok(kv) => Ok(kv?),
        // fjall panics on some kinds of damage.
        Err(panic) => Err(anyhow::Error::new(panic).context("the store is damaged beyond what can be read").into()),
    }
}

/// Has a process the store of this directory open? Looks without making anything.
pub fn is_in_use(dir: &Path) -> io::Result<bool> {
    let file = match OpenOptions::new().write(true).open(dir.join(LOCK)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// Does the directory hold a store?
pub fn is_made(dir: &Path) -> bool {
    dir.join("db").exists()
}

/// Makes the directory if need be, and holds it until the file is dropped.
pub(super) async fn make_and_lock(dir: &Path) -> Result<File> {
    make_dir(dir).with_context(|| format!("make the directory {}", dir.display()))?;
    lock(dir).await
}

/// The directory, for its owner alone; one that is there keeps its mode.
fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// The system lets go of the lock when the process ends, however it ends.
async fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("open {}", path.display()))?;
    for _ in 1..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(e)) => {
                return Err(anyhow::Error::new(e).context(format!("lock {}", path.display())).into());
            }
        }
    }
    Err(StoreError::Unavailable(anyhow!("{} is in use by another process", dir.display())))
}

fn open_locked(dir: &Path) -> anyhow::Result<Kv> {
    let path = dir.join("db");
    if !path.try_exists()? {
        create(dir, &path).context("make the database")?;
    }
    if !path.join(MARKER).try_exists()? {
        bail!("{} is not a database of this program, or it is damaged", path.display());
    }
    let kv = Kv::open(&path)?;
    let format = kv.snapshot().get(&keys::format())?;
    let Some(format) = format.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) else {
        bail!("{} is a database of another program", path.display());
    };
    if format > FORMAT {
        bail!("it was written by a newer version (format {format}; this one reads up to {FORMAT})");
    }
    if format < FORMAT {
        bail!(
            "it was written by an older version (format {format}; this one reads only {FORMAT}): give an empty directory, \
             or run the version that wrote it"
        );
    }
    Ok(kv)
}

/// Makes the database beside its place and moves it there complete: fjall cannot open one whose making was killed.
fn create(dir: &Path, path: &PathBuf) -> anyhow::Result<()> {
    let fresh = dir.join("db.new");
    if fresh.try_exists()? {
        fs::remove_dir_all(&fresh)?;
    }
    let kv = Kv::open(&fresh)?;
    kv.commit([(keys::format(), Some(FORMAT.to_be_bytes().to_vec()))].into_iter())?;
    kv.sync()?;
    drop(kv);
    fs::rename(&fresh, path)?;
    File::open(dir)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(dir: &Path) -> String {
        open(dir).await.err().expect("it must be refused").to_string()
    }

    #[tokio::test]
    async fn a_second_opener_is_told_in_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let _first = open(dir.path()).await.unwrap();
        let error = open(dir.path()).await.err().unwrap();
        assert!(matches!(error, StoreError::Unavailable(_)));
        let text = error.to_string();
        assert!(text.ends_with("is in use by another process") && !text.contains('\n'), "{text}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_directory_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        open(&inner).await.unwrap();
        assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn another_format_is_refused_and_named() {
        for (format, whose) in [(FORMAT + 1, "a newer version (format 5;"), (FORMAT - 1, "an older version (format 3;")]
        {
            let dir = tempfile::tempdir().unwrap();
            let kv = open(dir.path()).await.unwrap();
            kv.commit([(keys::format(), Some(format.to_be_bytes().to_vec()))].into_iter()).unwrap();
            drop(kv);
            let error = open(dir.path()).await.err().unwrap();
            assert!(format!("{error:?}").contains(whose), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_foreign_directory_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("db")).unwrap();
        fs::write(dir.path().join("db/photo.jpg"), b"jpeg").unwrap();
        refusal(dir.path()).await;
        assert_eq!(fs::read(dir.path().join("db/photo.jpg")).unwrap(), b"jpeg");
        assert_eq!(fs::read_dir(dir.path().join("db")).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_damaged_database_is_an_error_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).await.unwrap());
        fs::write(dir.path().join("db").join(MARKER), b"garbage").unwrap();
        refusal(dir.path()).await;
    }

    #[tokio::test]
    async fn a_making_that_was_killed_is_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("db.new")).unwrap();
        fs::write(dir.path().join("db.new/0.jnl"), b"half").unwrap();
        open(dir.path()).await.unwrap();
    }
}
