//! The microbatches that a worker has and has not answered: who still waits, whose time is up, who is to blame when it dies.
//! Pure: takes `now`, tells sinks what happened and answers what to say to the worker; does no IO.

use super::item::{End, Item, Took};
use onstage_core::{
    outcome::{Failure, Reason},
    value::Value,
    wire::from_worker::Answer,
};
use std::{collections::VecDeque, time::Duration};

/// What computes for longer than this while others wait behind it in the same worker is slow: an idle worker may have them.
const SLOW_AFTER: Duration = Duration::from_millis(8);

/// What is sent but not answered, oldest first. The worker computes the first microbatch; later ones wait in its socket.
pub(super) struct Flight {
    microbatches: VecDeque<Microbatch>,
    /// The model computes a microbatch in one call, so its items start and end together.
    together: bool,
    grace: Duration,
    /// When it was last asked whether others could take what waits.
    looked_for_idle: Duration,
    /// Answers that nobody waited for.
    pub strays: u64,
}

struct Microbatch {
    /// When it became the first; from then on its time counts. For models that compute one by one: when its last item was answered.
    since: Duration,
    /// When it became the first.
    began: Duration,
    items: Vec<Flying>,
    size: usize,
    /// When nobody waited for any of it any more.
    unwanted_since: Option<Duration>,
}

struct Flying {
    item: Item,
    mood: Mood,
    chunks: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Wanted,
    /// Its caller was told another end already.
    Forgotten,
    /// Its worker was asked to give it back if it had not begun: it waits behind a slow one.
    Offered,
    /// Taken back, to be run again alone: its microbatch overran its limit and somebody in it is slow.
    Recalled,
}

/// What the loop must do after a look at the clock.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Items to send a `cancel` for.
    pub cancel: Vec<u64>,
    /// The worker ignores its cancels: it must be killed.
    pub kill: bool,
}

/// A piece of a stream that does not follow the one before; the worker breaks the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GapInStream;

impl Flight {
    pub(super) fn new(together: bool, grace: Duration) -> Self {
        Self {
            microbatches: VecDeque::new(),
            together,
            grace,
            looked_for_idle: Duration::ZERO,
            strays: 0,
        }
    }

    pub(super) fn microbatches(&self) -> usize {
        self.microbatches.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.microbatches.is_empty()
    }

    pub(super) fn send(&mut self, items: Vec<Item>, now: Duration) {
        debug_assert!(!items.is_empty(), "an empty microbatch would never end");
        for item in &items {
            item.sink.started();
        }
        let size = items.len();
        let items = items.into_iter().map(Flying::new).collect();
        self.microbatches.push_back(Microbatch {
            since: now,
            began: now,
            items,
            size,
            unwanted_since: None,
        });
    }

    /// Matches an answer to its item. Answers the size and time of its microbatch when that is now complete.
    pub(super) fn answer(&mut self, answer: Answer, now: Duration) -> Option<(usize, Duration)> {
        let Some((at, place)) = self.find(answer.id) else {
            self.strays += 1;
            return None;
        };
        let microbatch = &mut self.microbatches[at];
        let flying = microbatch.items.remove(place);
        let took = microbatch.took(self.together, now);
        if flying.mood == Mood::Forgotten {
            self.strays += 1;
        }
        flying.answered(answer, took);
        if !self.together && place == 0 {
            microbatch.since = now;
        }
        if !microbatch.items.is_empty() {
            microbatch.mark_unwanted(now);
            return None;
        }
        let (size, began) = (microbatch.size, microbatch.began);
        self.microbatches.remove(at);
        if at == 0
            && let Some(next) = self.microbatches.front_mut()
        {
            next.since = now;
            next.began = now;
            next.unwanted_since = next.unwanted_since.map(|_| now);
        }
        Some((size, now.saturating_sub(began)))
    }

    pub(super) fn chunk(&mut self, id: u64, index: u64, output: Value) -> Result<(), GapInStream> {
        let Some(flying) = self.flying(id) else {
            self.strays += 1;
            return Ok(());
        };
        if index != flying.chunks {
            return Err(GapInStream);
        }
        flying.chunks += 1;
        if flying.is_wanted() {
            flying.item.sink.chunk(index, output);
        }
        Ok(())
    }

    /// Its caller gives up. True when the worker must be told.
    pub(super) fn cancel(&mut self, id: u64, now: Duration) -> bool {
        let Some((at, place)) = self.find(id) else {
            return false;
        };
        let microbatch = &mut self.microbatches[at];
        if microbatch.items[place].mood == Mood::Forgotten {
            return false;
        }
        let computed = at == 0 && (self.together || place == 0);
        let took = microbatch.took_if(computed, self.together, now);
        microbatch.items[place].give_up(Failure::new(Reason::Canceled, "it was canceled"), took);
        microbatch.mark_unwanted(now);
        true
    }

