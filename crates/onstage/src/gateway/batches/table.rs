//! The table of a batch job on its way in: an uploaded file, a data URL, or a part of the form.
//! Does not read rows.

use super::found::{Found, Role, resolve};
use crate::gateway::{
    blobs,
    body::{self, form, upload},
    call::{Call, shortened},
    problem::Problem,
    wire::batch::NewBatch,
};
use onstage_core::{
    Id,
    batch::{BatchFiles, TableFormat},
    dataset::DatasetRef,
    value::BlobRef,
};
use sha2::{Digest, Sha256};

/// A table at rest and what was said about it.
pub(crate) struct Table {
    pub(crate) blob: BlobRef,
    pub(crate) name: String,
    pub(crate) format: TableFormat,
    /// The dataset's version that it is.
    pub(crate) dataset: Option<DatasetRef>,
    /// Where its cells that are paths find their files.
    pub(crate) files: Option<Box<BatchFiles>>,
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
    whole(call, id, Came::default(), wish, body_sha256).await
}

/// What came as parts of the form.
#[derive(Default)]
struct Came {
    table: Option<Found>,
    files: Option<Found>,
}

impl Came {
    fn place(&mut self, role: Role) -> &mut Option<Found> {
        match role {
            Role::Table => &mut self.table,
            Role::Files => &mut self.files,
        }
    }

    /// What came, else what the wish names.
    async fn or_named(
        &mut self,
        call: &Call,
        id: &Id,
        role: Role,
        named: Option<&str>,
    ) -> Result<Option<Found>, Problem> {
        match (self.place(role).take(), named) {
            (Some(found), _) => Ok(Some(found)),
            (None, Some(text)) => resolve(call, id, role, text).await.map(Some),
            (None, None) => Ok(None),
        }
    }
}

async fn whole(
    call: &Call,
    id: &Id,
    mut came: Came,
    wish: NewBatch,
    body_sha256: String,
) -> Result<Table, Problem> {
    let table = came.or_named(call, id, Role::Table, wish.table.as_deref());
    let table = table.await?.ok_or_else(|| Role::Table.missing("missing"))?;
    let files = came.or_named(call, id, Role::Files, wish.files.as_deref());
    let files = files.await?.map(Found::files).transpose()?;
    Ok(Table {
        format: format(wish.format.as_deref(), &table.name, &table.media_type)?,
        blob: table.blob,
        name: table.name,
        dataset: table.dataset,
        files: files.map(Box::new),
        wish,
        body_sha256,
    })
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

/// Removes the blobs that `take` may have made for a job that will not be.
pub(crate) async fn forget(call: &Call, id: &Id) {
    blobs::remove_all(call, &format!("batches/{id}/")).await;
}

async fn of_form(call: &mut Call, id: &Id) -> Result<Table, Problem> {
    let limit = call.state.settings.upload_bytes_max;
    let mut multipart = form::open(call, limit).await?;
    let mut wish = NewBatch::default();
    let mut came = Came::default();
    let mut hash = Sha256::new();
    while let Some(field) = form::next(&mut multipart).await? {
        let part = form::field_name(&field)?;
        let role = Role::of_part(&part).filter(|_| form::is_file(&field));
        if let Some(role) = role.filter(|role| came.place(*role).is_none()) {
            let (name, media_type) = form::described(&field);
            let blob = upload::field_to_blob(call, field, &role.key(id)).await?;
            hash.update(&blob.sha256);
            *came.place(role) = Some(Found {
                blob,
                name: name.unwrap_or_else(|| role.name().to_owned()),
                media_type: media_type.unwrap_or_default(),
                dataset: None,
            });
            continue;
        }
        let text = form::read_text(call, field).await?;
        hash.update(format!("{part}={text}\0"));
        set(&mut wish, &part, text)?;
    }
    whole(call, id, came, wish, crate::gateway::hex(&hash.finalize())).await
}

fn set(wish: &mut NewBatch, part: &str, text: String) -> Result<(), Problem> {
    match part {
        "table" => wish.table = Some(text),
        "files" => wish.files = Some(text).filter(|text| !text.is_empty()),
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
