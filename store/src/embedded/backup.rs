//! Copies of the whole store: taken while it is used, put back where there is none.
//!
//! A backup is a directory with a database of its own (`db`) and what must be found in it (`backup.json`).

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write as _,
    ops::ControlFlow,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail, ensure};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::Timestamp;

use super::{
    Embedded,
    keys::{self, Key, Space},
    kv::{Kv, Order, Read, Snapshot},
    open,
};
use crate::{BackedUp, Backups, Result};

/// Bytes that are written together.
const BATCH: usize = 1 << 20;
const MANIFEST: &str = "backup.json";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    format: u32,
    taken_at: Timestamp,
    #[serde(flatten)]
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    pairs: u64,
    bytes: u64,
    /// Of all pairs in their order, in hex.
    sha256: String,
}

#[async_trait]
impl Backups for Embedded {
    async fn back_up(&self, into: Option<&Path>) -> Result<BackedUp> {
        let into = into.ok_or_else(|| anyhow!("an embedded store is backed up into a directory"))?.to_owned();
        let content = {
            let into = into.clone();
            let what = format!("back up into {}", into.display());
            self.read(move |snapshot| Ok(take(snapshot, &into).context(what)?)).await?
        };
        Ok(BackedUp::Directory { path: into, pairs: content.pairs, bytes: content.bytes })
    }
}

/// Puts a backup into `dir`, which must be empty or not there, and checks that all of it arrived. The backup is only read.
pub async fn restore(backup: &Path, dir: &Path) -> Result<BackedUp> {
    let (backup, dir) = (backup.to_owned(), dir.to_owned());
    let mut held = fs::read_dir(&dir).into_iter().flatten().filter_map(std::result::Result::ok);
    if held.any(|entry| entry.file_name() != open::LOCK) {
        return Err(anyhow!("{} is not empty: restore into a new directory", dir.display()).into());
    }
    let lock = open::make_and_lock(&dir).await?;
    let restored = tokio::task::spawn_blocking(move || {
        let content = put_back(&backup, &dir);
        if content.is_err() {
            // What was half restored is no store.
            let _ = fs::remove_dir_all(dir.join("db.new"));
        }
        drop(lock);
        content.map(|content| BackedUp::Directory { path: dir, pairs: content.pairs, bytes: content.bytes })
    });
    match restored.await {
        Ok(restored) => Ok(restored.context("restore the backup")?),
        // fjall panics on some kinds of damage.
        Err(panic) => Err(anyhow::Error::new(panic).context("the backup is damaged beyond what can be read").into()),
    }
}

fn take(snapshot: &Snapshot, into: &Path) -> anyhow::Result<Content> {
    ensure!(!into.try_exists()?, "it is there already");
    // Without a slash at its end: what is made first stands beside it.
    let into = into.components().as_path();
    let mut partial = into.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    ensure!(!partial.try_exists()?, "{} is there: remove what an earlier backup left", partial.display());
    DirBuilder::new().mode(0o700).create(&partial).context("make the directory")?;
    let taken = copy_into(snapshot, &partial).and_then(|content| {
        write_manifest(&partial, &content)?;
        fs::rename(&partial, into)?;
        sync_dir(into.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?;
        Ok(content)
    });
    if taken.is_err() {
        // The first error is the news.
        let _ = fs::remove_dir_all(&partial);
    }
    taken
}

fn copy_into(snapshot: &Snapshot, partial: &Path) -> anyhow::Result<Content> {
    let kv = Kv::open(&partial.join("db"))?;
    let (mut batch, mut size) = (Vec::new(), 0);
    let content = visit(snapshot, |space, key, value| {
        size += key.len() + value.len();
        batch.push((Key { space, bytes: key.to_vec() }, Some(value.to_vec())));
        if size >= BATCH {
            size = 0;
            kv.load(std::mem::take(&mut batch).into_iter())?;
        }
        Ok(())
    })?;
    kv.load(batch.into_iter())?;
    kv.sync()?;
    Ok(content)
}

/// All pairs in their order; gives what they are together.
fn visit(snapshot: &Snapshot, mut each: impl FnMut(Space, &[u8], &[u8]) -> Result<()>) -> Result<Content> {
    let (mut pairs, mut bytes, mut digest) = (0, 0, Sha256::new());
    for (number, space) in [(0, Space::State), (1, Space::Log)] {
        snapshot.scan(&keys::everything(space), Order::Ascending, &mut |key, value| {
            pairs += 1;
            bytes += (key.len() + value.len()) as u64;
            digest.update([number]);
            for part in [key, value] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
            each(space, key, value)?;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Content { pairs, bytes, sha256 })
}

fn write_manifest(partial: &Path, content: &Content) -> anyhow::Result<()> {
    let manifest = Manifest { format: open::FORMAT, taken_at: Timestamp::now(), content: content.clone() };
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(partial.join(MANIFEST))?;
    file.write_all(&serde_json::to_vec_pretty(&manifest)?)?;
    file.sync_all()?;
    sync_dir(partial)
}

fn put_back(backup: &Path, dir: &Path) -> anyhow::Result<Content> {
    let text = fs::read(backup.join(MANIFEST)).with_context(|| format!("{} is no backup", backup.display()))?;
    let manifest: Manifest = serde_json::from_slice(&text).context("read what the backup holds")?;
    ensure!(
        manifest.format == open::FORMAT,
        "it is of format {}; this version reads only {}",
        manifest.format,
        open::FORMAT
    );
    let fresh = dir.join("db.new");
    copy_files(&backup.join("db"), &fresh).context("copy the database")?;
    let kv = Kv::open(&fresh)?;
    let found = visit(&kv.snapshot(), |_, _, _| Ok(()))?;
    if found != manifest.content {
        bail!("it does not hold what it held when it was taken ({} pairs of {})", found.pairs, manifest.content.pairs);
    }
    kv.sync()?;
    drop(kv);
    fs::rename(&fresh, dir.join("db"))?;
    sync_dir(dir)?;
    Ok(found)
}

fn copy_files(from: &Path, to: &Path) -> anyhow::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
            File::open(&to)?.sync_all()?;
        }
    }
    sync_dir(to)
}

