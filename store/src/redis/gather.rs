//! Appends that arrive together go to the node together: one write, and one read of the answers, for all of them.
//!
//! While one group is on its way the next one gathers, and groups begin at least [`PACE`] apart: a lone append goes out
//! at once, a crowd shares what a round trip costs (on both sides: system calls, wake-ups, a write of the append-only
//! file). Order is kept: appends are run as they were queued, one group ends before the next begins, and none is asked
//! again once a later one has run ([`settled`]).

use std::time::Duration;

use redis::{ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Value, aio::ConnectionManager};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    connection::{CALL, fault, is_unknown_script},
    scripts::Call,
};
use crate::{Result, StoreError};

/// Calls that may wait for the next group; beyond, callers wait to enter.
const QUEUE: usize = 4096;
/// Calls in one group: Redis serves nobody else while it runs them.
const GROUP: usize = 256;
/// From the begin of one group to the begin of the next, at least.
const PACE: Duration = Duration::from_millis(2);

/// The answer of a script: strings.
type Answer = Vec<String>;

/// The sending end, for calls of one script. Dropping it ends the task once the queue is drained.
pub(super) struct Gather {
    queue: mpsc::Sender<Asked>,
}

struct Asked {
    what: &'static str,
    call: Call,
    reply: oneshot::Sender<Result<Answer>>,
}

impl Gather {
    /// Must be called on the runtime that is to do the asking; one connection serves all groups.
    pub(super) fn start(connection: ConnectionManager) -> Self {
        let (queue, asked) = mpsc::channel(QUEUE);
        tokio::spawn(gather(asked, async move |group| serve(&connection, group).await));
        Self { queue }
    }

    /// Runs a script as part of the next group. Errors as [`Connections::run`](super::connection::Connections::run)
    /// has them: after [`Unavailable`](StoreError::Unavailable) it may have run or not.
    pub(super) async fn run(&self, what: &'static str, call: Call) -> Result<Answer> {
        let (reply, answer) = oneshot::channel();
        let asked = async {
            self.queue.send(Asked { what, call, reply }).await.map_err(|_| unanswered(what, "the store is closed"))?;
            answer.await.map_err(|_| unanswered(what, "the store is closed"))?
        };
        match tokio::time::timeout(CALL, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(unanswered(what, "no answer in time")),
        }
    }
}

fn unanswered(what: &'static str, why: &'static str) -> StoreError {
    StoreError::Unavailable(anyhow::anyhow!(why).context(what))
}

/// Serves what is queued, group by group, until nobody can queue any more.
async fn gather<T>(mut queue: mpsc::Receiver<T>, mut serve: impl AsyncFnMut(Vec<T>)) {
    let mut next = None;
    while let Some(first) = queue.recv().await {
        if let Some(next) = next {
            tokio::time::sleep_until(next).await;
        }
        next = Some(Instant::now() + PACE);
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(more) = queue.try_recv()
        {
            group.push(more);
        }
        serve(group).await;
    }
}

async fn serve(connection: &ConnectionManager, group: Vec<Asked>) {
    // Whoever has gone before it was sent is not asked for.
    let group: Vec<Asked> = group.into_iter().filter(|asked| !asked.reply.is_closed()).collect();
    let mut answers = ask(connection, &group, Script::Known).await;
    let settled = settled(&answers);
    if settled < group.len() {
        answers.truncate(settled);
        answers.extend(ask(connection, &group[settled..], Script::Sent).await);
    }
    for (asked, answer) in group.into_iter().zip(answers) {
        // A caller that went away has lost interest; the write stands.
        let _ = asked.reply.send(answer.map_err(|e| fault(e, asked.what)));
    }
}

/// Is the script sent before the calls?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Known,
    Sent,
}

