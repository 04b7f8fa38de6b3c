//! The task that keeps a connection: dials, hands it to `drive`, and decides what follows its end.

use std::sync::Arc;

use shared::protocol::ServerFrame;
use tokio::{sync::mpsc, time::Instant};
use url::Url;

use super::{
    Command, Options, Shared,
    dial::{Dialled, dial},
    drive::{Ended, drive},
};
use crate::{Backoff, Disconnect, Endpoint, Error, Event, Identity, TokenProvider, Verdict, endpoint::socket_url};

pub(crate) struct Keeper {
    endpoint: Endpoint,
    path: &'static str,
    tokens: Arc<dyn TokenProvider>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    /// Where the next attempt goes: where the last one came to, or where the server sent us. Forgotten when an attempt
    /// fails; then the endpoint is asked.
    next: Option<Url>,
    /// The address of the last attempt, for when the registry cannot be asked.
    last: Option<Url>,
    /// The token of the last attempt, and whether the server refused it.
    token: String,
    refused: bool,
    /// Fresh tokens refused since the last stable connection.
    refusals: u32,
    backoff: Backoff,
}

/// Fresh tokens that may be refused one after another before it is no use.
const MAX_REFUSALS: u32 = 2;

impl Keeper {
    pub fn new(
        endpoint: Endpoint,
        path: &'static str,
        tokens: Arc<dyn TokenProvider>,
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let Options { backoff_base, backoff_cap, .. } = shared.options;
        let backoff = Backoff::new(backoff_base, backoff_cap);
        let (next, last, token) = (None, None, String::new());
        Self { endpoint, path, tokens, shared, commands, next, last, token, refused: false, refusals: 0, backoff }
    }

    /// Makes the first connection, then goes on in a task of its own. A first failure is an error at once, except
    /// that a refused token is refreshed.
    pub async fn start(mut self) -> Result<Identity, Disconnect> {
        let dialled = loop {
            match self.attempt().await {
                Ok(dialled) => break dialled,
                Err(reason) if reason.verdict() == Verdict::Refresh => self.refuse(reason)?,
                Err(reason) => return Err(reason),
            }
        };
        let identity = dialled.identity.clone();
        self.shared.events.state(Event::Connected(identity.clone()));
        tokio::spawn(self.keep(dialled));
        Ok(identity)
    }

    /// Serves connection after connection, until one ends for good.
    async fn keep(mut self, mut dialled: Dialled) {
        let reason = loop {
            let since = Instant::now();
            let Dialled { socket, heartbeat, .. } = dialled;
            let login = (&*self.tokens, self.token.clone());
            let ended = drive(socket, heartbeat, &self.shared, login, &mut self.commands).await;
            self.token.clone_from(&ended.token);
            if since.elapsed() >= self.shared.options.stable_after {
                self.backoff.reset();
                self.refusals = 0;
            }
            dialled = match self.come_back(ended).await {
                Ok(dialled) => dialled,
                Err(reason) => break reason,
            };
            self.shared.events.state(Event::Connected(dialled.identity.clone()));
        };
        tracing::debug!(%reason, "the connection is over");
        self.finish(reason).await;
    }

    /// From the end of a connection to the next one; an error ends it for good.
    async fn come_back(&mut self, ended: Ended) -> Result<Dialled, Disconnect> {
        let Ended { mut reason, mut moved, .. } = ended;
        loop {
            let verdict = reason.verdict();
            match verdict {
                Verdict::GiveUp => return Err(reason),
                Verdict::Refresh => self.refuse(reason.clone())?,
                Verdict::Reconnect | Verdict::ReconnectAfresh => {}
            }
            self.shared.pending.lock().interrupt(verdict == Verdict::ReconnectAfresh);
            let retry_in = match moved.take() {
                Some(plan) => {
                    self.next = plan.url.as_deref().and_then(|url| self.elsewhere(url));
                    plan.at.saturating_duration_since(Instant::now())
                }
                None => self.backoff.next_delay(),
            };
            self.shared.events.state(Event::Disconnected { reason, retry_in });
            self.meanwhile(tokio::time::sleep(retry_in)).await?;
            match self.attempt().await {
                Ok(dialled) => return Ok(dialled),
                Err(failure) => reason = failure,
            }
        }
    }

