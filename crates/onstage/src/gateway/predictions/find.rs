//! Finding a prediction by its id: in flight here, else as a job, else as a record; and what is known about it from each.
//! Does not change anything.

use crate::gateway::{
    call::{Call, shortened},
    input::{hidden_fields, hide},
    problem::Problem,
    said::{self, Said},
    wire::{
        prediction::{Known, Queue, links},
        value::{Part, show_stored, show_text, show_value},
    },
};
use bytes::Bytes;
use onstage_core::{
    Id,
    job::{Job, JobOutput, JobSpec, JobState},
    model::{Version, VersionId},
    outcome::{Phase, Reason, Status},
    prediction::{PredictionEnd, PredictionRecord},
    value::Stored,
};
use onstage_engine::{Finished, Loaded, Ticket};
use std::{sync::Arc, time::Duration};

/// Where a prediction is known.
pub(crate) enum Place {
    Flight(Ticket),
    Job(Box<Job>),
    Record(Box<PredictionRecord>),
}

impl Place {
    pub(crate) fn id(&self) -> &Id {
        match self {
            Self::Flight(ticket) => ticket.id(),
            Self::Job(job) => &job.id,
            Self::Record(record) => &record.id,
        }
    }

    pub(crate) fn by(&self) -> &Id {
        match self {
            Self::Flight(ticket) => ticket.by(),
            Self::Job(job) => &job.by,
            Self::Record(record) => &record.by,
        }
    }

    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Flight(ticket) => ticket.told().is_some(),
            Self::Job(job) => job.state.is_final(),
            Self::Record(_) => true,
        }
    }
}

