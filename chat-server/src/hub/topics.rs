//! What this worker follows on the bus.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use store::{Subscriptions, Topic};
use tokio::sync::Mutex;

/// Begins and ends subscriptions, one call of the store at a time.
pub struct Topics {
    bus: Arc<dyn Subscriptions>,
    /// Orders them, so that the end of one interest cannot undo the begin of the next.
    changing: Mutex<()>,
    /// What is subscribed when it is its turn.
    next: RefCell<Option<Rc<Batch>>>,
}

/// Topics that are subscribed in one call.
#[derive(Default)]
struct Batch {
    topics: RefCell<Vec<Topic>>,
    done: Cell<bool>,
}

impl Topics {
    pub fn new(bus: Arc<dyn Subscriptions>) -> Self {
        Self { bus, changing: Mutex::new(()), next: RefCell::default() }
    }

    /// When it returns, every event of these published from now on arrives. What is asked for while another call is
    /// under way goes together: in a storm of connects each would wait for all before it otherwise. Cancel-safe.
    pub async fn subscribe(&self, topics: &[Topic]) -> store::Result<()> {
        let batch = self.next.borrow_mut().get_or_insert_default().clone();
        batch.topics.borrow_mut().extend_from_slice(topics);
        let _turn = self.changing.lock().await;
        if batch.done.get() {
            return Ok(());
        }
        // The first of the batch; or the one after it, where that failed or went away on the way.
        self.next.borrow_mut().take_if(|next| Rc::ptr_eq(next, &batch));
        let topics = batch.topics.borrow().clone();
        self.bus.subscribe(&topics).await?;
        batch.done.set(true);
        Ok(())
    }

    /// Ends what `stale` names when it is its turn.
    pub async fn unsubscribe(&self, stale: impl FnOnce() -> Vec<Topic>) {
        let _turn = self.changing.lock().await;
        let topics = stale();
        if let Some(next) = &*self.next.borrow() {
            // Asked for by somebody who has gone meanwhile.
            next.topics.borrow_mut().retain(|topic| !topics.contains(topic));
        }
        if !topics.is_empty() {
            self.bus.unsubscribe(&topics).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex as StdMutex};

    use async_trait::async_trait;
    use futures_util::{FutureExt, future::join_all};
    use shared::UserId;
    use tokio::sync::Semaphore;

    use super::*;

    /// Counts what each call was for, and answers when it may.
    struct SlowBus {
        calls: StdMutex<Vec<usize>>,
        fails: StdMutex<VecDeque<bool>>,
        answers: Semaphore,
    }

    #[async_trait]
    impl Subscriptions for SlowBus {
        async fn subscribe(&self, topics: &[Topic]) -> store::Result<()> {
            self.calls.lock().unwrap().push(topics.len());
            self.answers.acquire().await.unwrap().forget();
            match self.fails.lock().unwrap().pop_front() {
                Some(true) => Err(store::StoreError::Unavailable(anyhow::anyhow!("on request"))),
                _ => Ok(()),
            }
        }

        async fn unsubscribe(&self, _: &[Topic]) {}
    }

    fn slow(fails: &[bool]) -> (Arc<SlowBus>, Topics) {
        let fails = StdMutex::new(fails.iter().copied().collect());
        let bus = Arc::new(SlowBus { calls: StdMutex::default(), fails, answers: Semaphore::new(0) });
        (bus.clone(), Topics::new(bus))
    }

    fn topic() -> [Topic; 1] {
        [Topic::User(UserId::new())]
    }

    #[tokio::test]
    async fn what_is_asked_for_while_a_subscription_is_under_way_goes_together() {
        let (bus, topics) = slow(&[]);
        let one = async || topics.subscribe(&topic()).await.unwrap();
        let mut all = Box::pin(join_all((0..100).map(|_| one())));
        assert!(all.as_mut().now_or_never().is_none());
        // The first had its turn when no other had asked.
        assert_eq!(*bus.calls.lock().unwrap(), [1]);
        // More than it takes: where it takes more, that is seen and not waited for.
        bus.answers.add_permits(200);
        all.await;
        assert_eq!(*bus.calls.lock().unwrap(), [1, 99]);
    }

    #[tokio::test]
    async fn what_was_asked_for_by_somebody_who_has_gone_is_not_subscribed_with_the_next() {
        let (bus, topics) = slow(&[]);
        let (a, b, c) = (topic(), topic(), topic());
        let mut before = Box::pin(topics.subscribe(&a));
        let mut leaves = Box::pin(topics.subscribe(&b));
        assert!(before.as_mut().now_or_never().is_none() && leaves.as_mut().now_or_never().is_none());
        drop(leaves);
        let mut gone = Box::pin(topics.unsubscribe(|| b.to_vec()));
        let mut next = Box::pin(topics.subscribe(&c));
        assert!(gone.as_mut().now_or_never().is_none() && next.as_mut().now_or_never().is_none());
        bus.answers.add_permits(2);
        tokio::join!(async { before.await.unwrap() }, gone, async { next.await.unwrap() });
        assert_eq!(*bus.calls.lock().unwrap(), [1, 1], "it would never be unsubscribed");
    }

    #[tokio::test]
    async fn where_the_first_of_them_goes_away_or_fails_the_next_asks_for_all() {
        let (bus, topics) = slow(&[false, true]);
        let (a, b, c, d) = (topic(), topic(), topic(), topic());
        let mut before = Box::pin(topics.subscribe(&a));
        assert!(before.as_mut().now_or_never().is_none());
        let (mut leaves, mut fails, mut next) =
            (Box::pin(topics.subscribe(&b)), Box::pin(topics.subscribe(&c)), Box::pin(topics.subscribe(&d)));
        for waiting in [&mut leaves, &mut fails, &mut next] {
            assert!(waiting.as_mut().now_or_never().is_none());
        }
        bus.answers.add_permits(1);
        before.await.unwrap();
        assert!(leaves.as_mut().now_or_never().is_none());
        drop(leaves);
        bus.answers.add_permits(2);
        assert!(fails.await.is_err());
        next.await.unwrap();
        assert_eq!(*bus.calls.lock().unwrap(), [1, 3, 3, 3]);
    }
}