    /// Notes that the server refused the token; the next attempt takes another. Too often is the end.
    fn refuse(&mut self, reason: Disconnect) -> Result<(), Disconnect> {
        self.refusals += 1;
        self.refused = true;
        if self.refusals > MAX_REFUSALS { Err(reason) } else { Ok(()) }
    }

    /// One attempt: a token, then a connection. Commands are taken in meanwhile.
    async fn attempt(&mut self) -> Result<Dialled, Disconnect> {
        let tokens = self.tokens.clone();
        let (refused, old) = (self.refused, self.token.clone());
        let fetched = async move { if refused { tokens.refresh(&old).await } else { tokens.token().await } };
        let token = match self.meanwhile(fetched).await? {
            Ok(token) => token,
            // The way to the token is broken, not the token: that passes.
            Err(error) if error.is_temporary() => return Err(Disconnect::Lost(error.to_string())),
            Err(error) => return Err(Disconnect::Token(error.to_string())),
        };
        self.refused = false;
        self.token = token.clone();
        let outcome = self.reach(token).await;
        self.next = self.last.clone().filter(|_| outcome.is_ok());
        outcome
    }

    /// Finds the address and connects to it.
    async fn reach(&mut self, token: String) -> Result<Dialled, Disconnect> {
        let timeout = self.shared.options.connect_timeout;
        let url = match self.next.take() {
            Some(url) => url,
            None => self.look_up(token.clone()).await?,
        };
        self.last = Some(url.clone());
        let hold = self.shared.restore.holds();
        self.meanwhile(async move { dial(&url, &token, hold, timeout).await }).await?
    }

    /// Asks the endpoint; where it does not answer, the address of the last attempt may work again.
    async fn look_up(&mut self, token: String) -> Result<Url, Disconnect> {
        let (endpoint, path, timeout) = (self.endpoint.clone(), self.path, self.shared.options.connect_timeout);
        match self.meanwhile(async move { endpoint.look_up(path, &token, timeout).await }).await? {
            Err(Disconnect::Lost(why)) => self.last.clone().ok_or(Disconnect::Lost(why)),
            found => found,
        }
    }

    /// Where `RECONNECT` points to. Never from TLS to plain text, which would lay the token open.
    fn elsewhere(&self, url: &str) -> Option<Url> {
        let url = socket_url(url, self.path).ok()?;
        let now = self.last.as_ref()?;
        (url.scheme() == now.scheme() || url.scheme() == "wss").then_some(url)
    }

    /// Waits for `work` while taking in commands, up to the bound of what may be pending; what is told without a reply
    /// is dropped. An error: the application closed the connection.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Disconnect> {
        tokio::pin!(work);
        loop {
            let room = self.shared.pending.lock().has_room();
            tokio::select! {
                done = &mut work => return Ok(done),
                command = self.commands.recv(), if room => match command {
                    Some(Command::Call(call)) => self.shared.pending.lock().insert(call),
                    // There is no connection to tell or to cut.
                    Some(Command::Tell(_) | Command::Cut) => {}
                    Some(Command::Close) | None => return Err(Disconnect::Finished),
                },
                never = self.shared.events.catch_up() => match never {},
            }
        }
    }

    /// Fails what is pending, tells the application, and lets go of the channels.
    async fn finish(mut self, reason: Disconnect) {
        self.shared.pending.lock().fail_all(|| Error::Closed(reason.clone()));
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            if let Command::Call(call) = command {
                // A caller that has gone needs no answer.
                let _ = call.reply.send(Err::<ServerFrame, _>(Error::Closed(reason.clone())));
            }
        }
        drop(self.commands);
        self.shared.events.state(Event::Closed(reason));
        self.shared.events.flush().await;
    }
}
