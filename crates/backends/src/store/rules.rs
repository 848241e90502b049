//! Rules that every store applies to catalog records and keys: what may follow what, and the words of refusal.
//! Pure; the rules for jobs are in core's `lifecycle`.

use onstage_core::{
    Error, Id, ModelName, Result, Timestamp,
    alias::{Alias, Aliased, pointing_at},
    dataset::DatasetRef,
    job::{Idempotency, Lease},
    model::{Model, NewVersion, Version, VersionId, VersionState},
    outcome::Phase,
    schedule::Schedule,
    training::Checkpoint,
};

/// How long an idempotency key is known.
pub(super) const IDEMPOTENCY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long a task that has ended is kept on record.
const ENDED_TASK_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Tasks that ended before this are forgotten when another one starts at `now`.
pub(super) fn forgotten_tasks(now: Timestamp) -> Timestamp {
    Timestamp(now.0.saturating_sub(ENDED_TASK_MS))
}

pub(super) fn no_model(name: &ModelName) -> Error {
    Error::not_found(format!("model `{name}` does not exist"))
}

pub(super) fn no_job(id: &Id) -> Error {
    Error::not_found(format!("job `{id}` does not exist"))
}

/// A lease on a job that was deleted is a lost one: its holder must stop.
pub(super) fn lease_on_nothing(lease: &Lease) -> Error {
    Error::lost(format!(
        "the lease on run {} of job `{}` is lost: the job does not exist",
        lease.run, lease.job
    ))
}

pub(super) fn no_dataset(which: &DatasetRef) -> Error {
    match which.number {
        Some(_) => Error::not_found(format!("dataset version `{which}` does not exist")),
        None => Error::not_found(format!("dataset `{which}` does not exist")),
    }
}

pub(super) fn dataset_in_use(which: &DatasetRef, job: &Id) -> Error {
    Error::conflict(format!("dataset version `{which}` is used by job `{job}`"))
        .hint("what was computed from it can be retraced only as long as it is there; versions that no job used can be removed")
}

pub(super) fn no_schedule(id: &Id) -> Error {
    Error::not_found(format!("schedule `{id}` does not exist"))
}

/// The record that `wanted` makes of `known`, when it was made from the newest revision.
pub(super) fn next_schedule(known: &Schedule, wanted: Schedule) -> Result<Schedule> {
    if known.revision != wanted.revision {
        return Err(Error::conflict(format!(
            "schedule `{}` was changed by somebody else: it is at revision {}, not {}",
            known.id, known.revision, wanted.revision
        ))
        .hint("read the schedule again and repeat the change"));
    }
    Ok(Schedule {
        revision: known.revision + 1,
        ..wanted
    })
}

/// What a job refers to does not change with the next upload.
pub(super) fn exactly(which: &DatasetRef) -> Result<&DatasetRef> {
    let open = || {
        Error::internal(format!(
            "a job refers to dataset `{which}` without a version"
        ))
    };
    which.number.map(|_| which).ok_or_else(open)
}

pub(super) fn no_upload(id: &Id) -> Error {
    Error::not_found(format!("upload `{id}` does not exist"))
        .hint("it may have been forgotten; begin another")
}

pub(super) fn upload_is_complete(id: &Id) -> Error {
    Error::conflict(format!("upload `{id}` is complete"))
}

pub(super) fn model_busy(name: &ModelName) -> Error {
    Error::conflict(format!("model `{name}` has queued or running jobs"))
        .hint("cancel them or wait for them, then delete the model")
}

pub(super) fn not_finished(id: &Id) -> Error {
    Error::conflict(format!("job `{id}` is not finished")).hint("cancel it first, then delete it")
}

pub(super) fn other_body(key: &Idempotency) -> Error {
    Error::conflict(format!(
        "idempotency key `{}` was used with another body",
        key.key
    ))
    .hint("use a new key for a new request")
}

/// Whether a key that was used at `used_at` is still known to a submission at `now`.
pub(super) fn key_is_known(used_at: Timestamp, now: Timestamp) -> bool {
    now.0.saturating_sub(used_at.0) < IDEMPOTENCY_MS
}

/// The record that `wanted` makes of `known`, when it was made from the newest revision.
pub(super) fn next_model(known: &Model, wanted: Model) -> Result<Model> {
    if known.revision != wanted.revision {
        return Err(Error::conflict(format!(
            "model `{}` was changed by somebody else: it is at revision {}, not {}",
            known.name, known.revision, wanted.revision
        ))
        .hint("read the model again and repeat the change"));
    }
    Ok(Model {
        revision: known.revision + 1,
        created_at: known.created_at,
        ..wanted
    })
}

/// Aliases that come to point at another version than before.
pub(super) fn moved_aliases<'a>(
    known: &'a Model,
    next: &'a Model,
) -> impl Iterator<Item = (&'a Alias, &'a Aliased)> {
    let moved = |(alias, to): &(&Alias, &Aliased)| known.aliases.get(alias) != Some(to);
    next.aliases.iter().filter(moved)
}

/// An alias points at a version of its model that is there.
pub(super) fn check_alias(
    model: &ModelName,
    (alias, to): (&Alias, &Aliased),
    version: Option<&Version>,
) -> Result<()> {
    let fits = version.is_some_and(|version| {
        version.model == *model
            && version.number == to.number
            && !matches!(version.state, VersionState::Deleted)
    });
    if fits {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "alias `{alias}` cannot point at v{} of `{model}`: there is no such version any more",
        to.number
    )))
}