/// A front records what it answered within this time of its answer, unless its store is slow.
const RECORDED_ELSEWHERE: Duration = Duration::from_millis(1_000);
/// It has ended here while a job is made of it, which is a matter of one commit.
const BECOMES_A_JOB: Duration = Duration::from_millis(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Beside other fronts, one that nobody knows is looked for a while: its answer may have come from another front a moment ago,
/// and its record be on the way. Errors: 404.
pub(crate) async fn find(call: &Call, id: &Id) -> Result<Place, Problem> {
    let clock = &call.state.parts.clock;
    let until = clock.monotonic() + RECORDED_ELSEWHERE;
    loop {
        match find_now(call, id).await? {
            Some(place) => return Ok(place),
            None if call.state.engine.find(id).is_some() && clock.monotonic() < until => {
                tokio::time::sleep(BECOMES_A_JOB).await;
            }
            None if call.state.settings.sole_front || clock.monotonic() >= until => {
                return Err(missing(id));
            }
            None => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

async fn find_now(call: &Call, id: &Id) -> Result<Option<Place>, Problem> {
    // What a job was handed over for has happened when it is committed, not before.
    let in_flight = call.state.engine.find(id);
    if let Some(ticket) = in_flight.filter(|ticket| !ticket.ends_with_its_job()) {
        return Ok(Some(Place::Flight(ticket)));
    }
    let store = &call.state.parts.store;
    if let Some(job) = store.job(id).await?.filter(is_prediction) {
        return Ok(Some(Place::Job(Box::new(job))));
    }
    if let Some(record) = store.prediction(id).await? {
        return Ok(Some(Place::Record(Box::new(record))));
    }
    // It may have been on its way from flight to record between the two looks.
    let in_flight = call.state.engine.find(id);
    Ok(in_flight
        .filter(|ticket| !ticket.ends_with_its_job())
        .map(Place::Flight))
}

fn is_prediction(job: &Job) -> bool {
    matches!(job.spec, JobSpec::Prediction { .. })
}

pub(crate) fn missing(id: &Id) -> Problem {
    Problem::not_found(format!(
        "There is no prediction `{}`.",
        shortened(id.as_str())
    ))
}

/// Only who asked for it, or the owner, may end or remove it.
pub(crate) fn own(call: &Call, by: &Id) -> Result<(), Problem> {
    if call.is_owner() || call.principal()?.id == *by {
        return Ok(());
    }
    Err(Problem::forbidden(
        "not_yours",
        "Only who asked for it, or the owner, may do this.",
    ))
}

pub(crate) async fn known(call: &Call, place: &Place) -> Result<Known, Problem> {
    match place {
        Place::Flight(ticket) => in_flight(call, ticket).await,
        Place::Job(job) => of_job(call, job, Detail::Whole).await,
        Place::Record(record) => of_record(call, record, Detail::Whole).await,
    }
}

/// How much of a prediction a list or a page needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    Whole,
    /// Without inputs and outputs that lie in blobs, and without logs.
    Row,
}

async fn in_flight(call: &Call, ticket: &Ticket) -> Result<Known, Problem> {
    let hidden = hidden_fields(
        Some(&ticket.loaded().schema),
        &ticket.loaded().version.config,
    );
    let input = shown(
        call,
        ticket.id(),
        ticket.stored_input(),
        Part::Input,
        Detail::Whole,
    )
    .await?;
    let input = hide(input, &hidden);
    Ok(match ticket.told() {
        Some(finished) => of_finished(call, ticket, &finished, input),
        None => of_ticket(call, ticket, input),
    })
}

/// A realtime prediction that has ended, from memory.
pub(crate) fn of_finished(
    call: &Call,
    ticket: &Ticket,
    finished: &Arc<Finished>,
    input: Bytes,
) -> Known {
    let (output, failure) = match &finished.outcome {
        Ok(value) => (
            Some(show_value(value, &links(call, ticket.id(), Part::Output))),
            None,
        ),
        Err(failure) => (None, Some(failure.clone())),
    };
    Known {
        status: failure
            .as_ref()
            .map_or(Status::Succeeded, |failure| failure.status()),
        phase: Phase::Done,
        reason: Some(
            failure
                .as_ref()
                .map_or(Reason::Ok, |failure| failure.reason),
        ),
        output,
        failure,
        logs: finished.logs.clone(),
        predict_ms: Some(finished.predict_ms),
        queue_ms: Some(finished.queue_ms),
        started_at: finished.started_at,
        completed_at: Some(finished.completed_at),
        ..bare(ticket, input)
    }
}

/// A realtime prediction that goes on. At the wait limit the status is `starting`, whatever it does:
/// stock clients take anything else for final.
pub(crate) fn of_ticket(call: &Call, ticket: &Ticket, input: Bytes) -> Known {
    let snapshot = ticket.snapshot();
    let waiting = matches!(snapshot.status, Status::Starting);
    Known {
        status: snapshot.status,
        phase: snapshot.phase,
        logs: snapshot.logs,
        progress: snapshot.progress,
        queue: waiting.then_some(Queue {
            position: snapshot.position.map(u64::from),
            ahead: snapshot.ahead.map(u64::from),
            eta_s: snapshot.eta_s,
            text: snapshot.text,
        }),
        output: snapshot
            .partial
            .map(|value| show_value(&value, &links(call, ticket.id(), Part::Output))),
        started_at: snapshot.started_at,
        ..bare(ticket, input)
    }
}

fn bare(ticket: &Ticket, input: Bytes) -> Known {
    let version = &ticket.loaded().version;
    Known {
        id: ticket.id().clone(),
        model: ticket.loaded().model.clone(),
        version: version.id.clone(),
        version_number: version.number,
        background: false,
        input,
        output: None,
        status: Status::Starting,
        phase: Phase::Queued,
        reason: None,
        failure: None,
        logs: String::new(),
        predict_ms: None,
        queue_ms: None,
        progress: None,
        queue: None,
        data_removed: false,
        source: ticket.source().to_owned(),
        created_at: ticket.created_at(),
        started_at: None,
        completed_at: None,
    }
}

pub(crate) async fn of_job(call: &Call, job: &Job, detail: Detail) -> Result<Known, Problem> {
    let store = &*call.state.parts.store;
    let version = store.version(&job.version).await?;
    let schema = version.as_ref().and_then(|version| version.schema());
    let around = Around {
        // One that was handed over at its wait limit is a job too, and still the prediction of a realtime model.
        background: schema.is_none_or(|schema| schema.background),
        hidden: hidden_of(version.as_ref()),
        said: match detail {
            Detail::Whole => said::of_job(store, &job.id).await?,
            Detail::Row => Said::default(),
        },
    };
    with_around(call, job, around, detail).await
}

/// One that was submitted this moment: nothing of it needs to be looked up but its place in the queue.
pub(crate) async fn of_new_job(call: &Call, job: &Job, loaded: &Loaded) -> Result<Known, Problem> {
    let around = Around {
        background: loaded.schema.background,
        hidden: hidden_fields(Some(&loaded.schema), &loaded.version.config),
        said: Said::default(),
    };
    with_around(call, job, around, Detail::Whole).await
}

/// What is known of a job elsewhere than in its row.
struct Around {
    background: bool,
    hidden: Vec<String>,
    said: Said,
}

async fn with_around(
    call: &Call,
    job: &Job,
    around: Around,
    detail: Detail,
) -> Result<Known, Problem> {
    let JobSpec::Prediction { input, .. } = &job.spec else {
        return Err(missing(&job.id));
    };
    let input = shown(call, &job.id, input, Part::Input, detail).await?;
    let mut said = around.said;
    let logs = std::mem::take(&mut said.logs);
    let (output, predict_ms) = match &job.state {
        JobState::Succeeded {
            output: JobOutput::Prediction { output, predict_ms },
            ..
        } => (
            Some(shown(call, &job.id, output, Part::Output, detail).await?),
            Some(*predict_ms as f64),
        ),
        JobState::Running { .. } => (so_far(call, &job.id, said).await?, None),
        _ => (None, None),
    };
    let queue = match job.state {
        JobState::Queued { .. } if detail == Detail::Whole => Some(queue(call, job).await?),
        _ => None,
    };
    Ok(Known {
        id: job.id.clone(),
        model: job.model.clone(),
        version: job.version.clone(),
        version_number: job.version_number,
        background: around.background,
        input: hide(input, &around.hidden),
        output,
        status: job.state.status(),
        phase: job.state.phase(),
        reason: job.state.reason(),
        failure: crate::gateway::wire::batch::failure(&job.state).cloned(),
        logs,
        predict_ms,
        queue_ms: job
            .started_at
            .map(|at| at.since(job.created_at).as_secs_f64() * 1000.0),
        progress: job.progress.clone(),
        queue,
        data_removed: false,
        source: job.source.clone(),
        created_at: job.created_at,
        started_at: job.started_at,
        completed_at: job.state.completed_at(),
    })
}

/// What a job that goes on has streamed.
async fn so_far(call: &Call, id: &Id, said: Said) -> Result<Option<Bytes>, Problem> {
    let Some(pieces) = said.output() else {
        return Ok(None);
    };
    let blobs = &*call.state.parts.blobs;
    let links = links(call, id, Part::Output).only();
    let shown = show_text(blobs, pieces, &links).await?;
    Ok(Some(shown))
}

/// Why a queued job waits.
pub(crate) async fn queue(call: &Call, job: &Job) -> Result<Queue, Problem> {
    let ahead = call.state.parts.store.ahead(job).await?;
    let text = match (ahead, job.run) {
        (0, 0) => "next to start".to_owned(),
        (0, _) => "starts again soon".to_owned(),
        (1, _) => "1 is ahead".to_owned(),
        (more, _) => format!("{more} are ahead"),
    };
    Ok(Queue {
        position: Some(ahead + 1),
        ahead: Some(ahead),
        eta_s: None,
        text,
    })
}

pub(crate) async fn of_record(
    call: &Call,
    record: &PredictionRecord,
    detail: Detail,
) -> Result<Known, Problem> {
    let (output, failure) = match &record.end {
        PredictionEnd::Output(output) => (
            Some(shown(call, &record.id, output, Part::Output, detail).await?),
            None,
        ),
        PredictionEnd::Failure(failure) => (None, Some(failure.clone())),
    };
    Ok(Known {
        id: record.id.clone(),
        model: record.model.clone(),
        version: record.version.clone(),
        version_number: record.version_number,
        background: false,
        input: shown(call, &record.id, &record.input, Part::Input, detail).await?,
        output,
        status: failure
            .as_ref()
            .map_or(Status::Succeeded, |failure| failure.status()),
        phase: Phase::Done,
        reason: Some(
            failure
                .as_ref()
                .map_or(Reason::Ok, |failure| failure.reason),
        ),
        failure,
        logs: match detail {
            Detail::Whole => record.logs.clone(),
            Detail::Row => String::new(),
        },
        predict_ms: Some(record.predict_ms),
        queue_ms: Some(record.queue_ms),
        progress: None,
        queue: None,
        data_removed: record.is_reduced(),
        source: record.source.clone(),
        created_at: record.created_at,
        started_at: Some(record.started_at),
        completed_at: Some(record.completed_at),
    })
}

async fn shown(
    call: &Call,
    id: &Id,
    stored: &Stored,
    part: Part,
    detail: Detail,
) -> Result<Bytes, Problem> {
    // An input is an object, whatever has become of it.
    if part == Part::Input && *stored == Stored::Removed {
        return Ok(Bytes::from_static(b"{}"));
    }
    if detail == Detail::Row && matches!(stored, Stored::Blob(_)) {
        return Ok(Bytes::from_static(b"null"));
    }
    let blobs = &*call.state.parts.blobs;
    Ok(show_stored(blobs, stored, &links(call, id, part)).await?)
}

/// A job's input lies whole at rest, because a later process runs it; what is hidden is hidden here.
pub(crate) async fn hidden(call: &Call, version: &VersionId) -> Result<Vec<String>, Problem> {
    let version = call.state.parts.store.version(version).await?;
    Ok(hidden_of(version.as_ref()))
}

fn hidden_of(version: Option<&Version>) -> Vec<String> {
    version
        .map(|version| hidden_fields(version.schema(), &version.config))
        .unwrap_or_default()
}
