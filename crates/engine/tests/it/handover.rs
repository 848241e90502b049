//! Realtime predictions handed over to jobs, and records written behind.
//! What the gateway does around it is not tested here.

use crate::world::{World, answer};
use onstage_core::{
    Kind,
    job::{JobOutput, JobSpec, JobState, NewJob},
    outcome::Reason,
    value::Stored,
};
use onstage_engine::{Keep, Ticket};
use std::time::Duration;

const NAP: &str = "
import time, onstage as on

@on.predict
def nap(s: float, ctx: on.Ctx) -> float:
    ctx.progress(1, 2, 'half')
    time.sleep(s)
    return s
";

async fn hand_over(world: &World, ticket: &Ticket) {
    let job = NewJob {
        urgency: Default::default(),
        webhook: None,
        id: ticket.id().clone(),
        model: ticket.loaded().model.clone(),
        version: ticket.loaded().version.id.clone(),
        version_number: 1,
        spec: JobSpec::Prediction {
            input: ticket.stored_input().clone(),
            datasets: Vec::new(),
        },
        by: ticket.by().clone(),
        source: "api".into(),
        created_at: ticket.created_at(),
        claimed_by: Some(onstage_core::task::Incarnation("front-test".into())),
        idempotency: None,
    };
    let job = world.parts.store.submit(job).await.unwrap().job;
    world.engine.adopt(ticket.clone(), job.lease().unwrap());
}

async fn ended(world: &World, ticket: &Ticket) -> JobState {
    world
        .until("the job ends", async || {
            let job = world.parts.store.job(ticket.id()).await.unwrap().unwrap();
            job.state.is_final().then_some(job.state)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handed_over_prediction_ends_as_its_job_with_its_events() {
    let world = World::new().await;
    let live = world.live(NAP, "").await;
    let ticket = world.predict(&live, r#"{"s": 0.3}"#);
    hand_over(&world, &ticket).await;
    let JobState::Succeeded { output, .. } = ended(&world, &ticket).await else {
        panic!()
    };
    assert!(
        matches!(output, JobOutput::Prediction { output: Stored::Inline(text), .. } if text == "0.3")
    );
    let kinds = world
        .until("its events are there", async || {
            let events = world.parts.store.events(ticket.id(), 0, 100).await.unwrap();
            let kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
            kinds.contains(&"completed").then_some(kinds)
        })
        .await;
    assert_eq!(kinds, ["queued", "start", "progress", "completed"]);
    assert!(
        world
            .parts
            .store
            .prediction(ticket.id())
            .await
            .unwrap()
            .is_none()
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_elsewhere_stops_its_prediction() {
    let world = World::new().await;
    let live = world.live(NAP, "").await;
    let ticket = world.predict(&live, r#"{"s": 50}"#);
    hand_over(&world, &ticket).await;
    world
        .parts
        .store
        .request_cancel(ticket.id(), world.parts.clock.now())
        .await
        .unwrap();
    assert_eq!(answer(&ticket).await.unwrap_err().reason, Reason::Canceled);
    assert!(matches!(
        ended(&world, &ticket).await,
        JobState::Canceled { .. }
    ));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_hands_adopted_jobs_back() {
    let world = World::new().await;
    let live = world.live(NAP, "").await;
    let ticket = world.predict(&live, r#"{"s": 50}"#);
    hand_over(&world, &ticket).await;
    world.engine.shutdown(Duration::from_millis(200)).await;
    let job = world.parts.store.job(ticket.id()).await.unwrap().unwrap();
    assert!(
        matches!(job.state, JobState::Queued { .. }),
        "{:?}",
        job.state
    );
    assert_eq!((job.attempts, job.restarts), (0, 1));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_records_come_too_fast_the_unsampled_are_dropped_and_the_others_kept() {
    let world = World::with(|settings| {
        settings.records_waiting_max = 10;
        settings.records_group_max = 5;
        settings.records_pause = Duration::from_millis(300);
    })
    .await;
    let live = world.live(&NAP.replace("time.sleep(s)", "pass"), "").await;
    let mut kept = Vec::new();
    for n in 0..100 {
        let mut ask = world.ask(&live, r#"{"s": 0}"#);
        if n % 10 == 0 {
            ask.keep = Keep::Always;
            kept.push(ask.id.clone());
        }
        let ticket = world.engine.predict(ask).unwrap();
        assert_eq!(answer(&ticket).await.unwrap(), "0.0");
    }
    world.engine.shutdown(Duration::from_secs(5)).await;
    for id in &kept {
        assert!(world.parts.store.prediction(id).await.unwrap().is_some());
    }
    let gauges = world.engine.gauges();
    assert!(gauges.records_dropped > 0);
    assert_eq!(gauges.records_dropped + gauges.records_written, 100);
    assert_eq!(gauges.records_waiting, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_cannot_answer_are_named_as_what_they_are() {
    let world = World::new().await;
    let missing = world
        .engine
        .loaded(&onstage_core::model::VersionId("none".into()))
        .await;
    assert_eq!(missing.err().unwrap().kind, Kind::NotFound);
    let broken = world.push("import onstage as on\n", "").await;
    let failed = world.engine.loaded(&broken.id).await.err().unwrap();
    assert_eq!(failed.kind, Kind::Conflict);
    assert!(
        failed.to_string().contains("could not be built"),
        "{failed}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_after_the_end_of_a_handed_over_prediction_finds_its_end() {
    let world = World::new().await;
    let live = world.live(NAP, "").await;
    for _ in 0..10 {
        let ticket = world.predict(&live, r#"{"s": 0.05}"#);
        hand_over(&world, &ticket).await;
        ticket.done().await;
        loop {
            let here = world.engine.find(ticket.id());
            let job = world.parts.store.job(ticket.id()).await.unwrap().unwrap();
            if job.state.is_final() {
                break;
            }
            assert!(here.is_some_and(|ticket| ticket.finished().is_some()));
        }
        world
            .until("it is forgotten", async || {
                world.engine.find(ticket.id()).is_none().then_some(())
            })
            .await;
    }
    world.end().await;
}
