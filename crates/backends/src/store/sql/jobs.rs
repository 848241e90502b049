//! Jobs in SQL: the port's verbs, each one write or one read.
//! Must not decide how a job moves; `lifecycle` does.

use super::{
    SqlStore, chunks, damage,
    error::{ends_transaction, store_error},
    events,
    gather::in_powers,
    job_row, row, shares, submit, trainings, transition,
};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Kind, Result, Timestamp,
    batch::Chunk,
    event::{Event, NewEvent},
    job::{Idempotency, Job, JobFilter, JobKind, Lease, NewJob},
    lifecycle::{self, Beat, RetryPolicy, RunEnd},
    model::VersionId,
    outcome::Failure,
    ports::{Demand, Finished, Jobs, Listed, Page, RunningJob, Submitted},
    shares::{ShareStep, Shares},
    task::{Incarnation, Lane},
    training::{Checkpoint, Trained},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction,
    sea_query::{Expr, ExprTrait, LockType, Query},
};
use std::{collections::HashMap, ops::Range};

#[async_trait]
impl Jobs for SqlStore {
    async fn submit(&self, new: NewJob) -> Result<Submitted> {
        if submit::may_share(&new) {
            return super::in_time(self.submissions.write(new)).await;
        }
        self.write(new, |transaction, new| {
            Box::pin(submit::submit(transaction, new.clone()))
        })
        .await
    }

    async fn submission(&self, key: &Idempotency, now: Timestamp) -> Result<Option<Job>> {
        let known = self.one(&submit::by_key(key)).await?;
        match submit::job_of(known.as_ref(), key, now)? {
            Some(id) => self.job(&id).await,
            None => Ok(None),
        }
    }

    async fn job(&self, id: &Id) -> Result<Option<Job>> {
        let select = job_row::select()
            .and_where(Expr::col("id").eq(id.as_str()))
            .take();
        self.one(&select)
            .await?
            .as_ref()
            .map(job_row::job)
            .transpose()
    }

    async fn jobs(&self, filter: &JobFilter, page: Page) -> Result<Listed<Job>> {
        let is = |column: &'static str| move |text: String| Expr::col(column).eq(text);
        let kind = filter.kind.map(|kind| kind.name().to_owned());
        let select = job_row::select()
            .and_where_option(kind.map(is("kind")))
            .and_where_option(
                filter
                    .model
                    .as_ref()
                    .map(ToString::to_string)
                    .map(is("model")),
            )
            .and_where_option(filter.state.clone().map(is("state")))
            .and_where_option(
                filter
                    .by
                    .as_ref()
                    .map(ToString::to_string)
                    .map(is("principal")),
            )
            .and_where_option(filter.dead.map(|dead| match dead {
                true => Expr::col("dead").is_not_null(),
                false => Expr::col("dead").is_null(),
            }))
            .take();
        self.newest(select, "created_at", &page, job_row::job).await
    }

    async fn finished(&self, completed: Range<Timestamp>, page: Page) -> Result<Listed<Finished>> {
        self.finished_jobs(completed, &page).await
    }

