//! The chat-server as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    web::launch::service(
        |settings| settings.chat.listen,
        |domain, shutdown| async move { chat_server::Server::bind(domain)?.run(shutdown).await },
    )
}