/// Going live is for a version of the model that is ready; what stays live is not asked again.
pub(super) fn check_live(
    model: &ModelName,
    id: &VersionId,
    version: Option<&Version>,
) -> Result<()> {
    let fits = version.is_some_and(|version| {
        version.model == *model && matches!(version.state, VersionState::Ready { .. })
    });
    if fits {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "version `{id}` cannot go live: it is no ready version of model `{model}`"
    )))
}

/// What is live or what an alias points at stays.
pub(super) fn check_unused(model: &Model, version: &Version) -> Result<()> {
    if model.live.as_ref() == Some(&version.id) {
        return Err(Error::conflict(format!(
            "version v{} of `{}` is not deleted: it is live",
            version.number, version.model
        ))
        .hint("promote another version first"));
    }
    match pointing_at(&model.aliases, &version.id).next() {
        None => Ok(()),
        Some(alias) => Err(Error::conflict(format!(
            "version v{} of `{}` is not deleted: alias `{alias}` points at it",
            version.number, version.model
        ))
        .hint("move or remove the alias first")),
    }
}

pub(super) fn first_version(new: NewVersion, number: u32) -> Version {
    Version {
        id: new.id,
        model: new.model,
        number,
        bundle: new.bundle,
        config: new.config,
        examples: new.examples,
        state: queued_build(),
        promote_when_ready: new.promote_when_ready,
        created_at: new.created_at,
        weights: new.weights,
        lineage: new.lineage,
    }
}

/// What a push of a version that is there already makes of it: nothing when it is building or ready, else a new build.
pub(super) fn version_again(known: &Version, new: NewVersion) -> Result<Option<Version>> {
    if known.model != new.model {
        return Err(Error::conflict(format!(
            "version `{}` belongs to model `{}`",
            known.id, known.model
        )));
    }
    match known.state {
        VersionState::Building { .. } | VersionState::Ready { .. } => Ok(None),
        VersionState::Failed { .. } | VersionState::Deleted => {
            Ok(Some(first_version(new, known.number)))
        }
    }
}

/// Of the checkpoints of a training, by number, those that are not among the last `keep`.
pub(super) fn forgotten(mut all: Vec<Checkpoint>, keep: u32) -> Vec<Checkpoint> {
    let kept = (keep.max(1) as usize).min(all.len());
    all.truncate(all.len() - kept);
    all
}

fn queued_build() -> VersionState {
    VersionState::Building {
        phase: Phase::Queued,
        text: "waiting to be built".to_owned(),
    }
}

/// Building → any, ready or failed → deleted. A ready one can be withdrawn: its schema stays.
pub(super) fn check_version_step(version: &Version, to: &VersionState) -> Result<()> {
    use VersionState as State;
    match (&version.state, to) {
        (State::Building { .. }, _)
        | (State::Ready { .. } | State::Failed { .. }, State::Deleted) => Ok(()),
        (
            State::Ready { schema, .. },
            State::Ready {
                schema: same,
                withdrawn: Some(_),
                ..
            },
        ) if schema == same => Ok(()),
        (from, to) => Err(Error::conflict(format!(
            "version `{}` cannot become {}: it is {}",
            version.id,
            to.name(),
            from.name()
        ))),
    }
}

/// A number as an app-state value: whole ones without a fraction.
pub(super) fn number_text(number: f64) -> Result<String> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if !number.is_finite() {
        return Err(Error::invalid("a counter must stay a finite number"));
    }
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        return Ok((number as i64).to_string());
    }
    Ok(number.to_string())
}

/// What adding `by` makes of the value there.
pub(super) fn added(space: &str, key: &str, there: Option<&str>, by: f64) -> Result<String> {
    let number: f64 = match there {
        None => 0.0,
        Some(text) => serde_json::from_str(text).map_err(|_| {
            Error::invalid(format!(
                "state `{key}` of `{space}` is not a number and cannot be added to"
            ))
        })?,
    };
    number_text(number + by)
}

/// Keys and values have limits, and values are JSON.
pub(super) fn check_state_key(key: &str) -> Result<()> {
    use onstage_core::limits::STATE_KEY_BYTES_MAX;
    if key.contains('\0') {
        return Err(Error::invalid("a state key cannot hold a NUL character"));
    }
    if key.len() > STATE_KEY_BYTES_MAX {
        return Err(Error::invalid(format!(
            "a state key has {} bytes; the most are {STATE_KEY_BYTES_MAX}",
            key.len()
        )));
    }
    Ok(())
}

pub(super) fn check_state_value(key: &str, json: &str) -> Result<()> {
    use onstage_core::limits::STATE_VALUE_BYTES_MAX;
    if json.len() > STATE_VALUE_BYTES_MAX {
        return Err(Error::invalid(format!(
            "the value of state `{key}` has {} bytes; the most are {STATE_VALUE_BYTES_MAX}",
            json.len()
        ))
        .hint("keep large things in a file or a dataset, and its name in the state"));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(json)
        .map(|_| ())
        .map_err(|error| {
            Error::invalid(format!("the value of state `{key}` is not JSON")).because(error)
        })
}

/// `[[key, value], …]` of entries whose values are JSON text.
pub(super) fn items_text<'a>(items: impl Iterator<Item = (&'a str, &'a str)>) -> Result<String> {
    let mut text = String::from("[");
    for (key, value) in items {
        if text.len() > 1 {
            text.push(',');
        }
        let key = serde_json::to_string(key)
            .map_err(|error| Error::internal("a state key is text").because(error))?;
        text.push_str(&format!("[{key},{value}]"));
    }
    text.push(']');
    Ok(text)
}
