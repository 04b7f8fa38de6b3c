//! Logins that end: their connections are closed.

use std::collections::HashSet;

use domain::Login;
use shared::UserId;
use socket::CloseCode;
use tokio::sync::Notify;
use web::sessions::Logins;

use super::{Hub, State};

impl State {
    /// Closes the connections of a login.
    pub(super) fn end_login(&self, user: UserId, login: Login) {
        let peers = self.users.get(&user).into_iter().flat_map(|entry| &entry.peers);
        peers.filter(|p| p.viewer.login == login).for_each(|peer| peer.outbound.close(CloseCode::Unauthorized));
    }
}

impl Logins for Hub {
    fn logins(&self) -> HashSet<(UserId, Login)> {
        let state = self.state.borrow();
        let peers = state.users.iter().flat_map(|(user, entry)| entry.peers.iter().map(|peer| (*user, peer)));
        peers.map(|(user, peer)| (user, peer.viewer.login)).collect()
    }

    fn close(&self, user: UserId, login: Login) {
        self.state.borrow().end_login(user, login);
    }

    fn lost(&self) -> &Notify {
        &self.lost
    }
}
