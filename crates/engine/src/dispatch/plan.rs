//! Which tasks to start now: a pure decision over the work that waits, the tasks that run and the deaths seen before.
//! Does not know how tasks are started, and reads no clock.

use super::backoff::Backoffs;
use onstage_core::{
    Id,
    model::VersionId,
    ports::{Demand, RunState, Running},
};
use std::{collections::BTreeMap, time::Duration};

/// What one version allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Needs {
    /// Tasks of this version at once.
    pub tasks_max: u32,
    pub memory_bytes: Option<u64>,
    pub cpu: Option<f64>,
    /// GPUs, or a share of one, that each task has for itself.
    pub gpu: Option<f64>,
    pub stop_after: Duration,
}

/// What is known about a version with work.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    Ready(Needs),
    /// The GPUs that a task of it needs are in use: its jobs wait, for this reason.
    Short(String),
    /// Still building: its jobs wait.
    Building,
    /// Its jobs can never run, for this reason.
    Hopeless(String),
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// One entry a task, the version that has waited longest first.
    pub starts: Vec<Start>,
    /// Tasks without work whose place another version's jobs need.
    pub stops: Vec<Id>,
    /// A version whose helpers hold the places that another version needs for its first task: one of them makes room.
    pub fewer_helpers: Option<VersionId>,
    /// Versions whose queued jobs fail, with the reason.
    pub refusals: Vec<(VersionId, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub version: VersionId,
    pub needs: Needs,
}

/// Decides. Versions take turns: nobody's second task starts before everybody's first, as far as `tasks_total_max` goes.
pub fn plan(
    demand: &[Demand],
    running: &[Running],
    standing: &BTreeMap<VersionId, Standing>,
    backoffs: &Backoffs,
    tasks_total_max: u32,
    now: Duration,
) -> Plan {
    let mut waiting: Vec<&Demand> = demand.iter().filter(|one| one.wants_tasks()).collect();
    // Jobs that wait come before those that could only go faster.
    waiting.sort_by_key(|one| (one.queued == 0, one.oldest_queued_at));
    let mut plan = Plan::default();
    let mut wanted: Vec<(Start, u32)> = Vec::new();
    for one in waiting {
        match standing.get(&one.version) {
            Some(Standing::Ready(needs)) if backoffs.allows(&one.version, now) => {
                let missing = missing_tasks(one, needs, alive_of(running, &one.version));
                let start = Start {
                    version: one.version.clone(),
                    needs: needs.clone(),
                };
                wanted.push((start, missing));
            }
            Some(Standing::Hopeless(why)) if one.queued > 0 => {
                plan.refusals.push((one.version.clone(), why.clone()));
            }
            Some(_) | None => {}
        }
    }
    let room = tasks_total_max.saturating_sub(alive(running));
    plan.starts = take_turns(wanted.clone(), room);
    let of = |version: &VersionId| demand.iter().find(|one| one.version == *version);
    let waits = |start: &Start| of(&start.version).is_some_and(|one| one.queued > 0);
    let mut missing = wanted
        .iter()
        .filter(|(start, missing)| *missing > 0 && waits(start))
        .map(|(start, _)| start)
        .peekable();
    if missing.peek().is_some() && plan.starts.is_empty() {
        // One at a time: its place comes free before the next look.
        let ids = idle_tasks(demand, running).take(1);
        plan.stops = ids.map(|one| one.id.clone()).collect();
        let has_none = missing.any(|start| alive_of(running, &start.version) == 0);
        if has_none && plan.stops.is_empty() {
            let most = demand.iter().max_by_key(|one| one.helpers);
            let most = most.filter(|one| one.helpers > 0);
            plan.fewer_helpers = most.map(|one| one.version.clone());
        }
    }
    plan
}

/// A task that lingers on GPUs although its version has nothing to do.
pub(super) fn idle_on_gpus(demand: &[Demand], running: &[Running]) -> Option<Id> {
    idle_tasks(demand, running)
        .find(|one| one.gpus.as_ref().is_some_and(|held| held.part > 0))
        .map(|one| one.id.clone())
}

/// Versions whose jobs wait for GPUs while no task of theirs runs, with the reason.
pub(super) fn short<'a>(
    demand: &'a [Demand],
    running: &'a [Running],
    standing: &'a BTreeMap<VersionId, Standing>,
) -> impl Iterator<Item = (&'a VersionId, &'a str)> {
    let waiting = demand
        .iter()
        .filter(|one| one.queued > 0 && alive_of(running, &one.version) == 0);
    waiting.filter_map(|one| match standing.get(&one.version) {
        Some(Standing::Short(why)) => Some((&one.version, why.as_str())),
        _ => None,
    })
}

