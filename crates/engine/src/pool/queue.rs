//! The queue of one version: in order, bounded, with items that must go alone.
//! Pure; does not know what waits in it.

use std::{collections::VecDeque, time::Duration};

/// Something that waits.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub it: T,
    pub queued_at: Duration,
    /// Nobody waits for it after this.
    pub until: Option<Duration>,
    /// It shares no microbatch: one that it was in killed its worker.
    pub alone: bool,
}

pub(crate) struct Queue<T> {
    waiting: VecDeque<Waiting<T>>,
    items_max: usize,
    /// No `until` in the queue is earlier than this.
    expires_from: Duration,
}

impl<T> Queue<T> {
    pub(crate) fn new(items_max: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            items_max,
            expires_from: Duration::MAX,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.items_max
    }

    pub(crate) fn oldest_at(&self) -> Option<Duration> {
        self.waiting.front().map(|waiting| waiting.queued_at)
    }

    /// When somebody in the queue may stop waiting.
    pub(crate) fn expires_from(&self) -> Option<Duration> {
        (self.expires_from < Duration::MAX).then_some(self.expires_from)
    }

    /// The caller checks `is_full` first; what was accepted before is never refused.
    pub(crate) fn push(&mut self, waiting: Waiting<T>) {
        self.note(&waiting);
        self.waiting.push_back(waiting);
    }

    /// Puts something back at the head: it was accepted before and goes first.
    pub(crate) fn put_back(&mut self, waiting: Waiting<T>) {
        self.note(&waiting);
        self.waiting.push_front(waiting);
    }

    fn note(&mut self, waiting: &Waiting<T>) {
        if let Some(until) = waiting.until {
            self.expires_from = self.expires_from.min(until);
        }
    }

    /// Takes up to `most` from the head, as long as each `fits` with those before it; one that must go alone goes alone.
    pub(crate) fn take(
        &mut self,
        most: usize,
        mut fits: impl FnMut(&T) -> bool,
    ) -> impl Iterator<Item = Waiting<T>> + '_ {
        let mut count = 0;
        for waiting in self.waiting.iter().take(most) {
            let alone = waiting.alone && count > 0;
            if alone || !fits(&waiting.it) {
                break;
            }
            count += 1;
            if waiting.alone {
                break;
            }
        }
        self.waiting.drain(..count)
    }

    /// Takes out whatever expired by `now`.
    pub(crate) fn expired(&mut self, now: Duration) -> Vec<Waiting<T>> {
        if now < self.expires_from {
            return Vec::new();
        }
        let (mut gone, mut kept) = (Vec::new(), VecDeque::new());
        for waiting in self.waiting.drain(..) {
            match waiting.until {
                Some(until) if until <= now => gone.push(waiting),
                _ => kept.push_back(waiting),
            }
        }
        self.waiting = kept;
        self.expires_from = Duration::MAX;
        for until in self.waiting.iter().filter_map(|waiting| waiting.until) {
            self.expires_from = self.expires_from.min(until);
        }
        gone
    }

    pub(crate) fn remove(&mut self, is_it: impl FnMut(&Waiting<T>) -> bool) -> Option<Waiting<T>> {
        let place = self.waiting.iter().position(is_it)?;
        self.waiting.remove(place)
    }

    /// How many wait before the first for which `reached` holds; for a queue ordered by it.
    pub(crate) fn ahead_of(&self, mut reached: impl FnMut(&T) -> bool) -> usize {
        self.waiting
            .partition_point(|waiting| !reached(&waiting.it))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().map(|waiting| &waiting.it)
    }

    pub(crate) fn drain(&mut self) -> Vec<Waiting<T>> {
        self.expires_from = Duration::MAX;
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn waiting(number: u32, alone: bool, until: Option<u64>) -> Waiting<u32> {
        Waiting {
            it: number,
            queued_at: Duration::ZERO,
            until: until.map(Duration::from_secs),
            alone,
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_doubled_or_reordered(
            items in prop::collection::vec((any::<bool>(), prop::option::of(0_u64..10)), 0..60),
            takes in prop::collection::vec((0_usize..8, 0_u64..12), 0..80),
        ) {
            let mut queue = Queue::new(1000);
            for (number, (alone, until)) in items.iter().enumerate() {
                queue.push(waiting(number as u32, *alone, *until));
            }
            let (mut taken, mut gone) = (Vec::new(), Vec::new());
            for (most, now) in takes {
                let now = Duration::from_secs(now);
                gone.extend(queue.expired(now).into_iter().inspect(|it| assert!(it.until.unwrap() <= now)).map(|it| it.it));
                let batch: Vec<_> = queue.take(most, |_| true).collect();
                prop_assert!(batch.len() <= most);
                prop_assert!(batch.len() < 2 || batch.iter().all(|it| !it.alone));
                prop_assert!(batch.iter().all(|it| it.until.is_none_or(|until| until > now)));
                taken.extend(batch.into_iter().map(|it| it.it));
            }
            prop_assert!(taken.is_sorted());
            let mut all: Vec<u32> = taken.into_iter().chain(gone).chain(queue.drain().into_iter().map(|it| it.it)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..items.len() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_does_not_fit_waits_for_the_next_microbatch() {
        let mut queue = Queue::new(10);
        for number in [3, 3, 9, 1] {
            queue.push(waiting(number, false, None));
        }
        let mut take = || {
            let mut sum = 0;
            let mut fits = |it: &u32| {
                let first = sum == 0;
                sum += it;
                first || sum <= 7
            };
            let taken = queue.take(9, &mut fits).map(|it| it.it);
            taken.collect::<Vec<_>>()
        };
        assert_eq!((take(), take(), take()), (vec![3, 3], vec![9], vec![1]));
    }

    #[test]
    fn what_is_put_back_goes_first() {
        let mut queue = Queue::new(2);
        queue.push(waiting(3, false, None));
        queue.push(waiting(4, false, None));
        assert!(queue.is_full());
        queue.put_back(waiting(2, true, None));
        queue.put_back(waiting(1, true, None));
        let mut order = Vec::new();
        while !queue.is_empty() {
            order.push(queue.take(10, |_| true).map(|it| it.it).collect::<Vec<_>>());
        }
        assert_eq!(order, [vec![1], vec![2], vec![3, 4]]);
    }
}
