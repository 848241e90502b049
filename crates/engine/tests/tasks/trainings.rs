//! Trainings: checkpoints kept, runs that go on from them, one version at the end whatever happens on the way.

use super::{
    crew::{Act, ScriptCrew},
    cutting::{Cut, CutBlobs, CutStore, Moment, Step},
    kills::reap,
    world::{World, run, world},
};
use onstage_backends::{blobs, parcels::DiskParcels, store};
use onstage_core::{
    Id,
    event::EventKind,
    job::{Job, JobOutput, JobSpec, JobState},
    model::Version,
    outcome::Reason,
    task::Lane,
    training::TrainingSpec,
    usage::UsageKind,
    value::Stored,
};
use onstage_engine::{Parts, task::TaskSettings};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

fn crew() -> Arc<ScriptCrew> {
    ScriptCrew::new(|_| Act::Die)
}

fn settings(world: &World) -> TaskSettings {
    TaskSettings {
        lane: Lane::Trainings,
        ..world.settings()
    }
}

async fn train(world: &World, more: Value, change: impl FnOnce(&mut TrainingSpec)) -> Id {
    let mut input = json!({"steps": 3, "folder": world.folder.path()});
    let fields = input.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let mut spec = TrainingSpec {
        input: Stored::Inline(input.to_string()),
        parameters: input.to_string(),
        datasets: Vec::new(),
        destination: "lab/age".parse().unwrap(),
        promote: true,
        gates: Vec::new(),
        seed: 5,
        resume: None,
    };
    change(&mut spec);
    world.submit(JobSpec::Training(Box::new(spec))).await
}

async fn work(world: &World) {
    let stop = CancellationToken::new();
    let settings = settings(world);
    run(world.parts.clone(), settings, &crew(), &stop)
        .await
        .unwrap();
}

/// The versions that came of trainings.
async fn made(world: &World) -> Vec<Version> {
    let versions = world
        .parts
        .store
        .versions(&"lab/age".parse().unwrap())
        .await;
    let mut versions = versions.unwrap();
    versions.retain(|version| version.lineage.is_some());
    versions
}

async fn logs(world: &World, id: &Id) -> String {
    let events = world.events(id).await;
    let logs = events.iter().filter(|event| event.kind == EventKind::Log);
    logs.map(|event| event.data.clone()).collect()
}

/// One version, with the weights of the last step, and a job that names it.
async fn check_made_once(world: &World, id: &Id, story: &str) -> Job {
    let job = world.job(id).await;
    let JobState::Succeeded { output, .. } = &job.state else {
        panic!("{story}: {job:?}")
    };
    let JobOutput::Training {
        version,
        version_number,
        weights,
        metrics,
        ..
    } = output
    else {
        panic!("{story}: {output:?}")
    };
    let made = made(world).await;
    assert_eq!(made.len(), 1, "{story}");
    assert_eq!((&made[0].id, made[0].number), (version, *version_number));
    assert_eq!(made[0].weights.as_ref(), Some(weights));
    assert_eq!(metrics["accuracy"], 0.9, "{story}");
    let lineage = made[0].lineage.as_ref().unwrap();
    assert_eq!((&lineage.training, lineage.runs), (id, job.run), "{story}");
    let placed = world.parts.parcels.place(weights).await.unwrap().path;
    let text = std::fs::read_to_string(placed.join("net.txt")).unwrap();
    assert_eq!(text, "3", "{story}");
    job
}

