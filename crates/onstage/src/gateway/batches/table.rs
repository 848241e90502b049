//! The table of a batch job on its way in: an uploaded file, a data URL, or a part of the form.
//! Does not read rows.

use crate::gateway::{
    body::{self, form, upload},
    call::{Call, shortened},
    datasets, files,
    input::{
        FileRef,
        dataset::{self, SCHEME},
        parse_ref,
    },
    problem::Problem,
    wire::batch::NewBatch,
};
use onstage_core::{Id, Kind, batch::TableFormat, dataset::DatasetRef, value::BlobRef};
use sha2::{Digest, Sha256};

/// A table at rest and what was said about it.
pub(crate) struct Table {
    pub(crate) blob: BlobRef,
    pub(crate) name: String,
    pub(crate) format: TableFormat,
    /// The dataset's version that it is.
    pub(crate) dataset: Option<DatasetRef>,
    pub(crate) wish: NewBatch,
    /// Of everything that was sent, for telling a repetition from a conflict.
    pub(crate) body_sha256: String,
}

/// Takes the table of a request; a new blob goes under the id.
pub(crate) async fn take(call: &mut Call, id: &Id) -> Result<Table, Problem> {
    if body::is_multipart(&call.headers) {
        return of_form(call, id).await;
    }
    let bytes = body::read_json(call).await?;
    let wish: NewBatch = body::parse(&bytes)?;
    let body_sha256 = crate::gateway::hex(&Sha256::digest(&bytes));
    let text = wish.table.clone().ok_or_else(no_table)?;
    let found = resolve(call, id, &text).await?;
    found.table(wish, body_sha256)
}

/// The outcome; the blob that `take` may have made goes when it is an error.
pub(crate) async fn or_forget<T>(
    call: &Call,
    id: &Id,
    outcome: Result<T, Problem>,
) -> Result<T, Problem> {
    if outcome.is_err() {
        forget(call, id).await;
    }
    outcome
}

/// Removes the blob that `take` may have made for a job that will not be.
pub(crate) async fn forget(call: &Call, id: &Id) {
    let key = format!("batches/{id}/table");
    match call.state.parts.blobs.delete(&key).await {
        Err(error) if error.kind != Kind::NotFound => {
            tracing::warn!(key, %error, "a refused table was not removed");
        }
        _ => {}
    }
}

async fn of_form(call: &mut Call, id: &Id) -> Result<Table, Problem> {
    let limit = call.state.settings.upload_bytes_max;
    let mut multipart = form::open(call, limit).await?;
    let mut wish = NewBatch::default();
    let mut table = None;
    let mut hash = Sha256::new();
    while let Some(field) = form::next(&mut multipart).await? {
        let part = form::field_name(&field)?;
        if part == "table" && form::is_file(&field) && table.is_none() {
            let (name, media_type) = form::described(&field);
            let blob = upload::field_to_blob(call, field, &format!("batches/{id}/table")).await?;
            hash.update(&blob.sha256);
            table = Some(Found {
                blob,
                name: name.unwrap_or_else(|| "table".to_owned()),
                media_type: media_type.unwrap_or_default(),
                dataset: None,
            });
            continue;
        }
        let text = form::read_text(call, field).await?;
        hash.update(format!("{part}={text}\0"));
        set(&mut wish, &part, text)?;
    }
    let found = match (table, wish.table.clone()) {
        (Some(table), _) => table,
        (None, Some(text)) => resolve(call, id, &text).await?,
        (None, None) => return Err(no_table()),
    };
    found.table(wish, crate::gateway::hex(&hash.finalize()))
}

