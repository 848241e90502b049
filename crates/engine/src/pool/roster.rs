//! Who is in a pool: each worker with what it is doing, as far as the queue must know.
//! Pure but for the handles it holds.

use super::host::Room;
use crate::{gauges::WorkerCounts, worker::Worker};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Roster {
    members: Vec<Member>,
    /// Numbers of the idle, the one that worked last at the end: it is called first, so that the others can go to sleep.
    idle: Vec<(u64, Duration)>,
    starting: usize,
}

struct Member {
    worker: Worker,
    mood: Mood,
    /// It has answered something.
    proven: bool,
    ready_at: Duration,
    _room: Arc<Room>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Idle,
    /// Woken, has not asked yet.
    Called,
    /// Waits for its microbatch to fill.
    Windowed,
    Busy,
    Stopping,
}

impl Roster {
    pub(crate) fn starting(&self) -> usize {
        self.starting
    }

    pub(crate) fn start_one(&mut self) {
        self.starting += 1;
    }

    pub(crate) fn start_failed(&mut self) {
        self.starting -= 1;
    }

    /// A worker that is ready joins; it is called at once.
    pub(crate) fn join(
        &mut self,
        worker: Worker,
        room: Arc<Room>,
        was_starting: bool,
        now: Duration,
    ) {
        if was_starting {
            self.starting -= 1;
        }
        self.members.push(Member {
            worker,
            mood: Mood::Called,
            proven: false,
            ready_at: now,
            _room: room,
        });
    }

    /// Takes out a worker that is gone; answers how long it was there when it went without ever having been given work: then it is the model's fault, not an input's.
    pub(crate) fn leave(&mut self, number: u64, now: Duration) -> Option<Duration> {
        self.idle.retain(|(idle, _)| *idle != number);
        let place = self
            .members
            .iter()
            .position(|it| it.worker.number() == number)?;
        let member = self.members.remove(place);
        (!member.proven && member.mood != Mood::Busy).then(|| now.saturating_sub(member.ready_at))
    }

    /// Since when a worker is ready.
    pub(crate) fn ready_since(&self, number: u64) -> Option<Duration> {
        let mut members = self.members.iter();
        members
            .find(|it| it.worker.number() == number)
            .map(|it| it.ready_at)
    }

    /// Ready to answer.
    pub(crate) fn ready(&self) -> usize {
        self.members
            .iter()
            .filter(|member| member.mood != Mood::Stopping)
            .count()
    }

    /// Ready or on the way.
    pub(crate) fn alive(&self) -> usize {
        self.ready() + self.starting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.starting == 0
    }

    pub(crate) fn workers(&self) -> Vec<Worker> {
        self.members.iter().map(|it| it.worker.clone()).collect()
    }

    pub(crate) fn idle_since(&self) -> Vec<Duration> {
        self.idle.iter().map(|(_, since)| *since).collect()
    }

    pub(crate) fn idle_but(&self, number: u64) -> usize {
        self.idle.iter().filter(|(idle, _)| *idle != number).count()
    }

    pub(crate) fn counts(&self) -> WorkerCounts {
        let count = |mood| self.members.iter().filter(|it| it.mood == mood).count() as u32;
        WorkerCounts {
            starting: self.starting as u32,
            idle: count(Mood::Idle) + count(Mood::Called) + count(Mood::Windowed),
            busy: count(Mood::Busy),
            stopping: count(Mood::Stopping),
        }
    }

    pub(crate) fn may_take(&self, number: u64) -> bool {
        self.members
            .iter()
            .any(|it| it.worker.number() == number && it.mood != Mood::Stopping)
    }

    /// Calls the idle worker that worked last.
    pub(crate) fn call_idle(&mut self) -> Option<Arc<Notify>> {
        let (number, _) = self.idle.pop()?;
        self.set(number, Mood::Called)
    }

    /// Calls a worker that waits for its microbatch to fill.
    pub(crate) fn call_windowed(&mut self) -> Option<Arc<Notify>> {
        let member = self
            .members
            .iter_mut()
            .find(|it| it.mood == Mood::Windowed)?;
        member.mood = Mood::Called;
        Some(member.worker.wake().clone())
    }

    pub(crate) fn busy(&mut self, number: u64) {
        self.idle.retain(|(idle, _)| *idle != number);
        self.set(number, Mood::Busy);
    }

    pub(crate) fn windowed(&mut self, number: u64) {
        self.idle.retain(|(idle, _)| *idle != number);
        self.set(number, Mood::Windowed);
    }

    pub(crate) fn idle(&mut self, number: u64, now: Duration) {
        if self.idle.iter().any(|(idle, _)| *idle == number) {
            return;
        }
        if let Some(member) = self.member(number) {
            member.proven |= member.mood == Mood::Busy;
            member.mood = Mood::Idle;
            self.idle.push((number, now));
        }
    }

    /// Takes the longest idle out of service; the caller stops it.
    pub(crate) fn dismiss_idle(&mut self) -> Option<Worker> {
        let longest = (0..self.idle.len()).min_by_key(|place| self.idle[*place].1)?;
        let (number, _) = self.idle.remove(longest);
        self.set(number, Mood::Stopping);
        self.member(number).map(|member| member.worker.clone())
    }

    /// Takes a busy one out of service, the one that joined last; the caller stops it after what it is at.
    pub(crate) fn dismiss_busy(&mut self) -> Option<Worker> {
        let member = self
            .members
            .iter_mut()
            .rfind(|member| member.mood == Mood::Busy)?;
        member.mood = Mood::Stopping;
        Some(member.worker.clone())
    }

    /// Takes everybody out of service.
    pub(crate) fn dismiss_all(&mut self) -> Vec<Worker> {
        self.idle.clear();
        for member in &mut self.members {
            member.mood = Mood::Stopping;
        }
        self.workers()
    }

    fn set(&mut self, number: u64, mood: Mood) -> Option<Arc<Notify>> {
        let member = self.member(number)?;
        member.proven |= member.mood == Mood::Busy && mood == Mood::Busy;
        member.mood = mood;
        Some(member.worker.wake().clone())
    }

    fn member(&mut self, number: u64) -> Option<&mut Member> {
        self.members
            .iter_mut()
            .find(|it| it.worker.number() == number)
    }
}
