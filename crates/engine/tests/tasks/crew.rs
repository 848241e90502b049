//! Workers that follow a script instead of running Python.

use super::training::{self, Fate};
use async_trait::async_trait;
use onstage_core::{
    outcome::{Failure, Progress, Reason},
    ports::Preparing,
    value::Value,
};
use onstage_engine::{
    spawn::spawn,
    task::{Crew, Hands},
    worker::{End, Item, LogLine, Took},
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// What a worker does with one input.
pub(crate) enum Act {
    Answer(String),
    /// Answers after so many milliseconds.
    Later(u64, String),
    Fail(Failure),
    /// The process dies.
    Die,
    /// Computes until it is cancelled or killed.
    Hang,
    /// Prints lines, tells progress, then answers.
    Chatter(Vec<String>, String),
    /// Answers in pieces.
    Stream(Vec<String>),
}

pub(crate) type Script = Arc<dyn Fn(&serde_json::Value) -> Act + Send + Sync>;

pub(crate) struct ScriptCrew {
    pub(crate) script: Script,
    pub(crate) starts: AtomicU32,
    pub(crate) kills: Arc<AtomicU32>,
    /// Starts that fail before one works.
    pub(crate) bad_starts: AtomicU32,
    /// How many items came together, each time.
    pub(crate) microbatches: Arc<Mutex<Vec<usize>>>,
}

impl ScriptCrew {
    pub(crate) fn new(
        script: impl Fn(&serde_json::Value) -> Act + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            script: Arc::new(script),
            starts: AtomicU32::new(0),
            kills: Arc::default(),
            bad_starts: AtomicU32::new(0),
            microbatches: Arc::default(),
        })
    }
}

pub(crate) struct Shared(pub(crate) Arc<ScriptCrew>);

#[async_trait]
impl Crew for Shared {
    async fn start(&self, preparing: Arc<dyn Preparing>) -> Result<Arc<dyn Hands>, Failure> {
        self.0.starts.fetch_add(1, Ordering::SeqCst);
        preparing.line("setting up");
        let less = |left: u32| left.checked_sub(1);
        if self
            .0
            .bad_starts
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
        {
            let failure = Failure::new(Reason::SetupFailed, "ImportError: no module named fish");
            return Err(Failure {
                traceback: Some("Traceback: line 3".into()),
                ..failure
            });
        }
        let (orders, inbox) = mpsc::unbounded_channel();
        let alive = Arc::new(AtomicBool::new(true));
        let worker = ScriptWorker {
            script: self.0.script.clone(),
            inbox,
            waiting: VecDeque::new(),
            alive: alive.clone(),
        };
        spawn("scripted worker", worker.run());
        Ok(Arc::new(ScriptHands {
            orders,
            alive,
            kills: self.0.kills.clone(),
            microbatches: self.0.microbatches.clone(),
        }))
    }
}

enum Order {
    Run(Vec<Item>),
    Train(Item, Option<String>),
    Cancel(u64),
    Kill,
}

struct ScriptHands {
    orders: mpsc::UnboundedSender<Order>,
    alive: Arc<AtomicBool>,
    kills: Arc<AtomicU32>,
    microbatches: Arc<Mutex<Vec<usize>>>,
}

#[async_trait]
impl Hands for ScriptHands {
    fn submit(&self, microbatch: Vec<Item>) {
        self.microbatches.lock().unwrap().push(microbatch.len());
        if let Err(mpsc::error::SendError(Order::Run(items))) =
            self.orders.send(Order::Run(microbatch))
        {
            give_back(items, false);
        }
    }

    fn train(&self, item: Item, resume: Option<String>) {
        let _ = self.orders.send(Order::Train(item, resume));
    }

    fn cancel(&self, id: u64) {
        let _ = self.orders.send(Order::Cancel(id));
    }

    fn kill(&self) {
        self.kills.fetch_add(1, Ordering::SeqCst);
        let _ = self.orders.send(Order::Kill);
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }

