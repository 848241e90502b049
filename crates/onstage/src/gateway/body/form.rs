//! Forms: the parts of a `multipart/form-data` body, small ones read, files within limits.
//! Does not know what the parts are for.

use super::{
    budget::BUFFERED_BYTES_MAX, cut_off, refuse_encoding, refuse_length, too_large, unsupported,
};
use crate::gateway::{call::Call, problem::Problem};
use axum::{
    body::Body,
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::Limited;
use onstage_core::limits::JSON_BODY_BYTES_MAX;
use onstage_engine::inputs::data_url::percent_decoded;

/// Parts of one form.
const PARTS_MAX: usize = 1024;
/// A part's name.
const NAME_BYTES_MAX: usize = 256;
/// A file's name; longer ones are cut.
const FILE_NAME_CHARS_MAX: usize = 200;

/// A file that came in a form.
#[derive(Debug, Clone)]
pub(crate) struct PartFile {
    /// The form field's name.
    pub(crate) field: String,
    /// The file's own name.
    pub(crate) name: Option<String>,
    pub(crate) media_type: Option<String>,
    pub(crate) bytes: Bytes,
}

/// A form read to its end.
#[derive(Debug, Default)]
pub(crate) struct Form {
    pub(crate) texts: Vec<(String, String)>,
    pub(crate) files: Vec<PartFile>,
}

/// Opens a form; the parts come one by one.
pub(crate) async fn open(call: &mut Call, bytes_max: u64) -> Result<Multipart, Problem> {
    if !super::is_multipart(&call.headers) {
        return Err(unsupported(
            "The body must be `multipart/form-data`.",
            "with curl: `-F content=@file`",
        ));
    }
    refuse_encoding(&call.headers)?;
    refuse_length(&call.headers, bytes_max)?;
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let body = Body::new(Limited::new(call.take_body(), limit));
    let mut request = Request::new(body);
    request.headers_mut().clone_from(&call.headers);
    DefaultBodyLimit::disable().apply(&mut request);
    Multipart::from_request(request, &())
        .await
        .map_err(|_| Problem::invalid("malformed_form", "The form has no boundary."))
}

/// Reads a whole form into memory.
pub(crate) async fn read(call: &mut Call) -> Result<Form, Problem> {
    let mut multipart = open(call, BUFFERED_BYTES_MAX as u64).await?;
    let mut form = Form::default();
    while let Some(field) = next(&mut multipart).await? {
        if form.texts.len() + form.files.len() >= PARTS_MAX {
            return Err(Problem::invalid(
                "too_many_parts",
                format!("A form may have {PARTS_MAX} parts at most."),
            ));
        }
        let name = field_name(&field)?;
        if is_file(&field) {
            let (own, media_type) = described(&field);
            form.files.push(PartFile {
                field: name,
                name: own,
                media_type,
                bytes: read_part(call, field, BUFFERED_BYTES_MAX).await?,
            });
        } else {
            form.texts.push((name, read_text(call, field).await?));
        }
    }
    Ok(form)
}

pub(crate) async fn next(multipart: &mut Multipart) -> Result<Option<Field<'_>>, Problem> {
    multipart.next_field().await.map_err(|error| broken(&error))
}

pub(crate) fn field_name(field: &Field<'_>) -> Result<String, Problem> {
    match field.name() {
        Some(name) if !name.is_empty() && name.len() <= NAME_BYTES_MAX => Ok(name.to_owned()),
        _ => Err(Problem::invalid(
            "malformed_form",
            "A part of the form has no name.",
        )),
    }
}

/// A part with a file name is a file; so is one that says it is no text.
pub(crate) fn is_file(field: &Field<'_>) -> bool {
    field.file_name().is_some()
        || field
            .content_type()
            .is_some_and(|kind| !kind.starts_with("text/") && !kind.starts_with("application/json"))
}

/// The file's name without folders and its media type.
pub(crate) fn described(field: &Field<'_>) -> (Option<String>, Option<String>) {
    let name = field
        .file_name()
        .map(plain_name)
        .filter(|name| !name.is_empty());
    let media_type = field
        .content_type()
        .filter(|kind| kind.len() <= 128 && kind.bytes().all(|b| (32..127).contains(&b)))
        .map(str::to_owned);
    (name, media_type)
}

/// The last part of a path, without what a terminal or a header would obey.
pub(crate) fn plain_name(name: &str) -> String {
    name.rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(FILE_NAME_CHARS_MAX)
        .collect()
}

/// The file name that a `Content-Disposition` header gives.
pub(crate) fn disposition_name(header: &str) -> Option<String> {
    let parameter = |name: &str| {
        header.split(';').skip(1).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().trim_matches('"'))
        })
    };
    let extended = parameter("filename*").and_then(|value| {
        let (charset, rest) = value.split_once('\'')?;
        let (_, encoded) = rest.split_once('\'')?;
        let bytes = charset
            .eq_ignore_ascii_case("utf-8")
            .then(|| percent_decoded(encoded))??;
        String::from_utf8(bytes.to_vec()).ok()
    });
    extended.or_else(|| parameter("filename").map(str::to_owned))
}

pub(crate) async fn read_text(call: &mut Call, field: Field<'_>) -> Result<String, Problem> {
    let bytes = read_part(call, field, JSON_BODY_BYTES_MAX).await?;
    String::from_utf8(bytes.to_vec())
        .map_err(|_| Problem::invalid("malformed_form", "A part of the form is not UTF-8."))
}

async fn read_part(
    call: &mut Call,
    mut field: Field<'_>,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let mut whole = BytesMut::new();
    while let Some(piece) = piece(&mut field).await? {
        // A second piece says that the part is large: most likely it is most of the form.
        if !whole.is_empty() && whole.len() == whole.capacity() {
            whole.reserve(super::reserved(&call.headers));
        }
        if whole.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max as u64));
        }
        call.hold(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The next bytes of a part.
pub(crate) async fn piece(field: &mut Field<'_>) -> Result<Option<Bytes>, Problem> {
    field.chunk().await.map_err(|error| broken(&error))
}

fn broken(error: &MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            "The form is larger than this installation takes.",
        );
    }
    let text = error.body_text();
    if text.contains("incomplete") || text.contains("read") {
        cut_off()
    } else {
        Problem::invalid("malformed_form", "The form is not well-formed.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_give_names() {
        for (header, name) in [
            ("attachment; filename=\"a b.csv\"", Some("a b.csv")),
            ("attachment; FileName=a.csv", Some("a.csv")),
            (
                "attachment; filename=\"a_.csv\"; filename*=UTF-8''a%C3%A9.csv",
                Some("a\u{e9}.csv"),
            ),
            (
                "attachment; filename=\"a.csv\"; filename*=UTF-8''%FF",
                Some("a.csv"),
            ),
            ("attachment", None),
            ("filename=a.csv", None),
        ] {
            assert_eq!(disposition_name(header).as_deref(), name, "{header}");
        }
    }

    #[test]
    fn names_lose_folders_and_control_characters() {
        assert_eq!(plain_name("C:\\x\\a.csv"), "a.csv");
        assert_eq!(plain_name("../../etc/passwd"), "passwd");
        assert_eq!(plain_name("a\r\nb\0.csv"), "ab.csv");
        assert_eq!(plain_name(&"x".repeat(999)).len(), FILE_NAME_CHARS_MAX);
    }
}
