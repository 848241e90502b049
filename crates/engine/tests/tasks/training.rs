//! What a scripted worker does with a training: counts steps, keeps each as a checkpoint, leaves the last as weights.

use onstage_core::{
    outcome::{Failure, Reason},
    value::Value,
    wire::from_worker::Question,
};
use onstage_engine::worker::{Asked, End, Item, Took};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How the script goes, as the training's input.
#[derive(Deserialize)]
struct Script {
    steps: u32,
    /// Where it writes.
    folder: PathBuf,
    #[serde(default)]
    die_at: Option<u32>,
    #[serde(default)]
    hang_at: Option<u32>,
    #[serde(default)]
    ask_for: Option<String>,
}

pub(crate) enum Fate {
    Ended,
    Dies,
    Hangs,
}

/// The checkpoint is the number of steps that are done.
pub(crate) async fn play(item: &Item, resume: Option<String>) -> Fate {
    let script: Script = serde_json::from_slice(&item.input.json).unwrap();
    let done = resume.map_or(0, |path| {
        std::fs::read_to_string(path)
            .unwrap()
            .parse::<u32>()
            .unwrap()
    });
    if let Some(name) = script.ask_for.clone() {
        let (asked, answer) = Asked::scripted(Question::Dataset { name });
        item.sink.asked(asked);
        if let Ok(Err(why)) = answer.await {
            fail(item, &why);
            return Fate::Ended;
        }
    }
    for step in done + 1..=script.steps {
        // What comes after a checkpoint is lost with the run; the run that goes on from it must do it again.
        if resume_point(done) && script.die_at == Some(step) {
            return Fate::Dies;
        }
        if script.hang_at == Some(step) {
            return Fate::Hangs;
        }
        let loss = BTreeMap::from([("loss".to_owned(), 1.0 / f64::from(step))]);
        item.sink.metric(&loss, Some(f64::from(step)));
        let path = script.folder.join("checkpoint.txt");
        std::fs::write(&path, step.to_string()).unwrap();
        let path = path.to_string_lossy().into_owned();
        let (asked, answer) = Asked::scripted(Question::Checkpoint { path });
        item.sink.asked(asked);
        match answer.await {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => {
                fail(item, &why);
                return Fate::Ended;
            }
            Err(_) => return Fate::Hangs,
        }
    }
    let weights = script.folder.join("weights");
    std::fs::create_dir_all(&weights).unwrap();
    std::fs::write(weights.join("net.txt"), script.steps.to_string()).unwrap();
    item.sink.end(End::Output {
        output: Value::json(serde_json::json!({ "path": weights }).to_string()),
        chunks: None,
        metrics: BTreeMap::from([("accuracy".to_owned(), 0.9)]),
        predict: Took::alone(Duration::from_millis(3)),
    });
    Fate::Ended
}

/// It dies once only: a run that goes on from a checkpoint lives.
fn resume_point(done: u32) -> bool {
    done == 0
}

fn fail(item: &Item, why: &str) {
    item.sink.end(End::Failed {
        failure: Failure::new(Reason::Exception, why),
        predict: Took::default(),
    });
}