/// How many calls of a group are not asked again: those after them did not run, because the server has lost its script
/// (a restart, a failover), and are asked once more behind it.
///
/// The server runs the calls of one asking in their order, but another process may load the script between two of them.
/// So a call is asked again only where nothing behind it has run: whatever runs, runs after all before it that run. One
/// that was overtaken is unavailable, which is for its caller to repeat.
fn settled(answers: &[RedisResult<Answer>]) -> usize {
    answers.iter().rposition(|answer| !lacks_script(answer)).map_or(0, |last| last + 1)
}

fn lacks_script(answer: &RedisResult<Answer>) -> bool {
    answer.as_ref().is_err_and(is_unknown_script)
}

fn missing() -> RedisError {
    RedisError::from((ErrorKind::UnexpectedReturnType, "an answer is missing"))
}

/// One pipeline; one answer for each call, whatever becomes of the others.
async fn ask(connection: &ConnectionManager, calls: &[Asked], script: Script) -> Vec<RedisResult<Answer>> {
    let Some(first) = calls.first() else { return Vec::new() };
    let mut pipeline = Pipeline::new();
    if script == Script::Sent {
        pipeline.load_script(first.call.script);
    }
    let before = pipeline.len();
    for asked in calls {
        pipeline.add_command(asked.call.command());
    }
    let count = pipeline.len();
    match connection.clone().send_packed_commands(&pipeline, 0, count).await {
        // What the loading came to, the calls tell.
        Ok(values) if values.len() == count => values.into_iter().skip(before).map(read).collect(),
        Ok(_) => calls.iter().map(|_| Err(missing())).collect(),
        Err(e) => vec![Err(e); calls.len()],
    }
}

fn read(value: Value) -> RedisResult<Answer> {
    Ok(Answer::from_redis_value(value.extract_error()?)?)
}

#[cfg(test)]
mod tests {
    use redis::ServerErrorKind;

    use super::*;

    #[test]
    fn what_lacked_its_script_is_asked_again_only_where_nothing_behind_it_has_run() {
        let ran = || Ok(vec!["OK".to_owned()]);
        let lacks = || Err(RedisError::from((ErrorKind::Server(ServerErrorKind::NoScript), "no such script")));
        let fails = || Err(RedisError::from((ErrorKind::Extension, "out of memory")));
        for (answers, expected) in [
            (vec![], 0),
            (vec![ran(), ran()], 2),
            (vec![lacks(), lacks()], 0),
            (vec![ran(), lacks(), lacks()], 1),
            (vec![lacks(), ran()], 2),
            (vec![lacks(), ran(), lacks()], 2),
            (vec![lacks(), fails(), lacks()], 2),
        ] {
            assert_eq!(settled(&answers), expected, "{answers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_call_goes_at_once_and_a_crowd_goes_together_in_order_when_the_pace_allows() {
        let (queue, asked) = mpsc::channel(QUEUE);
        let (served, mut groups) = mpsc::channel(16);
        let begin = Instant::now();
        let task = tokio::spawn(gather(asked, async move |group: Vec<u32>| {
            served.send((begin.elapsed(), group)).await.unwrap();
        }));
        queue.send(1).await.unwrap();
        assert_eq!(groups.recv().await.unwrap(), (Duration::ZERO, vec![1]), "nobody waits for company");
        for n in 2..6 {
            queue.send(n).await.unwrap();
        }
        let (at, group) = groups.recv().await.unwrap();
        assert_eq!((at >= PACE, group), (true, vec![2, 3, 4, 5]));
        tokio::time::sleep(PACE).await;
        let now = begin.elapsed();
        queue.send(6).await.unwrap();
        assert_eq!(groups.recv().await.unwrap(), (now, vec![6]));
        drop(queue);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_is_bounded_and_what_is_left_comes_next() {
        let (queue, asked) = mpsc::channel(QUEUE);
        for n in 0..GROUP + 1 {
            queue.try_send(n).unwrap();
        }
        drop(queue);
        let mut groups = Vec::new();
        gather(asked, async |group: Vec<usize>| groups.push(group)).await;
        assert_eq!(groups, [(0..GROUP).collect(), vec![GROUP]]);
    }
}