    async fn claim(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Job>> {
        self.claim_due(version, Lane::Jobs, owner, limit, now).await
    }

    async fn claim_training(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        now: Timestamp,
    ) -> Result<Option<Job>> {
        self.claim_one_training(version, owner, now).await
    }

    async fn help(&self, version: &VersionId, owner: &Incarnation) -> Result<Option<(Job, Lease)>> {
        self.help_out(version, owner).await
    }

    async fn share(&self, lease: &Lease, step: ShareStep) -> Result<Option<Shares>> {
        self.write((lease.clone(), step), |transaction, (lease, step)| {
            Box::pin(shares::step(transaction, lease, step))
        })
        .await
    }

    async fn shares(&self, job: &Id) -> Result<Option<Shares>> {
        self.shares_of(job).await
    }

    async fn beat(&self, lease: &Lease, said: Beat) -> Result<bool> {
        self.write((lease.clone(), said), |transaction, (lease, said)| {
            Box::pin(async move {
                let rule = |job: &mut Job| lifecycle::beat(job, lease, said.clone());
                match transition::under_lease(transaction, lease, rule).await {
                    Ok((_, cancel)) => Ok(cancel),
                    Err(error) if error.kind == Kind::Lost => {
                        shares::beat(transaction, lease, error).await
                    }
                    Err(error) => Err(error),
                }
            })
        })
        .await
    }

    async fn commit_chunk(&self, lease: &Lease, chunk: Chunk) -> Result<()> {
        self.write((lease.clone(), chunk), |transaction, (lease, chunk)| {
            Box::pin(chunks::commit(transaction, lease, chunk))
        })
        .await
    }

    async fn chunks(&self, job: &Id) -> Result<Vec<Chunk>> {
        let rows = self.all(&chunks::of_job(job)).await?;
        rows.iter().map(chunks::read).collect()
    }

    async fn commit_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: Checkpoint,
        keep: u32,
    ) -> Result<Vec<Checkpoint>> {
        let values = (lease.clone(), checkpoint);
        self.write(values, move |transaction, (lease, checkpoint)| {
            Box::pin(trainings::commit(transaction, lease, checkpoint, keep))
        })
        .await
    }

    async fn checkpoints(&self, job: &Id) -> Result<Vec<Checkpoint>> {
        self.checkpoints_of(job).await
    }

    async fn finish_training(
        &self,
        lease: &Lease,
        trained: Trained,
        now: Timestamp,
    ) -> Result<Job> {
        let values = (lease.clone(), trained);
        self.write(values, move |transaction, (lease, trained)| {
            Box::pin(trainings::finish(transaction, lease, trained, now))
        })
        .await
    }

