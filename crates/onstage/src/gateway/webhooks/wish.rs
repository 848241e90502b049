//! `webhook` and `webhook_events_filter` of a request, in Replicate's words.
//! Does not send anything.

use super::secret::off;
use crate::gateway::{call::Call, problem::Problem};
use onstage_core::webhook::{Webhook, WebhookEvent};

/// The longest address.
const URL_BYTES_MAX: usize = 2_000;
/// Replicate's events that are not told by webhooks here: to take the words and never tell would be worse than to refuse them.
const ELSEWHERE: [&str; 2] = ["output", "logs"];

/// Who is to be told. Errors: 422, when the address is not allowed or nothing of what is asked for is told.
pub(crate) fn of<T: AsRef<str>>(
    call: &Call,
    url: Option<&str>,
    filter: Option<&[T]>,
) -> Result<Option<Webhook>, Problem> {
    let Some(url) = url.filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    let post = call.state.engine.post().ok_or_else(off)?;
    if url.len() > URL_BYTES_MAX {
        return Err(Problem::field("/webhook", "a shorter address", "too long"));
    }
    post.check(url)?;
    Ok(Some(Webhook {
        url: url.to_owned(),
        events: events(filter)?,
    }))
}

fn events<T: AsRef<str>>(filter: Option<&[T]>) -> Result<Vec<WebhookEvent>, Problem> {
    let Some(words) = filter else {
        return Ok(WebhookEvent::ALL.to_vec());
    };
    let mut events = Vec::new();
    for word in words.iter().map(AsRef::as_ref) {
        match WebhookEvent::parse(word) {
            Some(event) if !events.contains(&event) => events.push(event),
            Some(_) => {}
            None if ELSEWHERE.contains(&word) => {
                return Err(Problem::field(
                    "/webhook_events_filter",
                    "`start` or `completed`",
                    format!("`{word}`"),
                )
                .hint("webhooks are not told of output and logs while they come: leave the word out, and read them at `/v1/predictions/{id}/events` or in what `completed` brings"));
            }
            None => {
                return Err(Problem::field(
                    "/webhook_events_filter",
                    "`start` or `completed`",
                    "something else",
                ));
            }
        }
    }
    if events.is_empty() {
        return Err(Problem::field(
            "/webhook_events_filter",
            "`start` or `completed`",
            "neither",
        ));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_what_is_told() {
        let told = |words: &[&str]| events(Some(words)).ok();
        assert_eq!(events::<&str>(None).ok(), Some(WebhookEvent::ALL.to_vec()));
        assert_eq!(
            told(&["completed", "completed"]),
            Some(vec![WebhookEvent::Completed])
        );
        for elsewhere in ELSEWHERE {
            let problem = events(Some(&["completed", elsewhere])).unwrap_err();
            assert!(problem.hint.unwrap().contains("/events"), "{elsewhere}");
        }
        assert_eq!(told(&["done"]), None);
        assert_eq!(told(&[]), None);
    }
}
