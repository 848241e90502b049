//! Predictions of this front by id: those in flight and those not yet in the record.
//! Sharded, because every request adds and removes one.

use crate::ticket::Entry;
use onstage_core::Id;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

const SHARDS: usize = 16;

/// A quick hash with a seed of the process: clients may choose ids.
type Shard = HashMap<Id, Arc<Entry>, foldhash::fast::RandomState>;

#[derive(Default)]
pub(crate) struct Registry {
    shards: [Mutex<Shard>; SHARDS],
}

impl Registry {
    pub(crate) fn add(&self, entry: &Arc<Entry>) {
        self.shard(&entry.id)
            .insert(entry.id.clone(), entry.clone());
    }

    pub(crate) fn find(&self, id: &Id) -> Option<Arc<Entry>> {
        self.shard(id).get(id).cloned()
    }

    pub(crate) fn remove(&self, entry: &Arc<Entry>) {
        let mut shard = self.shard(&entry.id);
        // A repeated id of a client may have replaced it.
        if shard
            .get(&entry.id)
            .is_some_and(|it| Arc::ptr_eq(it, entry))
        {
            shard.remove(&entry.id);
        }
    }

    fn shard(&self, id: &Id) -> MutexGuard<'_, Shard> {
        // The end of an id is random; hashing it for the shard as well as for the map would be work done twice.
        let end = id.as_str().bytes().next_back().unwrap_or_default();
        self.shards[usize::from(end) % SHARDS]
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
