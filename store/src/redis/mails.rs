//! E-mails about rooms: one hash beside the outbox, with a field for the mail that waits for a (user, room) and one for each
//! that is under way.

use async_trait::async_trait;
use shared::{NotificationId, RoomId, Timestamp, UserId};

use super::{
    Engine,
    codec::{json, parse},
    connection::corrupt,
    intents::millis,
    outbox::{STATES_KEPT, job_name},
    scripts::{self, Call},
};
use crate::{Gathered, Job, JobState, Mails, Result};

/// The field of the mail that waits for a (user, room).
pub(super) fn waiting(user: UserId, room: RoomId) -> String {
    format!("{user}:{room}")
}

#[async_trait]
impl Mails for Engine {
    async fn gather(&self, mail: &Job, room: RoomId, came: Gathered, due: Timestamp) -> Result<NotificationId> {
        let keys = &self.keys;
        let gather = Call::new(&scripts::GATHER_MAIL)
            .keys([keys.outbox_due(), keys.outbox_jobs(), keys.outbox_states(mail.id), keys.outbox_mails()])
            .arg(waiting(mail.user, room))
            .arg(job_name(mail.id, mail.user))
            .arg(came.after)
            .arg(came.upto)
            .arg(due.as_millis())
            .arg(mail.user.to_string())
            .arg(json(&JobState::untried(mail))?)
            .arg(json(mail)?)
            .arg(millis(STATES_KEPT));
        let name: String = self.connections.run("gather a mail", gather).await?;
        parse(name.split_once(':').map_or("", |(id, _)| id), "a mail")
    }

    async fn seal(&self, id: NotificationId, user: UserId, room: RoomId) -> Result<Option<Gathered>> {
        let seal = Call::new(&scripts::SEAL_MAIL)
            .key(self.keys.outbox_mails())
            .arg(waiting(user, room))
            .arg(job_name(id, user));
        let came: Option<String> = self.connections.run("seal a mail", seal).await?;
        let read = |came: String| {
            let (after, upto) = came.split_once(' ').ok_or_else(|| corrupt("a mail"))?;
            Ok(Gathered { after: parse(after, "a mail")?, upto: parse(upto, "a mail")? })
        };
        came.map(read).transpose()
    }
}
