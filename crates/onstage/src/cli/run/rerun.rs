//! The command that asks the same again, and what to do about a failure besides.
//! Does not print.

use crate::cli::{print, push::words};
use serde_json::Value;

/// Values longer than this are not typed again; nobody could read them.
const VALUE_CHARS_MAX: usize = 400;

/// `onstage run lab/age@v3 draws:=3 photo=@FILE`; none for who may not see it.
pub(in crate::cli) fn command(record: &Value) -> Option<String> {
    record["rerun"].as_str()?;
    let mut command = format!(
        "onstage run {}@v{}",
        words(record, "model"),
        record["version_number"]
    );
    for (name, value) in record["input"].as_object().into_iter().flatten() {
        command.push(' ');
        command.push_str(&input(name, value));
    }
    Some(command)
}

fn input(name: &str, value: &Value) -> String {
    let files = match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(is_file) => items.len(),
        value if is_file(value) => 1,
        _ => 0,
    };
    if files > 0 {
        return vec![format!("{name}=@FILE"); files].join(" ");
    }
    let text = value.to_string();
    if text.chars().count() > VALUE_CHARS_MAX {
        return format!("{name}=@FILE");
    }
    print::word(&format!("{name}:={text}"))
}

fn is_file(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.starts_with("data:")
            || text.starts_with("onstage://files/")
            || text.contains("/v1/files/")
    })
}

/// What to do about a failed prediction.
pub(super) fn hint(record: &Value) -> Option<String> {
    let again = command(record).map(|command| format!("run it again with `{command}`"));
    match words(record, "reason") {
        "timeout" if record["kind"] == "realtime" => Some(
            "give it more time with `[realtime] timeout = \"5m\"` in `onstage.toml`, or make it a job with `@on.predict(background=True)`"
                .to_owned(),
        ),
        "timeout" => Some(
            "give it more time with `[jobs] stop_after = \"24h\"` in `onstage.toml`".to_owned(),
        ),
        "out_of_memory" => Some(
            "allow it more with `[realtime] memory` or `[jobs] memory` in `onstage.toml`, or have it do less at once"
                .to_owned(),
        ),
        "exception" | "worker_lost" | "bad_output" => again,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_is_asked_again_without_the_bytes_of_files() {
        let record = json!({
            "model": "lab/age", "version_number": 3, "rerun": "onstage run …",
            "input": {
                "draws": 3,
                "name": "it's",
                "photo": format!("data:image/png;base64,{}", "A".repeat(200_000)),
                "pages": ["/v1/files/1/content", "onstage://files/2"],
                "text": "x".repeat(1000),
            }
        });
        assert_eq!(
            command(&record).unwrap(),
            r#"onstage run lab/age@v3 draws:=3 'name:="it'\''s"' photo=@FILE pages=@FILE pages=@FILE text=@FILE"#
        );
        assert_eq!(command(&json!({"input": {}})), None);
    }

    #[test]
    fn every_failure_of_the_model_says_what_to_do() {
        let failed = |reason: &str, kind: &str| json!({"model": "lab/age", "version_number": 1, "rerun": "x", "input": {}, "reason": reason, "kind": kind});
        for reason in ["exception", "worker_lost", "bad_output"] {
            let hint = hint(&failed(reason, "realtime")).unwrap();
            assert!(
                hint.contains("`onstage run lab/age@v1`"),
                "{reason}: {hint}"
            );
        }
        for (kind, key) in [
            ("realtime", "[realtime] timeout"),
            ("background", "stop_after"),
        ] {
            assert!(hint(&failed("timeout", kind)).unwrap().contains(key));
        }
        assert_eq!(hint(&failed("user_error", "realtime")), None);
    }
}