    async fn ended(&self) {
        while self.is_alive() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

struct ScriptWorker {
    script: Script,
    inbox: mpsc::UnboundedReceiver<Order>,
    waiting: VecDeque<Vec<Item>>,
    alive: Arc<AtomicBool>,
}

/// The process is gone.
struct Dead;

impl ScriptWorker {
    async fn run(mut self) {
        let _: Result<(), Dead> = self.serve().await;
        self.alive.store(false, Ordering::SeqCst);
        self.inbox.close();
        while let Some(order) = self.inbox.recv().await {
            if let Order::Run(items) = order {
                self.waiting.push_back(items);
            }
        }
        for items in self.waiting {
            give_back(items, false);
        }
    }

    async fn serve(&mut self) -> Result<(), Dead> {
        loop {
            match self.waiting.pop_front() {
                Some(items) => self.compute(items).await?,
                None => match self.inbox.recv().await {
                    Some(Order::Run(items)) => self.waiting.push_back(items),
                    Some(Order::Train(item, resume)) => self.train(item, resume).await?,
                    Some(Order::Cancel(_)) => {}
                    Some(Order::Kill) | None => return Err(Dead),
                },
            }
        }
    }

    async fn compute(&mut self, items: Vec<Item>) -> Result<(), Dead> {
        let mut left: VecDeque<Item> = items.into();
        while let Some(item) = left.pop_front() {
            item.sink.started();
            let input = serde_json::from_slice(&item.input.json).unwrap();
            match (self.script)(&input) {
                Act::Answer(json) => answer(&item, json, None),
                Act::Later(ms, json) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    answer(&item, json, None);
                }
                Act::Fail(failure) => fail(&item, failure),
                Act::Chatter(lines, json) => {
                    for text in &lines {
                        item.sink.log(&LogLine {
                            source: "stdout",
                            level: "info",
                            text,
                        });
                    }
                    item.sink.progress(Progress {
                        used: None,
                        done: 1.0,
                        total: Some(2.0),
                        text: "half".into(),
                    });
                    answer(&item, json, None);
                }
                Act::Stream(pieces) => {
                    for (index, piece) in pieces.iter().enumerate() {
                        item.sink.chunk(index as u64, Value::json(piece.clone()));
                    }
                    answer(&item, "null".into(), Some(pieces.len() as u64));
                }
                Act::Die => {
                    // As a real worker: only an item that is alone is known to be guilty.
                    if left.is_empty() {
                        fail(&item, died());
                    } else {
                        left.push_front(item);
                        give_back(left.into(), true);
                    }
                    return Err(Dead);
                }
                Act::Hang => self.hang(&item).await?,
            }
        }
        Ok(())
    }

    async fn train(&mut self, item: Item, resume: Option<String>) -> Result<(), Dead> {
        item.sink.started();
        match training::play(&item, resume).await {
            Fate::Ended => Ok(()),
            Fate::Dies => {
                fail(&item, died());
                Err(Dead)
            }
            Fate::Hangs => self.hang(&item).await,
        }
    }

    async fn hang(&mut self, item: &Item) -> Result<(), Dead> {
        let limit = tokio::time::sleep(item.limit);
        tokio::pin!(limit);
        loop {
            tokio::select! {
                order = self.inbox.recv() => match order {
                    Some(Order::Run(items)) => self.waiting.push_back(items),
                    Some(Order::Cancel(id)) if id == item.id => {
                        fail(item, Failure::new(Reason::Canceled, "it was canceled"));
                        return Ok(());
                    }
                    Some(Order::Cancel(_) | Order::Train(..)) => {}
                    Some(Order::Kill) | None => {
                        fail(item, died());
                        return Err(Dead);
                    }
                },
                () = &mut limit => {
                    fail(item, Failure::new(Reason::Timeout, "it took too long"));
                    return Ok(());
                }
            }
        }
    }
}

fn answer(item: &Item, json: String, chunks: Option<u64>) {
    item.sink.end(End::Output {
        output: Value::json(json),
        chunks,
        metrics: Default::default(),
        predict: Took::alone(Duration::from_millis(3)),
    });
}

fn fail(item: &Item, failure: Failure) {
    item.sink.end(End::Failed {
        failure,
        predict: Took::default(),
    });
}

fn give_back(items: Vec<Item>, alone: bool) {
    for item in items {
        let why = died();
        item.sink.end(End::Returned { alone, why });
    }
}

fn died() -> Failure {
    Failure::new(Reason::WorkerLost, "the worker was killed (SIGKILL)")
}