/// Tasks that linger although their version has nothing to do.
fn idle_tasks<'a>(
    demand: &'a [Demand],
    running: &'a [Running],
) -> impl Iterator<Item = &'a Running> + 'a {
    let has_work = |task: &Running| {
        let own = |one: &&Demand| one.version == task.version && one.lane == task.lane;
        demand
            .iter()
            .filter(own)
            .any(|one| one.queued + one.running > 0)
    };
    running
        .iter()
        .filter(move |one| one.state == RunState::Alive && !has_work(one))
}

/// A task that is alive takes a queued job as soon as it is free, so only work beyond the tasks at hand asks for more.
fn missing_tasks(demand: &Demand, needs: &Needs, alive: u32) -> u32 {
    let work = demand.queued.saturating_add(demand.running);
    let work = work.saturating_add(demand.help + demand.helpers);
    let useful = u32::try_from(work).unwrap_or(u32::MAX);
    needs.tasks_max.max(1).min(useful).saturating_sub(alive)
}

fn take_turns(mut wanted: Vec<(Start, u32)>, room: u32) -> Vec<Start> {
    let mut starts = Vec::new();
    while (starts.len() as u32) < room && wanted.iter().any(|(_, missing)| *missing > 0) {
        for (start, missing) in &mut wanted {
            if *missing > 0 && (starts.len() as u32) < room {
                *missing -= 1;
                starts.push(start.clone());
            }
        }
    }
    starts
}

fn alive(running: &[Running]) -> u32 {
    running
        .iter()
        .filter(|one| one.state == RunState::Alive)
        .count() as u32
}

