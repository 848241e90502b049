//! A batch job on its way: the bar with rate and remaining time, then the sum of what became of the rows.
//! Does not fetch the result.

use crate::{
    cli::{bars::Bar, exit::Failure, print, push::words, when},
    client::{Client, Event, follow},
};
use onstage_core::{Error, Result, usage::Usd};
use serde_json::Value;

/// Failed rows that are shown; the result has all of them.
const FAILED_SHOWN_MAX: usize = 5;

/// Shows the job's progress until it has ended; answers it as it then is.
pub(super) async fn to_end(client: &Client, job: &Value) -> Result<Value> {
    let mut bar = Bar::spinner();
    bar.text("waiting for a task");
    let path = format!("/v1/batches/{}", words(job, "id"));
    let job = follow(client, &path, 0, |event| {
        show(&mut bar, event);
        Ok(())
    })
    .await;
    bar.end();
    job
}

fn show(bar: &mut Bar, event: &Event) {
    let data = &event.data;
    match event.name.as_str() {
        "away" => bar.line(words(data, "text")),
        "waiting" => bar.text(&format!("waiting for a task: {}", words(data, "text"))),
        "phase" | "queued" => {
            let text = data["text"]
                .as_str()
                .or(data["phase"].as_str())
                .unwrap_or_default();
            bar.text(text);
        }
        "progress" => progress(bar, data),
        "log" => bar.line(words(data, "data").trim_end()),
        _ => {}
    }
}

fn progress(bar: &mut Bar, data: &Value) {
    let (done, total) = (data["done"].as_f64().unwrap_or(0.0), data["total"].as_f64());
    let mut detail = Vec::new();
    if let Some(rate) = data["rate_per_s"].as_f64() {
        detail.push(format!("{rate:.0} rows/s"));
    }
    if data["eta_s"].is_number() {
        detail.push(format!("about {} left", when::seconds(&data["eta_s"])));
    }
    match total {
        Some(total) => bar.rows(done as u64, total as u64),
        None => detail.insert(0, format!("{done} rows")),
    }
    if detail.is_empty() {
        detail.push(words(data, "text").to_owned());
    }
    detail.extend(cost(data));
    bar.detail(print::harmless(&detail.join(", ")));
}

/// `0.12 USD of about 0.80`.
fn cost(data: &Value) -> Option<String> {
    let so_far = Usd(data["cost_usd"].as_f64()?);
    Some(match data["cost_usd_expected"].as_f64() {
        Some(expected) => format!("{so_far} of about {}", Usd(expected)),
        None => so_far.to_string(),
    })
}

pub(super) fn tell_failure(job: &Value) -> Failure {
    let what = match job["error"].as_str() {
        Some(error) => error.to_owned(),
        None => format!("batch job {}", words(job, "status")),
    };
    if let Some(traceback) = job["traceback"].as_str() {
        print::say(traceback.trim_end());
    }
    let hint = if what.ends_with("to compare with") || what.contains(" to compare with;") {
        "name the column with the true answers by `--label COLUMN`".to_owned()
    } else if what.contains("no column") {
        "say which column an input takes with `--map INPUT=COLUMN`".to_owned()
    } else {
        format!("see its log with `onstage logs {}`", words(job, "id"))
    };
    print::error(&Error::user_code(what).hint(hint));
    Failure::Told
}

/// `1797 rows, 3 failed, accuracy 97.2 % of the other 1794, 4200 rows/s`, and the first failed rows.
pub(super) async fn sum_up(client: &Client, job: &Value) -> Result<()> {
    let failed = job["counts"]["failed"].as_u64().unwrap_or(0);
    print::say(&summary(job));
    if failed == 0 {
        return Ok(());
    }
    let path = format!(
        "/v1/batches/{}/items?status=failed&limit={FAILED_SHOWN_MAX}",
        words(job, "id")
    );
    for item in client.list(&path, FAILED_SHOWN_MAX).await? {
        let error = item["error"]
            .as_str()
            .map_or_else(|| item["error"]["message"].to_string(), str::to_owned);
        // People count from one, as the page does.
        let row = item["index"].as_u64().map_or(0, |index| index + 1);
        print::say(&format!("  row {row}: {}", print::short(&error, 160)));
    }
    if failed > FAILED_SHOWN_MAX as u64 {
        print::say(&format!(
            "  … and {} more; the result's error column has all",
            failed - FAILED_SHOWN_MAX as u64
        ));
    }
    Ok(())
}

/// Every row failed: a script must be able to tell this from success.
pub(super) fn nothing_was_answered(job: &Value) -> bool {
    let count = |name: &str| job["counts"][name].as_u64().unwrap_or(0);
    count("done") == 0 && count("failed") > 0
}

fn summary(job: &Value) -> String {
    let counts = &job["counts"];
    let (done, failed) = (
        counts["done"].as_u64().unwrap_or(0),
        counts["failed"].as_u64().unwrap_or(0),
    );
    let total = counts["total"].as_u64().unwrap_or(done);
    let mut parts = vec![format!("{total} rows")];
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    if let Some(accuracy) = job["metrics"]["accuracy"].as_f64() {
        let of = match failed {
            0 => String::new(),
            _ => format!(" of the other {done}"),
        };
        parts.push(format!("accuracy {:.1} %{of}", accuracy * 100.0));
    }
    if let Some(rate) = job["metrics"]["rows_per_s"].as_f64() {
        parts.push(format!("{rate:.0} rows/s"));
    }
    if let Some(cost) = job["metrics"]["cost_usd"].as_f64() {
        parts.push(Usd(cost).to_string());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_is_summed_up_in_a_line() {
        let job = json!({"counts": {"total": 1797, "done": 1794, "failed": 3}, "metrics": {"accuracy": 0.972, "rows_per_s": 4200.4, "cost_usd": 0.2}});
        assert_eq!(
            summary(&job),
            "1797 rows, 3 failed, accuracy 97.2 % of the other 1794, 4200 rows/s, 0.20 USD"
        );
        let far = json!({"cost_usd": 0.12, "cost_usd_expected": 0.8});
        assert_eq!(cost(&far).unwrap(), "0.12 USD of about 0.80 USD");
        assert_eq!(cost(&json!({"done": 3})), None);
        assert_eq!(
            summary(&json!({"counts": {"total": null, "done": 2, "failed": 0}})),
            "2 rows"
        );
    }
}
