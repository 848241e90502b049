//! The model of a plan: what its folder or its live version says, what was recorded of it, and the flags over both.
//! Says in words what it had to assume.

use super::{fit, size, span};
use crate::{
    cli::{caller::Caller, folder::ModelFolder},
    client::full_name,
};
use onstage_core::{
    Error, Result,
    config::{RealtimeSection, Size, Span},
    schema::ModelSchema,
};
use onstage_engine::sim::{CallTime, Memory, Setup, Shape, Wait};
use serde_json::Value;
use std::{path::Path, time::Duration};

/// Of a worker when nobody says: some imports and small weights.
const START: Duration = Duration::from_secs(2);
const SEED: u64 = 1;

#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// How long a call takes, whatever it carries
    #[arg(long, value_name = "SPAN", value_parser = span)]
    call: Option<Span>,
    /// How much longer for each item
    #[arg(long, value_name = "SPAN", value_parser = span)]
    per_item: Option<Span>,
    /// Standard deviation of that time, in percent of it
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    spread: Option<f64>,
    /// How long a worker takes to start (default: 2s)
    #[arg(long, value_name = "SPAN", value_parser = span)]
    start: Option<Span>,
    /// Memory of each worker
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<Size>,
    /// How much of it all workers share
    #[arg(long, value_name = "SIZE", value_parser = size)]
    shared: Option<Size>,
    /// Under which 99 of 100 answers should stay (default: `latency_goal`, else what follows from a call)
    #[arg(long, value_name = "SPAN", value_parser = span)]
    goal: Option<Span>,
    /// Items of a microbatch at most: the `max` of `.many`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..100_000))]
    batch: Option<u32>,
    /// How long an idle worker waits for company: a span, or `auto`
    #[arg(long, value_name = "SPAN|auto", value_parser = window)]
    window: Option<Wait>,
    /// The fewest and the most workers
    #[arg(long, value_name = "MIN..MAX", value_parser = workers)]
    workers: Option<(usize, usize)>,
    /// How long a worker stays without work
    #[arg(long, value_name = "SPAN", value_parser = span)]
    idle: Option<Span>,
    /// How many requests may wait
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    queue: Option<u32>,
}

/// What is simulated, and how it was found.
#[derive(Debug)]
pub(super) struct Planned {
    pub name: String,
    pub setup: Setup,
    /// Cores of a worker.
    pub cpu: f64,
    pub assumed: Vec<String>,
}

/// What is known of a model before the flags.
struct Known {
    name: String,
    config: RealtimeSection,
    shape: Shape,
    call: Option<CallTime>,
    assumed: Vec<String>,
}

pub(super) async fn planned(caller: &Caller, model: &str, args: &Args) -> Result<Planned> {
    let folder = caller.path(Path::new(model));
    let known = match folder.is_dir() {
        true => of_folder(&folder, caller)?,
        false => of_server(caller, model, args.call.is_none()).await?,
    };
    with_flags(known, args)
}

fn of_folder(path: &Path, caller: &Caller) -> Result<Known> {
    let folder = ModelFolder::open(path)?;
    let entry = path.join(&folder.config.model.entry);
    let code = std::fs::read_to_string(entry).unwrap_or_default();
    let (shape, assumed) = many_in(&code);
    Ok(Known {
        name: folder.model(None, caller.owner())?.to_string(),
        config: folder.config.realtime,
        shape,
        call: None,
        assumed,
    })
}

/// `.many(max=…, wait_ms=…)` as it is written; nothing of the model is run for a plan.
fn many_in(code: &str) -> (Shape, Vec<String>) {
    let mut lines = code.lines().map(str::trim);
    let call = lines.find_map(|line| Some(line.strip_prefix('@')?.split_once(".many(")?.1));
    let Some(call) = call else {
        let alone = Shape {
            many_max: None,
            wait: Wait::Fixed(Duration::ZERO),
        };
        return (
            alone,
            vec!["the model has no `.many`: every item is a call of its own".to_owned()],
        );
    };
    let value = |name: &str| {
        let at = call
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.trim().strip_prefix('='))?;
        Some(
            at.trim()
                .trim_end_matches(')')
                .trim()
                .trim_matches(['"', '\'']),
        )
    };
    let max = value("max").and_then(|max| max.parse().ok());
    let wait = match value("wait_ms") {
        Some("auto") => Wait::Auto,
        Some(ms) => Wait::Fixed(
            ms.parse()
                .map(|ms: f64| Duration::from_secs_f64(ms.max(0.0) / 1e3))
                .unwrap_or_default(),
        ),
        None => Wait::Fixed(Duration::ZERO),
    };
    let mut assumed = Vec::new();
    if max.is_none() {
        assumed.push(format!(
            "`.many({call}` names no number as its `max`: {MANY_MAX}; say `--batch N`"
        ));
    }
    (
        Shape {
            many_max: Some(max.unwrap_or(MANY_MAX)),
            wait,
        },
        assumed,
    )
}

/// Of `.many` when the author does not say.
const MANY_MAX: usize = 32;

