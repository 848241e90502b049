//! Where each connection stands, and the rules for when one has dawdled too long.
//! Does not read sockets or clocks: connections note what happens, a sweeper counts seconds and judges.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// How long a client may take for what.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// From the connection until the first byte.
    pub first_byte: Duration,
    /// From the first byte of a head to its end.
    pub head: Duration,
    /// Between an answer and the next request.
    pub idle: Duration,
    /// Bodies and answers may be slow for this long before the floor holds.
    pub grace: Duration,
    /// The slowest average speed of a body or of a client that reads an answer.
    pub floor_bytes_per_s: u64,
    /// How long a client may stay under the floor while it reads an answer.
    pub stalled_answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            grace: Duration::from_secs(5),
            floor_bytes_per_s: 1024,
            stalled_answer: Duration::from_secs(20),
        }
    }
}

/// What a connection does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    FirstByte = 0,
    Head = 1,
    Body = 2,
    Answering = 3,
    Idle = 4,
}

impl Stage {
    fn from_number(number: u8) -> Self {
        match number {
            0 => Self::FirstByte,
            1 => Self::Head,
            2 => Self::Body,
            3 => Self::Answering,
            _ => Self::Idle,
        }
    }
}

/// Seconds since the listener began, counted by the sweeper: cheap enough to read on every packet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse(Arc<AtomicU32>);

