//! Files inside of inputs: data URLs, ids and links of uploaded files, parts of a form; read once.
//! Does not fetch anything from elsewhere: an address of another host is refused.

use crate::gateway::{
    body::form::PartFile,
    call::{Call, shortened},
    problem::Problem,
    wire::value::Part,
};
use bytes::Bytes;
use onstage_core::{Id, value::BlobRef};
use onstage_engine::inputs::{data_url, stand_in::StandIn, uploaded};
use serde_json::{Value as Json, json};

/// The scheme that stands for a form's part between its reading and this.
pub(crate) const PART_SCHEME: &str = "onstage-part://";

/// A file's bytes and what is known about it.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    pub(crate) name: Option<String>,
    pub(crate) media_type: Option<String>,
}

/// What a file's text points at.
#[derive(Debug, PartialEq)]
pub(crate) enum FileRef {
    Data {
        media_type: String,
        bytes: Bytes,
    },
    Uploaded(Id),
    /// A file inside of a prediction: `/v1/files/{id}/content?of=output&n=0`.
    Inside {
        id: Id,
        part: Part,
        number: usize,
    },
    FormPart(usize),
}

/// What the text of a file input points at. `hosts` judges whether an address is our own.
pub(crate) fn parse_ref(text: &str, is_own_host: impl Fn(&str) -> bool) -> Option<FileRef> {
    if text.starts_with(data_url::SCHEME) {
        return data_url::parse(text)
            .map(|(media_type, bytes)| FileRef::Data { media_type, bytes });
    }
    if let Some(number) = text.strip_prefix(PART_SCHEME) {
        return number.parse().ok().map(FileRef::FormPart);
    }
    if let Some(id) = text.strip_prefix(uploaded::SCHEME) {
        return id.parse().ok().map(FileRef::Uploaded);
    }
    let path = match ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
    {
        Some(rest) => {
            let (host, _) = rest.split_once('/')?;
            if !is_own_host(host) {
                return None;
            }
            &rest[host.len()..]
        }
        None => text,
    };
    of_path(uploaded::after_path(path)?)
}

/// `{id}`, `{id}/content` or `{id}/content?of=output&n=0`.
fn of_path(rest: &str) -> Option<FileRef> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let id = uploaded::of_rest(path)?;
    let pair = |key: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    };
    match pair("of") {
        None => Some(FileRef::Uploaded(id)),
        Some(part) => Some(FileRef::Inside {
            id,
            part: Part::parse(part)?,
            number: pair("n").unwrap_or("0").parse().ok()?,
        }),
    }
}

/// Reads what an input points at.
pub(crate) async fn read(
    call: &Call,
    wanted: &StandIn,
    form: &[PartFile],
    bytes_max: u64,
) -> Result<Read, Problem> {
    let own = call.own_host().to_owned();
    let found = parse_ref(&wanted.text, |host| host.eq_ignore_ascii_case(&own));
    let file = match found {
        Some(FileRef::Data { media_type, bytes }) => Read {
            bytes,
            name: None,
            media_type: Some(media_type),
        },
        Some(FileRef::FormPart(number)) => {
            let part = form.get(number).ok_or_else(|| not_a_file(wanted))?;
            Read {
                bytes: part.bytes.clone(),
                name: part.name.clone(),
                media_type: part.media_type.clone(),
            }
        }
        Some(FileRef::Uploaded(id)) => uploaded(call, wanted, &id, bytes_max).await?,
        Some(FileRef::Inside { id, part, number }) => {
            let file = crate::gateway::files::inside(call, &id, part, number).await?;
            Read {
                bytes: file.bytes(call, bytes_max).await?,
                name: file.name,
                media_type: Some(file.media_type),
            }
        }
        None => return Err(not_a_file(wanted)),
    };
    if file.bytes.len() as u64 > bytes_max {
        return Err(super::files_too_large());
    }
    Ok(file)
}

async fn uploaded(call: &Call, wanted: &StandIn, id: &Id, bytes_max: u64) -> Result<Read, Problem> {
    let parts = &call.state.parts;
    let Some(file) = parts.store.file(id).await? else {
        let pointer = format!("/input{}", wanted.pointer);
        return Err(Problem::field(
            &pointer,
            "a file that is there",
            format!("`{id}`, which is not"),
        ));
    };
    Ok(Read {
        bytes: read_blob(call, &file.blob, bytes_max).await?,
        name: Some(file.name),
        media_type: Some(file.media_type),
    })
}

/// Reads a blob into the memory that the request may hold.
pub(crate) async fn read_blob(
    call: &Call,
    blob: &BlobRef,
    bytes_max: u64,
) -> Result<Bytes, Problem> {
    if blob.size_bytes > bytes_max {
        return Err(super::files_too_large());
    }
    call.hold(usize::try_from(blob.size_bytes).unwrap_or(usize::MAX))?;
    Ok(call.state.parts.blobs.get(blob).await?)
}

fn not_a_file(wanted: &StandIn) -> Problem {
    let outside = wanted.text.starts_with("http");
    let what = match wanted.is_dataset {
        true => {
            "the name of a dataset (`labels`, `labels@v3`), or a file: a data URL, the address of an uploaded file, or a part of the form"
        }
        false => "a file: a data URL, the address of an uploaded file, or a part of the form",
    };
    let problem = Problem::field(
        &format!("/input{}", wanted.pointer),
        what,
        format!("`{}`", shortened(&wanted.text)),
    );
    if outside {
        problem.hint(
            "addresses of other hosts are not fetched; upload the file with `POST /v1/files` first",
        )
    } else {
        problem
    }
}

/// What stands in the input for a file whose bytes are beside it.
pub(crate) fn attached(number: usize, file: &Read) -> Json {
    let mut object = json!({ "$attachment": number });
    for (key, value) in [("name", &file.name), ("media_type", &file.media_type)] {
        if let Some(value) = value {
            object[key] = Json::from(value.as_str());
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<FileRef> {
        parse_ref(text, |host| host == "127.0.0.1:8484")
    }

    #[test]
    fn every_way_to_name_a_file_is_understood() {
        let id: Id = "01hzy3v7zzzzzzzzzzzz7f3a2c".parse().unwrap();
        for text in [
            format!("onstage://files/{id}"),
            format!("/v1/files/{id}"),
            format!("/v1/files/{id}/content"),
            format!("/lab/v1/files/{id}"),
            format!("http://127.0.0.1:8484/v1/files/{id}"),
        ] {
            assert_eq!(parsed(&text), Some(FileRef::Uploaded(id.clone())), "{text}");
        }
        let inside = parsed(&format!("/v1/files/{id}/content?of=output&n=2"));
        assert!(matches!(
            inside,
            Some(FileRef::Inside {
                part: Part::Output,
                number: 2,
                ..
            })
        ));
        assert_eq!(
            parsed("data:image/png;base64,aGk="),
            Some(FileRef::Data {
                media_type: "image/png".to_owned(),
                bytes: Bytes::from_static(b"hi")
            })
        );
        assert_eq!(
            parsed("data:,a%20b"),
            Some(FileRef::Data {
                media_type: "text/plain".to_owned(),
                bytes: Bytes::from_static(b"a b")
            })
        );
    }

    #[test]
    fn nothing_else_is_a_file() {
        for text in [
            "http://evil.example/v1/files/01hzy3v7zzzzzzzzzzzz7f3a2c",
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "../../v1/files/x",
            "/v1/files/../../etc/passwd",
            "/etc/passwd",
            "data:image/png;base64,***",
            "data:,%zz",
            "onstage://files/../x",
            "",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
