//! The queue of one version: bounded, in turn between its callers and in order for each, with items that must go alone.
//! Pure; does not know what waits in it.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// How much more than `items_max` may wait so that callers who have less than their share are let in.
const SHARES_FACTOR: usize = 2;
/// Empty lanes kept for the next caller.
const SPARE_LANES_MAX: usize = 4;

/// Something that waits.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub it: T,
    /// In the order of acceptance.
    pub number: u64,
    /// Whose it is.
    pub caller: u64,
    pub queued_at: Duration,
    /// Nobody waits for it after this.
    pub until: Option<Duration>,
    /// It shares no microbatch: one that it was in killed its worker.
    pub alone: bool,
}

pub(crate) struct Queue<T> {
    /// Put back after a worker was lost: accepted before all others, so they go first.
    returned: VecDeque<Waiting<T>>,
    /// What each caller has waiting, in order; a caller without is not here.
    lanes: HashMap<u64, VecDeque<Waiting<T>>>,
    /// Callers that have something waiting, the one whose turn it is first.
    turns: VecDeque<u64>,
    spare: Vec<VecDeque<Waiting<T>>>,
    len: usize,
    items_max: usize,
    /// No `until` in the queue is earlier than this.
    expires_from: Duration,
}

impl<T> Queue<T> {
    pub(crate) fn new(items_max: usize) -> Self {
        Self {
            returned: VecDeque::new(),
            lanes: HashMap::new(),
            turns: VecDeque::new(),
            spare: Vec::new(),
            len: 0,
            items_max,
            expires_from: Duration::MAX,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a caller may not add more. One caller alone may fill the queue; when it is full, those who have
    /// less than an equal share of it are still let in.
    pub(crate) fn is_full_for(&self, caller: u64) -> bool {
        if self.len < self.items_max {
            return false;
        }
        let own = self.lanes.get(&caller).map_or(0, VecDeque::len);
        let callers = self.turns.len() + usize::from(own == 0);
        let share = (self.items_max / callers.max(1)).max(1);
        self.len >= self.items_max.saturating_mul(SHARES_FACTOR) || own >= share || callers == 1
    }

    pub(crate) fn oldest_at(&self) -> Option<Duration> {
        let lanes = self
            .turns
            .iter()
            .filter_map(|caller| self.lanes.get(caller));
        let heads = lanes.filter_map(VecDeque::front);
        heads
            .chain(self.returned.front())
            .map(|waiting| waiting.queued_at)
            .min()
    }

    /// When somebody in the queue may stop waiting.
    pub(crate) fn expires_from(&self) -> Option<Duration> {
        (self.expires_from < Duration::MAX).then_some(self.expires_from)
    }

    /// The caller checks `is_full_for` first; what was accepted before is never refused.
    pub(crate) fn push(&mut self, waiting: Waiting<T>) {
        self.note(&waiting);
        let caller = waiting.caller;
        let spare = &mut self.spare;
        let lane = self
            .lanes
            .entry(caller)
            .or_insert_with(|| spare.pop().unwrap_or_default());
        if lane.is_empty() {
            self.turns.push_back(caller);
        }
        lane.push_back(waiting);
        self.len += 1;
    }

    /// Puts something back at the head: it was accepted before and goes first.
    pub(crate) fn put_back(&mut self, waiting: Waiting<T>) {
        self.note(&waiting);
        self.returned.push_front(waiting);
        self.len += 1;
    }

    fn note(&mut self, waiting: &Waiting<T>) {
        if let Some(until) = waiting.until {
            self.expires_from = self.expires_from.min(until);
        }
    }

    /// Takes up to `most` in turn, as long as each `fits` with those before it; one that must go alone goes alone.
    pub(crate) fn take(
        &mut self,
        most: usize,
        mut fits: impl FnMut(&T) -> bool,
    ) -> Vec<Waiting<T>> {
        let mut taken = Vec::with_capacity(most.min(self.len));
        while taken.len() < most
            && let Some(next) = self.head()
        {
            let (alone, first) = (next.alone, taken.is_empty());
            if (alone && !first) || !fits(&next.it) {
                break;
            }
            taken.extend(self.pop());
            if alone {
                break;
            }
        }
        taken
    }

    fn head(&self) -> Option<&Waiting<T>> {
        self.returned
            .front()
            .or_else(|| self.lanes.get(self.turns.front()?)?.front())
    }

    fn pop(&mut self) -> Option<Waiting<T>> {
        let popped = match self.returned.pop_front() {
            Some(waiting) => waiting,
            None => {
                let caller = self.turns.pop_front()?;
                let lane = self.lanes.get_mut(&caller)?;
                let waiting = lane.pop_front()?;
                match lane.is_empty() {
                    true => self.close(caller),
                    false => self.turns.push_back(caller),
                }
                waiting
            }
        };
        self.len -= 1;
        Some(popped)
    }

    /// Takes an empty lane out; its memory serves the next caller.
    fn close(&mut self, caller: u64) {
        if let Some(lane) = self.lanes.remove(&caller)
            && self.spare.len() < SPARE_LANES_MAX
        {
            self.spare.push(lane);
        }
    }

    /// Takes out whatever expired by `now`.
    pub(crate) fn expired(&mut self, now: Duration) -> Vec<Waiting<T>> {
        if now < self.expires_from {
            return Vec::new();
        }
        let is_over = |waiting: &Waiting<T>| waiting.until.is_some_and(|until| until <= now);
        let mut gone = split_off(&mut self.returned, is_over);
        for lane in self.lanes.values_mut() {
            gone.extend(split_off(lane, is_over));
        }
        self.len -= gone.len();
        self.close_empty();
        let left = self.returned.iter().chain(self.lanes.values().flatten());
        self.expires_from = left
            .filter_map(|waiting| waiting.until)
            .min()
            .unwrap_or(Duration::MAX);
        gone
    }

    fn close_empty(&mut self) {
        let lanes = &mut self.lanes;
        self.turns
            .retain(|caller| lanes.get(caller).is_some_and(|lane| !lane.is_empty()));
        lanes.retain(|_, lane| !lane.is_empty());
    }

    pub(crate) fn remove(&mut self, caller: u64, number: u64) -> Option<Waiting<T>> {
        let is_it = |waiting: &Waiting<T>| waiting.number == number;
        let removed = match self.returned.iter().position(is_it) {
            Some(place) => self.returned.remove(place)?,
            None => {
                let lane = self.lanes.get_mut(&caller)?;
                let place = lane.binary_search_by_key(&number, |waiting| waiting.number);
                lane.remove(place.ok()?)?
            }
        };
        self.len -= 1;
        self.close_empty();
        Some(removed)
    }

    /// How many go before something of a caller's that waits; all, when it does not wait here.
    pub(crate) fn ahead_of(&self, caller: u64, number: u64) -> usize {
        if let Some(place) = self.returned.iter().position(|it| it.number == number) {
            return place;
        }
        let Some(own) = self.lanes.get(&caller) else {
            return self.len;
        };
        let place = own.partition_point(|waiting| waiting.number < number);
        let mut ahead = self.returned.len() + place;
        let mut is_before = true;
        for other in &self.turns {
            if *other == caller {
                is_before = false;
                continue;
            }
            // One of theirs in every round before ours, and in ours when their turn comes first.
            let len = self.lanes.get(other).map_or(0, VecDeque::len);
            ahead += len.min(place + usize::from(is_before));
        }
        ahead
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let waiting = self.returned.iter().chain(self.lanes.values().flatten());
        waiting.map(|waiting| &waiting.it)
    }

    pub(crate) fn drain(&mut self) -> Vec<Waiting<T>> {
        self.expires_from = Duration::MAX;
        let mut all = Vec::with_capacity(self.len);
        while let Some(waiting) = self.pop() {
            all.push(waiting);
        }
        all
    }
}

/// Takes out those for which `is_it` holds, in order.
fn split_off<T>(
    lane: &mut VecDeque<Waiting<T>>,
    is_it: impl Fn(&Waiting<T>) -> bool,
) -> Vec<Waiting<T>> {
    if !lane.iter().any(&is_it) {
        return Vec::new();
    }
    let (gone, kept): (Vec<_>, VecDeque<_>) = {
        let (mut gone, mut kept) = (Vec::new(), VecDeque::with_capacity(lane.len()));
        for waiting in lane.drain(..) {
            match is_it(&waiting) {
                true => gone.push(waiting),
                false => kept.push_back(waiting),
            }
        }
        (gone, kept)
    };
    *lane = kept;
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waiting(number: u64, caller: u64) -> Waiting<u64> {
        Waiting {
            it: number,
            number,
            caller,
            queued_at: Duration::ZERO,
            until: None,
            alone: false,
        }
    }

    fn numbers(taken: Vec<Waiting<u64>>) -> Vec<u64> {
        taken.into_iter().map(|it| it.number).collect()
    }

    fn filled(items_max: usize, callers: &[u64]) -> Queue<u64> {
        let mut queue = Queue::new(items_max);
        for (number, caller) in callers.iter().enumerate() {
            queue.push(waiting(number as u64, *caller));
        }
        queue
    }

    #[test]
    fn callers_take_turns_and_each_keeps_its_order() {
        let mut queue = filled(100, &[1, 1, 1, 1, 2, 2, 3]);
        assert_eq!(numbers(queue.take(5, |_| true)), [0, 4, 6, 1, 5]);
        queue.push(waiting(7, 3));
        assert_eq!(numbers(queue.take(9, |_| true)), [2, 7, 3]);
    }

    #[test]
    fn places_are_told_as_they_will_be_taken() {
        let mut queue = filled(100, &[1, 1, 1, 2, 3, 3, 2, 1]);
        queue.put_back(waiting(100, 9));
        let all = [1, 1, 1, 2, 3, 3, 2, 1].into_iter().enumerate();
        let mut told: Vec<(usize, u64)> = all
            .map(|(number, caller)| (queue.ahead_of(caller, number as u64), number as u64))
            .collect();
        told.push((queue.ahead_of(9, 100), 100));
        told.sort_unstable();
        let taken = numbers(queue.take(99, |_| true));
        assert_eq!(told, taken.into_iter().enumerate().collect::<Vec<_>>());
    }

    #[test]
    fn a_caller_who_fills_the_queue_leaves_the_others_their_share() {
        let mut queue = filled(4, &[1, 1, 1, 1]);
        assert!(queue.is_full_for(1));
        assert!(!queue.is_full_for(2));
        queue.push(waiting(4, 2));
        queue.push(waiting(5, 2));
        assert!(queue.is_full_for(2) && !queue.is_full_for(3));
        queue.push(waiting(6, 3));
        assert!(queue.is_full_for(3) && !queue.is_full_for(4));
        queue.push(waiting(7, 4));
        assert!(queue.is_full_for(5), "twice the limit is the end");
    }

    #[test]
    fn what_does_not_fit_waits_for_the_next_microbatch() {
        let mut queue = Queue::new(10);
        for size in [3, 3, 9, 1] {
            queue.push(waiting(size, 1));
        }
        let mut take = || {
            let mut sum = 0;
            let taken = queue.take(9, |it| {
                let first = sum == 0;
                sum += it;
                first || sum <= 7
            });
            numbers(taken)
        };
        assert_eq!((take(), take(), take()), (vec![3, 3], vec![9], vec![1]));
    }

    #[test]
    fn what_is_put_back_goes_first_and_alone_when_it_must() {
        let mut queue = filled(2, &[5, 5]);
        for number in [12, 11] {
            let alone = true;
            queue.put_back(Waiting {
                alone,
                ..waiting(number, 7)
            });
        }
        let mut order = Vec::new();
        while !queue.is_empty() {
            order.push(numbers(queue.take(10, |_| true)));
        }
        assert_eq!(order, [vec![11], vec![12], vec![0, 1]]);
    }

    #[derive(Debug, Clone)]
    enum Do {
        Push {
            caller: u64,
            alone: bool,
            until: Option<u64>,
        },
        PutBack,
        Take(usize),
        Expire(u64),
        Remove(usize),
    }

    fn doing() -> impl Strategy<Value = Do> {
        prop_oneof![
            4 => (0_u64..5, prop::bool::weighted(0.1), prop::option::of(0_u64..20))
                .prop_map(|(caller, alone, until)| Do::Push { caller, alone, until }),
            1 => Just(Do::PutBack),
            3 => (0_usize..8).prop_map(Do::Take),
            1 => (0_u64..24).prop_map(Do::Expire),
            1 => (0_usize..40).prop_map(Do::Remove),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled_and_each_caller_keeps_its_order(doings in prop::collection::vec(doing(), 0..120)) {
            let mut queue = Queue::new(1_000);
            let (mut pushed, mut gone) = (Vec::new(), Vec::new());
            let mut taken: Vec<Waiting<u64>> = Vec::new();
            let mut returned = Vec::new();
            for doing in doings {
                match doing {
                    Do::Push { caller, alone, until } => {
                        let number = pushed.len() as u64;
                        pushed.push(caller);
                        queue.push(Waiting { alone, until: until.map(Duration::from_secs), ..waiting(number, caller) });
                    }
                    Do::PutBack => if let Some(back) = taken.pop() {
                        returned.push(back.number);
                        queue.put_back(back);
                    },
                    Do::Take(most) => {
                        let batch = queue.take(most, |_| true);
                        prop_assert!(batch.len() <= most);
                        prop_assert!(batch.len() < 2 || batch.iter().all(|it| !it.alone));
                        taken.extend(batch);
                    }
                    Do::Expire(now) => {
                        let now = Duration::from_secs(now);
                        let expired = queue.expired(now);
                        prop_assert!(expired.iter().all(|it| it.until.unwrap() <= now));
                        prop_assert!(queue.expires_from().is_none_or(|from| from > now));
                        gone.extend(numbers(expired));
                    }
                    Do::Remove(place) => if !pushed.is_empty() {
                        let number = place % pushed.len();
                        gone.extend(queue.remove(pushed[number], number as u64).map(|it| it.number));
                    },
                }
            }
            for caller in 0..5 {
                let own = taken.iter().filter(|it| it.caller == caller && !returned.contains(&it.number));
                prop_assert!(own.map(|it| it.number).is_sorted());
            }
            let left = queue.len();
            let drained = numbers(queue.drain());
            prop_assert_eq!(drained.len(), left);
            let mut all: Vec<u64> = numbers(taken).into_iter().chain(gone).chain(drained).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..pushed.len() as u64).collect::<Vec<_>>());
        }
    }
}
