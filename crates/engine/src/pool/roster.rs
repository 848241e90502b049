//! Who is in a pool: the handles of its workers beside the rota that says what each is doing.
//! Decides nothing; the rota does.

use super::host::Room;
use crate::{gauges::WorkerCounts, rota::Rota, worker::Worker};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Roster {
    pub rota: Rota,
    hired: Vec<Hired>,
}

struct Hired {
    worker: Worker,
    _room: Arc<Room>,
}

impl Roster {
    pub(crate) fn starting(&self) -> usize {
        self.rota.starting()
    }

    pub(crate) fn start_one(&mut self) {
        self.rota.start_one();
    }

    pub(crate) fn start_failed(&mut self) {
        self.rota.start_failed();
    }

    /// A worker that is ready joins; it is called at once.
    pub(crate) fn join(&mut self, worker: Worker, room: Arc<Room>, now: Duration) {
        self.rota.join(worker.number(), now);
        self.hired.push(Hired {
            worker,
            _room: room,
        });
    }

    /// Takes out a worker that is gone; what is answered is the rota's.
    pub(crate) fn leave(&mut self, number: u64, now: Duration) -> Option<Duration> {
        self.hired.retain(|it| it.worker.number() != number);
        self.rota.leave(number, now)
    }

    pub(crate) fn ready_since(&self, number: u64) -> Option<Duration> {
        self.rota.ready_since(number)
    }

    pub(crate) fn ready(&self) -> usize {
        self.rota.ready()
    }

    pub(crate) fn alive(&self) -> usize {
        self.rota.alive()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rota.is_empty()
    }

    pub(crate) fn workers(&self) -> Vec<Worker> {
        self.hired.iter().map(|it| it.worker.clone()).collect()
    }

    pub(crate) fn idle_since(&self) -> Vec<Duration> {
        self.rota.idle_since()
    }

    pub(crate) fn counts(&self) -> WorkerCounts {
        self.rota.counts()
    }

    /// What wakes a worker that was called.
    pub(crate) fn wake_of(&self, number: Option<u64>) -> Option<Arc<Notify>> {
        self.worker(number?).map(|worker| worker.wake().clone())
    }

    /// Takes the longest idle out of service; the caller stops it.
    pub(crate) fn dismiss_idle(&mut self) -> Option<Worker> {
        let number = self.rota.dismiss_idle()?;
        self.worker(number)
    }

    /// Takes a busy one out of service, the one that joined last; the caller stops it after what it is at.
    pub(crate) fn dismiss_busy(&mut self) -> Option<Worker> {
        let number = self.rota.dismiss_busy()?;
        self.worker(number)
    }

    /// Takes everybody out of service.
    pub(crate) fn dismiss_all(&mut self) -> Vec<Worker> {
        self.rota.dismiss_all();
        self.workers()
    }

    fn worker(&self, number: u64) -> Option<Worker> {
        let mut hired = self.hired.iter();
        hired
            .find(|it| it.worker.number() == number)
            .map(|it| it.worker.clone())
    }
}
