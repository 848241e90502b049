//! A verb that runs beside the test: what it printed so far, and how it ended.

use crate::world::{PATIENCE, World, signal};
use std::{
    io::Read,
    process::{Child, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

pub(crate) struct Verb {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl World {
    /// Starts a verb into pipes.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Verb {
        let mut child = self
            .command()
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Verb {
            out: collect(child.stdout.take().unwrap()),
            err: collect(child.stderr.take().unwrap()),
            child,
        }
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let filled = text.clone();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = pipe.read(&mut bytes) {
            let piece = String::from_utf8_lossy(&bytes[..read]);
            filled.lock().unwrap().push_str(&piece);
        }
    });
    text
}

impl Verb {
    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    pub(crate) fn running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has printed this, on either side, while it still runs.
    pub(crate) async fn says(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let running = self.running();
            if self.out().contains(words) || self.err().contains(words) {
                assert!(running, "it said `{words}` only when it ended");
                return;
            }
            assert!(
                running && Instant::now() < deadline,
                "it did not say `{words}`:\n{}{}",
                self.out(),
                self.err()
            );
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    }

    pub(crate) fn interrupt(&self) {
        signal(self.child.id(), "INT");
    }

    /// Its exit code, when it has ended by itself.
    pub(crate) async fn ends(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}{}",
                self.out(),
                self.err()
            );
            tokio::time::sleep(Duration::from_millis(20)).await; // poll
        }
    }
}

impl Drop for Verb {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