fn sync_dir(dir: &Path) -> anyhow::Result<()> {
    Ok(File::open(dir)?.sync_all()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A store with something in it, in `dir/data`.
    async fn filled(dir: &Path) -> std::sync::Arc<Embedded> {
        let store = Embedded::open(&dir.join("data")).await.unwrap();
        for n in 0..50_u64 {
            let value = vec![n as u8; 40_000];
            store.write(move |tx| tx.put(keys::message(shared::RoomId::new(), n), value)).await.unwrap();
        }
        store
    }

    fn all(kv: &Kv) -> Content {
        visit(&kv.snapshot(), |_, _, _| Ok(())).unwrap()
    }

    #[tokio::test]
    async fn a_backup_taken_while_the_store_is_used_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path()).await;
        let before = all(&store.kv.lock().clone().unwrap());
        let (backup, back) = (dir.path().join("backup"), dir.path().join("back"));
        let taken = store.back_up(Some(&backup)).await.unwrap();
        let expected = BackedUp::Directory { path: backup.clone(), pairs: before.pairs, bytes: before.bytes };
        assert_eq!(taken, expected);
        store.write(|tx| tx.put(keys::user_count(), vec![0; 8])).await.unwrap();
        assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o700);
        restore(&backup, &back).await.unwrap();
        let restored = Embedded::open(&back).await.unwrap();
        assert_eq!(all(&restored.kv.lock().clone().unwrap()), before);
    }

    #[tokio::test]
    async fn nothing_is_overwritten_and_nothing_is_left_of_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(dir.path()).await;
        let backup = dir.path().join("backup");
        store.back_up(Some(&backup)).await.unwrap();
        let error = store.back_up(Some(&backup)).await.unwrap_err();
        assert!(format!("{error:?}").contains("there already"), "{error:?}");
        assert!(store.back_up(Some(&dir.path().join("none/backup"))).await.is_err());
        assert!(store.back_up(None).await.is_err());
        let error = restore(&backup, &dir.path().join("data")).await.unwrap_err();
        assert!(format!("{error:?}").contains("not empty"), "{error:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the store and its backup");
    }

    #[tokio::test]
    async fn a_backup_that_changed_is_refused_and_leaves_no_store() {
        let dir = tempfile::tempdir().unwrap();
        let (backup, back) = (dir.path().join("backup"), dir.path().join("back"));
        filled(dir.path()).await.back_up(Some(&backup)).await.unwrap();
        let manifest = fs::read_to_string(backup.join(MANIFEST)).unwrap();
        let other = Manifest { format: open::FORMAT + 1, ..serde_json::from_str(&manifest).unwrap() };
        for changed in [manifest.replace("\"sha256\": \"", "\"sha256\": \"0"), serde_json::to_string(&other).unwrap()] {
            fs::write(backup.join(MANIFEST), changed).unwrap();
            restore(&backup, &back).await.unwrap_err();
            assert!(!super::super::is_made(&back), "no store");
        }
        fs::write(backup.join(MANIFEST), manifest).unwrap();
        restore(&backup, &back).await.unwrap();
        assert!(restore(dir.path(), &dir.path().join("x")).await.is_err(), "no backup");
    }
}
