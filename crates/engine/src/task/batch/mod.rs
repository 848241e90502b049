//! Batch jobs: every row of a table through the model, in chunks committed one by one, and a result table at the end.
//! Does not know background predictions.

mod ahead;
mod answer;
mod cells;
mod chunk;
mod dealer;
mod deaths;
mod files;
mod flow;
pub(super) mod line;
mod lines;
mod merge;
mod meter;
mod pace;
mod pump;
mod rows;
mod select;
mod sharing;
mod sink;
mod window;

use super::{
    desk::{Desk, Orders},
    ending::{Ending, or_halt},
    events,
    folder::Folder,
    hold::Hold,
    journal::{Journal, flush_often},
    persist,
};
use crate::spawn::spawn;
use ahead::Ahead;
use cells::Cells;
use chunk::{Committer, Filling};
use dealer::{Dealer, Role};
use files::{Archive, CellFiles};
use flow::Flow;
use merge::Merge;
use meter::Meter;
use onstage_core::{
    Error, Id, Kind, Result,
    batch::{BatchSpec, Chunk, Counts, TableFormat},
    job::{Job, JobOutput, JobSpec, Lease},
    lifecycle::RunEnd,
    outcome::{Failure, Phase, Reason},
    ports::TableReader,
    shares::{self, ShareStep},
};
use pace::Pace;
use pump::Pump;
use rows::{Reading, Table};
use select::{Bits, Selection};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// A batch job whose lease is held.
pub(super) struct Claimed {
    job: Job,
    hold: Hold,
}

impl Claimed {
    pub(super) fn hold(desk: &Desk, job: Job) -> Option<Self> {
        let lease = job.lease()?;
        let hold = Hold::take(&desk.parts, lease, 1);
        Some(Self { job, hold })
    }
}

/// Runs a batch job and commits its end.
pub(super) async fn run(desk: &Desk, claimed: Claimed) -> Result<()> {
    let Claimed { job, hold } = claimed;
    let JobSpec::Batch(spec) = &job.spec else {
        return Ok(());
    };
    let journal = Arc::new(Journal::new(&desk.parts, hold.lease.clone()));
    journal.event(events::start(job.run, desk.parts.clock.now()));
    let _flusher = flush_often("events of a batch job", vec![journal.clone()]);
    let folder = Folder::of_run(desk, &hold.lease);
    let run = Run::new(desk, spec, &hold, &journal, &folder);
    let mut orders = desk.orders(hold.ear(), false);
    let end = match run.work(&folder, &mut orders).await {
        Ok(output) => Some(RunEnd::Succeeded(output)),
        Err(ending) => ending.committed(),
    };
    let Some(end) = end else { return Ok(()) };
    match journal.close().await {
        Err(error) if error.kind == Kind::Lost => return Ok(()),
        // The end itself matters more than its log.
        _ => drop(hold),
    }
    desk.conclude(vec![(journal, end)]).await
}

/// Helps with a batch job that another task runs, until it has no more rows to share or jobs of this version wait.
/// Answers whether it computed any.
pub(super) async fn help(desk: &Desk, job: &Job, lease: Lease) -> Result<bool> {
    let JobSpec::Batch(spec) = &job.spec else {
        return Ok(false);
    };
    tracing::info!(job = %job.id, run = lease.run, "this task helps with a batch job");
    let hold = Hold::take(&desk.parts, lease, 1);
    let journal = Arc::new(Journal::new(&desk.parts, hold.lease.clone()));
    let _flusher = flush_often("events of a helper", vec![journal.clone()]);
    let folder = Folder::of_run(desk, &hold.lease);
    let run = Run::new(desk, spec, &hold, &journal, &folder);
    let mut orders = desk.orders(hold.ear(), false);
    let helped = run.help(&folder, &mut orders).await;
    let used = journal.used();
    desk.note(job, used);
    let unable = match helped {
        Ok(()) => false,
        Err(ending) => match ending.committed() {
            Some(RunEnd::Failed(failure)) => {
                tracing::warn!(job = %job.id, failure = failure.message, "this task cannot help with a batch job");
                true
            }
            Some(_) => false,
            None => return Ok(used.items > 0),
        },
    };
    let left = leave(desk, &journal, &hold.lease, unable).await;
    match left {
        Err(error) if !matches!(error.kind, Kind::Lost | Kind::NotFound) => Err(error),
        _ => Ok(used.items > 0),
    }
}

async fn leave(desk: &Desk, journal: &Journal, lease: &Lease, unable: bool) -> Result<()> {
    journal.close().await?;
    let left = persist::insist(&desk.parts, "leaving a batch job", || {
        let step = ShareStep::Leave { unable };
        desk.parts.store.share(lease, step)
    });
    left.await.map(|_| ())
}