    /// Whoever's time is up is told so.
    pub(super) fn look(&mut self, now: Duration) -> Due {
        let mut due = Due::default();
        let together = self.together;
        for (at, microbatch) in self.microbatches.iter_mut().enumerate() {
            microbatch.expire_callers(now, at == 0, together, &mut due);
        }
        if let Some(first) = self.microbatches.front_mut() {
            first.expire_limit(now, self.together, &mut due);
            due.kill = first
                .unwanted_since
                .is_some_and(|since| now >= since + self.grace);
        }
        due
    }

    /// The earliest time at which `look` may have something to do.
    pub(super) fn next_look(&self) -> Option<Duration> {
        let callers = self
            .microbatches
            .iter()
            .flat_map(|microbatch| &microbatch.items)
            .filter(|flying| flying.mood != Mood::Forgotten)
            .filter_map(|flying| flying.item.until);
        let first = self.microbatches.front().map(|first| {
            first
                .unwanted_since
                .map_or(first.since + first.limit(), |since| since + self.grace)
        });
        callers.chain(first).min()
    }

    /// When what is computed counts as slow, if others wait behind it.
    pub(super) fn next_slow_look(&self) -> Option<Duration> {
        let first = self.microbatches.front()?;
        self.behind_first().next()?;
        Some(first.since.max(self.looked_for_idle) + SLOW_AFTER)
    }

    /// What waits in the worker behind the one that it computes, and was not asked back yet.
    fn behind_first(&self) -> impl Iterator<Item = &Flying> {
        let skip = match (self.together, self.microbatches.front()) {
            (true, Some(first)) => first.items.len(),
            _ => 1,
        };
        let all = self.microbatches.iter().flat_map(|it| &it.items);
        all.skip(skip).filter(|flying| flying.mood == Mood::Wanted)
    }

    /// Whether what is computed is slow and others wait behind it.
    pub(super) fn is_slow(&mut self, now: Duration) -> bool {
        let slow = self.next_slow_look().is_some_and(|at| at <= now);
        if slow {
            self.looked_for_idle = now;
        }
        slow
    }

    /// Asks back what has not begun; answers the ids to send a `recall` for.
    pub(super) fn offer(&mut self) -> Vec<u64> {
        let ids: Vec<u64> = self.behind_first().map(|flying| flying.item.id).collect();
        let offered = ids
            .iter()
            .copied()
            .collect::<std::collections::HashSet<_>>();
        let all = self.microbatches.iter_mut().flat_map(|it| &mut it.items);
        for flying in all.filter(|flying| offered.contains(&flying.item.id)) {
            flying.mood = Mood::Offered;
        }
        ids
    }

    /// The worker is gone. Only an item that was alone in the microbatch being computed is to blame.
    pub(super) fn lost(&mut self, why: &Failure, now: Duration) {
        for (place, microbatch) in self.microbatches.drain(..).enumerate() {
            let took = microbatch.took(self.together, now);
            let unanswered = microbatch.items.len();
            // The last first: whoever puts them back at the head of a queue gets the old order.
            for flying in microbatch.items.into_iter().rev() {
                flying.lost(why, place == 0, unanswered, took);
            }
        }
    }

    /// The items that what was printed may belong to: the one that is named, which may be a microbatch further already, else all of the microbatch being computed.
    pub(super) fn each_printing(&self, id: Option<u64>, mut tell: impl FnMut(&Item)) {
        let first = self.microbatches.front().into_iter();
        let named = id.and_then(|id| self.find(id));
        let printing: Vec<&Flying> = match (id, named) {
            (Some(_), Some((at, place))) => vec![&self.microbatches[at].items[place]],
            (Some(_), None) => Vec::new(),
            (None, _) => first.flat_map(|it| &it.items).collect(),
        };
        for flying in printing {
            if flying.mood != Mood::Forgotten {
                tell(&flying.item);
            }
        }
    }

    /// Whether the worker still owes an answer to it.
    pub(super) fn has(&self, id: u64) -> bool {
        self.find(id).is_some()
    }

    /// The item with this id, if its caller still waits.
    pub(super) fn wanted(&mut self, id: u64) -> Option<&Item> {
        self.flying(id)
            .filter(|flying| flying.is_wanted())
            .map(|flying| &flying.item)
    }

    fn flying(&mut self, id: u64) -> Option<&mut Flying> {
        let (at, place) = self.find(id)?;
        Some(&mut self.microbatches[at].items[place])
    }

