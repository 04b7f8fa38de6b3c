//! What became of messages that an e-mail about their room carries, with others.

use futures_util::{StreamExt, TryStreamExt, stream};
use shared::NotificationId;
use store::{Attempt, JobState, Store};

use super::EMAIL;
use crate::Result;

/// How an [`Attempt`] stands that another notification carries, whose id is its detail.
pub const GATHERED: &str = "gathered";
const QUEUED: &str = "queued";
const WAITS: &str = "goes in one e-mail with what else comes in the room";
/// E-mails read at once.
const CONCURRENT_READS: usize = 32;

/// These states, with what an e-mail carries as it stands there. One read for each of those.
pub(crate) async fn as_carried(store: &Store, states: Vec<Option<JobState>>) -> Result<Vec<Option<JobState>>> {
    let reads = states.into_iter().map(|state| async move {
        match state {
            Some(state) => carried(store, state).await.map(Some),
            None => Ok(None),
        }
    });
    stream::iter(reads).buffered(CONCURRENT_READS).try_collect().await
}

async fn carried(store: &Store, mut state: JobState) -> Result<JobState> {
    let Some(attempt) = state.attempts.iter_mut().find(|attempt| attempt.state == GATHERED) else { return Ok(state) };
    let mail: Option<NotificationId> = attempt.detail.as_ref().and_then(|id| id.parse().ok());
    let mail = match mail {
        Some(id) => store.outbox.states_of(id, &[state.user]).await?.into_iter().flatten().next(),
        None => None,
    };
    let done = mail.as_ref().is_none_or(|mail| mail.done);
    let tried = mail.and_then(|mail| mail.attempts.into_iter().find(|attempt| attempt.channel == EMAIL));
    *attempt = tried.unwrap_or_else(|| Attempt { state: QUEUED.into(), detail: Some(WAITS.into()), ..attempt.clone() });
    Ok(JobState { done: state.done && done, ..state })
}
