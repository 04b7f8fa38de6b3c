//! E-mails about rooms: a row for the one that waits for a (user, room), and one for each that is under way.

use async_trait::async_trait;
use shared::{NotificationId, RoomId, Timestamp, UserId};

use super::{
    Embedded,
    codec::{self, Row, RowOut},
    keys,
    kv::Read,
    outbox,
    tx::Tx,
};
use crate::{Gathered, Job, Mails, Result};

/// A mail that waits.
struct Waiting {
    id: NotificationId,
    came: Gathered,
}

impl Waiting {
    fn find(read: &impl Read, user: UserId, room: RoomId) -> Result<Option<Self>> {
        let Some(row) = read.get(&keys::mail_waiting(user, room))? else { return Ok(None) };
        let mut row = Row::new(&row, "a mail");
        let id = NotificationId::from_slice(&row.take::<16>()?).ok_or_else(|| codec::corrupt("a mail"))?;
        Ok(Some(Self { id, came: Gathered { after: row.number()?, upto: row.number()? } }))
    }

    fn put(&self, tx: &mut Tx, user: UserId, room: RoomId) -> Result<()> {
        let row = RowOut::default().bytes(self.id.as_bytes()).bytes(&encode(self.came)).done();
        tx.put(keys::mail_waiting(user, room), row)
    }
}

fn encode(came: Gathered) -> Vec<u8> {
    RowOut::default().number(came.after).number(came.upto).done()
}

fn gather(tx: &mut Tx, mail: Job, room: RoomId, came: Gathered, due: Timestamp) -> Result<NotificationId> {
    let (id, user) = (mail.id, mail.user);
    if let Some(Waiting { id, came: before }) = Waiting::find(tx, user, room)? {
        let came = Gathered { after: before.after.min(came.after), upto: before.upto.max(came.upto) };
        Waiting { id, came }.put(tx, user, room)?;
        return Ok(id);
    }
    if outbox::enqueue(tx, mail, due)? {
        Waiting { id, came }.put(tx, user, room)?;
    }
    Ok(id)
}

fn seal(tx: &mut Tx, id: NotificationId, user: UserId, room: RoomId) -> Result<Option<Gathered>> {
    let sealed = keys::mail_sealed((id, user));
    if let Some(row) = tx.get(&sealed)? {
        let mut row = Row::new(&row, "a mail");
        return Ok(Some(Gathered { after: row.number()?, upto: row.number()? }));
    }
    let Some(Waiting { came, .. }) = Waiting::find(tx, user, room)?.filter(|waiting| waiting.id == id) else {
        return Ok(None);
    };
    tx.delete(keys::mail_waiting(user, room));
    tx.put(sealed, encode(came))?;
    Ok(Some(came))
}

/// A mail about a room is over: nothing waits for it any more.
pub(super) fn end(tx: &mut Tx, id: NotificationId, user: UserId, room: RoomId) -> Result<()> {
    tx.delete(keys::mail_sealed((id, user)));
    if Waiting::find(tx, user, room)?.is_some_and(|waiting| waiting.id == id) {
        tx.delete(keys::mail_waiting(user, room));
    }
    Ok(())
}

#[async_trait]
impl Mails for Embedded {
    async fn gather(&self, mail: &Job, room: RoomId, came: Gathered, due: Timestamp) -> Result<NotificationId> {
        let mail = mail.clone();
        self.write(move |tx| gather(tx, mail, room, came, due)).await
    }

    async fn seal(&self, id: NotificationId, user: UserId, room: RoomId) -> Result<Option<Gathered>> {
        self.write(move |tx| seal(tx, id, user, room)).await
    }
}
