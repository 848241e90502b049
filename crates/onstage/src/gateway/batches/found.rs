//! What a batch job reads, on its way in: an uploaded file, a dataset, a data URL, or a part of the form.
//! Does not read what is in it.

use crate::gateway::{
    call::Call,
    datasets,
    input::{
        AtRest, at_rest,
        dataset::{self, SCHEME},
    },
    problem::Problem,
};
use onstage_core::{
    Id,
    batch::BatchFiles,
    dataset::{Content, DatasetFormat, DatasetRef},
    value::BlobRef,
};

/// What it is to the job; also its name in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Table,
    /// An archive with the files that the table names.
    Files,
}

impl Role {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Files => "files",
        }
    }

    pub(super) fn of_part(name: &str) -> Option<Self> {
        let mut all = [Self::Table, Self::Files].into_iter();
        all.find(|role| role.name() == name)
    }

    /// Where it lies when it came with the request.
    pub(super) fn key(self, id: &Id) -> String {
        format!("batches/{id}/{}", self.name())
    }

    pub(super) fn missing(self, got: &str) -> Problem {
        let what = match self {
            Self::Table => "a table",
            Self::Files => "an archive",
        };
        let ways = "`onstage://files/<id>`, `onstage://datasets/<name>`, a data URL, or a part of the form";
        Problem::field(
            &format!("/{}", self.name()),
            &format!("{what}: {ways}"),
            got,
        )
    }
}

/// Where it lies and what is known about it.
pub(super) struct Found {
    pub(super) blob: BlobRef,
    pub(super) name: String,
    pub(super) media_type: String,
    pub(super) dataset: Option<DatasetRef>,
}

impl Found {
    /// As the archive of a job. Errors: 422, when it is none by its name or type.
    pub(super) fn files(self) -> Result<BatchFiles, Problem> {
        let format = DatasetFormat::of_file_name(&self.name)
            .filter(|format| format.is_folder())
            .or_else(|| DatasetFormat::of_media_type(&self.media_type))
            .filter(|format| format.is_folder());
        let format = format.ok_or_else(|| {
            Problem::field(
                "/files",
                "a ZIP or TAR archive",
                format!("`{}`, which is none by its name", self.name),
            )
        })?;
        let named = self.dataset.as_ref().map(ToString::to_string);
        Ok(BatchFiles {
            content: Content {
                named: named.unwrap_or_else(|| self.name.clone()),
                blob: self.blob,
                file_name: self.name,
                format,
            },
            dataset: self.dataset,
        })
    }
}

/// What the text of a request names; bytes of its own go under the role's key.
pub(super) async fn resolve(
    call: &Call,
    id: &Id,
    role: Role,
    text: &str,
) -> Result<Found, Problem> {
    if let Some(which) = text.strip_prefix(SCHEME) {
        return of_dataset(call, which).await;
    }
    let found = at_rest(call, &role.key(id), text).await?;
    let AtRest {
        blob,
        name,
        media_type,
    } = found.ok_or_else(|| role.missing("something else"))?;
    Ok(Found {
        blob,
        name: name.unwrap_or_else(|| role.name().to_owned()),
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