/// One run of a batch job.
struct Run<'a> {
    desk: &'a Desk,
    spec: &'a BatchSpec,
    hold: &'a Hold,
    journal: &'a Arc<Journal>,
    table: PathBuf,
    result: PathBuf,
    meter: Arc<Meter>,
}

impl<'a> Run<'a> {
    fn new(
        desk: &'a Desk,
        spec: &'a BatchSpec,
        hold: &'a Hold,
        journal: &'a Arc<Journal>,
        folder: &Folder,
    ) -> Self {
        Self {
            desk,
            spec,
            hold,
            journal,
            table: folder.place("table"),
            result: folder.place("result"),
            meter: Arc::default(),
        }
    }
}

impl Run<'_> {
    async fn help(&self, folder: &Folder, orders: &mut Orders) -> Result<(), Ending> {
        let (reader, selection) = or_halt(orders, self.prepare(folder)).await?;
        let version = self.desk.settings.version.clone();
        let role = Role::Helper { version };
        self.compute(reader, selection, Counts::default(), role, None, orders)
            .await
            .map(|_| ())
    }

    async fn work(&self, folder: &Folder, orders: &mut Orders) -> Result<JobOutput, Ending> {
        let (reader, selection) = or_halt(orders, self.prepare(folder)).await?;
        let done = chunks(self.desk, &self.hold.lease.job).await?;
        let role = Role::Own {
            free: shares::gaps(&done, selection.end()),
            tasks_max: self.desk.loaded.version.config.jobs.tasks,
        };
        let ahead = Ahead::start(&self.desk.parts, &self.merge(), &done);
        let rows_per_s = self
            .compute(
                reader,
                selection,
                counts(&done),
                role,
                ahead.as_ref(),
                orders,
            )
            .await?;
        self.hold.voice().say(Phase::Uploading, None);
        let at = self.desk.parts.clock.now();
        self.journal
            .event(events::phase(Phase::Uploading, "writing the result", at));
        let (result, counts) = or_halt(orders, self.publish(ahead)).await?;
        let accuracy = self.spec.label.is_some() && counts.done > 0;
        Ok(JobOutput::Batch {
            result,
            counts,
            accuracy: accuracy.then(|| counts.matched as f64 / counts.done as f64),
            rows_per_s,
            used: Some(self.desk.amounts(self.journal.used())),
        })
    }

    /// The table at hand and which rows it is about.
    async fn prepare(&self, folder: &Folder) -> Result<(Box<dyn TableReader>, Selection), Ending> {
        let parts = &self.desk.parts;
        let only = match &self.spec.only_rows_of {
            Some(job) => Some(self.failed_rows(job).await?),
            None => None,
        };
        folder.make().await?;
        let fetched = persist::insist(parts, "fetching the table", || async {
            // What a try before this one has left.
            let _ = tokio::fs::remove_file(&self.table).await;
            parts.blobs.fetch(&self.spec.table, &self.table).await
        });
        fetched.await.map_err(|error| match error.kind {
            Kind::NotFound => user_error("the table is not there any more".to_owned()),
            _ => Ending::Broken(error),
        })?;
        let (tables, path, format) = (parts.tables.clone(), self.table.clone(), self.spec.format);
        let name = self.spec.table_name.clone();
        let opened = tokio::task::spawn_blocking(move || tables.open(&path, format)).await;
        let reader = match opened {
            Ok(Ok(reader)) => reader,
            Ok(Err(error)) if error.kind == Kind::Invalid => {
                let hint = error.hint.as_ref().map(|hint| format!("; {hint}"));
                let message = format!(
                    "`{name}` cannot be read: {error}{}",
                    hint.unwrap_or_default()
                );
                return Err(user_error(message));
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(panic) => return Err(user_error(format!("`{name}` cannot be read: {panic}"))),
        };
        Ok((reader, Selection::new(self.spec.limit_rows, only)))
    }

    async fn failed_rows(&self, job: &Id) -> Result<Bits, Ending> {
        let chunks = chunks(self.desk, job).await?;
        let bits = lines::each_line(&self.desk.parts, &chunks, |lines| {
            let mut bits = Bits::default();
            while let Some(line) = lines.next() {
                bits.add_if_failed(&line)?;
            }
            Ok(bits)
        });
        Ok(bits.await?)
    }

    /// Computes rows until the dealer has no more; answers the rows a second. `before` is what was committed when this run began.
    async fn compute(
        &self,
        reader: Box<dyn TableReader>,
        selection: Selection,
        before: Counts,
        role: Role,
        ahead: Option<&Ahead>,
        orders: &mut Orders,
    ) -> Result<f64, Ending> {
        let (desk, spec, lease) = (self.desk, self.spec, &self.hold.lease);
        let archive = or_halt(orders, self.archive()).await?;
        let fixed = spec.format != TableFormat::Jsonl;
        let cells =
            Cells::new(&desk.loaded.schema, spec, reader.columns(), fixed).map_err(user_error)?;
        let helps = matches!(role, Role::Helper { .. });
        let told = reader.rows_total();
        // How many rows there are is said by the job's own run.
        let unwanted = match helps {
            true => Arc::default(),
            false => rows::count(self.table(), selection.clone(), told, self.meter.clone()),
        };
        let microbatch = pump::microbatch_max(desk);
        let (asks, asked) = mpsc::channel(1);
        let dealer = Dealer {
            parts: desk.parts.clone(),
            lease: lease.clone(),
            meter: self.meter.clone(),
            role,
            microbatch: microbatch as u64,
        };
        let _dealer = AbortOnDropHandle::new(spawn("dealer of rows", dealer.run(asked)));
        let reading = Reading {
            cells,
            label: spec.label.clone(),
            check: desk.loaded.input.clone(),
            selection,
            microbatch,
        };
        let files = CellFiles {
            parts: desk.parts.clone(),
            schema: desk.loaded.schema.clone(),
            archive,
        };
        let (rows, _files) = files.through(rows::read(self.table(), reader, reading, asks));
        let pump = Pump {
            desk,
            journal: self.journal.clone(),
            voice: self.hold.voice(),
            rows,
            meter: self.meter.clone(),
            pace: Pace::new(before.done + before.failed, desk.parts.clock.monotonic()),
            counts: before,
            helps,
            filling: Filling::new(lease, helps),
            committer: Committer::start(&desk.parts, lease, ahead.map(Ahead::ear)),
            flow: Flow::new(self.journal.clone()),
        };
        let computed = pump.run(orders).await;
        unwanted.store(true, Ordering::Relaxed);
        computed
    }

    /// The job's archive on this host, if it has one.
    async fn archive(&self) -> Result<Option<Archive>, Ending> {
        let Some(files) = &self.spec.files else {
            return Ok(None);
        };
        let parts = &self.desk.parts;
        let placed = persist::insist(parts, "placing the files of a batch job", || {
            parts.datasets.place(&files.content)
        });
        let placed = placed.await.map_err(|error| match error.kind {
            Kind::Invalid => user_error(error.message),
            Kind::NotFound => {
                user_error("the archive of its files is not there any more".to_owned())
            }
            _ => Ending::Broken(error),
        })?;
        Ok(Some(Archive::new(placed)))
    }

    fn table(&self) -> Table {
        Table {
            tables: self.desk.parts.tables.clone(),
            path: self.table.clone(),
            format: self.spec.format,
        }
    }

    fn merge(&self) -> Merge {
        Merge {
            tables: self.desk.parts.tables.clone(),
            table: self.table.clone(),
            format: self.spec.format,
            result: self.result.clone(),
            schema: self.desk.loaded.schema.clone(),
        }
    }

    /// Writes what `ahead` has not, and puts the result into the blobs; the commit that follows makes it the job's.
    async fn publish(
        &self,
        ahead: Option<Ahead>,
    ) -> Result<(onstage_core::value::BlobRef, Counts), Ending> {
        let (parts, lease) = (&self.desk.parts, &self.hold.lease);
        let chunks = chunks(self.desk, &lease.job).await?;
        let counts = counts(&chunks);
        let chosen = self.meter.total().map(|total| total.chosen);
        if chosen.is_some_and(|chosen| chosen != counts.done + counts.failed) {
            let text = format!("of {chosen:?} rows {counts:?} are there: one was lost or doubled");
            return Err(Error::internal(text).into());
        }
        let merge = self.merge();
        let anew =
            |error: &Error| tracing::warn!(job = %lease.job, %error, "the result is written anew");
        let written = match ahead {
            Some(ahead) => ahead.finish(parts, &chunks).await.inspect_err(anew).is_ok(),
            None => false,
        };
        if !written {
            persist::insist(parts, "writing the result", || merge.run(parts, &chunks)).await?;
        }
        let format = self.spec.format.name();
        let key = format!("jobs/{}/run-{}/result.{format}", lease.job, lease.run);
        let result = persist::insist(parts, "storing the result", || {
            merge.upload(&*parts.blobs, &key)
        });
        Ok((result.await?, counts))
    }
}

/// Committed chunks, by index.
async fn chunks(desk: &Desk, job: &Id) -> Result<Vec<Chunk>> {
    persist::insist(&desk.parts, "reading chunks", || {
        desk.parts.store.chunks(job)
    })
    .await
}

fn counts(chunks: &[Chunk]) -> Counts {
    let sum = |sum: Counts, chunk: &Chunk| sum.plus(chunk.counts);
    chunks.iter().fold(Counts::default(), sum)
}

fn user_error(message: String) -> Ending {
    Ending::Fail(Failure::new(Reason::UserError, message))
}
