//! How long a call takes, from what a server recorded: the times of predictions, and how many went out together on average.
//! Sizes of microbatches are not recorded one by one; what that leaves open is said in words.

use crate::client::Client;
use onstage_core::Result;
use onstage_engine::sim::{CallTime, Shape};
use std::time::Duration;

const PREDICTIONS_MAX: usize = 1_000;
const PREDICTIONS_MIN: usize = 5;

type Fitted = (Option<CallTime>, Vec<String>);

pub(super) async fn fitted(client: &Client, model: &str, shape: &Shape) -> Result<Fitted> {
    let path = format!("/v1/predictions?model={model}&limit=200");
    let rows = client.list(&path, PREDICTIONS_MAX).await?;
    let times: Vec<f64> = rows
        .iter()
        .filter(|row| row["status"] == "succeeded")
        .filter_map(|row| row["metrics"]["predict_time"].as_f64())
        .collect();
    if times.len() < PREDICTIONS_MIN {
        return Ok((
            None,
            vec![format!(
                "only {} recorded predictions of `{model}`: too few to tell from",
                times.len()
            )],
        ));
    }
    let (mean, spread) = mean_and_spread(&times);
    let size = match client.get_text("/metrics").await {
        Ok(text) => mean_size(&text, model),
        Err(_) => None,
    };
    let mut said = vec![format!(
        "a call takes {:.3} s ± {:.0} %, from {} recorded predictions",
        mean,
        100.0 * spread,
        times.len()
    )];
    if shape.many_max.is_some() {
        let together = size.map_or("an unknown number".to_owned(), |size| format!("{size:.1}"));
        said.push(format!(
            "the same for a full microbatch: {together} went out together on average, and sizes are not recorded one by one; say `--call` and `--per-item` where it is not"
        ));
    }
    let call = CallTime {
        fixed: Duration::try_from_secs_f64(mean).unwrap_or_default(),
        each: Duration::ZERO,
        spread,
    };
    Ok((Some(call), said))
}

fn mean_and_spread(times: &[f64]) -> (f64, f64) {
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt() / mean.max(f64::MIN_POSITIVE))
}

/// Items per microbatch, from the counters since the server started.
fn mean_size(metrics: &str, model: &str) -> Option<f64> {
    let label = format!("model=\"{model}\"");
    let sum = |name: &str| -> f64 {
        let lines = metrics.lines();
        let ours =
            lines.filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(&label));
        ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    let microbatches = sum("onstage_microbatches_total");
    (microbatches > 0.0).then(|| sum("onstage_predict_seconds_count") / microbatches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_from_the_counters_of_the_model() {
        let text = "# HELP x\nonstage_microbatches_total{model=\"lab/a\",version=\"v1\"} 4\nonstage_microbatches_total{model=\"lab/b\"} 1\nonstage_predict_seconds_count{model=\"lab/a\",version=\"v1\"} 30\n";
        assert_eq!(mean_size(text, "lab/a"), Some(7.5));
        assert_eq!(mean_size(text, "lab/c"), None);
        let (mean, spread) = mean_and_spread(&[1.0, 3.0]);
        assert_eq!((mean, spread), (2.0, 0.5));
    }
}
