//! A run from its accounts to its verdict.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context;
use client::{
    Api, Chat, Endpoint, Options, PageQuery,
    api::NewRoom,
    protocol::{Position, RoomType},
    shared::RoomId,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{sync::Mutex, task::JoinSet, time::Instant};

use super::{
    Plan, Report, Say,
    act::{Actor, cut},
    ledger::{Account, Truth},
    listen::Listener,
    person::Person,
    shared::{Counts, Shared},
};

/// Accounts, joins and connections made at the same time.
const AT_ONCE: usize = 16;
/// How long one step of the preparation may take.
const PREPARE_WITHIN: Duration = Duration::from_secs(60);
/// A command without an answer for so long is tried again; less than an outage may last.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections are lost so often here that a client must not become more and more patient.
const COME_BACK_WITHIN: Duration = Duration::from_secs(1);
/// Events that wait for a listener, which may be fetching a room meanwhile.
const EVENT_QUEUE: usize = 16 * 1024;

/// A load that is running. Dropped, it stops and leaves what it made.
pub struct Run {
    shared: Arc<Shared>,
    people: Vec<Arc<Person>>,
    chats: Vec<Chat>,
    rooms: Vec<RoomId>,
    actors: JoinSet<()>,
    listeners: JoinSet<()>,
    began: Instant,
}

impl Run {
    /// Makes accounts and rooms, connects everybody, and starts the load. An error: the run is not possible, which says
    /// nothing about the promise.
    pub async fn begin(plan: Plan, say: Say<'_>) -> anyhow::Result<Self> {
        anyhow::ensure!(plan.users >= 2 && plan.rooms >= 1, "at least two users and a room are needed");
        anyhow::ensure!(plan.rate > 0.0 && plan.rate.is_finite(), "the rate must be more than zero");
        let api = Api::new(&plan.api)?;
        say("making accounts");
        let people = sign_up(&api, &plan, say).await?;
        say("making rooms");
        let rooms = make_rooms(&people, plan.rooms).await?;
        let shared = Arc::new(Shared::new(plan)?);
        watch_all(&shared, &people, &rooms).await?;
        say("connecting");
        let mut run = Self {
            shared,
            people,
            chats: Vec::new(),
            rooms,
            actors: JoinSet::new(),
            listeners: JoinSet::new(),
            began: Instant::now(),
        };
        run.connect(&api).await?;
        run.start_load();
        Ok(run)
    }

    async fn connect(&mut self, api: &Api) -> anyhow::Result<()> {
        let options = Options {
            call_timeout: CALL_TIMEOUT,
            event_queue: EVENT_QUEUE,
            backoff_cap: COME_BACK_WITHIN,
            stable_after: COME_BACK_WITHIN,
            ..Options::default()
        };
        let plan = &self.shared.plan;
        let endpoint = |person: &Person| match plan.chat.get(person.device % plan.chat.len().max(1)) {
            Some(url) => Endpoint::from(url),
            None => Endpoint::from(api.clone()),
        };
        let connect = |person: &Arc<Person>| {
            let (endpoint, tokens, options) = (endpoint(person), person.tokens.clone(), options.clone());
            async move { Chat::connect_with(endpoint, tokens, options).await }
        };
        let connected: Vec<_> = stream::iter(&self.people).map(connect).buffered(AT_ONCE).try_collect().await?;
        for (person, (chat, events)) in self.people.iter().zip(connected) {
            self.chats.push(chat);
            self.listeners.spawn(Listener::listen(self.shared.clone(), person.clone(), events));
        }
        // Replies follow what was asked before: the rooms' events flow for everybody now.
        for chat in &self.chats {
            chat.ping().await.context("the first ping")?;
        }
        Ok(())
    }

    fn start_load(&mut self) {
        for (person, chat) in self.people.iter().zip(&self.chats) {
            let friend = self.people[(person.device + 1) % self.people.len()].name.clone();
            let actor = Actor::new(self.shared.clone(), person.clone(), chat.clone(), self.rooms.clone(), friend);
            self.actors.spawn(actor.act());
        }
        self.actors.spawn(cut(self.shared.clone(), self.chats.clone()));
        self.began = Instant::now();
    }

    /// The rooms of the load. Others may join them, and write elsewhere.
    pub fn rooms(&self) -> &[RoomId] {
        &self.rooms
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Breaches that were seen already; the verdict may find more.
    pub fn breaches_so_far(&self) -> u64 {
        self.shared.ledger.lock().seen().total()
    }

    /// Waits until the counts are as wished; an error after `limit`, naming `what`.
    pub async fn until(&self, what: &str, limit: Duration, wished: impl Fn(&Counts) -> bool) -> anyhow::Result<()> {
        let reached = self.shared.until(|| wished(&self.counts()).then_some(()));
        let outcome = tokio::time::timeout(limit, reached).await;
        outcome.with_context(|| format!("not within {limit:?}: {what}; counted so far: {:?}", self.counts()))
    }

    /// Ends the load, waits until all is quiet, reads the histories, and judges. Then cleans up.
    pub async fn finish(mut self, say: Say<'_>) -> anyhow::Result<Report> {
        say("ending the load");
        self.shared.stop.cancel();
        let seconds = self.began.elapsed().as_secs_f64();
        let limit = self.shared.plan.quiet_within;
        let give_up = self.shared.abandon.clone();
        let ended = async { while self.actors.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, ended).await.is_err() {
            give_up.cancel();
            while self.actors.join_next().await.is_some() {}
        }
        say("waiting until everybody knows everything");
        self.quiet(limit).await?;
        say("comparing with the histories");
        let truth = self.truth(limit).await?;
        let breaches = self.shared.ledger.lock().judge(&truth);
        let latency = self.shared.meter.lock().latency();
        let report = Report::new(&self.shared.plan, &self.counts(), &breaches, latency, seconds);
        say("cleaning up");
        self.clean_up().await;
        Ok(report)
    }

    /// Until each device has been told of each room's head, for at most `limit`; whoever has not by then shows in the
    /// verdict. Then closes all connections, once they have brought what was on its way.
    async fn quiet(&mut self, limit: Duration) -> anyhow::Result<()> {
        let mut heads: BTreeMap<RoomId, Position> = BTreeMap::new();
        let query = PageQuery { limit: Some(1), ..PageQuery::default() };
        for room in self.rooms.iter().copied() {
            let page = self.people[0].insist(limit, |api| async move { api.history(room, query).await });
            heads.insert(room, page.await.context("read the head of a room")?.position);
        }
        let told = self.shared.until(|| self.shared.ledger.lock().has_reached(&heads).then_some(()));
        // Not in time: the verdict will name the holes.
        let _ = tokio::time::timeout(limit, told).await;
        let close = async |chat: Chat| {
            // What the server sent before the answer has come before it; an error says no more than the verdict will.
            let _ = chat.ping().await;
            chat.close().await;
        };
        stream::iter(std::mem::take(&mut self.chats)).for_each_concurrent(AT_ONCE, close).await;
        while self.listeners.join_next().await.is_some() {}
        Ok(())
    }

    async fn truth(&self, limit: Duration) -> anyhow::Result<Truth> {
        let mut truth = Truth::default();
        for room in &self.rooms {
            let history = self.people[0].history(*room, limit).await.context("read a history")?;
            truth.histories.insert(*room, history);
        }
        for person in &self.people {
            let rooms = person.rooms(limit).await.context("read the unread counts")?;
            truth.accounts.extend(rooms.into_iter().map(|room| Account {
                user: person.id,
                room: room.id,
                unread: room.unread.unwrap_or_default(),
                mentions: room.mentions.unwrap_or_default(),
                last_read_seq: room.last_read_seq.unwrap_or_default(),
            }));
        }
        Ok(truth)
    }

    /// Leaves the rooms and logs out. The server keeps what nobody can delete: the accounts, and rooms without members.
    async fn clean_up(&self) {
        let rooms = &self.rooms;
        stream::iter(&self.people)
            .for_each_concurrent(AT_ONCE, |person| async move {
                for room in rooms.iter().copied() {
                    // A courtesy: the verdict stands.
                    let _ = person.ask(|api| async move { api.leave_room(room).await }).await;
                }
                let _ = person.ask(|api| async move { api.logout().await }).await;
            })
            .await;
    }
}

async fn sign_up(api: &Api, plan: &Plan, say: Say<'_>) -> anyhow::Result<Vec<Arc<Person>>> {
    let run = uuid::Uuid::new_v4().as_u128() as u32;
    let gate = &Mutex::new(());
    let make = |n| async move {
        let person = Person::sign_up(api, n, format!("verify-{run:08x}-{n}"), gate, say);
        person.await.map(Arc::new)
    };
    stream::iter(0..plan.users).map(make).buffered(AT_ONCE).try_collect().await
}

/// Public ones without a handle, so that everybody can join who knows the id. All join before anybody writes.
async fn make_rooms(people: &[Arc<Person>], count: usize) -> anyhow::Result<Vec<RoomId>> {
    let mut rooms = Vec::new();
    for n in 0..count {
        let name = format!("verify {n}");
        let room = &NewRoom::new(&name, RoomType::Public);
        let room = people[0].insist(PREPARE_WITHIN, |api| async move { api.create_room(room).await });
        rooms.push(room.await.context("make a room")?.id);
    }
    let joins = people[1..].iter().flat_map(|person| rooms.iter().map(move |room| (person, *room)));
    let join = |(person, room): (&Arc<Person>, RoomId)| {
        let person = person.clone();
        async move { person.insist(PREPARE_WITHIN, |api| async move { api.join_room(room).await }).await }
    };
    let _: Vec<_> = stream::iter(joins).map(join).buffered(AT_ONCE).try_collect().await.context("join a room")?;
    Ok(rooms)
}

/// Everybody begins from the rooms as they are when all have joined.
async fn watch_all(shared: &Shared, people: &[Arc<Person>], rooms: &[RoomId]) -> anyhow::Result<()> {
    for room in rooms {
        let history = people[0].history(*room, PREPARE_WITHIN).await.context("read a history")?;
        for person in people {
            shared.ledger.lock().watch(person.device, person.id, *room, &history);
        }
    }
    Ok(())
}
