//! Where a worker gets its next microbatch from: whoever has a queue lets idle workers pull.
//! Does not know what kind of queue it is.

use super::item::Item;
use std::time::Duration;

/// A queue that workers pull from.
pub trait Source: Send + Sync {
    /// Called by worker number `worker` whenever it has room. `ahead` is how many microbatches it has already.
    fn take(&self, worker: u64, ahead: usize) -> Take;
    /// Worker number `worker` answered a microbatch of `items` in `time`.
    fn measured(&self, worker: u64, items: usize, time: Duration);
    /// Whether another worker stands idle that could take what worker number `worker` has not begun.
    fn has_idle_beside(&self, _worker: u64) -> bool {
        false
    }
    /// An answer came that nobody waited for.
    fn stray(&self) {}
}

/// What an idle worker gets.
pub enum Take {
    Items(Vec<Item>),
    /// Nothing now; the worker is woken when there is.
    Nothing,
    /// Nothing yet: look again at this point of monotonic time, or when woken.
    At(Duration),
}
