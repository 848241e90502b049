//! `GET /metrics`: the engine's numbers in Prometheus' text format.
//! Does not count anything itself.

use crate::gateway::{
    call::{self, Call},
    problem::Answer,
};
use http::StatusCode;
use onstage_engine::gauges::{Gauges, Histogram, PoolGauges, SECONDS_BOUNDS};
use std::fmt::Write;

pub(crate) async fn run(call: Call) -> Answer {
    let text = written(&call.state.engine.gauges());
    Ok(call::bytes(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        text,
    ))
}

fn written(gauges: &Gauges) -> String {
    let mut page = Page(String::new());
    page.singles(gauges);
    let pools = &gauges.pools;
    for (name, kind, help, number) in NUMBERS {
        page.head(name, kind, help);
        for pool in pools {
            page.line(name, &labels(pool, ""), number(pool));
        }
    }
    page.workers(pools);
    page.answers(pools);
    for (name, help, of) in HISTOGRAMS {
        page.histograms(name, help, pools, of);
    }
    page.0
}

/// Name, kind, help, and where the number is.
type Number = (
    &'static str,
    &'static str,
    &'static str,
    fn(&PoolGauges) -> u64,
);

const NUMBERS: [Number; 7] = [
    (
        "onstage_queue_items",
        "gauge",
        "Requests that wait",
        |pool| u64::from(pool.queued),
    ),
    (
        "onstage_in_flight_items",
        "gauge",
        "Requests at workers",
        |pool| u64::from(pool.in_flight),
    ),
    (
        "onstage_refused_total",
        "counter",
        "Requests refused because the queue was full",
        |pool| pool.refused,
    ),
    (
        "onstage_worker_starts_total",
        "counter",
        "Workers started",
        |pool| pool.starts,
    ),
    (
        "onstage_worker_deaths_total",
        "counter",
        "Workers that died or were killed",
        |pool| pool.deaths,
    ),
    (
        "onstage_stray_answers_total",
        "counter",
        "Answers that came for nobody",
        |pool| pool.strays,
    ),
    (
        "onstage_microbatches_total",
        "counter",
        "Microbatches sent",
        |pool| pool.microbatches,
    ),
];

type Seconds = (&'static str, &'static str, fn(&PoolGauges) -> &Histogram);

const HISTOGRAMS: [Seconds; 2] = [
    (
        "onstage_predict_seconds",
        "From dispatch to the answer",
        |pool| &pool.predict_seconds,
    ),
    (
        "onstage_queue_seconds",
        "From acceptance to dispatch",
        |pool| &pool.queue_seconds,
    ),
];

/// Names of models are letters, digits and hyphens: nothing to escape.
fn labels(pool: &PoolGauges, more: &str) -> String {
    format!(
        "model=\"{}\",version=\"v{}\",live=\"{}\"{more}",
        pool.model, pool.version_number, pool.live
    )
}

struct Page(String);

impl Page {
    fn singles(&mut self, gauges: &Gauges) {
        let numbers = [
            (
                "onstage_records_waiting",
                "gauge",
                "Finished predictions not yet written",
                gauges.records_waiting,
            ),
            (
                "onstage_records_dropped_total",
                "counter",
                "Records dropped because the store could not keep up",
                gauges.records_dropped,
            ),
            (
                "onstage_records_written_total",
                "counter",
                "Records written",
                gauges.records_written,
            ),
            (
                "onstage_builds_running",
                "gauge",
                "Versions being built",
                u64::from(gauges.builds_running),
            ),
        ];
        for (name, kind, help, value) in numbers {
            self.head(name, kind, help);
            let _ = writeln!(self.0, "{name} {value}");
        }
    }

    fn workers(&mut self, pools: &[PoolGauges]) {
        self.head("onstage_workers", "gauge", "Workers by state");
        for pool in pools {
            let workers = pool.workers;
            for (state, count) in [
                ("starting", workers.starting),
                ("idle", workers.idle),
                ("busy", workers.busy),
                ("stopping", workers.stopping),
            ] {
                let labels = labels(pool, &format!(",state=\"{state}\""));
                self.line("onstage_workers", &labels, count);
            }
        }
    }

    fn answers(&mut self, pools: &[PoolGauges]) {
        self.head("onstage_answers_total", "counter", "Answers by reason");
        for pool in pools {
            for (reason, count) in &pool.answers {
                let reason = serde_json::to_value(reason).unwrap_or_default();
                let more = format!(",reason=\"{}\"", reason.as_str().unwrap_or_default());
                self.line("onstage_answers_total", &labels(pool, &more), count);
            }
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{{{labels}}} {value}");
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        pools: &[PoolGauges],
        of: fn(&PoolGauges) -> &Histogram,
    ) {
        self.head(name, "histogram", help);
        for pool in pools {
            let histogram = of(pool);
            let mut below = 0;
            for (bound, count) in SECONDS_BOUNDS.iter().zip(&histogram.counts) {
                below += count;
                let more = format!(",le=\"{bound}\"");
                self.line(&format!("{name}_bucket"), &labels(pool, &more), below);
            }
            let all = labels(pool, ",le=\"+Inf\"");
            self.line(&format!("{name}_bucket"), &all, histogram.count);
            self.line(&format!("{name}_sum"), &labels(pool, ""), histogram.sum);
            self.line(&format!("{name}_count"), &labels(pool, ""), histogram.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onstage_core::{model::VersionId, outcome::Reason};
    use onstage_engine::gauges::WorkerCounts;

    #[test]
    fn buckets_are_cumulative_and_every_line_is_a_number() {
        let mut predict_seconds = Histogram::default();
        [0.0005, 0.3, 100.0]
            .into_iter()
            .for_each(|s| predict_seconds.add(s));
        let pool = PoolGauges {
            model: "lab/age".parse().unwrap(),
            version: VersionId("a".repeat(64)),
            version_number: 3,
            live: true,
            queued: 2,
            in_flight: 1,
            workers: WorkerCounts::default(),
            answers: vec![(Reason::Ok, 7)],
            refused: 0,
            starts: 1,
            deaths: 0,
            strays: 0,
            microbatches: 4,
            predict_seconds,
            queue_seconds: Histogram::default(),
        };
        let text = written(&Gauges {
            pools: vec![pool],
            ..Gauges::default()
        });
        assert!(text.contains("onstage_predict_seconds_bucket{model=\"lab/age\",version=\"v3\",live=\"true\",le=\"0.5\"} 2"), "{text}");
        assert!(text.contains("le=\"+Inf\"} 3"));
        assert!(text.contains("reason=\"ok\"} 7"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
