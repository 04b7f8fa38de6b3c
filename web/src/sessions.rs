//! The end of a login closes its sockets. The bus says so at once; this is for where it could not.

use std::{collections::HashSet, rc::Rc, time::Duration};

use domain::{Domain, Login, Result, outage::Outage};
use shared::UserId;
use tokio::{sync::Notify, time::timeout};

/// Logins looked at in one read.
const CHUNK: usize = 256;
/// How long to wait when the store is away, first and at most.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(4);

/// A worker's sockets, by whose login opened them.
pub trait Logins {
    /// Those of all its sockets.
    fn logins(&self) -> HashSet<(UserId, Login)>;
    /// Closes the sockets of this login.
    fn close(&self, user: UserId, login: Login);
    /// Woken when events may have been lost.
    fn lost(&self) -> &Notify;
}

/// Closes the sockets whose login has ended, again and again, and at once when events may have been lost; also those
/// whose login expired, which nobody says. Ends with the worker. One read for each [`CHUNK`] of logins.
pub async fn watch(domain: Domain, sockets: Rc<impl Logins>) {
    let every = Duration::from_secs(domain.settings.auth.sessions_seconds);
    let (mut outage, mut wait) = (Outage::new("look for logins that have ended"), FIRST_RETRY);
    loop {
        // Either way it is time.
        let _ = timeout(every, sockets.lost().notified()).await;
        while let Err(e) = close_ended(&domain, &*sockets).await {
            outage.failed(&e);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_RETRY);
        }
        outage.over();
        wait = FIRST_RETRY;
    }
}

/// All of them, also where some cannot be read: one part of the store may be away. Gives the first error.
async fn close_ended(domain: &Domain, sockets: &impl Logins) -> Result<()> {
    let logins: Vec<_> = sockets.logins().into_iter().collect();
    let mut all = Ok(());
    for chunk in logins.chunks(CHUNK) {
        match domain.identity.ended(chunk).await {
            Ok(ended) => ended.into_iter().for_each(|(user, login)| sockets.close(user, login)),
            Err(e) => all = all.and(Err(e)),
        }
    }
    all
}