fn alive_of(running: &[Running], version: &VersionId) -> u32 {
    running
        .iter()
        .filter(|one| one.state == RunState::Alive && one.version == *version)
        .count() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::Timestamp;
    use onstage_core::gpu::GpuShare;
    use onstage_core::task::Lane;
    use proptest::prelude::*;

    fn version(name: &str) -> VersionId {
        VersionId(name.to_owned())
    }

    fn demand(name: &str, queued: u64, running: u64, oldest: i64) -> Demand {
        Demand {
            lane: Lane::Jobs,
            version: version(name),
            queued,
            running,
            help: 0,
            helpers: 0,
            oldest_queued_at: (queued > 0).then_some(Timestamp(oldest)),
        }
    }

    fn task(number: u32, name: &str, state: RunState) -> Running {
        Running {
            lane: Lane::Jobs,
            id: format!("task-{number:04}").parse().unwrap(),
            version: version(name),
            gpus: None,
            state,
        }
    }

    fn ready(tasks_max: u32) -> Standing {
        Standing::Ready(Needs {
            tasks_max,
            memory_bytes: None,
            cpu: None,
            gpu: None,
            stop_after: Duration::from_secs(60),
        })
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.starts
            .iter()
            .map(|start| start.version.0.as_str())
            .collect()
    }

    fn decide(demand: &[Demand], running: &[Running], standing: &[(&str, Standing)]) -> Plan {
        let standing = standing
            .iter()
            .map(|(name, one)| (version(name), one.clone()))
            .collect();
        plan(
            demand,
            running,
            &standing,
            &Backoffs::default(),
            4,
            Duration::ZERO,
        )
    }

    #[test]
    fn a_task_starts_only_when_there_is_queued_work() {
        let standing = [("a", ready(2))];
        assert!(
            decide(&[demand("a", 0, 3, 0)], &[], &standing)
                .starts
                .is_empty()
        );
        assert_eq!(
            names(&decide(&[demand("a", 1, 0, 0)], &[], &standing)),
            ["a"]
        );
        assert_eq!(
            names(&decide(&[demand("a", 9, 0, 0)], &[], &standing)),
            ["a", "a"]
        );
    }

    #[test]
    fn a_task_that_is_there_already_is_not_started_again_and_an_ended_one_is() {
        let standing = [("a", ready(1))];
        let alive = [task(1, "a", RunState::Alive)];
        assert!(
            decide(&[demand("a", 5, 1, 0)], &alive, &standing)
                .starts
                .is_empty()
        );
        let ended = [task(1, "a", RunState::Ended("exit code 0".into()))];
        assert_eq!(
            names(&decide(&[demand("a", 5, 0, 0)], &ended, &standing)),
            ["a"]
        );
    }

    #[test]
    fn a_task_that_only_lingers_makes_room_for_another_versions_jobs() {
        let standing = [("a", ready(1)), ("b", ready(1))];
        let full = [1, 2, 3, 4].map(|number| task(number, "a", RunState::Alive));
        let plan = decide(&[demand("b", 3, 0, 0)], &full, &standing);
        assert_eq!((plan.starts.len(), plan.stops.len()), (0, 1));
        let busy = [demand("a", 0, 4, 0), demand("b", 3, 0, 0)];
        assert!(decide(&busy, &full, &standing).stops.is_empty());
        let room = decide(&[demand("b", 3, 0, 0)], &full[..3], &standing);
        assert_eq!((room.starts.len(), room.stops.len()), (1, 0));
    }

    #[test]
    fn work_that_waits_for_a_gpu_takes_no_place_from_others() {
        let short = Standing::Short("no GPU".into());
        let standing = [("a", ready(1)), ("b", short), ("c", ready(9))];
        let with = |number, name, part| Running {
            gpus: Some(GpuShare {
                devices: Vec::new(),
                part,
            }),
            ..task(number, name, RunState::Alive)
        };
        // The last lingers too, and sees no GPU that it could give up.
        let running = [
            task(1, "c", RunState::Alive),
            with(2, "a", 500),
            with(3, "d", 0),
        ];
        let waiting = [demand("b", 9, 0, 0), demand("c", 9, 1, 5)];
        let plan = decide(&waiting, &running, &standing);
        assert_eq!(names(&plan), ["c"]);
        assert_eq!(idle_on_gpus(&waiting, &running[2..]), None);
        assert_eq!(
            idle_on_gpus(&waiting, &running),
            Some(running[1].id.clone())
        );
        let other = Demand {
            lane: Lane::Trainings,
            ..demand("a", 9, 9, 0)
        };
        assert!(idle_on_gpus(&[other], &running).is_some());
        assert_eq!(idle_on_gpus(&[demand("a", 0, 1, 0)], &running), None);
    }

    #[test]
    fn a_helper_that_died_is_replaced() {
        let standing = [("a", ready(4))];
        let helped = Demand {
            help: 1,
            helpers: 2,
            ..demand("a", 0, 1, 0)
        };
        let three = [1, 2, 3].map(|number| task(number, "a", RunState::Alive));
        assert_eq!(names(&decide(&[helped], &three, &standing)), ["a"]);
    }

    #[test]
    fn helpers_make_room_for_a_version_that_has_no_task() {
        let standing = [("a", ready(4)), ("b", ready(2))];
        let full = [1, 2, 3, 4].map(|number| task(number, "a", RunState::Alive));
        let helped = Demand {
            helpers: 3,
            ..demand("a", 0, 1, 0)
        };
        let plan = decide(&[helped.clone(), demand("b", 5, 0, 0)], &full, &standing);
        assert_eq!(plan.fewer_helpers, Some(version("a")));
        assert!(plan.starts.is_empty() && plan.stops.is_empty());
        let mut shared = full.to_vec();
        shared[3] = task(4, "b", RunState::Alive);
        let plan = decide(&[helped, demand("b", 5, 1, 0)], &shared, &standing);
        assert_eq!(plan.fewer_helpers, None, "one of each goes on");
    }

    #[test]
    fn versions_take_turns_under_the_cap_and_the_longest_waiting_goes_first() {
        let standing = [("a", ready(9)), ("b", ready(9))];
        let waiting = [demand("a", 50, 0, 20), demand("b", 2, 0, 10)];
        assert_eq!(
            names(&decide(&waiting, &[], &standing)),
            ["b", "a", "b", "a"]
        );
    }

    #[test]
    fn jobs_of_a_building_version_wait_and_those_of_a_failed_one_are_refused() {
        let standing = [
            ("a", Standing::Building),
            ("b", Standing::Hopeless("version 2 failed to build".into())),
        ];
        let waiting = [
            demand("a", 1, 0, 0),
            demand("b", 1, 0, 0),
            demand("unknown", 1, 0, 0),
        ];
        let plan = decide(&waiting, &[], &standing);
        assert!(plan.starts.is_empty());
        assert_eq!(
            plan.refusals,
            [(version("b"), "version 2 failed to build".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn limits_hold_and_no_waiting_version_is_forgotten(
            queued in prop::collection::vec((0_u64..30, 0_u64..5, 1_u32..5, 0_u32..4), 1..6),
            cap in 1_u32..12,
        ) {
            let name = |place: usize| format!("v{place}");
            let waiting: Vec<Demand> = queued.iter().enumerate().map(|(place, one)| demand(&name(place), one.0, one.1, place as i64)).collect();
            let running: Vec<Running> = queued.iter().enumerate()
                .flat_map(|(place, one)| (0..one.3).map(move |n| (place, n)))
                .map(|(place, n)| task(place as u32 * 10 + n, &name(place), RunState::Alive))
                .collect();
            let standing = queued.iter().enumerate().map(|(place, one)| (version(&name(place)), ready(one.2))).collect();
            let plan = plan(&waiting, &running, &standing, &Backoffs::default(), cap, Duration::ZERO);
            let room = cap.saturating_sub(running.len() as u32);
            prop_assert!(plan.starts.len() as u32 <= room);
            for (place, one) in queued.iter().enumerate() {
                let started = plan.starts.iter().filter(|start| start.version == version(&name(place))).count() as u32;
                prop_assert!(started == 0 || started + one.3 <= one.2);
                prop_assert!(one.0 > 0 || started == 0);
                let lacks = one.0 > 0 && one.3 == 0;
                prop_assert!(!lacks || started > 0 || plan.starts.len() as u32 == room);
            }
        }
    }
}
