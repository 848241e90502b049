//! The rota of a pool: which of its workers are idle, called, waiting for company, busy or leaving. Workers are numbers here.
//! Pure; does not know what a worker is.

use crate::gauges::WorkerCounts;
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub(crate) struct Rota {
    members: Vec<Member>,
    /// Numbers of the idle, the one that worked last at the end: it is called first, so that the others can go to sleep.
    idle: Vec<u64>,
    starting: usize,
}

#[derive(Debug, Clone, Copy)]
struct Member {
    number: u64,
    mood: Mood,
    /// It has answered something.
    proven: bool,
    ready_at: Duration,
    /// Since when it has not worked.
    free_since: Duration,
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

impl Rota {
    pub(crate) fn starting(&self) -> usize {
        self.starting
    }

    pub(crate) fn start_one(&mut self) {
        self.starting += 1;
    }

    pub(crate) fn start_failed(&mut self) {
        self.starting -= 1;
    }

    /// A worker that is ready joins; it asks at once.
    pub(crate) fn join(&mut self, number: u64, now: Duration) {
        self.starting -= 1;
        self.members.push(Member {
            number,
            mood: Mood::Called,
            proven: false,
            ready_at: now,
            free_since: now,
        });
    }

    /// Takes out a worker that is gone; answers how long it was there when it went without ever having been given work: then it is the model's fault, not an input's.
    pub(crate) fn leave(&mut self, number: u64, now: Duration) -> Option<Duration> {
        self.idle.retain(|idle| *idle != number);
        let place = self.members.iter().position(|it| it.number == number)?;
        let member = self.members.remove(place);
        (!member.proven && member.mood != Mood::Busy).then(|| now.saturating_sub(member.ready_at))
    }

    /// Since when a worker is ready.
    pub(crate) fn ready_since(&self, number: u64) -> Option<Duration> {
        self.member(number).map(|it| it.ready_at)
    }

    /// Ready to answer.
    pub(crate) fn ready(&self) -> usize {
        self.members.len() - self.count(Mood::Stopping)
    }

    /// Ready or on the way.
    pub(crate) fn alive(&self) -> usize {
        self.ready() + self.starting
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.starting == 0
    }

    pub(crate) fn idle_since(&self) -> Vec<Duration> {
        let idle = self.idle.iter();
        idle.filter_map(|number| self.member(*number))
            .map(|it| it.free_since)
            .collect()
    }

    pub(crate) fn idle_but(&self, number: u64) -> usize {
        self.idle.iter().filter(|idle| **idle != number).count()
    }

    pub(crate) fn counts(&self) -> WorkerCounts {
        let count = |mood| self.count(mood) as u32;
        WorkerCounts {
            starting: self.starting as u32,
            idle: count(Mood::Idle) + count(Mood::Called) + count(Mood::Windowed),
            busy: count(Mood::Busy),
            stopping: count(Mood::Stopping),
        }
    }

    pub(crate) fn may_take(&self, number: u64) -> bool {
        self.member(number)
            .is_some_and(|it| it.mood != Mood::Stopping)
    }

    /// Whether somebody holds back what waits until there is more.
    pub(crate) fn has_windowed(&self) -> bool {
        self.count(Mood::Windowed) > 0
    }

    /// Calls the idle worker that worked last.
    pub(crate) fn call_idle(&mut self) -> Option<u64> {
        let number = self.idle.pop()?;
        self.set(number, Mood::Called);
        Some(number)
    }

    /// Calls a worker that waits for its microbatch to fill.
    pub(crate) fn call_windowed(&mut self) -> Option<u64> {
        let mut members = self.members.iter_mut();
        let member = members.find(|it| it.mood == Mood::Windowed)?;
        member.mood = Mood::Called;
        Some(member.number)
    }

    pub(crate) fn busy(&mut self, number: u64) {
        self.idle.retain(|idle| *idle != number);
        self.set(number, Mood::Busy);
    }

    pub(crate) fn windowed(&mut self, number: u64, now: Duration) {
        self.idle.retain(|idle| *idle != number);
        self.rest(number, now);
        self.set(number, Mood::Windowed);
    }

    pub(crate) fn idle(&mut self, number: u64, now: Duration) {
        if self.idle.contains(&number) || self.member(number).is_none() {
            return;
        }
        self.rest(number, now);
        self.set(number, Mood::Idle);
        self.idle.push(number);
    }

    /// Takes the longest idle out of service.
    pub(crate) fn dismiss_idle(&mut self) -> Option<u64> {
        let since = self.idle_since();
        let longest = (0..since.len()).min_by_key(|place| since[*place])?;
        let number = self.idle.remove(longest);
        self.set(number, Mood::Stopping);
        Some(number)
    }

    /// Takes a busy one out of service after what it is at: the one that joined last.
    pub(crate) fn dismiss_busy(&mut self) -> Option<u64> {
        let mut members = self.members.iter_mut();
        let member = members.rfind(|member| member.mood == Mood::Busy)?;
        member.mood = Mood::Stopping;
        Some(member.number)
    }

    /// Takes everybody out of service.
    pub(crate) fn dismiss_all(&mut self) {
        self.idle.clear();
        for member in &mut self.members {
            member.mood = Mood::Stopping;
        }
    }

    /// Notes when it stopped working. A call that gave it nothing to do was no work: it grows no younger by that.
    fn rest(&mut self, number: u64, now: Duration) {
        if let Some(member) = self.member_mut(number)
            && member.mood == Mood::Busy
        {
            member.proven = true;
            member.free_since = now;
        }
    }

    fn set(&mut self, number: u64, mood: Mood) {
        if let Some(member) = self.member_mut(number) {
            member.proven |= member.mood == Mood::Busy && mood == Mood::Busy;
            member.mood = mood;
        }
    }

    fn count(&self, mood: Mood) -> usize {
        self.members.iter().filter(|it| it.mood == mood).count()
    }

    fn member(&self, number: u64) -> Option<&Member> {
        self.members.iter().find(|it| it.number == number)
    }

    fn member_mut(&mut self, number: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|it| it.number == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn rota(workers: u64) -> Rota {
        let mut rota = Rota::default();
        for number in 0..workers {
            rota.start_one();
            rota.join(number, at(0));
            rota.idle(number, at(0));
        }
        rota
    }

    #[test]
    fn the_one_that_worked_last_works_next_and_a_call_in_vain_makes_nobody_younger() {
        let mut rota = rota(3);
        assert_eq!(rota.call_idle(), Some(2));
        rota.busy(2);
        rota.idle(2, at(5));
        assert_eq!(rota.call_idle(), Some(2));
        rota.windowed(2, at(7));
        rota.idle(2, at(9));
        assert_eq!(rota.idle_since(), [at(0), at(0), at(5)]);
        assert_eq!(rota.dismiss_idle(), Some(0));
        assert!(!rota.may_take(0) && rota.ready() == 2);
    }

    #[test]
    fn one_that_goes_without_work_says_how_long_it_was_there() {
        let mut rota = rota(2);
        rota.busy(0);
        rota.idle(0, at(1));
        assert_eq!(rota.leave(0, at(4)), None);
        assert_eq!(rota.leave(1, at(4)), Some(at(4)));
        assert!(rota.is_empty());
    }
}
