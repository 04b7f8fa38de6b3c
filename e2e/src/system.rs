//! A whole ChatApp: `chatapp` on an embedded store, or the services over Redis.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::Context;
use client::{
    Api, Chat, Events, Presence,
    api::{Session, Signup},
    shared::UserId,
};
use redis_fixture::{Append, Kind, Redis};
use tempfile::TempDir;

use crate::{Exit, Process, Signal, wait::eventually};

/// How long a service may take from listening to being ready.
const READY: Duration = Duration::from_secs(20);

/// The processes of one ChatApp, by name: `chatapp`, or `api-0`, `chat-0`, `chat-1`, `presence-0`, `notification-0`.
pub struct System {
    members: BTreeMap<String, Member>,
    /// Configuration of every process.
    environment: Vec<(String, String)>,
    // Dropped last: the processes use them.
    redis: Option<Redis>,
    directory: TempDir,
}

/// What is needed to start a process again.
struct Member {
    program: &'static str,
    services: &'static [&'static str],
    /// `None` while it is down.
    process: Option<Process>,
    /// Where its services listened when it was last up; they do so again after a restart.
    addresses: BTreeMap<String, SocketAddr>,
}

/// A user with a password, signed up.
pub struct Person {
    pub name: String,
    pub id: UserId,
    /// The API as this user.
    pub api: Api,
    pub session: Session,
}

const ALL: [&str; 4] = ["api", "chat", "presence", "notification"];

impl System {
    /// All services in one process over an embedded store.
    pub async fn embedded() -> anyhow::Result<Self> {
        Self::embedded_with(&[]).await
    }

