//! The keeper of a worker's process: waits for its end and kills when told, so that the worker's loop need not poll for either.
//! Does not know the worker protocol.

use crate::spawn::spawn;
use onstage_core::ports::{Exit, WorkerProcess};
use tokio::sync::{mpsc, oneshot};

/// Orders that may wait; there are only two kinds and the second of each says nothing new.
const ORDERS_MAX: usize = 8;

pub(super) struct Keeper {
    orders: mpsc::Sender<Order>,
    ended: Option<oneshot::Receiver<Exit>>,
    exit: Option<Exit>,
    pub pid: u32,
}

enum Order {
    Kill,
    Memory(oneshot::Sender<Option<u64>>),
}

impl Keeper {
    pub(super) fn new(process: Box<dyn WorkerProcess>) -> Self {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let (tell, ended) = oneshot::channel();
        let pid = process.pid();
        spawn("worker keeper", keep(process, inbox, tell));
        Self {
            orders,
            ended: Some(ended),
            exit: None,
            pid,
        }
    }

    pub(super) fn kill(&self) {
        let _ = self.orders.try_send(Order::Kill);
    }

    /// Has the proportional set size of the process group told; nothing is told when the process is gone.
    pub(super) fn tell_memory(&self, tell: oneshot::Sender<Option<u64>>) {
        let _ = self.orders.try_send(Order::Memory(tell));
    }

    /// How the process ended; `None` when nobody can tell. Safe to drop and call again.
    pub(super) async fn ended(&mut self) -> Option<Exit> {
        if let Some(ended) = &mut self.ended {
            self.exit = ended.await.ok();
            self.ended = None;
        }
        self.exit.clone()
    }

    pub(super) fn is_running(&self) -> bool {
        self.ended.is_some()
    }
}

/// Ends when the process has, or when the `Keeper` is dropped, which kills the process group.
async fn keep(
    mut process: Box<dyn WorkerProcess>,
    mut inbox: mpsc::Receiver<Order>,
    tell: oneshot::Sender<Exit>,
) {
    loop {
        let order = tokio::select! {
            exit = process.wait() => {
                let _ = tell.send(exit);
                return;
            }
            order = inbox.recv() => order,
        };
        match order {
            Some(Order::Kill) => process.kill(),
            Some(Order::Memory(tell)) => {
                let _ = tell.send(process.memory_bytes());
            }
            None => return process.kill(),
        }
    }
}
