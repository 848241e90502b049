//! What a training needs of the outside: its data and last checkpoint placed, new checkpoints kept, datasets fetched by name.
//! Does not know the worker.

use super::inputs;
use crate::{
    datasets,
    task::{desk::Desk, ending::Ending, events, folder::Folder, journal::Journal, persist},
    worker::Asked,
};
use onstage_core::{
    Error, Kind, Result,
    dataset::DatasetRef,
    job::Lease,
    parcel::Parcel,
    ports::Placed,
    training::{Checkpoint, TrainingSpec},
    value::Value,
    wire::from_worker::Question,
};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

pub(super) struct Clerk<'a> {
    desk: &'a Desk,
    lease: &'a Lease,
    spec: &'a TrainingSpec,
    journal: &'a Journal,
    folder: &'a Folder,
    /// The number of the last checkpoint that is kept.
    last: Option<u32>,
    /// Every dataset that was placed, with its number, and what keeps it there.
    placed: Vec<(DatasetRef, Placed)>,
}

/// What the worker is sent.
pub(super) struct Ready {
    pub(super) input: Value,
    pub(super) resume: Option<String>,
}

impl<'a> Clerk<'a> {
    pub(super) fn new(
        desk: &'a Desk,
        lease: &'a Lease,
        spec: &'a TrainingSpec,
        journal: &'a Journal,
        folder: &'a Folder,
    ) -> Self {
        Self {
            desk,
            lease,
            spec,
            journal,
            folder,
            last: None,
            placed: Vec::new(),
        }
    }

    pub(super) fn last(&self) -> Option<u32> {
        self.last
    }

    /// Those of the input and those that were asked for, each once.
    pub(super) fn datasets(&self) -> Vec<DatasetRef> {
        self.placed.iter().map(|(which, _)| which.clone()).collect()
    }

    /// The input with its files and datasets on this host, and the last checkpoint.
    pub(super) async fn place(&mut self) -> Result<Ready, Ending> {
        let resume = self.resume().await?;
        let parts = &self.desk.parts;
        let mut tree = persist::insist(parts, "loading an input", || {
            inputs::load(&*parts.blobs, &self.spec.input)
        })
        .await?;
        for (number, file) in inputs::files(&tree).into_iter().enumerate() {
            let folder = self.folder.inside(&format!("files/{number}")).await?;
            let path = folder.join(&file.name);
            persist::insist(parts, "fetching a file", || async {
                // What a try before this one has left.
                let _ = tokio::fs::remove_file(&path).await;
                parts.blobs.fetch(&file.blob, &path).await
            })
            .await?;
            inputs::point(&mut tree, &file.pointer, &path);
        }
        for (pointer, which) in datasets::find(&tree) {
            let stand_in = self.dataset(&which).await?;
            datasets::replace(&mut tree, &pointer, stand_in);
        }
        Ok(Ready {
            input: Value::json(tree.to_string()),
            resume: resume.map(|path| path.to_string_lossy().into_owned()),
        })
    }

    /// Answers what is asked until there is nothing more to answer for: the lease is lost. Never returns otherwise.
    pub(super) async fn serve(&mut self, asked: &mut mpsc::UnboundedReceiver<Asked>) -> Error {
        while let Some(asked) = asked.recv().await {
            let answer = match &asked.question {
                Question::Checkpoint { path } => {
                    let kept = self.keep(Path::new(path)).await;
                    kept.map(|()| Json::Null)
                }
                Question::Dataset { name } => self.dataset(name).await,
            };
            match answer {
                Err(error) if error.kind == Kind::Lost => return error,
                // Everything else is for the author's code to judge.
                answer => asked.answer(
                    answer
                        .map(|answer| answer.to_string())
                        .map_err(|error| error.to_string()),
                ),
            }
        }
        std::future::pending().await
    }

    /// Where the last checkpoint lies: of a run before, else of the training that this one goes on from.
    async fn resume(&mut self) -> Result<Option<PathBuf>> {
        let parts = &self.desk.parts;
        let kept = persist::insist(parts, "reading checkpoints", || {
            parts.store.checkpoints(&self.lease.job)
        })
        .await?;
        self.last = kept.last().map(|checkpoint| checkpoint.number);
        let other = self.spec.resume.as_ref();
        let from = kept
            .last()
            .map(|checkpoint| (checkpoint, "a run before"))
            .or(other.map(|other| (&other.checkpoint, "an earlier training")));
        let Some((checkpoint, whose)) = from else {
            return Ok(None);
        };
        match self.put_down(&checkpoint.parcel).await {
            Ok(path) => {
                self.say(&format!(
                    "going on from checkpoint {} of {whose}",
                    checkpoint.number
                ));
                Ok(Some(path))
            }
            Err(error) if error.kind == Kind::NotFound => {
                self.say(&format!(
                    "checkpoint {} of {whose} is gone; the training begins anew",
                    checkpoint.number
                ));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn put_down(&self, parcel: &Parcel) -> Result<PathBuf> {
        let parts = &self.desk.parts;
        persist::insist(parts, "fetching a checkpoint", || async {
            let folder = self.folder.inside("resume").await?;
            // What a try before this one has left.
            let _ = tokio::fs::remove_dir_all(&folder).await;
            let folder = self.folder.inside("resume").await?;
            parts.parcels.put_down(parcel, &folder).await
        })
        .await
    }

    /// Keeps what lies at the path, as it is now. Errors: lost; invalid, when there is nothing to keep.
    async fn keep(&mut self, path: &Path) -> Result<()> {
        let parts = &self.desk.parts;
        let number = self.last.unwrap_or(0) + 1;
        let Self { lease, .. } = self;
        let key = format!("jobs/{}/run-{}/checkpoint-{number}", lease.job, lease.run);
        let parcel = persist::insist(parts, "keeping a checkpoint", || {
            parts.parcels.take(path, &key)
        })
        .await?;
        let size_bytes = parcel.blob.size_bytes;
        let checkpoint = Checkpoint {
            number,
            run: lease.run,
            parcel,
            created_at: parts.clock.now(),
        };
        let keep = self.desk.loaded.version.config.training.keep_checkpoints;
        let forgotten = persist::insist(parts, "committing a checkpoint", || {
            parts
                .store
                .commit_checkpoint(lease, checkpoint.clone(), keep)
        })
        .await?;
        self.last = Some(number);
        for old in forgotten {
            if let Err(error) = parts.blobs.delete(&old.parcel.blob.key).await {
                tracing::debug!(key = old.parcel.blob.key, %error, "an old checkpoint stays");
            }
        }
        self.say(&format!("checkpoint {number} is kept ({size_bytes} bytes)"));
        Ok(())
    }

    /// The object that stands for a dataset on this host.
    async fn dataset(&mut self, name: &str) -> Result<Json> {
        let which: DatasetRef = name.parse()?;
        let parts = &self.desk.parts;
        let version = persist::insist(parts, "reading a dataset", || {
            parts.store.dataset_version(&which)
        })
        .await?
        .ok_or_else(|| datasets::none(&which))?;
        let content = version.content();
        let placed = persist::insist(parts, "placing a dataset", || {
            parts.datasets.place(&content)
        })
        .await?;
        let stand_in = datasets::on_host(&version, &placed);
        let which = version.reference();
        if !self.placed.iter().any(|(known, _)| *known == which) {
            self.placed.push((which, placed));
        }
        Ok(stand_in)
    }

    fn say(&self, text: &str) {
        let at = self.desk.parts.clock.now();
        self.journal.event(events::said(text, at));
    }
}
