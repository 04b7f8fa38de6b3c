//! The connections of a process to one node or to a cluster, behind one face; and which failures mean "unavailable".

use std::{future::poll_fn, pin::pin, time::Duration};

use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult, ServerErrorKind, Value,
    aio::{AsyncPushSender, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo},
    io::tcp::TcpSettings,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;

use super::scripts::Call;
use crate::{Result, StoreError};

/// How long one answer, and one connection attempt, may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a caller waits at most, reconnection and redirections included.
pub(super) const CALL: Duration = Duration::from_secs(5);
/// Longest pause between two attempts to connect.
pub(super) const MAX_PAUSE: Duration = Duration::from_millis(200);
/// Commands that may wait to be written on one connection; more make their callers wait.
const BUFFER: usize = 4096;

/// Where the store is.
pub(super) enum Address {
    Single(Box<Client>),
    Cluster(Vec<ConnectionInfo>),
}

/// The connection for commands; one more is for the bus. What several tasks ask at once goes out in one write.
pub(super) struct Connections {
    link: Picked,
    /// The runtime that opened the store. A command is polled as if there: a reconnection that it begins, and that all
    /// share, must not end with the worker that happened to ask.
    home: Handle,
}

/// The connection of the bus.
#[derive(Clone)]
pub(super) enum Line {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

fn prepare(url: &SecretString) -> RedisResult<ConnectionInfo> {
    let info = url.expose_secret().into_connection_info()?;
    let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(redis).set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

impl Address {
    pub(super) fn single(url: &SecretString) -> Result<Self> {
        let client = prepare(url).and_then(Client::open).map_err(|e| fault(e, "read the address of Redis"))?;
        Ok(Self::Single(Box::new(client)))
    }

    pub(super) fn cluster(seeds: &[SecretString]) -> Result<Self> {
        let nodes: RedisResult<_> = seeds.iter().map(prepare).collect();
        Ok(Self::Cluster(nodes.map_err(|e| fault(e, "read the addresses of the cluster"))?))
    }

    pub(super) async fn connect(&self) -> Result<Connections> {
        Ok(Connections { link: self.reconnecting(ANSWER).await?, home: Handle::current() })
    }

    /// A connection of its own, which connects again by itself, and on which one answer may take `answer`.
    pub(super) async fn reconnecting(&self, answer: Duration) -> Result<Picked> {
        let what = "connect to Redis";
        match self {
            Self::Single(client) => {
                // Few retries: commands wait for them, and the next command begins them anew.
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(2)
                    .set_min_delay(Duration::from_millis(50))
                    .set_max_delay(MAX_PAUSE)
                    .set_response_timeout(Some(answer))
                    .set_connection_timeout(Some(ANSWER))
                    .set_pipeline_buffer_size(BUFFER);
                let connecting = ConnectionManager::new_with_config(Client::clone(client), config);
                Ok(Picked::Single(within(what, connecting).await?))
            }
            Self::Cluster(seeds) => {
                let builder = builder(seeds).response_timeout(answer).overall_response_timeout(Some(answer.max(CALL)));
                let client = builder.build().map_err(|e| fault(e, what))?;
                Ok(Picked::Cluster(connect_cluster(&client).await?))
            }
        }
    }

    /// A connection of its own for subscriptions; what is pushed goes to `sender`.
    pub(super) async fn line(&self, sender: impl AsyncPushSender) -> Result<Line> {
        let what = "connect the bus to Redis";
        match self {
            Self::Single(client) => {
                let config = redis::AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(ANSWER))
                    .set_response_timeout(Some(ANSWER))
                    .set_pipeline_buffer_size(BUFFER)
                    .set_push_sender(sender);
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Line::Single(within(what, connecting).await?))
            }
            Self::Cluster(seeds) => {
                let client = builder(seeds).push_sender(sender).build().map_err(|e| fault(e, what))?;
                Ok(Line::Cluster(connect_cluster(&client).await?))
            }
        }
    }
}

fn builder(seeds: &[ConnectionInfo]) -> ClusterClientBuilder {
    ClusterClient::builder(seeds.to_vec())
        .use_protocol(ProtocolVersion::RESP3)
        .connection_timeout(ANSWER)
        .response_timeout(ANSWER)
        .overall_response_timeout(Some(CALL))
        .retries(4)
        .min_retry_wait(20)
        .max_retry_wait(200)
        .tcp_settings(TcpSettings::default().set_nodelay(true))
}

