//! Uploads that no message has yet, in the tag of their user, and files that nothing has any more, in the tag of some
//! shard. What spans the two is done in such an order that a file is named in one of them at any time.

use async_trait::async_trait;
use redis::{Cmd, cmd};
use shared::{AttachmentId, RoomId, Timestamp, UserId};

use super::{
    Engine,
    codec::{from_json, json, parse},
    connection::corrupt,
    intents::count,
    keys::{SHARDS, UPLOAD_SHARDS},
    scripts::{self, Call},
};
use crate::{
    AttachmentRecord, Attachments, Orphan, Result, StoreError, UploadClaim, UploadQuota,
    attachments::{CLAIM_KEPT, SWEPT_AFTER},
};

/// Orphans asked of one shard at once.
const ORPHANS_A_SHARD: usize = 32;

/// When the time of a dropped upload came.
const DROPPED: Timestamp = Timestamp::from_millis(0);

/// An upload that is due.
struct Due {
    index: String,
    user: UserId,
    id: AttachmentId,
    /// How it stands in the index.
    entry: String,
}

impl Engine {
    fn upload_index(&self, id: AttachmentId) -> String {
        self.keys.uploads_due(id.as_bytes()[15] % UPLOAD_SHARDS)
    }

    fn index_upload(&self, user: UserId, id: AttachmentId, until: Timestamp) -> Cmd {
        let key = self.upload_index(id);
        cmd("ZADD").arg(key).arg(until.as_millis()).arg(entry(user, id)).to_owned()
    }

    fn forget_index(&self, user: UserId, id: AttachmentId) -> Cmd {
        cmd("ZREM").arg(self.upload_index(id)).arg(entry(user, id)).to_owned()
    }

    /// The file goes with the next cleaning. Any shard will do.
    async fn orphan(&self, id: AttachmentId) -> Result<()> {
        let add = cmd("SADD").arg(self.keys.orphans(u16::from(id.as_bytes()[15]))).arg(id.to_string()).to_owned();
        self.connections.ask::<i64>("name an orphan", &add).await.map(drop)
    }

    async fn due_uploads(&self, at: Timestamp, limit: usize) -> Result<Vec<Due>> {
        let ranges = (0..UPLOAD_SHARDS).map(|shard| {
            let mut range = cmd("ZRANGE");
            range.arg(self.keys.uploads_due(shard)).arg("-inf").arg(at.as_millis());
            range.arg("BYSCORE").arg("LIMIT").arg(0).arg(limit.div_ceil(usize::from(UPLOAD_SHARDS))).to_owned()
        });
        let found: Vec<Vec<String>> = self.connections.ask_all("find old uploads", ranges.collect()).await?;
        let mut due = Vec::new();
        for (shard, entries) in (0..UPLOAD_SHARDS).zip(found) {
            for entry in entries {
                let (user, id) = entry.split_once(' ').ok_or_else(|| corrupt("an upload's entry"))?;
                let (user, id) = (parse(user, "a user")?, parse(id, "an upload")?);
                due.push(Due { index: self.keys.uploads_due(shard), user, id, entry });
            }
        }
        Ok(due)
    }

    /// Each step can be done again by whoever comes after one that died. What was decided stands: from its time on
    /// nobody claims an upload.
    async fn settle_upload(&self, due: &Due, at: Timestamp) -> Result<()> {
        let hashes = [self.keys.uploads(due.user), self.keys.claimed_uploads(due.user)];
        let id = due.id.to_string();
        let reads = hashes.iter().map(|key| cmd("HGET").arg(key).arg(&id).to_owned()).collect();
        let rows: Vec<Option<String>> = self.connections.ask_all("read an upload", reads).await?;
        for (key, row) in hashes.iter().zip(rows) {
            let Some(row) = row else { continue };
            let first = row.lines().next().unwrap_or_default();
            let until = time(first)?;
            if until > at {
                let later = self.index_upload(due.user, due.id, until);
                return self.connections.ask::<i64>("look after an upload later", &later).await.map(drop);
            }
            let room = match first.split(' ').collect::<Vec<_>>()[..] {
                [_until, room, _attempt] => Some(parse(room, "a room")?),
                _ => None,
            };
            if !self.has_file(room, due.id).await? {
                self.orphan(due.id).await?;
            }
            let forget = cmd("HDEL").arg(key).arg(&id).to_owned();
            self.connections.ask::<i64>("forget an upload", &forget).await?;
        }
        let forget = cmd("ZREM").arg(&due.index).arg(&due.entry).to_owned();
        self.connections.ask::<i64>("forget an upload", &forget).await.map(drop)
    }

    async fn has_file(&self, room: Option<RoomId>, id: AttachmentId) -> Result<bool> {
        let Some(room) = room else { return Ok(false) };
        let look = cmd("SISMEMBER").arg(self.keys.files(room)).arg(id.to_string()).to_owned();
        self.connections.ask("look for a file", &look).await
    }

    fn of_claim(&self, script: &'static std::sync::LazyLock<redis::Script>, user: UserId, claim: &UploadClaim) -> Call {
        Call::new(script)
            .keys([self.keys.uploads(user), self.keys.claimed_uploads(user)])
            .arg(claim.room.to_string())
            .arg(&claim.attempt)
    }
}

