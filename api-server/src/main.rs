//! The api-server as a process of its own.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    web::launch::service(
        |settings| settings.api.listen,
        |domain, shutdown| async move { api_server::Server::bind(domain)?.run(shutdown).await },
    )
}
