//! `webhook` and `webhook_events_filter` of a request, in Replicate's words.
//! Does not send anything.

use super::secret::off;
use crate::gateway::{call::Call, problem::Problem};
use onstage_core::webhook::{Webhook, WebhookEvent};

/// The longest address.
const URL_BYTES_MAX: usize = 2_000;
/// Who is to be told, and of what: without a filter, of all that is `usual`. Errors: 422, when the address is not allowed.
pub(crate) fn of<T: AsRef<str>>(
    call: &Call,
    url: Option<&str>,
    filter: Option<&[T]>,
    usual: &[WebhookEvent],
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
        for_owner: call.is_owner(),
        events: filter.map_or_else(|| Ok(usual.to_vec()), events)?,
    }))
}

fn events<T: AsRef<str>>(words: &[T]) -> Result<Vec<WebhookEvent>, Problem> {
    let wrong = |got: &str| {
        let names = WebhookEvent::ALL.map(WebhookEvent::name).join("`, `");
        let expected = format!("some of `{names}`");
        Problem::field("/webhook_events_filter", &expected, got)
    };
    let mut events = Vec::new();
    for word in words {
        let event = WebhookEvent::parse(word.as_ref()).ok_or_else(|| wrong("something else"))?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    match events.is_empty() {
        true => Err(wrong("nothing")),
        false => Ok(events),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_says_what_is_told() {
        let told = |words: &[&str]| events(words).ok();
        assert_eq!(
            told(&["completed", "completed"]),
            Some(vec![WebhookEvent::Completed])
        );
        assert_eq!(
            told(&["start", "output", "logs", "completed"]),
            Some(WebhookEvent::ALL.to_vec())
        );
        assert_eq!(told(&["done"]), None);
        assert_eq!(told(&[]), None);
    }
}