impl Pulse {
    pub(crate) fn now_s(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub(crate) fn tick(&self) -> u32 {
        self.0.fetch_add(1, Relaxed) + 1
    }
}

/// What one connection notes about itself.
#[derive(Debug)]
pub(crate) struct Watch {
    pulse: Pulse,
    stage: AtomicU8,
    since_s: AtomicU32,
    body_bytes: AtomicU64,
    /// Hyper waits for bytes of the client.
    reading: AtomicBool,
    /// When a write first had to wait, +1; 0 while writes go through.
    stalled_since_s: AtomicU32,
    stalled_bytes: AtomicU64,
    /// Told once when the connection must end at once.
    pub(crate) overdue: Notify,
    /// Told once when it must end after what it does now. Each connection is told by itself: a signal that all wait for
    /// would be one lock for the requests of all.
    pub(crate) drain: Notify,
    /// Holds a permit once a request has come whole.
    asked: Notify,
}

impl Watch {
    pub(crate) fn new(pulse: Pulse) -> Self {
        let now = pulse.now_s();
        Self {
            pulse,
            stage: AtomicU8::new(Stage::FirstByte as u8),
            since_s: AtomicU32::new(now),
            body_bytes: AtomicU64::new(0),
            reading: AtomicBool::new(false),
            stalled_since_s: AtomicU32::new(0),
            stalled_bytes: AtomicU64::new(0),
            overdue: Notify::new(),
            drain: Notify::new(),
            asked: Notify::new(),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::from_number(self.stage.load(Relaxed))
    }

    /// Enters a stage; staying in one keeps its beginning.
    pub(crate) fn enter(&self, stage: Stage) {
        if self.stage.swap(stage as u8, Relaxed) != stage as u8 {
            self.since_s.store(self.pulse.now_s(), Relaxed);
            self.body_bytes.store(0, Relaxed);
        }
    }

    /// An answer is being made; a body that still comes stays under its own rule.
    pub(crate) fn answering(&self) {
        self.asked.notify_one();
        if self.stage() == Stage::Idle {
            self.enter(Stage::Answering);
        }
    }

    /// Waits until the head of the first request has come.
    pub(crate) async fn first_request(&self) {
        if matches!(self.stage(), Stage::FirstByte | Stage::Head) {
            self.asked.notified().await;
        }
    }

    /// The answer is out. A client that still sends its body stays under the body's rule.
    pub(crate) fn answered(&self) {
        if self.stage() == Stage::Answering {
            self.enter(Stage::Idle);
        }
    }

    pub(crate) fn read_pending(&self) {
        self.reading.store(true, Relaxed);
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.reading.store(false, Relaxed);
        self.body_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn write_pending(&self) {
        let now = self.pulse.now_s() + 1;
        if self
            .stalled_since_s
            .compare_exchange(0, now, Relaxed, Relaxed)
            .is_ok()
        {
            self.stalled_bytes.store(0, Relaxed);
        }
    }

    pub(crate) fn wrote(&self, bytes: usize, patience: &Patience) {
        let since = self.stalled_since_s.load(Relaxed);
        if since == 0 {
            return;
        }
        let written = self.stalled_bytes.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        let elapsed = u64::from((self.pulse.now_s() + 1).saturating_sub(since)).max(1);
        if written >= elapsed * patience.floor_bytes_per_s {
            self.stalled_since_s.store(0, Relaxed);
        }
    }

    pub(crate) fn view(&self) -> View {
        View {
            stage: self.stage(),
            since_s: self.since_s.load(Relaxed),
            body_bytes: self.body_bytes.load(Relaxed),
            reading: self.reading.load(Relaxed),
            stalled_since_s: self.stalled_since_s.load(Relaxed).checked_sub(1),
        }
    }
}

/// A connection at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) stage: Stage,
    pub(crate) since_s: u32,
    pub(crate) body_bytes: u64,
    pub(crate) reading: bool,
    pub(crate) stalled_since_s: Option<u32>,
}

/// Why a connection must end now, or `None`.
pub(crate) fn overdue(view: View, now_s: u32, patience: &Patience) -> Option<&'static str> {
    let spent = Duration::from_secs(u64::from(now_s.saturating_sub(view.since_s)));
    if let Some(since) = view.stalled_since_s
        && Duration::from_secs(u64::from(now_s.saturating_sub(since))) > patience.stalled_answer
    {
        return Some("the client reads its answer too slowly");
    }
    match view.stage {
        Stage::FirstByte if spent > patience.first_byte => Some("no request came"),
        Stage::Head if spent > patience.head => Some("the request's head came too slowly"),
        Stage::Idle if spent > patience.idle => Some("the connection was idle"),
        Stage::Body if view.reading && spent > patience.grace => {
            let wanted = (spent - patience.grace).as_secs() * patience.floor_bytes_per_s;
            (view.body_bytes < wanted).then_some("the request's body came too slowly")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(stage: Stage) -> View {
        View {
            stage,
            since_s: 100,
            body_bytes: 0,
            reading: true,
            stalled_since_s: None,
        }
    }

    #[test]
    fn each_stage_has_its_patience() {
        let patience = Patience::default();
        for (stage, limit) in [(Stage::FirstByte, 10), (Stage::Head, 10), (Stage::Idle, 75)] {
            assert_eq!(overdue(view(stage), 100 + limit, &patience), None);
            assert!(overdue(view(stage), 101 + limit, &patience).is_some());
        }
        assert_eq!(overdue(view(Stage::Answering), 100_000, &patience), None);
    }

    #[test]
    fn a_body_must_keep_its_pace_only_while_it_is_waited_for() {
        let patience = Patience::default();
        let slow = View {
            body_bytes: 100,
            ..view(Stage::Body)
        };
        assert_eq!(overdue(slow, 105, &patience), None);
        assert!(overdue(slow, 107, &patience).is_some());
        let fast = View {
            body_bytes: 1 << 20,
            ..slow
        };
        assert_eq!(overdue(fast, 200, &patience), None);
        let unread = View {
            reading: false,
            ..slow
        };
        assert_eq!(overdue(unread, 200, &patience), None);
    }

    #[test]
    fn a_client_that_does_not_read_is_dropped() {
        let patience = Patience::default();
        let watch = Watch::new(Pulse::default());
        watch.enter(Stage::Answering);
        watch.write_pending();
        for _ in 0..25 {
            watch.pulse.tick();
            watch.wrote(1, &patience);
        }
        assert!(overdue(watch.view(), watch.pulse.now_s(), &patience).is_some());
        watch.wrote(1 << 20, &patience);
        assert_eq!(overdue(watch.view(), watch.pulse.now_s(), &patience), None);
    }
}
