//! `onstage plan --sweep`: the settings that were tried, and the cheapest as lines to write.
//! What is worth trying is the simulator's to know.

use super::{model::Planned, show::time};
use crate::cli::{caller::Caller, exit::Failure, print};
use onstage_core::config::Span;
use onstage_engine::sim::{self, Load, Setup, Tried, Wait};

pub(super) fn run(caller: &Caller, planned: &Planned, load: &Load) -> Vec<Tried> {
    let settings = sim::settings(&planned.setup, load);
    let all = settings.len();
    if !caller.json {
        print::say(&format!("trying {all} settings"));
    }
    sim::tried(&planned.setup, load, &settings, |_| {})
}

pub(super) fn print(best: &Tried, planned: &Planned) -> Result<(), Failure> {
    print::line(&format!(
        "\nThe cheapest setting that answers 99 of 100 within {}: {:.0} worker-seconds, p99 {}",
        time(planned.setup.goal()),
        best.alive.as_secs_f64(),
        time(best.p99)
    ))?;
    print::line(&lines(&planned.setup))
}

/// What an author writes: into the file of the settings, and into the code.
pub(super) fn lines(setup: &Setup) -> String {
    let mut lines = vec![
        "# onstage.toml".to_owned(),
        "[realtime]".to_owned(),
        format!(
            "workers = {{ min = {}, max = {} }}",
            setup.workers_min, setup.workers_max
        ),
    ];
    if let Some(goal) = setup.latency_goal {
        lines.push(format!("latency_goal = {}", span(goal)));
    }
    if let Some(max) = setup.shape.many_max {
        let wait = match setup.shape.wait {
            Wait::Auto => ", wait_ms=\"auto\"".to_owned(),
            Wait::Fixed(wait) if wait.is_zero() => String::new(),
            Wait::Fixed(wait) => format!(", wait_ms={}", wait.as_secs_f64() * 1e3),
        };
        lines.push(format!("# model.py: .many(max={max}{wait})"));
    }
    lines.join("\n")
}

fn span(time: std::time::Duration) -> String {
    serde_json::to_string(&Span(time)).expect("a span is text")
}

/// The same in a cell.
pub(super) fn in_words(setup: &Setup) -> String {
    let many = match (setup.shape.many_max, setup.shape.wait) {
        (None, _) => "one item a call".to_owned(),
        (Some(max), Wait::Auto) => format!("up to {max} a call, window auto"),
        (Some(max), Wait::Fixed(wait)) if wait.is_zero() => {
            format!("up to {max} a call, no window")
        }
        (Some(max), Wait::Fixed(wait)) => format!("up to {max} a call, window {}", time(wait)),
    };
    format!(
        "{many}, {}..{} workers, goal {}",
        setup.workers_min,
        setup.workers_max,
        time(setup.goal())
    )
}