    async fn finish(
        &self,
        lease: &Lease,
        end: RunEnd,
        policy: &RetryPolicy,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Job> {
        let values = (lease.clone(), end, policy.clone());
        self.write(values, move |transaction, (lease, end, policy)| {
            Box::pin(finish(transaction, lease, end, policy, jitter, now))
        })
        .await
    }

    async fn finish_all(
        &self,
        ends: Vec<(Lease, RunEnd)>,
        policy: &RetryPolicy,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Vec<Result<Job>>> {
        let values = (ends, policy.clone());
        self.write(values, move |transaction, (ends, policy)| {
            Box::pin(finish_all(transaction, ends, policy, jitter, now))
        })
        .await
    }

    async fn expire(
        &self,
        lease: &Lease,
        observed: u64,
        failure: Failure,
        now: Timestamp,
    ) -> Result<Job> {
        let values = (lease.clone(), failure);
        self.write(values, move |transaction, (lease, failure)| {
            Box::pin(expire(transaction, lease, observed, failure, now))
        })
        .await?
    }

    async fn request_cancel(&self, id: &Id, now: Timestamp) -> Result<Job> {
        self.write(id.clone(), move |transaction, id| {
            Box::pin(async move {
                let rule = |job: &mut Job| {
                    lifecycle::request_cancel(job, now);
                    Ok(())
                };
                let (job, ()) = transition::by_id(transaction, id, rule).await?;
                Ok(job)
            })
        })
        .await
    }

    async fn running(&self) -> Result<Vec<RunningJob>> {
        self.running_jobs().await
    }

    async fn demand(&self, now: Timestamp) -> Result<Vec<Demand>> {
        self.demand_of_versions(now).await
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.next_due_after(now).await
    }

    async fn waits(&self, version: &VersionId, kind: JobKind, now: Timestamp) -> Result<bool> {
        self.job_waits(version, kind, now).await
    }

    async fn ahead(&self, job: &Job) -> Result<u64> {
        self.jobs_ahead(job).await
    }

    async fn append_events(
        &self,
        job: &Id,
        lease: Option<&Lease>,
        events: Vec<NewEvent>,
    ) -> Result<u64> {
        let Some(lease) = lease else {
            return super::in_time(self.events.write((job.clone(), events))).await;
        };
        let values = (job.clone(), lease.clone(), events);
        self.write(values, |transaction, (job, lease, events)| {
            Box::pin(events::append(transaction, job, lease, events))
        })
        .await
    }

    async fn events(&self, job: &Id, after: u64, limit: u32) -> Result<Vec<Event>> {
        let rows = self.all(&events::after(job, after, limit)).await?;
        rows.iter().map(events::read).collect()
    }

    async fn delete_job(&self, id: &Id) -> Result<()> {
        self.write(id.clone(), |transaction, id| {
            Box::pin(delete(transaction, id))
        })
        .await
    }
}

async fn finish(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    end: &RunEnd,
    policy: &RetryPolicy,
    jitter: f64,
    now: Timestamp,
) -> Result<Job> {
    let rule = |job: &mut Job| lifecycle::finish(job, lease, end.clone(), policy, jitter, now);
    let (job, ()) = transition::under_lease(transaction, lease, rule).await?;
    Ok(job)
}

/// Ordered by job, so that two which end some of the same jobs never wait for each other.
async fn finish_all(
    transaction: &DatabaseTransaction,
    ends: &[(Lease, RunEnd)],
    policy: &RetryPolicy,
    jitter: f64,
    now: Timestamp,
) -> Result<Vec<Result<Job>>> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by_key(|place| &ends[*place].0.job);
    let mut outcomes: Vec<Option<Result<Job>>> = ends.iter().map(|_| None).collect();
    let mut read = HashMap::new();
    for some in in_powers(&order) {
        let jobs = some.iter().map(|place| &ends[*place].0.job);
        read.extend(transition::read_all(transaction, jobs).await?);
    }
    for place in order {
        let (lease, end) = &ends[place];
        let rule = |job: &mut Job| lifecycle::finish(job, lease, end.clone(), policy, jitter, now);
        let read = read.remove(&lease.job);
        let moved = transition::under_lease_as_read(transaction, read, lease, rule).await;
        match moved.map(|(job, ())| job) {
            Err(error) if ends_transaction(&error) => return Err(error),
            // After an error of its own, PostgreSQL would take back silently what went well before.
            Err(error)
                if error.kind == Kind::Internal
                    && !damage::is_why(transaction, &lease.job, &error).await? =>
            {
                return Err(error);
            }
            outcome => outcomes[place] = Some(outcome),
        }
    }
    Ok(outcomes.into_iter().flatten().collect())
}

/// The inner error is an answer that comes with a commit: a job whose row cannot be read was ended all the same.
async fn expire(
    transaction: &DatabaseTransaction,
    lease: &Lease,
    observed: u64,
    failure: &Failure,
    now: Timestamp,
) -> Result<Result<Job>> {
    let rule = |job: &mut Job| lifecycle::expire(job, lease, observed, failure.clone(), now);
    match transition::under_lease(transaction, lease, rule).await {
        Ok((job, ())) => Ok(Ok(job)),
        Err(error) if error.kind == Kind::Lost => {
            shares::expire(transaction, lease, observed, error)
                .await
                .map(Ok)
        }
        Err(error) if damage::is_why(transaction, &lease.job, &error).await? => {
            damage::expire(transaction, lease, observed, &error, now).await?;
            let text = format!("the record of job `{}` is damaged", lease.job);
            Ok(Err(Error::conflict(text).because(error)))
        }
        Err(error) => Err(error),
    }
}

/// Chunks, events and keys go with their job, whose record may be damaged.
async fn delete(transaction: &DatabaseTransaction, id: &Id) -> Result<()> {
    let select = Query::select()
        .column("state")
        .from("jobs")
        .and_where(Expr::col("id").eq(id.as_str()))
        .lock(LockType::Update)
        .take();
    let found = transaction.query_one(&select).await.map_err(store_error)?;
    let state: String = row::get(&found.ok_or_else(|| rules::no_job(id))?, "state")?;
    if ["queued", "running"].contains(&state.as_str()) {
        return Err(rules::not_finished(id));
    }
    let delete = Query::delete()
        .from_table("jobs")
        .and_where(Expr::col("id").eq(id.as_str()))
        .take();
    transaction.execute(&delete).await.map_err(store_error)?;
    Ok(())
}