/// The time an upload's row begins with.
fn time(row: &str) -> Result<Timestamp> {
    let until = row.split(' ').next().unwrap_or_default();
    Ok(Timestamp::from_millis(parse(until, "a time")?))
}

fn entry(user: UserId, id: AttachmentId) -> String {
    format!("{user} {id}")
}

fn texts(ids: &[AttachmentId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[async_trait]
impl Attachments for Engine {
    async fn put_upload(
        &self,
        user: UserId,
        upload: &AttachmentRecord,
        until: Timestamp,
        quota: UploadQuota,
    ) -> Result<()> {
        // The index first: an entry without an upload is nothing, an upload without one would stay for ever.
        self.connections.ask::<i64>("index an upload", &self.index_upload(user, upload.id, until)).await?;
        let put = Call::new(&scripts::PUT_UPLOAD)
            .key(self.keys.uploads(user))
            .arg(upload.id.to_string())
            .arg(format!("{} {}\n{}", until.as_millis(), upload.size, json(upload)?))
            .arg(upload.size)
            .arg(quota.uploads)
            .arg(quota.bytes);
        if self.connections.run("record an upload", put).await? {
            return Ok(());
        }
        self.connections.ask::<i64>("forget an upload", &self.forget_index(user, upload.id)).await?;
        Err(StoreError::TooManyUploads)
    }

    async fn upload(&self, user: UserId, id: AttachmentId, now: Timestamp) -> Result<Option<AttachmentRecord>> {
        let read = cmd("HGET").arg(self.keys.uploads(user)).arg(id.to_string()).to_owned();
        let row: Option<String> = self.connections.ask("read an upload", &read).await?;
        let Some(row) = row else { return Ok(None) };
        let (first, file) = row.split_once('\n').ok_or_else(|| corrupt("an upload"))?;
        match time(first)? > now {
            true => from_json(file).map(Some),
            false => Ok(None),
        }
    }

    async fn claim_uploads(
        &self,
        user: UserId,
        ids: &[AttachmentId],
        claim: &UploadClaim,
        now: Timestamp,
    ) -> Result<Vec<AttachmentRecord>> {
        let call = self
            .of_claim(&scripts::CLAIM_UPLOADS, user, claim)
            .arg(now.as_millis())
            .arg(now.after(CLAIM_KEPT).as_millis())
            .arg(texts(ids));
        let answer: Vec<String> = self.connections.run("claim uploads", call).await?;
        match answer.split_first() {
            Some((ok, files)) if ok == "OK" => files.iter().map(|file| from_json(file)).collect(),
            Some((no, _)) if no == "NO_UPLOAD" => Err(StoreError::UploadNotFound),
            _ => Err(corrupt("an answer")),
        }
    }

    async fn release_uploads(&self, user: UserId, ids: &[AttachmentId], claim: &UploadClaim) -> Result<()> {
        let call = self.of_claim(&scripts::RELEASE_UPLOADS, user, claim).arg(texts(ids));
        self.connections.run::<String>("release uploads", call).await.map(drop)
    }

    async fn drop_uploads(&self, user: UserId, only: Option<AttachmentId>) -> Result<()> {
        let only: Vec<AttachmentId> = only.into_iter().collect();
        let call = Call::new(&scripts::DROP_UPLOADS).key(self.keys.uploads(user)).arg(texts(&only));
        let dropped: Vec<String> = self.connections.run("drop uploads", call).await?;
        let ids = dropped.iter().map(|id| parse(id, "an upload")).collect::<Result<Vec<AttachmentId>>>()?;
        let due = ids.iter().map(|id| self.index_upload(user, *id, DROPPED)).collect();
        self.connections.ask_all::<i64>("look after uploads now", due).await.map(drop)
    }

    async fn sweep_uploads(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let at = now.before(SWEPT_AFTER);
        let due = self.due_uploads(at, limit).await?;
        for upload in &due {
            self.settle_upload(upload, at).await?;
        }
        Ok(due.len())
    }

    async fn orphans(&self, limit: usize) -> Result<Vec<Orphan>> {
        // From anywhere, so that no shard is always last.
        let first = rand::random::<u16>() % SHARDS;
        let shards: Vec<u16> = (0..SHARDS).map(|i| (first + i) % SHARDS).collect();
        let look = |shard: &u16| {
            cmd("SRANDMEMBER").arg(self.keys.orphans(*shard)).arg(count(limit).min(ORPHANS_A_SHARD)).to_owned()
        };
        let found: Vec<Vec<String>> =
            self.connections.ask_all("look for orphans", shards.iter().map(look).collect()).await?;
        let all = shards.iter().zip(&found).flat_map(|(shard, ids)| ids.iter().map(|id| (*shard, id)));
        all.take(limit).map(|(shard, id)| Ok(Orphan { id: parse(id, "an orphan")?, shard })).collect()
    }

    async fn forget_orphans(&self, orphans: &[Orphan]) -> Result<()> {
        let removals = orphans
            .iter()
            .map(|orphan| cmd("SREM").arg(self.keys.orphans(orphan.shard)).arg(orphan.id.to_string()).to_owned());
        self.connections.ask_all::<i64>("forget orphans", removals.collect()).await.map(drop)
    }
}