async fn of_server(caller: &Caller, name: &str, fit: bool) -> Result<Known> {
    let client = caller.client()?;
    let model = client.model(name).await?;
    let name = full_name(&model);
    let versions = client
        .list(&format!("/v1/models/{name}/versions?limit=200"), 10_000)
        .await?;
    let live = versions
        .iter()
        .find(|version| version["live"] == true)
        .ok_or_else(|| {
            Error::conflict(format!("model `{name}` has no live version"))
                .hint("plan with its folder instead")
        })?;
    let id = live["id"].as_str().unwrap_or_default();
    let version = client
        .get(&format!("/v1/models/{name}/versions/{id}"))
        .await?;
    let config: RealtimeSection = read(&version["config"]["realtime"], "config.realtime")?;
    let schema: ModelSchema = read(&version["schema"], "schema")?;
    let shape = Shape::of(&schema);
    let (call, assumed) = match fit {
        true => fit::fitted(&client, &name, &shape).await?,
        false => (None, Vec::new()),
    };
    Ok(Known {
        name,
        config,
        shape,
        call,
        assumed,
    })
}

fn read<T: serde::de::DeserializeOwned>(value: &Value, what: &str) -> Result<T> {
    serde_json::from_value(value.clone()).map_err(|error| {
        Error::unavailable(format!(
            "the server's `{what}` of the version is not understood"
        ))
        .because(error)
        .hint("is the server of the same release as this program?")
    })
}

fn with_flags(known: Known, args: &Args) -> Result<Planned> {
    let Known {
        name,
        config,
        mut shape,
        call,
        mut assumed,
    } = known;
    if let Some(batch) = args.batch {
        shape.many_max = Some(batch as usize);
    }
    shape.wait = args.window.unwrap_or(shape.wait);
    let fixed = args
        .call
        .map(|span| span.0)
        .or(call.map(|call| call.fixed))
        .ok_or_else(|| {
            Error::invalid(format!("nobody knows how long a call of `{name}` takes"))
                .hint("say it with `--call 1s`, or name a model that has answered on a server")
        })?;
    let call = CallTime {
        fixed,
        each: args
            .per_item
            .map(|span| span.0)
            .or(call.map(|call| call.each))
            .unwrap_or_default(),
        spread: args.spread.or(call.map(|call| call.spread)).unwrap_or(0.0),
    };
    if call.fixed + call.each == Duration::ZERO {
        return Err(Error::invalid("a call takes some time")
            .hint("say it with `--call 1s` or `--per-item 10ms`"));
    }
    if args.start.is_none() {
        assumed.push(format!(
            "a worker starts in {}; say `--start SPAN`",
            super::show::time(START)
        ));
    }
    let (workers_min, workers_max) = args
        .workers
        .unwrap_or((config.workers.min as usize, config.workers.max as usize));
    let memory = args.memory.or(config.memory).map_or(0, |size| size.0);
    let shared = args.shared.map_or(0, |size| size.0).min(memory);
    Ok(Planned {
        cpu: config.cpu.unwrap_or(1.0),
        setup: Setup {
            shape,
            latency_goal: args.goal.or(config.latency_goal).map(|goal| goal.0),
            workers_min,
            workers_max: workers_max.max(workers_min).max(1),
            idle: args.idle.unwrap_or(config.idle).0,
            queue_items_max: args.queue.or(config.queue).map(|queue| queue as usize),
            deadline: Some(config.timeout.0),
            call,
            start: args.start.map_or(START, |span| span.0),
            memory: Memory {
                shared,
                each: memory - shared,
            },
            callers: 1,
            seed: SEED,
        },
        name,
        assumed,
    })
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok();
    let number = number.filter(|number| (0.0..=1_000.0).contains(number));
    let number =
        number.ok_or_else(|| format!("`{text}` is not a percentage; write it like `5%`"))?;
    Ok(number / 100.0)
}

fn window(text: &str) -> Result<Wait, String> {
    match text {
        "auto" => Ok(Wait::Auto),
        text => Ok(Wait::Fixed(span(text)?.0)),
    }
}

fn workers(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("`{text}` is not a range of workers; write it like `1..7`");
    let (min, max) = text.split_once("..").ok_or_else(wrong)?;
    let (min, max) = (
        min.parse().map_err(|_| wrong())?,
        max.parse().map_err(|_| wrong())?,
    );
    match (1..=10_000).contains(&max) && min <= max {
        true => Ok((min, max)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_and_the_window_of_many_are_read_as_they_are_written() {
        let read = |line: &str| many_in(&format!("import x\n\n{line}\ndef f(rows): ..\n"));
        let (shape, assumed) = read("@f.many(max=100, wait_ms=\"auto\")");
        assert_eq!(
            (shape.many_max, shape.wait, assumed.len()),
            (Some(100), Wait::Auto, 0)
        );
        let (shape, _) = read("@f.many(wait_ms=5, max=8)");
        assert_eq!(
            (shape.many_max, shape.wait),
            (Some(8), Wait::Fixed(Duration::from_millis(5)))
        );
        assert_eq!(read("@f.many(max=SIZE)").1.len(), 1);
        assert_eq!(read("# .many(max=3)").0.many_max, None);
    }

    #[test]
    fn flags_say_what_is_wrong_with_them() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(workers("1..7"), Ok((1, 7)));
        for wrong in ["7..1", "1", "0..0", "a..b"] {
            assert!(workers(wrong).unwrap_err().contains("`1..7`"), "{wrong}");
        }
        assert!(percent("x").is_err() && window("soon").is_err());
    }
}
