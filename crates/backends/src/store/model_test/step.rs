//! The steps of a random history.
//! Small numbers name jobs, actors and leases; the player takes them modulo what there is.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Submit {
        job: u8,
        key: Option<(u8, u8)>,
        running: Option<u8>,
    },
    Claim {
        actor: u8,
        limit: u8,
    },
    Beat(Hold),
    Finish(Hold, End),
    /// A task commits a chunk and writes an event under its lease.
    Report(Hold, u8),
    /// The reaper notes lease and beat of a running job.
    Watch {
        job: u8,
    },
    /// The reaper gives up on a run it noted, however long ago.
    Expire {
        noted: u8,
    },
    /// The reaper gives up on what runs now.
    Reap {
        job: u8,
    },
    Cancel {
        job: u8,
    },
    Wait {
        ms: u16,
    },
}

/// A lease of an actor, perhaps lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) actor: u8,
    /// Counted from its newest.
    pub(super) back: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Succeeded,
    FailedForGood,
    FailedOnce,
    Canceled,
    HandedBack,
}

pub(super) const JOBS: u8 = 4;
pub(super) const ACTORS: u8 = 3;

pub(super) fn any() -> impl Strategy<Value = Step> {
    let key = proptest::option::weighted(0.4, (0..3_u8, 0..2_u8));
    let running = proptest::option::weighted(0.2, 0..ACTORS);
    // The first is what a failing history shrinks to: waiting for no time is no step at all.
    prop_oneof![
        3 => (0..2_500_u16).prop_map(|ms| Step::Wait { ms }),
        6 => (0..JOBS, key, running)
            .prop_map(|(job, key, running)| Step::Submit { job, key, running }),
        8 => (0..ACTORS, 1..4_u8).prop_map(|(actor, limit)| Step::Claim { actor, limit }),
        4 => hold().prop_map(Step::Beat),
        6 => (hold(), end()).prop_map(|(hold, end)| Step::Finish(hold, end)),
        2 => (hold(), 0..3_u8).prop_map(|(hold, index)| Step::Report(hold, index)),
        4 => (0..JOBS).prop_map(|job| Step::Watch { job }),
        4 => (0..4_u8).prop_map(|noted| Step::Expire { noted }),
        6 => (0..JOBS).prop_map(|job| Step::Reap { job }),
        1 => (0..JOBS).prop_map(|job| Step::Cancel { job }),
    ]
}

fn hold() -> impl Strategy<Value = Hold> {
    (0..ACTORS, 0..4_u8).prop_map(|(actor, back)| Hold { actor, back })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        2 => Just(End::Succeeded),
        1 => Just(End::FailedForGood),
        3 => Just(End::FailedOnce),
        1 => Just(End::Canceled),
        3 => Just(End::HandedBack),
    ]
}