async fn connect_cluster(client: &ClusterClient) -> Result<ClusterConnection> {
    within("connect to the cluster", client.get_async_connection()).await
}

impl Connections {
    async fn within<T>(&self, what: &'static str, work: impl Future<Output = RedisResult<T>>) -> Result<T> {
        let mut work = pin!(within(what, work));
        poll_fn(|cx| {
            let _home = self.home.enter();
            work.as_mut().poll(cx)
        })
        .await
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.link, Picked::Cluster(_))
    }

    pub(super) fn line(&self) -> Picked {
        self.link.clone()
    }

    /// One command.
    pub(super) async fn ask<T: FromRedisValue>(&self, what: &'static str, command: &Cmd) -> Result<T> {
        self.within(what, async {
            match self.line() {
                Picked::Single(mut connection) => command.query_async(&mut connection).await,
                Picked::Cluster(mut connection) => command.query_async(&mut connection).await,
            }
        })
        .await
    }

    /// Commands of any slots, together: one round trip (in a cluster one for each node, at the same time).
    pub(super) async fn ask_all<T: FromRedisValue>(&self, what: &'static str, commands: Vec<Cmd>) -> Result<Vec<T>> {
        self.within(what, self.query_all(&commands)).await
    }

    async fn query_all<T: FromRedisValue>(&self, commands: &[Cmd]) -> RedisResult<Vec<T>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        match self.line() {
            Picked::Single(mut connection) => {
                let mut pipeline = redis::Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                pipeline.query_async(&mut connection).await
            }
            Picked::Cluster(connection) => {
                let asked = commands.iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { command.query_async(&mut connection).await }
                });
                futures_util::future::try_join_all(asked).await
            }
        }
    }

    /// Several commands on one key, all or none.
    pub(super) async fn ask_atomic<T: FromRedisValue>(&self, what: &'static str, commands: Vec<Cmd>) -> Result<T> {
        let mut pipeline = redis::Pipeline::with_capacity(commands.len());
        pipeline.atomic();
        for command in commands {
            pipeline.add_command(command);
        }
        self.within(what, async {
            match self.line() {
                Picked::Single(mut connection) => pipeline.query_async(&mut connection).await,
                Picked::Cluster(mut connection) => pipeline.query_async(&mut connection).await,
            }
        })
        .await
    }

    /// Runs a script, by its hash if the server has it.
    pub(super) async fn run<T: FromRedisValue>(&self, what: &'static str, call: Call) -> Result<T> {
        let command = call.command();
        self.within(what, async {
            let first = match self.line() {
                Picked::Single(mut connection) => command.query_async(&mut connection).await,
                Picked::Cluster(mut connection) => command.query_async(&mut connection).await,
            };
            match first {
                Err(e) if is_unknown_script(&e) => {}
                other => return other,
            }
            self.load(&call).await?;
            match self.line() {
                Picked::Single(mut connection) => command.query_async(&mut connection).await,
                Picked::Cluster(mut connection) => command.query_async(&mut connection).await,
            }
        })
        .await
    }

    /// Runs one script many times, together as [`Self::ask_all`] does.
    pub(super) async fn run_all<T: FromRedisValue>(&self, what: &'static str, calls: Vec<Call>) -> Result<Vec<T>> {
        let Some(first) = calls.first() else { return Ok(Vec::new()) };
        self.run_among(what, calls.iter().map(Call::command).collect(), first).await
    }

    /// Runs a script between two commands, together: one round trip. Of any slots, so not in a cluster.
    pub(super) async fn run_between<B, T, A>(
        &self,
        what: &'static str,
        before: Cmd,
        call: Call,
        after: Cmd,
    ) -> Result<(B, T, A)>
    where
        (B, T, A): FromRedisValue,
    {
        let answers: Vec<Value> = self.run_among(what, vec![before, call.command(), after], &call).await?;
        redis::from_redis_value(Value::Array(answers)).map_err(|e| fault(e.into(), what))
    }

    /// Commands together, some of which run this script. All of them are idempotent: they are asked again where the
    /// server did not know it.
    async fn run_among<T: FromRedisValue>(
        &self,
        what: &'static str,
        commands: Vec<Cmd>,
        call: &Call,
    ) -> Result<Vec<T>> {
        self.within(what, async {
            match self.query_all(&commands).await {
                Err(e) if is_unknown_script(&e) => {
                    self.load(call).await?;
                    self.query_all(&commands).await
                }
                other => other,
            }
        })
        .await
    }

    async fn load(&self, call: &Call) -> RedisResult<()> {
        match self.line() {
            Picked::Single(mut connection) => call.script.load_async(&mut connection).await,
            Picked::Cluster(mut connection) => call.script.load_async(&mut connection).await,
        }
        .map(drop)
    }

    /// One command to every master, with what each answered.
    pub(super) async fn ask_masters(&self, what: &'static str, command: Cmd) -> Result<Vec<Value>> {
        Ok(self.ask_named_masters(what, command).await?.into_iter().map(|(_, answer)| answer).collect())
    }

    /// [`ask_masters`](Self::ask_masters), each answer with its server's address (`redis` where there is only one).
    pub(super) async fn ask_named_masters(&self, what: &'static str, command: Cmd) -> Result<Vec<(String, Value)>> {
        let alone = |answer| vec![("redis".to_owned(), answer)];
        self.within(what, async {
            match self.line() {
                Picked::Single(mut connection) => Ok(alone(command.query_async(&mut connection).await?)),
                Picked::Cluster(mut connection) => {
                    let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                    match connection.route_command(command, masters).await? {
                        Value::Map(nodes) => Ok(nodes.into_iter().map(|(node, answer)| (name(node), answer)).collect()),
                        one => Ok(alone(one)),
                    }
                }
            }
        })
        .await
    }
}

