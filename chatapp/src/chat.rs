//! A small terminal client: what is typed is sent, what others write is shown.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use client::{
    Api, Chat, ErrorCode, Event, Events, PageQuery, TokenProvider,
    api::Session,
    protocol::{Message, RoomType, ServerFrame},
};
use futures_util::future::BoxFuture;
use shared::RoomId;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::Mutex,
};

/// Messages shown when the room opens.
const RECENT: usize = 20;

/// Without a password: a guest, whose name stays theirs on this machine.
#[derive(Debug, clap::Args)]
pub struct ChatArgs {
    /// Your name
    #[arg(long)]
    user: String,
    /// Handle of a public room; made if it is not there
    #[arg(long)]
    room: String,
    /// Address of the api-server
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    api: String,
    /// Password of the account (better in the environment than on the command line)
    #[arg(long, env = "CHATAPP_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

pub fn main(args: ChatArgs) -> ExitCode {
    let outcome =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime").and_then(
            |runtime| {
                let outcome = runtime.block_on(chat(&args));
                // A read of standard input cannot be interrupted: do not wait for it.
                runtime.shutdown_background();
                outcome
            },
        );
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            show(&format!("{e:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn chat(args: &ChatArgs) -> anyhow::Result<()> {
    let anyone = Api::new(&args.api)?;
    let login = Arc::new(Login::open(anyone.clone(), args).await?);
    let api = anyone.with_token(login.token().await?);
    let (chat, mut events) = Chat::connect(anyone, login).await.context("connect")?;
    let (room, seen) = enter(&api, &chat, &args.room).await?;
    show(&format!("-- in {} as {}; /quit leaves", args.room, args.user));
    talk(&chat, &mut events, room, seen).await?;
    chat.close().await;
    Ok(())
}

/// The tokens of this login. A guest's are kept in a file, so that the name stays theirs.
struct Login {
    api: Api,
    file: Option<PathBuf>,
    tokens: Mutex<Tokens>,
}

struct Tokens {
    access: String,
    refresh: String,
}

impl From<Session> for Tokens {
    fn from(session: Session) -> Self {
        Self { access: session.token, refresh: session.refresh_token }
    }
}

impl Login {
    /// By password; else as the guest this machine knows under that name; else as a new guest.
    async fn open(api: Api, args: &ChatArgs) -> anyhow::Result<Self> {
        if let Some(password) = &args.password {
            let session = api.login(&args.user, password).await.context("log in")?;
            return Ok(Self { api, file: None, tokens: Mutex::new(session.into()) });
        }
        let file = guest_file(args);
        let known = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        let tokens = match known {
            Some(token) => {
                api.refresh(token.trim()).await.ok().map(|t| Tokens { access: t.token, refresh: t.refresh_token })
            }
            None => None,
        };
        let tokens = match tokens {
            Some(tokens) => tokens,
            None => match api.guest(Some(&args.user)).await {
                Err(e) if e.code() == Some(ErrorCode::UsernameTaken) => {
                    anyhow::bail!("the name {} is taken; if it is yours, give --password", args.user)
                }
                other => other.context("take a guest account")?.into(),
            },
        };
        let login = Self { api, file, tokens: Mutex::new(tokens) };
        login.keep(&*login.tokens.lock().await);
        Ok(login)
    }

    /// A refresh token works once: the file must always hold the newest.
    fn keep(&self, tokens: &Tokens) {
        if let Some(file) = &self.file
            && let Err(e) = write_private(file, &tokens.refresh)
        {
            show(&format!("-- the name is yours for this run only: cannot write {}: {e}", file.display()));
        }
    }
}

impl TokenProvider for Login {
    fn token(&self) -> BoxFuture<'_, client::Result<String>> {
        Box::pin(async { Ok(self.tokens.lock().await.access.clone()) })
    }

    fn refresh<'a>(&'a self, refused: &'a str) -> BoxFuture<'a, client::Result<String>> {
        Box::pin(async move {
            let mut tokens = self.tokens.lock().await;
            if tokens.access == refused {
                let fresh = self.api.refresh(&tokens.refresh).await?;
                *tokens = Tokens { access: fresh.token, refresh: fresh.refresh_token };
                self.keep(&tokens);
            }
            Ok(tokens.access.clone())
        })
    }
}

/// Where this machine keeps the guest's refresh token.
fn guest_file(args: &ChatArgs) -> Option<PathBuf> {
    let plain = |text: &str| text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect::<String>();
    let state = std::env::home_dir()?.join(".local/state/chatapp");
    Some(state.join(format!("{}-{}", plain(&args.api), plain(&args.user))))
}

fn write_private(file: &Path, token: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    file.write_all(token.as_bytes())
}

/// Joins or makes the room; gives it and the newest `seq` shown.
async fn enter(api: &Api, chat: &Chat, handle: &str) -> anyhow::Result<(RoomId, u64)> {
    let joined = match chat.join_room_by_handle(handle).await {
        Err(e) if e.code() == Some(ErrorCode::RoomNotFound) => {
            let room = chat.create_room(handle, RoomType::Public, Some(handle)).await.context("make the room")?;
            return Ok((room.id, 0));
        }
        Err(e) if e.code() == Some(ErrorCode::AlreadyAMember) => None,
        other => Some(other.context("join the room")?),
    };
    let (room, mut messages) = match joined {
        Some(joined) => (joined.room.id, joined.messages),
        None => {
            let mine = api.all_rooms().await.context("list the rooms")?;
            let room = mine.iter().find(|room| room.handle.as_deref().is_some_and(|h| h.eq_ignore_ascii_case(handle)));
            let room = room.context("the room is gone")?.id;
            (room, chat.history(room, PageQuery::default()).await?.items)
        }
    };
    messages.truncate(RECENT);
    messages.iter().rev().for_each(show_message);
    Ok((room, messages.first().map_or(0, |m| m.seq)))
}

async fn talk(chat: &Chat, events: &mut Events, room: RoomId, mut seen: u64) -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                None => return Ok(()),
                Some(line) if line.trim() == "/quit" => return Ok(()),
                Some(line) if line.trim().is_empty() => {}
                Some(line) => {
                    if let Err(e) = chat.send_message(room, &line).await {
                        show(&format!("-- not sent: {e}"));
                    }
                }
            },
            event = events.next() => match event {
                None => return Ok(()),
                Some(Event::Closed(why)) => anyhow::bail!("disconnected: {why}"),
                Some(Event::Disconnected { reason, .. }) => show(&format!("-- {reason}; reconnecting")),
                Some(event) if event.stale_rooms().contains(&room) => catch_up(chat, room, &mut seen).await,
                Some(Event::Frame(frame)) => on_frame(&frame, room, &mut seen),
                Some(Event::Connected(_) | Event::Synced { .. } | Event::Resumed { .. }) => {}
            },
        }
    }
}

