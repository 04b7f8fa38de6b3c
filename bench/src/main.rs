//! `bench`: puts a deployment under load; see `bench --help`.

fn main() -> std::process::ExitCode {
    bench::cli::main()
}
