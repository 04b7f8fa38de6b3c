//! The bus of one process: the [`Dispatcher`](crate::bus::Dispatcher) alone. Nothing is lost on the way, so `Lost` comes
//! only when an inbox is full.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Embedded, membership::find_head};
use crate::{Bus, BusEvent, Result, Subscriber, Subscriptions, Topic, TypingEvent, bus::Registration};

struct Following(Registration);

#[async_trait]
impl Bus for Embedded {
    fn subscriber(&self) -> Subscriber {
        let (registration, inbox) = self.dispatcher.register();
        Subscriber { inbox, subscriptions: Arc::new(Following(registration)) }
    }

    async fn publish_typing(&self, event: &TypingEvent) -> Result<()> {
        if self.read_point(|read| find_head(read, event.room)).await?.is_some_and(|row| row.blocked) {
            return Ok(());
        }
        self.dispatcher.deliver(&BusEvent::Typing(Arc::new(event.clone())));
        Ok(())
    }
}

#[async_trait]
impl Subscriptions for Following {
    async fn subscribe(&self, topics: &[Topic]) -> Result<()> {
        self.0.follow(topics);
        Ok(())
    }

    async fn unsubscribe(&self, topics: &[Topic]) {
        self.0.unfollow(topics);
    }
}
