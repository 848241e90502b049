//! What waits to be recorded, within bounds. Of a load that is more than can be written, one in so many is taken in:
//! those that are kept are spread evenly, and the others go while their memory is still in the processor's cache.
//! Pure; does not know what a record is.

use std::collections::VecDeque;

/// How much a record matters when not all can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// One of many alike.
    Sampled,
    /// Failed in a program's hands: dropped only after everything sampled.
    Failed,
    /// Promised to somebody: never dropped; no more is taken in instead.
    Always,
}

/// The most that may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub items: usize,
    pub bytes: usize,
}

struct Held<T> {
    it: T,
    bytes: usize,
}

pub(super) struct Buffer<T> {
    bounds: Bounds,
    sampled: VecDeque<Held<T>>,
    failed: VecDeque<Held<T>>,
    always: VecDeque<Held<T>>,
    bytes: usize,
    always_bytes: usize,
    /// Sampled ones since the last that was taken in.
    came: usize,
}

impl<T> Buffer<T> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            sampled: VecDeque::new(),
            failed: VecDeque::new(),
            always: VecDeque::new(),
            bytes: 0,
            always_bytes: 0,
            came: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sampled.len() + self.failed.len() + self.always.len()
    }

    /// So much is promised that no more may be: twice what may wait otherwise.
    pub(super) fn is_full(&self) -> bool {
        self.always.len() >= self.bounds.items.saturating_mul(2)
            || self.always_bytes >= self.bounds.bytes.saturating_mul(2)
    }

    /// Answers what had to go for it, which may be itself.
    pub(super) fn add(&mut self, it: T, worth: Worth, bytes: usize) -> Vec<T> {
        if worth == Worth::Sampled && !self.is_chosen() {
            return vec![it];
        }
        self.bytes += bytes;
        if worth == Worth::Always {
            self.always_bytes += bytes;
        }
        self.queue(worth).push_back(Held { it, bytes });
        let mut dropped = Vec::new();
        while self.is_over() {
            let Some(oldest) = self.sampled.pop_front().or_else(|| self.failed.pop_front()) else {
                break;
            };
            self.bytes -= oldest.bytes;
            dropped.push(oldest.it);
        }
        dropped
    }

    /// Up to `most`, those that matter most first.
    pub(super) fn take(&mut self, most: usize) -> Vec<T> {
        let mut group = Vec::new();
        for worth in [Worth::Always, Worth::Failed, Worth::Sampled] {
            while group.len() < most
                && let Some(held) = self.queue(worth).pop_front()
            {
                self.bytes -= held.bytes;
                if worth == Worth::Always {
                    self.always_bytes -= held.bytes;
                }
                group.push(held.it);
            }
        }
        group
    }

    /// Whether the next sampled one is taken in.
    fn is_chosen(&mut self) -> bool {
        let of = |held: usize, most: usize| held.saturating_mul(8) / most.max(1);
        let held = of(self.may_go(), self.bounds.items).max(of(self.bytes, self.bounds.bytes));
        let one_in = match held {
            0..6 => 1,
            6 => 4,
            _ => 16,
        };
        self.came = (self.came + 1) % one_in;
        self.came == 0
    }

    fn is_over(&self) -> bool {
        self.may_go() > self.bounds.items || self.bytes > self.bounds.bytes
    }

    /// Of how many some may be dropped.
    fn may_go(&self) -> usize {
        self.sampled.len() + self.failed.len()
    }

    fn queue(&mut self, worth: Worth) -> &mut VecDeque<Held<T>> {
        match worth {
            Worth::Sampled => &mut self.sampled,
            Worth::Failed => &mut self.failed,
            Worth::Always => &mut self.always,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Worth::*, *};

    fn buffer(items: usize, bytes: usize) -> Buffer<u32> {
        Buffer::new(Bounds { items, bytes })
    }

    #[test]
    fn the_oldest_sampled_goes_first_then_the_oldest_failed_and_never_what_was_promised() {
        let mut buffer = buffer(2, 1_000);
        assert!(buffer.add(1, Always, 1).is_empty());
        assert!(buffer.add(2, Sampled, 1).is_empty());
        assert!(buffer.add(3, Failed, 1).is_empty());
        assert_eq!(buffer.add(4, Failed, 1), [2]);
        assert_eq!(buffer.add(5, Failed, 1), [3]);
        assert_eq!(buffer.take(9), [1, 4, 5]);
        assert_eq!(buffer.len(), 0);
    }

    #[test]
    fn bytes_are_bounded_as_well_and_counted_down_again() {
        let mut buffer = buffer(100, 100);
        assert!(buffer.add(1, Sampled, 60).is_empty());
        assert_eq!(buffer.add(2, Sampled, 60), [1]);
        assert_eq!(buffer.take(1), [2]);
        assert!(buffer.add(3, Sampled, 100).is_empty());
        assert_eq!(buffer.add(4, Always, 150), [3]);
        assert!(!buffer.is_full());
        buffer.add(5, Always, 50);
        assert!(buffer.is_full(), "twice the bytes are promised");
        assert_eq!(buffer.take(9), [4, 5]);
        assert!(!buffer.is_full());
    }

    #[test]
    fn the_fuller_it_is_the_fewer_of_many_alike_are_taken_in() {
        let mut buffer = buffer(800, 1_000_000);
        let taken_in = |buffer: &mut Buffer<u32>, count: u32| {
            let before = buffer.len();
            for it in 0..count {
                buffer.add(it, Sampled, 1);
            }
            buffer.len() - before
        };
        assert_eq!(taken_in(&mut buffer, 600), 600, "a burst is kept whole");
        assert_eq!(taken_in(&mut buffer, 400), 100);
        assert_eq!(taken_in(&mut buffer, 160), 10);
        assert!(buffer.add(1, Failed, 1).is_empty(), "only of many alike");
        let taken = buffer.take(300).len();
        assert_eq!((taken, taken_in(&mut buffer, 100)), (300, 100));
    }
}
