//! Schedules with several fronts on one store, whose hands die, fail or are slow at any moment; time is moved by hand.

use super::world::World;
use async_trait::async_trait;
use onstage_backends::{blobs, clock::entropy, store};
use onstage_core::{
    Clock, Error, Id, Result, Timestamp,
    job::{Idempotency, JobKind, JobSpec, NewJob},
    people::{Principal, Role},
    ports::{Page, Store, Submitter},
    schedule::{Overlap, Pace, Schedule, TickFate, When, tick_key},
    task::Incarnation,
    value::Stored,
};
use onstage_engine::{
    Parts,
    reaper::{self, Reaper},
    schedules,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// A clock that stands until it is moved.
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst) as u64)
    }
}

/// What befalls a front while it makes a job.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Well,
    DiesBefore,
    DiesAfter,
    StoreIsAway,
    Refused,
}

/// Makes jobs as the gateway does: under the tick's own key.
struct Hand {
    parts: Parts,
    fate: Fate,
    died: Notify,
    /// Which job was made or found for which tick, by all hands.
    made: Arc<Mutex<BTreeMap<Timestamp, BTreeSet<Id>>>>,
}

#[async_trait]
impl Submitter for Hand {
    async fn submit(&self, schedule: &Schedule, tick: Timestamp) -> Result<Id> {
        tokio::task::yield_now().await;
        match self.fate {
            Fate::DiesBefore => self.die().await,
            Fate::StoreIsAway => return Err(Error::unavailable("the store does not answer")),
            Fate::Refused => return Err(Error::invalid("there is no such column")),
            Fate::Well | Fate::DiesAfter => {}
        }
        let new = NewJob {
            id: self.parts.new_id(),
            model: schedule.model.clone(),
            version: onstage_core::model::VersionId("a".repeat(64)),
            version_number: 1,
            spec: JobSpec::Prediction {
                input: Stored::Inline(schedule.request.clone()),
                datasets: Vec::new(),
            },
            urgency: Default::default(),
            webhook: None,
            by: schedule.by.id.clone(),
            source: "schedule".to_owned(),
            created_at: self.parts.clock.now(),
            claimed_by: None,
            idempotency: Some(Idempotency {
                scope: "me".to_owned(),
                key: tick_key(&schedule.id, tick),
                body_sha256: String::new(),
            }),
        };
        let job = self.parts.store.submit(new).await?.job.id;
        self.note(tick, &job);
        if self.fate == Fate::DiesAfter {
            self.die().await;
        }
        Ok(job)
    }
}

impl Hand {
    fn note(&self, tick: Timestamp, job: &Id) {
        let mut made = self.made.lock().unwrap();
        made.entry(tick).or_default().insert(job.clone());
    }

    async fn die(&self) {
        self.died.notify_one();
        std::future::pending::<()>().await;
    }
}

struct Fronts {
    world: World,
    clock: Arc<HandClock>,
    made: Arc<Mutex<BTreeMap<Timestamp, BTreeSet<Id>>>>,
    _folder: tempfile::TempDir,
}

impl Fronts {
    async fn new(schedule: &Schedule) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let store = store::open(&url).await.unwrap();
        let mut world = World::new(store, blobs::memory(), json!({})).await;
        let clock = Arc::new(HandClock(AtomicI64::new(0)));
        world.parts.clock = clock.clone();
        world
            .parts
            .store
            .add_schedule(schedule.clone())
            .await
            .unwrap();
        Self {
            world,
            clock,
            made: Arc::default(),
            _folder: folder,
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.world.parts.store
    }

