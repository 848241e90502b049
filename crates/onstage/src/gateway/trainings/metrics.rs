//! `GET /v1/trainings/{id}/metrics`: what was measured, as series, out of the events.
//! Does not change anything.

use super::find;
use crate::gateway::{
    call::{self, Call, shortened},
    problem::{Answer, Problem},
    wire::{
        time,
        training::{Point, TrainingSeries},
    },
};
use http::{StatusCode, header};
use onstage_core::{
    Id,
    event::{Event, EventKind},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Events read in one go.
const EVENTS_PER_READ: u32 = 1000;

#[derive(Deserialize)]
struct Query {
    format: Option<String>,
}

pub(crate) async fn run(call: Call) -> Answer {
    let id = call.id()?;
    let query: Query = call.query()?;
    find::find(&call, &id).await?;
    let series = read(&call, &id).await?;
    let wants_csv = match query.format.as_deref() {
        Some("csv") => true,
        Some("json") => false,
        None => call.accepts("text/csv"),
        Some(other) => {
            return Err(Problem::invalid(
                "invalid_query",
                format!("The format `{}` is none of json, csv.", shortened(other)),
            ));
        }
    };
    if wants_csv {
        let mut response = call::bytes(StatusCode::OK, "text/csv; charset=utf-8", csv(&series));
        let name = format!("attachment; filename=\"{id}-metrics.csv\"");
        call::set(&mut response, header::CONTENT_DISPOSITION, &name);
        return Ok(response);
    }
    call::json(StatusCode::OK, &series)
}

async fn read(call: &Call, id: &Id) -> Result<TrainingSeries, Problem> {
    let mut gathered = Gathered::default();
    let mut after = 0;
    loop {
        let store = &call.state.parts.store;
        let events = store.events(id, after, EVENTS_PER_READ).await?;
        events.iter().for_each(|event| gathered.add(event));
        match events.last() {
            Some(last) if events.len() as u32 == EVENTS_PER_READ => after = last.seq,
            _ => return Ok(gathered.series),
        }
    }
}

/// Series so far, and the run that is told of.
#[derive(Default)]
struct Gathered {
    run: u32,
    series: TrainingSeries,
}

impl Gathered {
    fn add(&mut self, event: &Event) {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match event.kind {
            EventKind::Start => self.run = data["run"].as_u64().unwrap_or(0) as u32,
            EventKind::Metric => self.add_metric(event, &data),
            _ => {}
        }
    }

    fn add_metric(&mut self, event: &Event, data: &Value) {
        let step = data["step"].as_f64();
        for (name, value) in data["values"].as_object().into_iter().flatten() {
            let Some(value) = value.as_f64() else {
                continue;
            };
            let points = self.series.series.entry(name.clone()).or_default();
            // A run that went on from a checkpoint has done the steps after it again.
            while let (Some(last), Some(step)) = (points.last(), step) {
                let again = last.run < self.run && last.step.is_some_and(|other| other >= step);
                if !again {
                    break;
                }
                points.pop();
            }
            points.push(Point {
                step,
                value,
                run: self.run,
                at: time(event.at),
            });
            self.series.last.insert(name.clone(), value);
        }
    }
}

/// One line a point.
fn csv(series: &TrainingSeries) -> String {
    let mut text = "name,step,value,run,at\n".to_owned();
    let all: &BTreeMap<String, Vec<Point>> = &series.series;
    for (name, points) in all {
        let name = quoted(name);
        for point in points {
            let step = point.step.map_or(String::new(), |step| step.to_string());
            let Point { value, run, at, .. } = point;
            text.push_str(&format!("{name},{step},{value},{run},{at}\n"));
        }
    }
    text
}

fn quoted(name: &str) -> String {
    match name.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::Timestamp;
    use serde_json::json;

    fn event(kind: EventKind, data: &Value) -> Event {
        Event {
            seq: 1,
            kind,
            at: Timestamp(0),
            data: data.to_string(),
        }
    }

    #[test]
    fn a_run_that_goes_on_replaces_what_it_does_again() {
        let mut gathered = Gathered::default();
        let loss = |step: u32, value: f64| {
            event(
                EventKind::Metric,
                &json!({"values": {"loss": value}, "step": step}),
            )
        };
        gathered.add(&event(EventKind::Start, &json!({"run": 1})));
        for step in 1..=4 {
            gathered.add(&loss(step, f64::from(step)));
        }
        gathered.add(&event(EventKind::Start, &json!({"run": 2})));
        gathered.add(&loss(3, 30.0));
        gathered.add(&loss(4, 40.0));
        let points = &gathered.series.series["loss"];
        let shown: Vec<(u32, f64)> = points.iter().map(|it| (it.run, it.value)).collect();
        assert_eq!(shown, [(1, 1.0), (1, 2.0), (2, 30.0), (2, 40.0)]);
        let text = csv(&gathered.series);
        assert!(
            text.starts_with("name,step,value,run,at\nloss,1,1,1,1970"),
            "{text}"
        );
    }
}