#[tokio::test]
async fn a_training_makes_a_version_with_its_weights_and_lineage() {
    let world = world(json!({"training": {"linger": "10ms"}})).await;
    let id = train(&world, json!({}), |_| {}).await;
    let other = world.predict(json!({"x": 1})).await;
    work(&world).await;
    let job = check_made_once(&world, &id, "a quiet life").await;
    assert_eq!(job.run, 1);
    assert_eq!(world.job(&other).await.state.name(), "queued", "not ours");
    let version = &made(&world).await[0];
    assert!(version.promote_when_ready);
    assert_eq!((version.number, version.state.name()), (2, "building"));
    let lineage = version.lineage.as_ref().unwrap();
    assert_eq!((lineage.trainer_number, lineage.seed), (1, 5));
    assert_eq!(lineage.metrics["loss"], 1.0 / 3.0);
    let kept = world.parts.store.checkpoints(&id).await.unwrap();
    let numbers: Vec<u32> = kept.iter().map(|checkpoint| checkpoint.number).collect();
    assert_eq!(numbers, [2, 3], "as many as `keep_checkpoints` says");
    let keys = world
        .parts
        .blobs
        .list(&format!("jobs/{id}/"))
        .await
        .unwrap();
    assert_eq!(keys.len(), 3, "old checkpoints are gone: {keys:?}");
    let events = world.events(&id).await;
    let metrics = events
        .iter()
        .filter(|event| event.kind == EventKind::Metric)
        .count();
    assert_eq!(metrics, 3);
    assert_eq!(world.used(UsageKind::Training).await.runs, 1);
    assert_eq!(events.last().unwrap().kind, EventKind::Completed);
}

#[tokio::test]
async fn a_worker_that_dies_costs_no_more_than_what_came_after_its_last_checkpoint() {
    let world = world(json!({"training": {"linger": "3s"}})).await;
    let id = train(&world, json!({"die_at": 3}), |_| {}).await;
    work(&world).await;
    let job = check_made_once(&world, &id, "it died").await;
    assert_eq!((job.run, job.attempts), (2, 1));
    let logs = logs(&world, &id).await;
    assert!(logs.contains("going on from checkpoint 2"), "{logs}");
    let kept = world.parts.store.checkpoints(&id).await.unwrap();
    let runs: Vec<u32> = kept.iter().map(|checkpoint| checkpoint.run).collect();
    assert_eq!(runs, [1, 2]);
}

#[tokio::test]
async fn a_cancel_and_a_time_limit_keep_the_last_checkpoint_for_a_retry() {
    for limit in ["600s", "3s"] {
        let section = json!({"linger": "10ms", "stop_after": limit});
        let world = world(json!({ "training": section })).await;
        let id = train(&world, json!({"hang_at": 3}), |_| {}).await;
        let cancel = async {
            if limit == "3s" {
                return;
            }
            loop {
                let kept = world.parts.store.checkpoints(&id).await.unwrap();
                if kept.len() == 2 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await; // poll
            }
            let now = world.parts.clock.now();
            world.parts.store.request_cancel(&id, now).await.unwrap();
        };
        tokio::join!(work(&world), cancel);
        let job = world.job(&id).await;
        match &job.state {
            JobState::Canceled { .. } => {
                let logs = logs(&world, &id).await;
                assert!(logs.contains("checkpoint 2 is kept"), "{logs}");
            }
            JobState::Failed { failure, .. } => {
                assert_eq!(failure.reason, Reason::Timeout);
                assert!(failure.message.contains("checkpoint 2 is kept"));
            }
            state => panic!("{limit}: {state:?}"),
        }
        assert_eq!(made(&world).await.len(), 0);
        let checkpoint = world.parts.store.checkpoints(&id).await.unwrap().pop();
        let resume = checkpoint.map(|checkpoint| onstage_core::training::Resume {
            training: id.clone(),
            checkpoint,
        });
        let again = train(&world, json!({}), |spec| spec.resume = resume).await;
        work(&world).await;
        check_made_once(&world, &again, "retried").await;
        let logs = logs(&world, &again).await;
        assert!(
            logs.contains("going on from checkpoint 2 of an earlier"),
            "{logs}"
        );
        let kept = world.parts.store.checkpoints(&again).await.unwrap();
        assert_eq!(kept.len(), 1, "only the third step was done again");
        let lineage = made(&world).await[0].lineage.clone().unwrap();
        assert_eq!(lineage.resumed, Some(id));
    }
}

