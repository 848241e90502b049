//! A PostgreSQL of a test's own, which can be stopped: `scripts/databases.py alone` keeps it. Knows no experiment.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
};

/// Gone with its last handle.
#[derive(Clone)]
pub(crate) struct Alone(Arc<Mutex<Keeper>>);

struct Keeper {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Alone {
    /// A server that does not run yet.
    pub(crate) fn new() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/databases.py");
        let mut process = Command::new("python3")
            .arg(script)
            .arg("alone")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        Self(Arc::new(Mutex::new(Keeper { process, said })))
    }

    /// Has it `start`, `freeze`, `thaw` or be killed (`kill`); answers its URL when that is done.
    pub(crate) async fn tell(&self, word: &'static str) -> String {
        let keeper = self.0.clone();
        let told = tokio::task::spawn_blocking(move || keeper.lock().unwrap().tell(word));
        told.await.unwrap()
    }
}

impl Keeper {
    fn tell(&mut self, word: &str) -> String {
        let mut told = self.process.stdin.as_ref().unwrap();
        writeln!(told, "{word}").unwrap();
        let mut url = String::new();
        self.said.read_line(&mut url).unwrap();
        assert!(url.starts_with("postgres://"), "`{word}`: {url}");
        url.trim().to_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
