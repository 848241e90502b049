//! F01: front, tasks and workers die at random moments under load, also several at once; then the whole history is judged.

use super::{
    caller::Dice,
    judge::{self, Breach, History},
    load::{Load, Outcome},
    models::{self, Note},
    stage::{Role, Stage, now},
};
use crate::{
    experiment::{Experiment, is_full},
    gauges::percentile,
};
use std::{sync::atomic::Ordering, time::Duration};

/// Of a hundred rounds, how many kill one of a role; tasks and workers are tried twice.
const FRONT_OF_100: u64 = 35;
const OTHERS_OF_100: u64 = 35;
const PAUSE_MS_MAX: u64 = 500;
/// Calls after all faults, which must all be answered (I9).
const TAIL_CALLS: u64 = 50;
/// A kill counts as one of something that worked when a run of it was written down within this time.
const WORKED_S: f64 = 1.0;

/// A kill, and when: in seconds since the epoch.
#[derive(Debug)]
pub(super) struct Kill {
    pub(super) role: Role,
    /// The worker, or those of the task.
    pub(super) workers: Vec<u32>,
    pub(super) at: f64,
}

#[derive(Debug, Default)]
struct Rampage {
    kills: Vec<Kill>,
    ready: Vec<Duration>,
}

#[tokio::test]
async fn f01_killed_at_random_no_job_is_lost_or_committed_twice() {
    let title = "front, tasks and workers killed at random under load";
    let mut it = Experiment::new("F01", title, 3_000, 220);
    let mut stage = Stage::open("300ms").await;
    let filled = stage.fill(if is_full() { 10_000 } else { 200 }).await;
    let dice = Dice::new(it.random(u64::MAX));
    let load = Load::begin(&stage, dice, 12);
    let mut rampage = Rampage::default();
    while rampage.kills.len() < it.rounds() {
        round(&mut stage, &mut it, &mut rampage).await;
    }
    let mut outcome = load.end().await;
    outcome.told.extend(filled);
    let bad = stage.try_all(TAIL_CALLS).await;
    it.check(bad.is_empty(), || format!("I9: after all faults: {bad:?}"));
    let notes = stage.ledger();
    let record = stage.close().await;
    let rows = outcome.calls.rows_told.load(Ordering::SeqCst);
    it.check(rows <= rampage.kills.len(), || {
        format!("a kill costs one row at most, and {rows} were told so")
    });
    tell_kills(&mut it, &mut rampage, &notes);
    let history = history(&outcome, &notes, record);
    tell(&mut it, &outcome, &history);
    it.end();
}

/// Waits for a random moment and kills some.
async fn round(stage: &mut Stage, it: &mut Experiment, rampage: &mut Rampage) {
    let pause = Duration::from_millis(it.random(PAUSE_MS_MAX));
    tokio::time::sleep(pause).await;
    let mut victims = Vec::new();
    for role in [Role::Task, Role::Worker, Role::Task, Role::Worker] {
        let living = stage.processes(role);
        if !living.is_empty() && it.random(100) < OTHERS_OF_100 {
            let (pid, _) = living[it.random(living.len() as u64) as usize];
            victims.push((role, pid));
        }
    }
    let front_dies = it.random(100) < FRONT_OF_100;
    if front_dies {
        victims.push((Role::Front, stage.world.server_pid()));
    }
    victims.sort_unstable();
    victims.dedup();
    for (role, pid) in victims {
        let workers = match role {
            Role::Front => Vec::new(),
            Role::Task => stage.workers_of(pid),
            Role::Worker => vec![pid],
        };
        let at = now();
        stage.kill(pid);
        rampage.kills.push(Kill { role, workers, at });
    }
    if front_dies {
        rampage.ready.push(stage.revive().await);
    }
}

pub(super) fn history(outcome: &Outcome, notes: &[Note], record: judge::Record) -> History {
    History {
        told: outcome.told.clone(),
        unknown: outcome.unknown,
        tokens: models::tokens(notes),
        record,
    }
}

/// Judges, and counts what was judged.
pub(super) fn tell(it: &mut Experiment, outcome: &Outcome, history: &History) {
    let breaches = judge::judge(history);
    for Breach { rule, what } in &breaches {
        it.check(false, || format!("{rule}: {what}"));
    }
    it.check(outcome.calls.wrong.lock().unwrap().is_empty(), || {
        format!("calls: {:?}", outcome.calls.wrong)
    });
    it.measured("jobs", history.record.jobs.len());
    it.measured("lost", judge::count(&breaches, "I1"));
    it.measured("committed_twice", judge::count(&breaches, "I2"));
    it.measured("set_aside", judge::set_aside(&history.record));
    it.measured("run_again", outcome.reruns);
    let calls = &outcome.calls;
    let counts = [
        ("calls_right", &calls.right),
        ("calls_told", &calls.told),
        ("rows_told", &calls.rows_told),
        ("calls_broken", &calls.broken),
    ];
    for (name, count) in counts {
        it.measured(name, count.load(Ordering::SeqCst));
    }
    for state in ["succeeded", "canceled", "failed"] {
        let jobs = history.record.jobs.iter();
        it.measured(state, jobs.filter(|row| row.state == state).count());
    }
}

fn tell_kills(it: &mut Experiment, rampage: &mut Rampage, notes: &[Note]) {
    for (role, name) in [
        (Role::Front, "killed_fronts"),
        (Role::Task, "killed_tasks"),
        (Role::Worker, "killed_workers"),
    ] {
        let kills = rampage.kills.iter().filter(|kill| kill.role == role);
        it.measured(name, kills.count());
    }
    it.ms_at_most(
        "front_ready_p99",
        percentile(&mut rampage.ready, 0.99),
        2_000.0,
    );
    let mut again = recoveries(&rampage.kills, notes);
    it.measured("recoveries", again.len());
    // Amid other kills, which put it off; alone it is measured by F04.
    for (name, share) in [
        ("running_again_p50_ms", 0.5),
        ("running_again_p99_ms", 0.99),
    ] {
        let time = percentile(&mut again, share).as_millis() as u64;
        it.measured(name, time);
    }
}

/// From the kill of a worker at work, or of its task, to the next run of its model by another.
pub(super) fn recoveries(kills: &[Kill], notes: &[Note]) -> Vec<Duration> {
    let mut again = Vec::new();
    for kill in kills {
        for worker in &kill.workers {
            let mut own = notes.iter().filter(|note| note.pid == *worker);
            let Some(last) = own.rfind(|note| note.at <= kill.at) else {
                continue;
            };
            if last.model == "quick" || !last.begins && kill.at - last.at > WORKED_S {
                continue;
            }
            let others = notes
                .iter()
                .filter(|note| note.model == last.model && note.pid != *worker);
            let next = others.filter(|note| note.begins && note.at > kill.at);
            let at = next.map(|note| note.at).reduce(f64::min);
            again.extend(at.map(|at| Duration::from_secs_f64(at - kill.at)));
        }
    }
    again
}
