//! The `onstage` binary. Joins the parts; see `serve/` for the joining and `cli/` for the verbs.

mod checks;
mod cli;
mod client;
mod environment;
mod gateway;
mod post;
mod serve;
mod settings;

/// A request allocates on one thread and is freed on another, which glibc's allocator is slow at (ADR 8).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
