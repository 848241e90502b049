//! The rows between the table and the chunks: which wait, which are at the worker, which are done and in whose turn.
//! Pure; knows neither rows nor answers.

use std::collections::VecDeque;

/// A number for every row that entered, counted from 0.
pub(crate) type Seq = u64;

/// Rows in the order they came, let out in that order when they are done.
#[derive(Debug)]
pub(crate) struct Window<I, O> {
    /// The number of the first slot.
    base: Seq,
    slots: VecDeque<Slot<I, O>>,
    waiting: VecDeque<Seq>,
    /// To be sent as a microbatch of its own, before anything else.
    alone: VecDeque<Seq>,
}

#[derive(Debug)]
struct Slot<I, O> {
    row: I,
    done: Option<O>,
}

impl<I, O> Default for Window<I, O> {
    fn default() -> Self {
        Self {
            base: 0,
            slots: VecDeque::new(),
            waiting: VecDeque::new(),
            alone: VecDeque::new(),
        }
    }
}

impl<I, O> Window<I, O> {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Rows that could be sent now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len() + self.alone.len()
    }

    /// A row that has to go to the worker.
    pub(crate) fn push(&mut self, row: I) {
        self.waiting.push_back(self.base + self.slots.len() as Seq);
        self.slots.push_back(Slot { row, done: None });
    }

    /// A row that is done already.
    pub(crate) fn push_done(&mut self, row: I, outcome: O) {
        self.slots.push_back(Slot {
            row,
            done: Some(outcome),
        });
    }

    /// The rows of the next microbatch, which then are at the worker; empty when none waits.
    pub(crate) fn take(&mut self, max: usize) -> Vec<Seq> {
        if let Some(seq) = self.alone.pop_front() {
            return vec![seq];
        }
        let count = self.waiting.len().min(max.max(1));
        self.waiting.drain(..count).collect()
    }

    pub(crate) fn row(&self, seq: Seq) -> Option<&I> {
        self.place(seq).map(|place| &self.slots[place].row)
    }

    /// A row came back from the worker. The first outcome stays.
    pub(crate) fn finish(&mut self, seq: Seq, outcome: O) {
        if let Some(place) = self.place(seq) {
            self.slots[place].done.get_or_insert(outcome);
        }
    }

    /// A row came back without an outcome and is sent again, before those that came after it.
    pub(crate) fn give_back(&mut self, seq: Seq, alone: bool) {
        let queue = if alone {
            &mut self.alone
        } else {
            &mut self.waiting
        };
        let at = queue.partition_point(|other| *other < seq);
        queue.insert(at, seq);
    }

    /// The first row that is not out.
    pub(crate) fn front(&self) -> Option<&I> {
        self.slots.front().map(|slot| &slot.row)
    }

    /// The next row in order, if it is done.
    pub(crate) fn pop_done(&mut self) -> Option<(I, O)> {
        self.slots.front()?.done.as_ref()?;
        let slot = self.slots.pop_front()?;
        self.base += 1;
        Some((slot.row, slot.done?))
    }

    fn place(&self, seq: Seq) -> Option<usize> {
        let place = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        (place < self.slots.len()).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_row_that_may_be_guilty_goes_alone_and_first() {
        let mut window: Window<char, ()> = Window::default();
        for row in ['a', 'b', 'c', 'd'] {
            window.push(row);
        }
        assert_eq!(window.take(3), [0, 1, 2]);
        window.give_back(2, true);
        window.give_back(1, true);
        window.give_back(0, false);
        assert_eq!(window.take(3), [1]);
        assert_eq!(window.take(3), [2]);
        assert_eq!(window.take(3), [0, 3]);
        assert_eq!(window.row(3), Some(&'d'));
    }

    proptest! {
        /// Whatever the worker does to microbatches, every row comes out once, in order.
        #[test]
        fn every_row_comes_out_once_and_in_order(
            rows in 1_u32..80,
            max in 1_usize..9,
            fates in prop::collection::vec(0_u8..4, 0..200),
        ) {
            let mut window: Window<u32, u32> = Window::default();
            let mut fates = fates.into_iter();
            let (mut next, mut out) = (0, Vec::new());
            let mut flying: VecDeque<Vec<Seq>> = VecDeque::new();
            while out.len() < rows as usize {
                while next < rows && window.len() < 20 {
                    if next % 7 == 3 { window.push_done(next, next) } else { window.push(next) }
                    next += 1;
                }
                while flying.len() < 2 && window.waiting() > 0 {
                    let microbatch = window.take(max);
                    prop_assert!(!microbatch.is_empty() && microbatch.len() <= max);
                    flying.push_back(microbatch);
                }
                if let Some(microbatch) = flying.pop_front() {
                    let fate = fates.next().unwrap_or(0);
                    let single = microbatch.len() == 1;
                    for seq in microbatch {
                        match fate {
                            1 if !single => window.give_back(seq, true),
                            2 => window.give_back(seq, false),
                            _ => { let row = *window.row(seq).unwrap(); window.finish(seq, row) }
                        }
                    }
                }
                while let Some((row, outcome)) = window.pop_done() {
                    prop_assert_eq!(row, outcome);
                    out.push(row);
                }
            }
            prop_assert_eq!(out, (0..rows).collect::<Vec<_>>());
            prop_assert!(window.is_empty());
        }
    }
}
