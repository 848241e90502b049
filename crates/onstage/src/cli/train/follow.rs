//! A training on its way: its bar, its metrics as lines, then what came of it and whether that is ready.
//! Does not start it.

use crate::{
    cli::{
        bars::Bar,
        caller::Caller,
        exit::Failure,
        print,
        push::{self, words},
    },
    client::{Client, Event, follow},
};
use onstage_core::{Error, Result};
use serde_json::{Value, json};

/// Shows what happens until the training has ended; answers it as it then is.
pub(super) async fn to_end(client: &Client, id: &str) -> Result<Value> {
    let mut bar = Bar::spinner();
    bar.text("waiting for a task");
    let path = format!("/v1/trainings/{id}");
    let training = follow(client, &path, 0, |event| {
        show(&mut bar, event);
        Ok(())
    })
    .await;
    bar.end();
    training
}

fn show(bar: &mut Bar, event: &Event) {
    let data = &event.data;
    match event.name.as_str() {
        "away" => bar.line(words(data, "text")),
        "waiting" => bar.text(&format!("waiting for a task: {}", words(data, "text"))),
        "phase" | "queued" => {
            let text = data["text"].as_str().or(data["phase"].as_str());
            bar.text(text.unwrap_or_default());
        }
        "progress" => progress(bar, data),
        "metric" => bar.line(&print::harmless(&metric(data))),
        "log" => bar.line(words(data, "data").trim_end()),
        _ => {}
    }
}

fn progress(bar: &mut Bar, data: &Value) {
    let done = data["done"].as_f64().unwrap_or(0.0);
    if let Some(total) = data["total"].as_f64() {
        bar.rows(done as u64, total as u64);
    }
    bar.detail(print::harmless(words(data, "text")));
}

/// `step 10  loss 0.25  accuracy 0.9`
fn metric(data: &Value) -> String {
    let step = data["step"].as_f64().map(|step| format!("step {step}"));
    let values = data["values"].as_object().into_iter().flatten();
    let values = values.map(|(name, value)| format!("{name} {}", short(value)));
    step.into_iter()
        .chain(values)
        .collect::<Vec<_>>()
        .join("  ")
}

fn short(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if number.fract() != 0.0 => {
            let text = format!("{number:.4}");
            if text.trim_end_matches('0').ends_with('.') {
                format!("{number:e}")
            } else {
                text.trim_end_matches('0').to_owned()
            }
        }
        _ => value.to_string(),
    }
}

/// Says what came of a training that has ended.
pub(super) async fn end(caller: &Caller, client: &Client, training: &Value) -> Result<(), Failure> {
    if words(training, "status") != "succeeded" {
        if caller.json {
            print::json(training)?;
        }
        return Err(tell_failure(training));
    }
    let (model, id) = made(training);
    let goes_live = training["promote"] == true && training["output"]["held_back"].is_null();
    let building = json!({"id": id, "state": "building"});
    let version = push::built(client, &model.parse()?, building, goes_live)
        .await?
        .version;
    if caller.json {
        print::json(training)?;
    }
    let name = format!("{model} {}", words(&version, "name"));
    if let Some(error) = version["error"]["message"].as_str() {
        print::error(
            &Error::user_code(format!(
                "{name} was trained but could not be built: {error}"
            ))
            .hint(format!("see why with `onstage logs {model}`")),
        );
        return Err(Failure::Told);
    }
    print::say(&summary(training));
    if let Some(why) = training["output"]["held_back"].as_str() {
        print::say(&format!("{name} is ready and does not go live: {why}"));
    } else if version["live"] == true {
        print::say(&format!("{name} is live"));
    } else {
        let number = words(&version, "name");
        print::say(&format!(
            "{name} is ready; make it live with `onstage promote {model} {number}`"
        ));
    }
    match caller.json {
        true => Ok(()),
        false => print::line(&name),
    }
}

/// `owner/name` and the id out of `owner/name:id`.
fn made(training: &Value) -> (&str, &str) {
    let version = training["output"]["version"].as_str().unwrap_or_default();
    version.split_once(':').unwrap_or((version, ""))
}

fn summary(training: &Value) -> String {
    let metrics = training["metrics"].as_object().into_iter().flatten();
    let shown: Vec<String> = metrics
        .map(|(name, value)| match name.as_str() {
            "predict_time" => format!("took {} s", short(value)),
            name => format!("{name} {}", short(value)),
        })
        .collect();
    shown.join(", ")
}

fn tell_failure(training: &Value) -> Failure {
    let id = words(training, "id");
    let what = match training["error"].as_str() {
        Some(error) => error.to_owned(),
        None => format!("training {}", words(training, "status")),
    };
    if let Some(traceback) = training["traceback"].as_str() {
        print::say(traceback.trim_end());
    }
    let kept = training["checkpoints"]
        .as_array()
        .is_some_and(|it| !it.is_empty());
    let hint = match kept {
        true => format!("go on from its last checkpoint with `onstage jobs retry {id}`"),
        false => format!("see its log with `onstage logs {id}`"),
    };
    print::error(&Error::user_code(what).hint(hint));
    Failure::Told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_lines() {
        let data =
            json!({"values": {"accuracy": 0.91666, "loss": 0.00000123, "n": 3}, "step": 10.0});
        assert_eq!(metric(&data), "step 10  accuracy 0.9167  loss 1.23e-6  n 3");
        let training = json!({"metrics": {"accuracy": 0.5, "predict_time": 2.25}});
        assert_eq!(summary(&training), "accuracy 0.5, took 2.25 s");
    }
}
