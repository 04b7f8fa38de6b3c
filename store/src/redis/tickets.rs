//! Tickets: one hash each, which Redis itself removes. One that was taken stays for a moment: a cluster's client may send
//! the taking twice.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;
use shared::EventId;

use super::{
    Engine,
    codec::{from_json, hex, json},
    intents::millis,
    scripts::{self, Call},
};
use crate::{Result, Ticket, Tickets};

#[async_trait]
impl Tickets for Engine {
    async fn put_ticket(&self, hash: [u8; 32], ticket: &Ticket, ttl: Duration) -> Result<()> {
        let key = self.keys.ticket(&hex(&hash));
        let set = cmd("HSET").arg(&key).arg("ticket").arg(json(ticket)?).to_owned();
        let expire = cmd("PEXPIRE").arg(&key).arg(millis(ttl)).to_owned();
        self.connections.ask_atomic::<(i64, i64)>("keep a ticket", vec![set, expire]).await.map(drop)
    }

    async fn take_ticket(&self, hash: [u8; 32], attempt: EventId) -> Result<Option<Ticket>> {
        let take = Call::new(&scripts::TAKE_TICKET).key(self.keys.ticket(&hex(&hash))).arg(attempt.to_string());
        let text: Option<String> = self.connections.run("take a ticket", take).await?;
        text.as_deref().map(from_json).transpose()
    }
}