fn set(wish: &mut NewBatch, part: &str, text: String) -> Result<(), Problem> {
    match part {
        "table" => wish.table = Some(text),
        "format" => wish.format = Some(text),
        "version" => wish.version = Some(text).filter(|text| !text.is_empty()),
        "label" => wish.label = Some(text).filter(|text| !text.is_empty()),
        "webhook" => wish.webhook = Some(text),
        "webhook_events_filter" => {
            wish.webhook_events_filter = Some(body::parse(text.as_bytes())?);
        }
        "map" => wish.map = body::parse(text.as_bytes())?,
        "limit" => {
            let limit = text
                .parse()
                .map_err(|_| Problem::field("/limit", "a whole number", shortened(&text)))?;
            wish.limit = Some(limit);
        }
        _ => {}
    }
    Ok(())
}

fn no_table() -> Problem {
    Problem::field(
        "/table",
        "a table: `onstage://files/<id>`, `onstage://datasets/<name>`, a data URL, or a part of the form",
        "missing",
    )
}

/// Where a table lies and what is known about it.
struct Found {
    blob: BlobRef,
    name: String,
    media_type: String,
    dataset: Option<DatasetRef>,
}

impl Found {
    fn table(self, wish: NewBatch, body_sha256: String) -> Result<Table, Problem> {
        Ok(Table {
            format: format(wish.format.as_deref(), &self.name, &self.media_type)?,
            blob: self.blob,
            name: self.name,
            dataset: self.dataset,
            wish,
            body_sha256,
        })
    }
}

async fn resolve(call: &Call, id: &Id, text: &str) -> Result<Found, Problem> {
    if let Some(which) = text.strip_prefix(SCHEME) {
        return of_dataset(call, which).await;
    }
    let own = call.own_host();
    let (blob, name, media_type) = match parse_ref(text, |host| host.eq_ignore_ascii_case(own)) {
        Some(FileRef::Uploaded(file)) => {
            let file = files::find(call, &file).await?;
            (file.blob, Some(file.name), file.media_type)
        }
        Some(FileRef::Data { media_type, bytes }) => {
            let blob = upload::bytes_to_blob(call, bytes, &format!("batches/{id}/table")).await?;
            (blob, None, media_type)
        }
        Some(FileRef::Inside {
            id: from,
            part,
            number,
        }) => {
            let file = files::inside(call, &from, part, number).await?;
            let most = call.state.settings.upload_bytes_max;
            let key = format!("batches/{id}/table");
            let blob = file.to_blob(call, &key, most).await?;
            (blob, file.name, file.media_type)
        }
        Some(FileRef::FormPart(_)) | None => return Err(no_table()),
    };
    Ok(Found {
        blob,
        name: name.unwrap_or_else(|| "table".to_owned()),
        media_type,
        dataset: None,
    })
}

async fn of_dataset(call: &Call, which: &str) -> Result<Found, Problem> {
    dataset::allow(call)?;
    let version = datasets::find(call, &which.parse()?).await?;
    Ok(Found {
        dataset: Some(version.reference()),
        media_type: version.format.media_type().to_owned(),
        blob: version.blob,
        name: version.file_name,
    })
}

const FORMATS: &str = "csv, jsonl, parquet or arrow";

/// What the client says, else the name's ending, else the media type.
fn format(wish: Option<&str>, name: &str, media_type: &str) -> Result<TableFormat, Problem> {
    if let Some(wish) = wish {
        return TableFormat::ALL
            .into_iter()
            .find(|format| format.name() == wish)
            .ok_or_else(|| Problem::field("/format", FORMATS, shortened(wish)));
    }
    let plain = media_type.split(';').next().unwrap_or_default().trim();
    TableFormat::of_file_name(name)
        .or_else(|| {
            let mut all = TableFormat::ALL.into_iter();
            all.find(|format| format.media_type() == plain)
        })
        .ok_or_else(|| {
            Problem::field(
                "/format",
                FORMATS,
                format!("not told by the name `{}`", shortened(name)),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_which_events_a_webhook_is_told() {
        let mut wish = NewBatch::default();
        let list = r#"["completed"]"#.to_owned();
        set(&mut wish, "webhook_events_filter", list).unwrap();
        assert_eq!(wish.webhook_events_filter.unwrap(), ["completed"]);
    }
}
