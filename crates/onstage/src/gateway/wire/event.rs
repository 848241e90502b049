//! One event of a prediction's or job's log on its way out.
//! Does not read logs.

use super::time;
use onstage_core::{
    Id, Timestamp,
    event::{Event, EventKind},
    outcome::Progress,
    usage::Prices,
};
use serde_json::json;

/// The data of an event with its time and the id of what it is about in front.
pub(crate) fn data(id: &Id, event: &Event, prices: &Prices) -> String {
    match priced(event, prices) {
        Some(data) => with_time(id, event.at, &data),
        None => with_time(id, event.at, &event.data),
    }
}

/// The progress of a batch job says what its worker took; it is told as money.
fn priced(event: &Event, prices: &Prices) -> Option<String> {
    if event.kind != EventKind::Progress || !event.data.contains("\"used\"") {
        return None;
    }
    let Progress {
        done,
        total,
        text,
        used,
    } = serde_json::from_str(&event.data).ok()?;
    let usd = |rows: f64| prices.usd_of_rows(used.as_ref(), rows);
    let data = json!({
        "done": done,
        "total": total,
        "text": text,
        "cost_usd": usd(done),
        "cost_usd_expected": total.and_then(usd),
    });
    Some(data.to_string())
}

/// `data` is a JSON object's text.
pub(crate) fn with_time(id: &Id, at: Timestamp, data: &str) -> String {
    let rest = data
        .trim_start()
        .strip_prefix('{')
        .unwrap_or("}")
        .trim_start();
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!(r#"{{"t":"{}","id":"{id}"{comma}{rest}"#, time(at))
}

/// A record of the server-sent event stream.
pub(crate) fn sse(seq: u64, name: &str, data: &str) -> String {
    let mut text = format!("id: {seq}\nevent: {name}\n");
    for line in data.split('\n') {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_goes_in_front() {
        let id: Id = "prediction1".parse().unwrap();
        let at = Timestamp(0);
        assert_eq!(
            with_time(&id, at, r#"{"done":1}"#),
            r#"{"t":"1970-01-01T00:00:00.000Z","id":"prediction1","done":1}"#
        );
        assert_eq!(
            with_time(&id, at, "{}"),
            r#"{"t":"1970-01-01T00:00:00.000Z","id":"prediction1"}"#
        );
    }

    #[test]
    fn what_a_batch_job_took_is_told_as_money() {
        let id: Id = "batch-0001".parse().unwrap();
        let event = |data: &str| Event {
            seq: 1,
            kind: EventKind::Progress,
            at: Timestamp(0),
            data: data.to_owned(),
        };
        let prices = Prices {
            vcpu_hour: 3_600.0,
            ..Prices::usual()
        };
        let used = r#"{"done":4,"total":8,"text":"","used":{"runs":2,"compute_ms":1000,"cpu_ms":1000,"gpu_milli_ms":0,"memory_mib_ms":0,"bytes_in":0,"bytes_out":0}}"#;
        let told: serde_json::Value =
            serde_json::from_str(&data(&id, &event(used), &prices)).unwrap();
        assert_eq!(
            (&told["cost_usd"], &told["cost_usd_expected"]),
            (&json!(2.0), &json!(4.0))
        );
        assert!(
            told["used"].is_null() && told["id"] == "batch-0001",
            "{told}"
        );
        let plain = data(&id, &event(r#"{"done":4}"#), &prices);
        assert!(plain.ends_with(r#","done":4}"#), "{plain}");
    }

    #[test]
    fn lines_of_data_stay_one_record() {
        assert_eq!(
            sse(3, "output", "a\nb"),
            "id: 3\nevent: output\ndata: a\ndata: b\n\n"
        );
    }
}