#[tokio::test]
async fn a_gate_that_is_not_reached_holds_the_version_back() {
    let section = json!({"linger": "10ms", "gates": ["accuracy >= 0.5"]});
    let world = world(json!({ "training": section })).await;
    let gates = ["accuracy >= 0.95", "loss < 1"].map(|text| text.parse().unwrap());
    let id = train(&world, json!({}), |spec| spec.gates = gates.to_vec()).await;
    work(&world).await;
    let job = check_made_once(&world, &id, "held back").await;
    let JobState::Succeeded {
        output: JobOutput::Training { held_back, .. },
        ..
    } = &job.state
    else {
        unreachable!("it succeeded")
    };
    let why = held_back.as_deref().unwrap();
    assert_eq!(why, "`accuracy` is 0.9, and the gate is `accuracy >= 0.95`");
    assert!(!made(&world).await[0].promote_when_ready);
}

#[tokio::test]
async fn datasets_are_placed_and_named_in_the_lineage() {
    let world = world(json!({"training": {"linger": "10ms"}})).await;
    world.labels("a,b\n1,2\n").await;
    world.labels("a,b\n3,4\n").await;
    let input = json!({"data": {"$dataset": "labels@v1"}, "ask_for": "labels"});
    let which = || vec!["labels@v1".parse().unwrap()];
    let id = train(&world, input, |spec| spec.datasets = which()).await;
    let missing = train(&world, json!({"ask_for": "none"}), |_| {}).await;
    work(&world).await;
    check_made_once(&world, &id, "with data").await;
    let lineage = made(&world).await[0].lineage.clone().unwrap();
    let names: Vec<String> = lineage.datasets.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["labels@v1", "labels@v2"]);
    let JobState::Failed { failure, .. } = world.job(&missing).await.state else {
        panic!("there is no such dataset")
    };
    assert!(
        failure.message.contains("no dataset `none`"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn a_task_killed_around_any_write_makes_one_version_in_the_end() {
    let quiet = || json!({"training": {"linger": "10ms"}});
    let fresh = async || World::new(store::memory(), blobs::memory(), quiet()).await;
    let first = fresh().await;
    train(&first, json!({}), |_| {}).await;
    let (steps, died) = life(&first, None).await;
    assert!(!died);
    let places: Vec<Step> = steps.into_iter().collect();
    for name in [
        "claim_training",
        "put",
        "commit_checkpoint",
        "finish_training",
    ] {
        assert!(
            places.iter().any(|step| step.0 == name),
            "{name}: {places:?}"
        );
    }
    for step in places {
        for moment in [Moment::Before, Moment::After] {
            let story = format!("killed {moment:?} {step:?}");
            let world = fresh().await;
            let id = train(&world, json!({}), |_| {}).await;
            let (_, died) = life(&world, Some((step, moment))).await;
            assert!(died, "{story}");
            reap(&world).await;
            work(&world).await;
            let job = check_made_once(&world, &id, &story).await;
            assert!(job.run <= 2 && job.attempts == 0, "{story}: {job:?}");
            let kept = world.parts.store.checkpoints(&id).await.unwrap();
            let numbers: Vec<u32> = kept.iter().map(|it| it.number).collect();
            assert_eq!(numbers, [2, 3], "{story}: no step is done twice");
        }
    }
}

/// Runs a task that dies at the cut, or to its end. Answers its durable writes.
async fn life(world: &World, at: Option<(Step, Moment)>) -> (Vec<Step>, bool) {
    let cut = Cut::at(at);
    let blobs = Arc::new(CutBlobs(world.parts.blobs.clone(), cut.clone()));
    let parts = Parts {
        store: Arc::new(CutStore(world.parts.store.clone(), cut.clone())),
        parcels: Arc::new(DiskParcels::new(world.folder.path(), blobs.clone())),
        blobs,
        ..world.parts.clone()
    };
    let (crew, stop) = (crew(), CancellationToken::new());
    let died = tokio::select! {
        end = run(parts, settings(world), &crew, &stop) => {
            end.unwrap();
            false
        }
        () = cut.died() => true,
    };
    let steps = cut.steps.lock().unwrap().clone();
    (steps, died)
}