    /// [`embedded`](Self::embedded) with settings, as `("PRESENCE__GRACE_MS", "100")`.
    pub async fn embedded_with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let url = format!("embedded:{}", directory.path().join("data").display());
        let mut system = Self::new(url, settings, None, directory);
        system.add("chatapp".into(), "chatapp", &ALL).await?;
        Ok(system)
    }

    /// Each service in a process of its own, `chat_servers` of them chat-servers, over a Redis of their own.
    pub async fn over_redis(chat_servers: usize) -> anyhow::Result<Self> {
        Self::over_redis_with(chat_servers, &[]).await
    }

    /// [`over_redis`](Self::over_redis) with settings, as `("PRESENCE__GRACE_MS", "100")`.
    pub async fn over_redis_with(chat_servers: usize, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::over(Append::EverySecond, chat_servers, settings).await
    }

    /// [`over_redis_with`](Self::over_redis_with), over a Redis that loses nothing when it is killed.
    pub async fn over_durable_redis(chat_servers: usize, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::over(Append::Always, chat_servers, settings).await
    }

    async fn over(append: Append, chat_servers: usize, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let redis = Redis::start(Kind::Node, append);
        let mut system = Self::new(redis.url(), settings, Some(redis), tempfile::tempdir()?);
        system.add("api-0".into(), "api-server", &["api"]).await?;
        for n in 0..chat_servers {
            system.add(format!("chat-{n}"), "chat-server", &["chat"]).await?;
        }
        system.add("presence-0".into(), "presence-server", &["presence"]).await?;
        system.add("notification-0".into(), "notification-server", &["notification"]).await?;
        Ok(system)
    }

    /// One notification-server more, `notification-1`.
    pub async fn another_notification_server(&mut self) -> anyhow::Result<()> {
        self.add("notification-1".into(), "notification-server", &["notification"]).await
    }

    fn new(store: String, settings: &[(&str, &str)], redis: Option<Redis>, directory: TempDir) -> Self {
        // Tests sign up many users from one address; what they wait for should come soon.
        let defaults = [
            ("STORE__URL", store.as_str()),
            ("LOG__FORMAT", "json"),
            ("HTTP__WORKERS", "2"),
            ("LIMITS__SIGNUPS_PER_MINUTE", "10000"),
            ("LIMITS__LOGINS_PER_MINUTE", "10000"),
            ("NOTIFICATION__DELAY_MS", "200"),
            ("PRESENCE__GRACE_MS", "300"),
        ];
        // The last one of a name counts.
        let environment = defaults.iter().chain(settings).map(|(key, value)| variable(key, value)).collect();
        Self { members: BTreeMap::new(), environment, redis, directory }
    }

    async fn add(
        &mut self,
        name: String,
        program: &'static str,
        services: &'static [&'static str],
    ) -> anyhow::Result<()> {
        let member = Member { program, services, process: None, addresses: BTreeMap::new() };
        self.members.insert(name.clone(), member);
        self.start(&name).await
    }

    /// Starts a process that is down, on the ports it had, and waits for its `/ready`.
    pub async fn start(&mut self, name: &str) -> anyhow::Result<()> {
        let directory = self.directory.path().to_owned();
        let mut environment = self.environment.clone();
        let member = self.member(name)?;
        anyhow::ensure!(member.process.is_none(), "{name} is up");
        for service in member.services {
            // Port 0: a free one.
            let address = member.addresses.get(*service).map_or("127.0.0.1:0".into(), ToString::to_string);
            environment.push(variable(&format!("{}__LISTEN", service.to_uppercase()), &address));
        }
        let process = Process::start(name, member.program, &environment, &directory, member.services.len()).await?;
        member.addresses = process.addresses.clone();
        let addresses = process.addresses.clone();
        member.process = Some(process);
        all_ready(name, &addresses).await
    }

    /// Waits until every process that is up is ready, as after its store was away.
    pub async fn ready(&self) -> anyhow::Result<()> {
        for (name, member) in self.members.iter().filter(|(_, member)| member.process.is_some()) {
            all_ready(name, &member.addresses).await?;
        }
        Ok(())
    }

    /// Kills a process without warning and waits until it is gone.
    pub async fn kill9(&mut self, name: &str) -> anyhow::Result<()> {
        self.stop(name, Signal::Kill).await.map(|_| ())
    }

    /// Asks a process to stop and waits until it has.
    pub async fn sigterm(&mut self, name: &str) -> anyhow::Result<Exit> {
        self.stop(name, Signal::Term).await
    }

    /// Signals a process that goes on.
    pub async fn signal(&mut self, name: &str, signal: Signal) -> anyhow::Result<()> {
        let process = self.member(name)?.process.as_mut().with_context(|| format!("{name} is down"))?;
        process.signal(signal).await
    }

    /// Signals a process and waits until it has ended.
    pub async fn stop(&mut self, name: &str, signal: Signal) -> anyhow::Result<Exit> {
        let mut process = self.member(name)?.process.take().with_context(|| format!("{name} is down"))?;
        process.signal(signal).await?;
        process.exit().await
    }

    /// Starts a process anew after it was stopped or killed.
    pub async fn restart(&mut self, name: &str) -> anyhow::Result<()> {
        self.start(name).await
    }

    fn member(&mut self, name: &str) -> anyhow::Result<&mut Member> {
        self.members.get_mut(name).with_context(|| format!("there is no {name}"))
    }

    /// As the kernel counts processes.
    pub fn process_id(&self, name: &str) -> anyhow::Result<u32> {
        let process = self.members.get(name).and_then(|member| member.process.as_ref());
        process.and_then(Process::id).with_context(|| format!("{name} is down"))
    }

    /// Where a service of a process listens.
    pub fn address(&self, name: &str, service: &str) -> anyhow::Result<SocketAddr> {
        let address = self.members.get(name).and_then(|member| member.addresses.get(service));
        address.copied().with_context(|| format!("{name} has no {service}"))
    }

    /// The first address of a service, in order of the processes' names.
    pub fn first_address(&self, service: &str) -> anyhow::Result<SocketAddr> {
        let found = self.members.values().find_map(|member| member.addresses.get(service));
        found.copied().with_context(|| format!("there is no {service}"))
    }

    /// The REST API, as nobody.
    pub fn api(&self) -> anyhow::Result<Api> {
        Ok(Api::new(&format!("http://{}", self.first_address("api")?))?)
    }

    /// The first chat-server.
    pub fn chat_url(&self) -> anyhow::Result<String> {
        Ok(format!("ws://{}", self.first_address("chat")?))
    }

    /// The chat-server of this name, as `chat-1`.
    pub fn chat_url_of(&self, name: &str) -> anyhow::Result<String> {
        Ok(format!("ws://{}", self.address(name, "chat")?))
    }

    /// The first presence-server.
    pub fn presence_url(&self) -> anyhow::Result<String> {
        Ok(format!("ws://{}", self.first_address("presence")?))
    }

    /// All chat-servers.
    pub fn chat_urls(&self) -> Vec<String> {
        let addresses = self.members.values().filter_map(|member| member.addresses.get("chat"));
        addresses.map(|address| format!("ws://{address}")).collect()
    }

    /// The directory the processes run in.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The store's server, where there is one.
    pub fn redis(&mut self) -> anyhow::Result<&mut Redis> {
        self.redis.as_mut().context("the store is embedded")
    }

    /// Signs up a user whose name begins with `name`.
    pub async fn sign_up(&self, name: &str) -> anyhow::Result<Person> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let email = format!("{name}@example.org");
        let signup = Signup { username: &name, email: &email, password: "correct horse", display_name: None };
        let api = self.api()?;
        let session = api.signup(&signup).await.context("sign up")?;
        Ok(Person { id: session.user.id, api: api.with_token(&session.token), session, name })
    }
}

impl Person {
    /// Opens a socket to a chat-server.
    pub async fn chat(&self, url: &str) -> anyhow::Result<(Chat, Events)> {
        Chat::connect(url, self.session.token.clone()).await.with_context(|| format!("{} to {url}", self.name))
    }

    /// Opens a socket to a presence-server.
    pub async fn presence(&self, url: &str) -> anyhow::Result<(Presence, Events)> {
        Presence::connect(url, self.session.token.clone()).await.with_context(|| format!("{} to {url}", self.name))
    }
}

fn variable(key: &str, value: &str) -> (String, String) {
    (format!("CHATAPP__{key}"), value.to_owned())
}

async fn all_ready(name: &str, addresses: &BTreeMap<String, SocketAddr>) -> anyhow::Result<()> {
    for (service, address) in addresses {
        let what = format!("{service} of {name} is ready");
        eventually(&what, READY, async || is_ready(*address).await.then_some(())).await?;
    }
    Ok(())
}

async fn is_ready(address: SocketAddr) -> bool {
    match reqwest::get(format!("http://{address}/ready")).await {
        Ok(answer) => answer.status().is_success(),
        Err(_) => false,
    }
}
