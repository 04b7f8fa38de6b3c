//! Public keys of signers. There are a handful: one for each start within a token's life.

use std::time::Duration;

use async_trait::async_trait;
use shared::{
    Timestamp,
    token::{Kid, PublicKey},
};

use super::{
    Embedded,
    codec::{self, Row, RowOut},
    keys,
    kv::{Order, Read},
};
use crate::{Result, SigningKeys};

/// When a row's key ends, and the key.
pub(super) fn decode(row: &[u8]) -> Result<(Timestamp, PublicKey)> {
    let mut row = Row::new(row, "signing key");
    Ok((row.time()?, codec::from_json(row.rest())?))
}

fn live(row: &[u8]) -> Result<Option<PublicKey>> {
    let (expires, key) = decode(row)?;
    Ok((expires > Timestamp::now()).then_some(key))
}

#[async_trait]
impl SigningKeys for Embedded {
    async fn publish_key(&self, key: &PublicKey, ttl: Duration) -> Result<()> {
        let row = RowOut::default().time(Timestamp::now().after(ttl)).bytes(&codec::to_json(key)?).done();
        let key = keys::signing_key(&key.kid);
        self.write(move |tx| tx.put(key, row)).await
    }

    async fn signing_key(&self, kid: &Kid) -> Result<Option<PublicKey>> {
        let key = keys::signing_key(kid);
        self.read_point(|read| Ok(read.get(&key)?.map(|row| live(&row)).transpose()?.flatten())).await
    }

    async fn signing_keys(&self) -> Result<Vec<PublicKey>> {
        let span = keys::signing_keys();
        let keys = self.read(move |read| read.collect(&span, Order::Ascending, usize::MAX, |_, row| live(row))).await?;
        Ok(keys.into_iter().flatten().collect())
    }
}
