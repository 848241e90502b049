//! Takes out of records what their model keeps for a shorter time (`[keep]`), with the blobs of it.
//! Does not know how a record is written; what is not kept at all never gets into one.

use crate::parts::Parts;
use onstage_core::{
    Id, ModelName, Result, Timestamp, config::KeepSection, ports::Page, prediction::RecordPart,
};
use std::{collections::HashMap, time::Duration};

/// How often records are looked through.
const LOOK_EVERY_S: u64 = 600;
/// Records of which a part is taken out in one commit.
const GROUP_RECORDS: u32 = 500;
/// Models and versions read at once.
const PAGE_ROWS: u32 = 200;
/// A look begins this long before the end of the last one: a record is written after its time of creation.
const OVERLAP_S: u64 = 3_600;

/// The state between two looks.
pub(crate) struct Forgetter {
    parts: Parts,
    /// What was created before this has lost its part already.
    done_until: HashMap<(ModelName, RecordPart), Timestamp>,
    /// Parts that records have lost already and whose blobs could not be removed yet.
    left_over: Vec<(Id, RecordPart)>,
    next: Option<Duration>,
}

impl Forgetter {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            done_until: HashMap::new(),
            left_over: Vec::new(),
            next: None,
        }
    }

    /// Looks when it is time to.
    pub(crate) async fn turn(&mut self) -> Result<()> {
        let now = self.parts.clock.monotonic();
        if self.next.is_some_and(|next| now < next) {
            return Ok(());
        }
        self.next = Some(now + Duration::from_secs(LOOK_EVERY_S));
        self.remove_left_over().await?;
        let mut page = Page {
            after: None,
            limit: PAGE_ROWS,
        };
        loop {
            let models = self.parts.store.models(page.clone()).await?;
            for model in models.rows {
                // The rule of the version that answers is the rule for all that the model has answered.
                let live = match &model.live {
                    Some(live) => self.parts.store.version(live).await?,
                    None => None,
                };
                if let Some(version) = live {
                    self.tidy(&model.name, &version.config.keep).await?;
                }
            }
            page.after = models.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    async fn tidy(&mut self, model: &ModelName, keep: &KeepSection) -> Result<()> {
        let now = self.parts.clock.now();
        for (part, span) in keep.spans() {
            let until = earlier(now, span);
            let key = (model.clone(), part);
            let from = self.done_until.get(&key).copied();
            let from = from.map_or(Timestamp(0), |done| {
                earlier(done, Duration::from_secs(OVERLAP_S))
            });
            loop {
                let forgotten = (self.parts.store)
                    .forget(model, part, from..until, GROUP_RECORDS)
                    .await?;
                let more = forgotten.len() == GROUP_RECORDS as usize;
                let with_blobs = forgotten.into_iter().filter(|it| it.blobs);
                self.left_over.extend(with_blobs.map(|it| (it.id, part)));
                self.remove_left_over().await?;
                if !more {
                    break;
                }
            }
            self.done_until.insert(key, until);
        }
        Ok(())
    }
}

impl Forgetter {
    /// One whose blobs cannot be removed now stays for the next look, with those behind it.
    async fn remove_left_over(&mut self) -> Result<()> {
        while let Some((id, part)) = self.left_over.last() {
            remove_blobs(&self.parts, id, *part).await?;
            self.left_over.pop();
        }
        Ok(())
    }
}

fn earlier(time: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp(time.0.saturating_sub(span))
}

/// Removes the blobs of a part that the record does not point at any more.
pub(crate) async fn remove_blobs(parts: &Parts, id: &Id, part: RecordPart) -> Result<()> {
    for key in parts.blobs.list(&format!("predictions/{id}/")).await? {
        if part_of(id, &key) == part {
            parts.blobs.delete(&key).await?;
        }
    }
    Ok(())
}

/// An input's files are put under `input` when they come and under `record` when they are kept; an output's lie beside those.
fn part_of(id: &Id, key: &str) -> RecordPart {
    let place = key
        .strip_prefix(&format!("predictions/{id}/"))
        .unwrap_or(key);
    match place.split('/').next() {
        Some("input" | "record") => RecordPart::Input,
        _ => RecordPart::Output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_belongs_to_the_input_or_to_the_output() {
        let id: Id = "abcdefgh".parse().unwrap();
        for (key, part) in [
            ("predictions/abcdefgh/input/0", RecordPart::Input),
            ("predictions/abcdefgh/record/value.json", RecordPart::Input),
            ("predictions/abcdefgh/value.json", RecordPart::Output),
            ("predictions/abcdefgh/0", RecordPart::Output),
        ] {
            assert_eq!(part_of(&id, key), part, "{key}");
        }
    }
}
