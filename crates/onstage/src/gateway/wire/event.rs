//! One event of a prediction's or job's log on its way out.
//! Does not read logs.

use super::time;
use onstage_core::{Id, Timestamp, event::Event};

/// The data of an event with its time and the id of what it is about in front.
pub(crate) fn data(id: &Id, event: &Event) -> String {
    with_time(id, event.at, &event.data)
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
    fn lines_of_data_stay_one_record() {
        assert_eq!(
            sse(3, "output", "a\nb"),
            "id: 3\nevent: output\ndata: a\ndata: b\n\n"
        );
    }
}