/// Shows what was written and not told.
async fn catch_up(chat: &Chat, room: RoomId, seen: &mut u64) {
    loop {
        match chat.history(room, PageQuery { after: Some(*seen), ..PageQuery::default() }).await {
            Ok(page) => {
                page.items.iter().for_each(show_message);
                *seen = page.items.last().map_or(*seen, |m| m.seq);
                if !page.has_more {
                    return;
                }
            }
            Err(e) => return show(&format!("-- cannot read what was missed: {e}")),
        }
    }
}

fn on_frame(frame: &ServerFrame, room: RoomId, seen: &mut u64) {
    match frame {
        ServerFrame::NewMessage { message, .. } if message.room_id == room && message.seq > *seen => {
            *seen = message.seq;
            show_message(message);
        }
        ServerFrame::UserJoined { room_id, username, .. } if *room_id == room => show(&format!("-- {username} joined")),
        ServerFrame::UserLeft { room_id, username, .. } if *room_id == room => show(&format!("-- {username} left")),
        _ => {}
    }
}

fn show_message(message: &Message) {
    let text = if message.deleted_at.is_some() { "(deleted)" } else { &message.content };
    let time = message.timestamp.to_string();
    // The wall-clock part of the RFC 3339 text; always there.
    show(&format!("{} {}: {}", time.get(11..16).unwrap_or_default(), message.username, printable(text)));
}

/// A message must not steer the reader's terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[expect(clippy::print_stdout, reason = "this is the program's output")]
fn show(line: &str) {
    println!("{line}");
    // Also when it is read by a pipe.
    let _ = std::io::stdout().flush();
}
