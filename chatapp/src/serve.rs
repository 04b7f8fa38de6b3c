//! All four services in one process: they meet in the store, as they do when each is a process of its own.

use std::{net::SocketAddr, process::ExitCode};

use chatapp::{admin::socket, deployment::Deployment};
use domain::Domain;
use shared::settings::StoreUrl;
use tokio_util::sync::CancellationToken;

pub fn main(args: &Deployment) -> ExitCode {
    match args.settings() {
        Ok(settings) => web::launch::run(settings, serve),
        Err(e) => web::launch::refuse(&e.to_string()),
    }
}

/// Binds all, says where, and serves until the token is cancelled. When one service fails, all stop.
async fn serve(domain: Domain, shutdown: CancellationToken) -> anyhow::Result<()> {
    let api = api_server::Server::bind(domain.clone())?;
    let chat = chat_server::Server::bind(domain.clone())?;
    let presence = presence_server::Server::bind(domain.clone())?;
    let notification = notification_server::Server::bind(domain.clone())?;
    print_welcome(&domain, [api.addr()?, chat.addr()?, presence.addr()?, notification.addr()]);

    let stop = shutdown.child_token();
    let or_stop = |outcome: anyhow::Result<()>| {
        if outcome.is_err() {
            stop.cancel();
        }
        outcome
    };
    let outcomes = tokio::join!(
        async { or_stop(api.run(stop.clone()).await) },
        async { or_stop(chat.run(stop.clone()).await) },
        async { or_stop(presence.run(stop.clone()).await) },
        async { or_stop(notification.run(stop.clone()).await) },
        answer_operators(&domain, stop.clone()),
    );
    outcomes.0.and(outcomes.1).and(outcomes.2).and(outcomes.3)
}

/// `chatapp admin` asks here. Where that is not possible, the rest serves all the same.
async fn answer_operators(domain: &Domain, stop: CancellationToken) {
    // Redis is asked directly.
    let StoreUrl::Embedded(dir) = &domain.settings.store.url else { return };
    if let Err(e) = socket::serve(dir, domain.store.clone(), stop).await {
        tracing::warn!("chatapp admin cannot ask this process: {e:#}");
    }
}

#[expect(clippy::print_stdout, reason = "for the person who started it; logs go to standard error")]
fn print_welcome(domain: &Domain, [api, chat, presence, notification]: [SocketAddr; 4]) {
    println!(
        r#"ChatApp {version} on {store:?}

  REST           http://{api}        documentation: http://{api}/docs/
  chat           ws://{chat}/chat
  presence       ws://{presence}/presence
  notifications  http://{notification}/notify

Try it, with curl and websocat:

  TOKEN=$(curl -s http://{api}/api/guest -H 'content-type: application/json' -d '{{"username":"alice"}}' | sed 's/.*"token":"\([^"]*\)".*/\1/')
  curl -s http://{api}/api/rooms -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \
    -d '{{"name":"General","handle":"general","type":"public"}}'
  websocat "ws://{chat}/chat?token=$TOKEN"

or from another terminal: chatapp chat --user bob --room general --api http://{api}
"#,
        version = env!("CARGO_PKG_VERSION"),
        store = domain.settings.store.url,
    );
}
