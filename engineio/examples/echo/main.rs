//! A server that sends every message back: what the public test suites of the protocol ask for.
//!
//! `cargo run -p engineio --example echo [PORT [PING_INTERVAL_MS PING_TIMEOUT_MS]]`, path `/engine.io/`.
#![expect(clippy::expect_used, reason = "a program for tests")]

mod server;

use std::time::Duration;

fn main() -> std::io::Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|arg| arg.parse().expect("a number")).collect();
    let [port, interval, timeout] = match numbers[..] {
        [] => [3000, 300, 200],
        [port] => [port, 300, 200],
        [port, interval, timeout] => [port, interval, timeout],
        _ => panic!("PORT, PING_INTERVAL_MS, PING_TIMEOUT_MS"),
    };
    let port = u16::try_from(port).expect("a port");
    let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
    let config = server::config(Duration::from_millis(interval), Duration::from_millis(timeout));
    actix_web::rt::System::new().block_on(server::run(listener, config, 2))
}
