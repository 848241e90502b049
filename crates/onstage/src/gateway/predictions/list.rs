//! `GET /v1/predictions`: realtime records and background jobs in one list, newest first.
//! Does not change anything.

use super::find::{self, Detail};
use crate::gateway::{
    call::{Call, Paging, shortened},
    problem::{Answer, Problem},
    wire::{page, prediction::Known},
};
use onstage_core::{
    Id, ModelName,
    job::{Job, JobFilter, JobKind},
    ports::{Cursor, Listed},
    prediction::{PredictionFilter, PredictionRecord},
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Query {
    #[serde(flatten)]
    paging: Paged,
    model: Option<String>,
    status: Option<String>,
    kind: Option<String>,
    mine: Option<String>,
}

/// `Paging` again: flattened numbers arrive as text.
#[derive(Deserialize)]
struct Paged {
    cursor: Option<String>,
    limit: Option<String>,
}

const STATUSES: [&str; 5] = ["starting", "processing", "succeeded", "failed", "canceled"];

/// A row before it is shown.
enum Row {
    Job(Box<Job>),
    Record(Box<PredictionRecord>),
}

impl Row {
    fn place(&self) -> Cursor {
        match self {
            Self::Job(job) => Cursor::of(job.created_at, &job.id),
            Self::Record(record) => Cursor::of(record.created_at, &record.id),
        }
    }
}

pub(crate) async fn run(call: Call) -> Answer {
    let query: Query = call.query()?;
    let paging = Paging {
        cursor: query.paging.cursor.clone(),
        limit: query.paging.limit.as_deref().map(limit_of).transpose()?,
    };
    one_of("status", query.status.as_deref(), &STATUSES)?;
    one_of("kind", query.kind.as_deref(), &["realtime", "background"])?;
    one_of("mine", query.mine.as_deref(), &["true", "false", "1", "0"])?;
    let model = query.model.as_deref().map(model_of).transpose()?;
    let by = whose(&call, query.mine.as_deref())?;
    // A prediction that was handed over is a job; should a record of it exist too, the job says more and comes first.
    let mut lists = Vec::new();
    if query.kind.as_deref() != Some("realtime") {
        lists.push(jobs(&call, &query, &paging, model.clone(), by.clone()).await?);
    }
    if query.kind.as_deref() != Some("background") {
        lists.push(records(&call, &query, &paging, model, by).await?);
    }
    let listed = page::merged(lists, paging.rows() as usize, Row::place);
    let next = page::link(&call, listed.next.as_ref());
    let mut results = Vec::with_capacity(listed.rows.len());
    for row in &listed.rows {
        results.push(shown(&call, row).await?);
    }
    page::answer(results, next)
}

fn limit_of(text: &str) -> Result<u32, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid(
            "invalid_query",
            format!(
                "The parameter `limit` should be a whole number, not `{}`.",
                shortened(text)
            ),
        )
    })
}

/// A stakeholder sees their own only.
pub(crate) fn whose(call: &Call, mine: Option<&str>) -> Result<Option<Id>, Problem> {
    let own = !call.is_owner() || matches!(mine, Some("true" | "1"));
    Ok(if own {
        Some(call.principal()?.id.clone())
    } else {
        None
    })
}

pub(crate) fn model_of(text: &str) -> Result<ModelName, Problem> {
    text.parse().map_err(|_| {
        Problem::invalid(
            "invalid_query",
            format!(
                "The model `{}` should be written `owner/name`.",
                shortened(text)
            ),
        )
    })
}

async fn records(
    call: &Call,
    query: &Query,
    paging: &Paging,
    model: Option<ModelName>,
    by: Option<Id>,
) -> Result<Listed<Row>, Problem> {
    // Records are of what has ended.
    if matches!(query.status.as_deref(), Some("starting" | "processing")) {
        return Ok(Listed::default());
    }
    let filter = PredictionFilter {
        model,
        status: query.status.clone(),
        by,
    };
    call.state.engine.recorded().await;
    let store = &call.state.parts.store;
    let listed = store.predictions(&filter, paging.page()?).await?;
    let row = |row| Row::Record(Box::new(row));
    Ok(Listed {
        rows: listed.rows.into_iter().map(row).collect(),
        next: listed.next,
    })
}

async fn jobs(
    call: &Call,
    query: &Query,
    paging: &Paging,
    model: Option<ModelName>,
    by: Option<Id>,
) -> Result<Listed<Row>, Problem> {
    let filter = JobFilter {
        dead: None,
        kind: Some(JobKind::Prediction),
        model,
        state: state_of(query.status.as_deref())?,
        by,
    };
    let store = &call.state.parts.store;
    let listed = store.jobs(&filter, paging.page()?).await?;
    let row = |row| Row::Job(Box::new(row));
    Ok(Listed {
        rows: listed.rows.into_iter().map(row).collect(),
        next: listed.next,
    })
}

/// The store's word for the wire's. Errors: 400 for a word that is none.
pub(crate) fn state_of(status: Option<&str>) -> Result<Option<String>, Problem> {
    let state = one_of("status", status, &STATUSES)?;
    Ok(state.map(|status| match status {
        "starting" => "queued".to_owned(),
        "processing" => "running".to_owned(),
        other => other.to_owned(),
    }))
}

/// A word of the query out of those that mean something: another one would quietly find nothing.
pub(crate) fn one_of<'a>(
    name: &str,
    word: Option<&'a str>,
    words: &[&str],
) -> Result<Option<&'a str>, Problem> {
    match word {
        Some(word) if !words.contains(&word) => Err(Problem::invalid(
            "invalid_query",
            format!(
                "The parameter `{name}` should be one of {}, not `{}`.",
                words.join(", "),
                shortened(word)
            ),
        )),
        word => Ok(word),
    }
}

async fn shown(call: &Call, row: &Row) -> Result<Box<RawValue>, Problem> {
    let known: Known = match row {
        Row::Job(job) => find::of_job(call, job, Detail::Row).await?,
        Row::Record(record) => find::of_record(call, record, Detail::Row).await?,
    };
    let text = known.text(call, None);
    Ok(crate::gateway::wire::value::raw(&text).to_owned())
}