    fn later(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// One look of every front, at the same time.
    async fn look(&self, fates: &[Fate]) {
        let looks = fates.iter().map(|fate| async {
            let hand = Hand {
                parts: self.world.parts.clone(),
                fate: *fate,
                died: Notify::new(),
                made: self.made.clone(),
            };
            tokio::select! {
                looked = schedules::turn(&self.world.parts, &hand) => drop(looked.unwrap()),
                () = hand.died.notified() => {}
            }
        });
        futures::future::join_all(looks).await;
    }

    async fn schedule(&self, of: &Schedule) -> Schedule {
        self.store().schedule(&of.id).await.unwrap().unwrap()
    }

    async fn jobs(&self) -> BTreeSet<Id> {
        let page = Page {
            after: None,
            limit: 10_000,
        };
        let jobs = self.store().jobs(&Default::default(), page).await.unwrap();
        jobs.rows.into_iter().map(|job| job.id).collect()
    }
}

/// Every 10 s, whatever still runs.
fn every_10_s() -> Schedule {
    let mut schedule = Schedule {
        id: "schedule-1".parse().unwrap(),
        model: "lab/age".parse().unwrap(),
        name: None,
        kind: JobKind::Prediction,
        version: None,
        request: "{\"x\":1}".to_owned(),
        when: When::every(Duration::from_secs(10), Timestamp(0)).unwrap(),
        catch_up: true,
        overlap: Overlap::Queue,
        by: Principal {
            id: "principal".parse().unwrap(),
            role: Role::Owner,
            name: "me".to_owned(),
        },
        by_token: false,
        created_at: Timestamp(0),
        pace: Pace::Paused { why: None },
        last: None,
        last_job: None,
        revision: 0,
    };
    schedule.go_on_after(Timestamp(0));
    schedule
}

#[tokio::test]
async fn four_fronts_that_die_and_fail_make_one_job_a_tick() {
    // Longer than a front that died holds it, so that another makes the same tick's job.
    let mut schedule = every_10_s();
    schedule.when = When::every(Duration::from_secs(100), Timestamp(0)).unwrap();
    schedule.go_on_after(Timestamp(0));
    let fronts = Fronts::new(&schedule).await;
    let fates = [Fate::DiesBefore, Fate::DiesAfter, Fate::StoreIsAway];
    let mut random = entropy();
    let mut draw = |of: u128| {
        // Enough for a test: Knuth's multiplier.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((random >> 64) % of) as usize
    };
    for _ in 0..300 {
        fronts.later(draw(25_000) as i64);
        let ill: Vec<Fate> = (0..4)
            .map(|_| *fates.get(draw(12)).unwrap_or(&Fate::Well))
            .collect();
        fronts.look(&ill).await;
    }
    // What was held by the dead is free after a while.
    fronts.later(61_000);
    fronts.look(&[Fate::Well; 4]).await;
    let made = fronts.made.lock().unwrap().clone();
    for (tick, jobs) in &made {
        assert_eq!(jobs.len(), 1, "the tick at {tick:?} has made {jobs:?}");
        assert_eq!(tick.0 % 100_000, 0);
    }
    let all: BTreeSet<Id> = made.values().flatten().cloned().collect();
    assert_eq!(all.len(), made.len(), "no job is of two ticks");
    assert_eq!(all, fronts.jobs().await);
    assert!(made.len() > 20, "{} ticks", made.len());
    let now = fronts.clock.now();
    let newest = Timestamp(now.0 / 100_000 * 100_000);
    assert_eq!(
        made.keys().next_back(),
        Some(&newest),
        "the newest tick is never left behind"
    );
    let after = fronts.schedule(&schedule).await;
    assert_eq!(after.next_at(), Some(Timestamp(newest.0 + 100_000)));
    assert_eq!(after.last.unwrap().at, newest);
}

#[tokio::test]
async fn fronts_that_are_well_miss_no_tick() {
    let schedule = every_10_s();
    let fronts = Fronts::new(&schedule).await;
    for _ in 0..60 {
        fronts.later(5_000);
        fronts.look(&[Fate::Well; 4]).await;
    }
    let made = fronts.made.lock().unwrap().clone();
    let ticks: Vec<i64> = made.keys().map(|tick| tick.0).collect();
    assert_eq!(ticks, (1..=30).map(|n| n * 10_000).collect::<Vec<_>>());
    assert_eq!(fronts.jobs().await.len(), 30);
}

#[tokio::test]
async fn what_is_refused_is_told_and_not_tried_again() {
    let schedule = every_10_s();
    let fronts = Fronts::new(&schedule).await;
    fronts.later(10_000);
    fronts.look(&[Fate::Refused]).await;
    fronts.look(&[Fate::Well]).await;
    assert!(fronts.jobs().await.is_empty());
    let refused = fronts.schedule(&schedule).await;
    let error = "there is no such column".to_owned();
    assert_eq!(refused.last.unwrap().fate, TickFate::Refused { error });
    assert_eq!(
        refused.pace,
        Pace::Going {
            next_at: Timestamp(20_000),
            held_until: None
        }
    );
    // A store that is away costs a while, not the tick.
    fronts.later(10_000);
    fronts.look(&[Fate::StoreIsAway]).await;
    fronts.look(&[Fate::Well]).await;
    assert!(fronts.jobs().await.is_empty(), "not again at once");
    fronts.later(9_999);
    fronts.look(&[Fate::Well]).await;
    assert!(fronts.jobs().await.is_empty());
    fronts.later(1);
    fronts.look(&[Fate::Well]).await;
    assert_eq!(fronts.jobs().await.len(), 1);
}

#[tokio::test]
async fn a_tick_waits_for_the_job_before_unless_jobs_may_queue() {
    let schedule = Schedule {
        overlap: Overlap::Skip,
        ..every_10_s()
    };
    let fronts = Fronts::new(&schedule).await;
    for _ in 0..3 {
        fronts.later(10_000);
        fronts.look(&[Fate::Well; 2]).await;
    }
    let first = fronts.jobs().await;
    assert_eq!(first.len(), 1, "the first one still waits");
    let job = first.first().unwrap();
    fronts
        .store()
        .request_cancel(job, fronts.clock.now())
        .await
        .unwrap();
    fronts.later(10_000);
    fronts.look(&[Fate::Well; 2]).await;
    assert_eq!(fronts.jobs().await.len(), 2);
    assert_ne!(
        fronts.schedule(&schedule).await.last_job.as_ref(),
        Some(job)
    );
}

/// A clock that is set wrong and right again makes up for no tick twice, whatever it is set to.
#[tokio::test]
async fn a_clock_that_jumps_fires_no_tick_twice() {
    const HOUR: i64 = 3_600_000;
    let schedule = every_10_s();
    let fronts = Fronts::new(&schedule).await;
    fronts.later(30 * 24 * HOUR);
    let jumps = [HOUR, -HOUR, -HOUR / 6, 24 * HOUR, -24 * HOUR, HOUR / 6];
    let mut random = entropy();
    let mut latest = fronts.clock.now();
    for look in 0..600 {
        random =
            random.rotate_right(7) ^ u128::from(look as u32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        fronts.later((random % 15_000) as i64);
        if look % 9 == 0 {
            fronts.later(jumps[(random >> 64) as usize % jumps.len()]);
        }
        latest = latest.max(fronts.clock.now());
        fronts.look(&[Fate::Well, Fate::Well]).await;
    }
    // How often it came due until here is chance: it waits for as long as the clock is behind what it was.
    fronts.later(latest.0 - fronts.clock.now().0);
    for _ in 0..21 {
        fronts.later(10_000);
        fronts.look(&[Fate::Well, Fate::Well]).await;
    }
    let made = fronts.made.lock().unwrap().clone();
    for (tick, jobs) in &made {
        assert_eq!(jobs.len(), 1, "the tick at {tick:?} has made {jobs:?}");
    }
    assert_eq!(fronts.jobs().await.len(), made.len());
    assert!(made.len() > 20, "{} ticks", made.len());
}

/// What a job holds up is free when its run is known to be dead and nothing repeats it, however the run ended.
#[tokio::test]
async fn a_job_whose_tasks_die_holds_up_no_tick_for_ever() {
    let schedule = Schedule {
        overlap: Overlap::Skip,
        ..every_10_s()
    };
    let fronts = Fronts::new(&schedule).await;
    fronts.later(10_000);
    fronts.look(&[Fate::Well]).await;
    let job = fronts.jobs().await.first().unwrap().clone();
    let mut reaper = Reaper::new(fronts.world.parts.clone(), reaper::Settings::default());
    let mut deaths = 0;
    while !fronts.world.job(&job).await.state.is_final() {
        assert_eq!(fronts.jobs().await.len(), 1, "it is held up meanwhile");
        let version = onstage_core::model::VersionId("a".repeat(64));
        let owner = Incarnation(format!("task-{deaths}"));
        // After a pause, which grows.
        fronts.later(60_000);
        let claimed = fronts
            .store()
            .claim(&version, &owner, 1, fronts.clock.now())
            .await;
        assert_eq!(claimed.unwrap().len(), 1);
        while reaper.turn().await.unwrap() == 0 {
            fronts.later(1_000);
            fronts.look(&[Fate::Well]).await;
        }
        deaths += 1;
        assert!(deaths < 20, "it is repeated for ever");
    }
    fronts.later(10_000);
    fronts.look(&[Fate::Well]).await;
    assert_eq!(fronts.jobs().await.len(), 2, "after {deaths} deaths");
}
