//! Databases of their own on the servers that `scripts/databases.py` has started, made as people make them: with `psql` and `mariadb`.
//! Knows nothing of Onstage but that a store is named by a URL.

use std::{cell::Cell, process::Command};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Postgres,
    MySql,
}

thread_local! {
    static WANTED: Cell<Option<Server>> = const { Cell::new(None) };
}

/// Runs a test whose worlds then have their stores on this server.
pub(crate) fn on(server: Server, test: fn()) {
    WANTED.set(Some(server));
    test();
}

pub(crate) fn wanted() -> Option<Server> {
    WANTED.get()
}

/// The URL of an empty database.
pub(crate) fn fresh(server: Server) -> String {
    let name = format!("e2e_{}_{}", std::process::id(), unique());
    match server {
        Server::Postgres => {
            let url = variable("ONSTAGE_TEST_POSTGRES");
            let make = format!("CREATE DATABASE {name}");
            run(Command::new("psql").args([&url, "--quiet", "--command", &make]));
            url.replace("/postgres?", &format!("/{name}?"))
        }
        Server::MySql => {
            let url = variable("ONSTAGE_TEST_MYSQL");
            let make = format!("CREATE DATABASE {name}");
            let (login, place) = url.trim_start_matches("mysql://").split_once('@').unwrap();
            let (user, password) = login.split_once(':').unwrap();
            let (host, rest) = place.split_once(':').unwrap();
            let (port, _) = rest.split_once('/').unwrap();
            let mut client = Command::new("mariadb");
            client.args(["--host", host, "--port", port, "--user", user, "--skip-ssl"]);
            run(client.env("MYSQL_PWD", password).args(["--execute", &make]));
            url.replace("/mysql?", &format!("/{name}?"))
        }
    }
}

/// Names of one process differ.
fn unique() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    LAST.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run this test with `cargo nextest run`, or within `scripts/databases.py run`")
    })
}
