//! The binary: one notification-server over a store it shares with the other services.

use std::process::ExitCode;

use notification_server::Server;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    web::launch::service(
        |settings| settings.notification.listen,
        |domain, shutdown| async move { Server::bind(domain)?.run(shutdown).await },
    )
}