    /// Answers mostly come in order, so the first look mostly hits.
    fn find(&self, id: u64) -> Option<(usize, usize)> {
        self.microbatches
            .iter()
            .enumerate()
            .find_map(|(at, microbatch)| {
                let place = microbatch
                    .items
                    .iter()
                    .position(|flying| flying.item.id == id)?;
                Some((at, place))
            })
    }
}

impl Microbatch {
    /// Those who compute together have one limit; the first unanswered one is being computed otherwise.
    fn limit(&self) -> Duration {
        self.items
            .first()
            .map_or(Duration::ZERO, |flying| flying.item.limit)
    }

    fn took(&self, together: bool, now: Duration) -> Took {
        let whole = now.saturating_sub(self.since);
        Took::together(whole, if together { self.size } else { 1 })
    }

    /// What waits in the worker has used none of it.
    fn took_if(&self, computed: bool, together: bool, now: Duration) -> Took {
        match computed {
            true => self.took(together, now),
            false => Took::default(),
        }
    }

    fn expire_callers(&mut self, now: Duration, first: bool, together: bool, due: &mut Due) {
        let (computing, waiting) = (self.took(together, now), Took::default());
        for (place, flying) in self.items.iter_mut().enumerate() {
            let computed = first && (together || place == 0);
            let took = if computed { computing } else { waiting };
            if flying.mood != Mood::Forgotten && flying.item.until.is_some_and(|until| until <= now)
            {
                flying.give_up(
                    Failure::new(Reason::Timeout, "it was not answered by its deadline"),
                    took,
                );
                due.cancel.push(flying.item.id);
            }
        }
        self.mark_unwanted(now);
    }

    fn expire_limit(&mut self, now: Duration, together: bool, due: &mut Due) {
        let limit = self.limit();
        if self.unwanted_since.is_some() || now < self.since + limit {
            return;
        }
        let took = self.took(together, now);
        let blame_all = together || self.items.len() == 1;
        for flying in &mut self.items {
            if flying.is_wanted() {
                due.cancel.push(flying.item.id);
                if blame_all {
                    flying.give_up(timed_out(limit), took);
                } else {
                    flying.mood = Mood::Recalled;
                }
            }
        }
        self.mark_unwanted(now);
    }

    fn mark_unwanted(&mut self, now: Duration) {
        if !self.items.iter().any(Flying::is_wanted) {
            self.unwanted_since.get_or_insert(now);
        }
    }
}

impl Flying {
    fn new(item: Item) -> Self {
        Self {
            item,
            mood: Mood::Wanted,
            chunks: 0,
        }
    }

    fn is_wanted(&self) -> bool {
        matches!(self.mood, Mood::Wanted | Mood::Offered)
    }

    fn answered(self, answer: Answer, took: Took) {
        match (self.mood, answer.outcome) {
            (Mood::Forgotten, _) => {}
            (Mood::Offered, Err(error)) if error.kind == RECALLED => self.item.sink.given_back(),
            (Mood::Recalled, Err(error)) if error.kind == "canceled" => {
                self.item.sink.end(End::Returned {
                    alone: true,
                    why: timed_out(self.item.limit),
                });
            }
            (_, Err(error)) => self.item.sink.end(End::Failed {
                failure: error.into(),
                predict: took,
            }),
            (_, Ok(output)) => self.item.sink.end(End::Output {
                output,
                chunks: (self.chunks > 0)
                    .then_some(self.chunks)
                    .or(answer.chunks.filter(|n| *n == 0)),
                metrics: answer.metrics,
                predict: took,
            }),
        }
    }

    fn give_up(&mut self, failure: Failure, predict: Took) {
        self.mood = Mood::Forgotten;
        self.item.sink.end(End::Failed { failure, predict });
    }

    fn lost(self, why: &Failure, computing: bool, unanswered: usize, took: Took) {
        let blame = (computing && unanswered == 1) || self.chunks > 0;
        let end = match self.mood {
            Mood::Forgotten => return,
            Mood::Recalled if blame => End::Failed {
                failure: timed_out(self.item.limit),
                predict: took,
            },
            Mood::Wanted | Mood::Offered if blame => End::Failed {
                failure: why.clone(),
                predict: took,
            },
            _ => End::Returned {
                alone: computing,
                why: why.clone(),
            },
        };
        self.item.sink.end(end);
    }
}

/// How a worker says that it gives an item back.
const RECALLED: &str = "recalled";

fn timed_out(limit: Duration) -> Failure {
    Failure::new(
        Reason::Timeout,
        format!("it took longer than {} s", limit.as_secs_f64()),
    )
}
