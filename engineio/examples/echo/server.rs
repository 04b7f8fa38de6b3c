//! The echo server itself, which the tests of this crate start too.

use std::{net::TcpListener, rc::Rc, sync::Arc, time::Duration};

use actix_http::HttpService;
use actix_service::map_config;
use actix_web::{
    App, HttpRequest, HttpResponse,
    dev::AppConfig,
    web::{self, Data, Payload},
};
use bytes::Bytes;
use engineio::{Allowance, Config, Engine, Opened, packet};
use futures_util::FutureExt;
use socket::{CloseCode, Connection, Credential, Flow, Limits, Outbound, Pulse, QueueLimits, Step};
use tokio_util::sync::CancellationToken;

/// As the public suites expect it.
pub fn config(ping_interval: Duration, ping_timeout: Duration) -> Config {
    Config {
        ping_interval,
        ping_timeout,
        max_payload: 1_000_000,
        most: packet::Sizes { text: 64 * 1024, binary: 1024 * 1024 },
        sessions: 1000,
        queue: QueueLimits { frames: 256, bytes: 4 << 20, time: Duration::from_secs(30) },
        allowed_origins: vec!["http://allowed.example".into()],
    }
}

/// Serves until the process ends.
pub async fn run(listener: TcpListener, config: Config, workers: usize) -> std::io::Result<()> {
    let engine = Engine::new(config);
    let app = {
        let engine = Data::from(engine.clone());
        move || App::new().app_data(engine.clone()).route("/engine.io/", web::to(requests))
    };
    let service = move || {
        let engine = engine.clone();
        let upgrade = move || {
            let pulse = Pulse::start(Duration::from_secs(30), CancellationToken::new());
            let serve: engineio::Serve<()> = Rc::new(move |opened| echo(opened, &pulse).boxed_local());
            engine.serve_here(serve.clone());
            let engine: Arc<Engine<()>> = engine.clone();
            let sockets: socket::Serve = Rc::new(move |upgrade| engine.upgrade(upgrade, (), &serve));
            sockets
        };
        HttpService::build()
            .client_disconnect_timeout(Duration::ZERO)
            .h1_allow_half_closed(false)
            .upgrade(socket::upgrades(upgrade))
            .finish(map_config(app(), |()| AppConfig::default()))
            .tcp()
    };
    let server = actix_server::Server::build().workers(workers).disable_signals();
    server.listen("echo", listener, service)?.run().await
}

async fn requests(engine: Data<Engine<()>>, request: HttpRequest, body: Payload) -> HttpResponse {
    engine.answer(&request, body, ()).await
}

fn echo(opened: Opened<()>, pulse: &Rc<Pulse>) -> impl Future<Output = ()> + use<> {
    let Opened { outbound, source, allowance, context: () } = opened;
    let limits = Limits { authenticate: Duration::from_secs(10), bad_frames_per_minute: 100 };
    let connection = Connection::new(outbound.clone(), source, limits, pulse);
    // Whoever comes is known.
    connection.run(Echo(outbound, allowance), Some(Credential::Token(String::new())))
}

struct Echo(Outbound, Allowance);

impl socket::Handshake for Echo {
    type Session = Self;

    async fn on_credential(&mut self, _: Credential) -> Step<Self> {
        self.1.grant();
        Step::Done(Self(self.0.clone(), self.1.clone()))
    }

    async fn on_text(&mut self, _: &str) -> Step<Self> {
        Step::Close(CloseCode::InternalError)
    }

    fn on_binary(&mut self) {}
}

impl socket::Session for Echo {
    async fn on_text(&mut self, text: &str) -> Flow {
        self.0.push(packet::text(text));
        Flow::Continue
    }

    async fn on_binary(&mut self, bytes: Bytes) -> Flow {
        self.0.push(packet::binary(&bytes));
        Flow::Continue
    }

    fn on_drain(&mut self) {}

    async fn on_end(&mut self) {}
}
