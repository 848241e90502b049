//! A prediction's input on its way in: checked against the schema, its files found and read.
//! Does not start anything.

mod file;
mod secret;
pub(crate) mod stand_in;

pub(crate) use file::{FileRef, PART_SCHEME, parse_ref, percent_decoded};
pub(crate) use secret::{hidden_fields, hide};

use super::{
    body::form::PartFile,
    call::Call,
    problem::Problem,
    wire::{
        prediction::links,
        value::{Part, show_text},
    },
};
use bytes::Bytes;
use http::StatusCode;
use onstage_core::{
    Id,
    limits::INLINE_BYTES_MAX,
    value::{Stored, Value},
};
use onstage_engine::{Loaded, values::store_value};
use serde_json::Value as Json;

/// The files of one input, all told.
const FILES_BYTES_MAX: u64 = 512 << 20;
/// Files in one input.
const FILES_MAX: usize = 1024;

/// An input that a worker may get.
pub(crate) struct Prepared {
    /// As it is shown back.
    pub(crate) shown: Bytes,
    /// As it goes to the record.
    pub(crate) stored: Stored,
    /// As it goes to the worker.
    pub(crate) value: Value,
    /// Under which its blobs lie. Never an id that a client chose: it may be somebody else's already.
    pub(crate) place: Id,
}

impl Prepared {
    /// As it goes to a job, which a later process runs.
    pub(crate) async fn for_job(&self, call: &Call) -> Result<Stored, Problem> {
        let prefix = format!("predictions/{}/input", self.place);
        Ok(store_value(&*call.state.parts.blobs, &prefix, &self.value).await?)
    }
}

/// Checks an input and reads its files. `form` are the files that came in the same request.
pub(crate) async fn prepare(
    call: &Call,
    loaded: &Loaded,
    id: &Id,
    json: Bytes,
    form: Vec<PartFile>,
) -> Result<Prepared, Problem> {
    loaded
        .input
        .check(&json)
        .map_err(|errors| Problem::unfit("/input", errors))?;
    let value = if file::may_have_files(&loaded.schema) {
        with_files(call, loaded, &json, &form).await?
    } else {
        Value::json(json.clone())
    };
    let hidden = hidden_fields(Some(&loaded.schema), &loaded.version.config);
    if hidden.is_empty() && form.is_empty() && json.len() <= INLINE_BYTES_MAX {
        let stored = Stored::Inline(String::from_utf8_lossy(&json).into_owned());
        return Ok(Prepared {
            shown: json,
            stored,
            value,
            place: id.clone(),
        });
    }
    let (shown, stored) = for_record(call, id, &json, &value, &hidden, !form.is_empty()).await?;
    Ok(Prepared {
        shown,
        stored,
        value,
        place: id.clone(),
    })
}

/// The large, the hidden and the form's files are not kept as they came.
async fn for_record(
    call: &Call,
    id: &Id,
    json: &Bytes,
    value: &Value,
    hidden: &[String],
    has_form: bool,
) -> Result<(Bytes, Stored), Problem> {
    let blobs = &*call.state.parts.blobs;
    let kept = if has_form {
        value.clone()
    } else {
        Value::json(json.clone())
    };
    let kept = Value {
        json: hide(kept.json, hidden),
        ..kept
    };
    let stored = store_value(blobs, &format!("predictions/{id}/record"), &kept).await?;
    let text = super::wire::value::text(blobs, &stored).await?;
    let shown = show_text(blobs, text, &links(call, id, Part::Input)).await?;
    Ok((shown, stored))
}

/// The value with its files as attachments.
async fn with_files(
    call: &Call,
    loaded: &Loaded,
    json: &[u8],
    form: &[PartFile],
) -> Result<Value, Problem> {
    let mut tree: Json = super::body::parse(json)?;
    let mut wanted = stand_in::find(&tree, &loaded.schema);
    wanted.retain(|it| !it.is_dataset);
    if wanted.is_empty() {
        return Ok(Value::json(Bytes::copy_from_slice(json)));
    }
    if wanted.len() > FILES_MAX {
        return Err(Problem::invalid(
            "too_many_files",
            format!("An input may have {FILES_MAX} files at most."),
        ));
    }
    let mut attachments = Vec::with_capacity(wanted.len());
    let mut bytes_left = FILES_BYTES_MAX;
    for (number, wanted) in wanted.iter().enumerate() {
        let file = file::read(call, wanted, form, bytes_left).await?;
        bytes_left = bytes_left.saturating_sub(file.bytes.len() as u64);
        wanted.replace(&mut tree, file::attached(number, &file));
        attachments.push(file.bytes);
    }
    Ok(Value {
        json: Bytes::from(tree.to_string()),
        attachments,
    })
}

/// What is said when the files of an input are too much for one request.
pub(crate) fn files_too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "files_too_large",
        format!("The files of one input may have {FILES_BYTES_MAX} bytes in all."),
    )
}