/// One connection.
#[derive(Clone)]
pub(super) enum Picked {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Line {
    /// Commands that are answered by one push each, together.
    pub(super) async fn send_all(&self, what: &'static str, commands: &[Cmd]) -> Result<()> {
        within(what, async {
            match self {
                Self::Single(connection) => {
                    let mut pipeline = redis::Pipeline::with_capacity(commands.len());
                    for command in commands {
                        pipeline.add_command(command.clone());
                    }
                    pipeline.query_async::<Vec<Value>>(&mut connection.clone()).await.map(drop)
                }
                Self::Cluster(connection) => {
                    let sent = commands.iter().map(|command| {
                        let mut connection = connection.clone();
                        async move { command.query_async::<Value>(&mut connection).await }
                    });
                    futures_util::future::try_join_all(sent).await.map(drop)
                }
            }
        })
        .await
    }
}

fn name(node: Value) -> String {
    String::from_redis_value(node).unwrap_or_default()
}

pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

async fn within<T>(what: &'static str, asked: impl Future<Output = RedisResult<T>>) -> Result<T> {
    match tokio::time::timeout(CALL, asked).await {
        Ok(answer) => answer.map_err(|e| fault(e, what)),
        Err(_) => Err(StoreError::Unavailable(anyhow::anyhow!("no answer within {CALL:?}").context(what))),
    }
}

/// What a failure of Redis is to callers.
pub(super) fn fault(error: RedisError, what: &'static str) -> StoreError {
    let unavailable = match error.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => true,
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                // It did not run, and was loaded just now: others empty the server meanwhile.
                | ServerErrorKind::NoScript
        ),
        // Codes the library does not know; in a pipeline they are in the text alone.
        ErrorKind::Extension => {
            let text = error.to_string();
            ["OOM", "NOREPLICAS", "MISCONF", "BUSY", "UNBLOCKED"].iter().any(|code| text.contains(code))
        }
        _ => error.is_timeout() || error.is_connection_dropped(),
    };
    let error = anyhow::Error::new(error).context(what);
    if unavailable { StoreError::Unavailable(error) } else { StoreError::Unexpected(error) }
}

/// An answer that is not of the form our own writing has.
pub(super) fn corrupt(what: &'static str) -> StoreError {
    StoreError::Unexpected(anyhow::anyhow!("Redis holds what cannot be read: {what}"))
}
