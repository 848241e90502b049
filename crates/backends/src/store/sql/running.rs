//! What dispatch and reaper look at: running and finished jobs, demand per version, places in the queue.
//! Only reads; its answers are hints.

use super::{SqlStore, row, trainings::in_lane, turns};
use onstage_core::{
    Id, Result, Timestamp, fair,
    job::{Job, JobKind, Lease},
    model::VersionId,
    ports::{Demand, Finished, Listed, Page, RunningJob},
    task::{Incarnation, Lane},
};
use sea_orm::{
    Order, QueryResult,
    sea_query::{Cond, Expr, ExprTrait, Func, Query, SelectStatement},
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
};

const QUEUED: &str = "queued";
const RUNNING: &str = "running";

impl SqlStore {
    pub(super) async fn running_jobs(&self) -> Result<Vec<RunningJob>> {
        let select = Query::select()
            .columns(["id", "version", "run", "owner", "beat"])
            .from("jobs")
            .and_where(Expr::col("state").eq("running"))
            .take();
        let mut found = row::readable(&self.all(&select).await?, running);
        found.extend(self.helping().await?);
        Ok(found)
    }

    pub(super) async fn finished_jobs(
        &self,
        completed: Range<Timestamp>,
        page: &Page,
    ) -> Result<Listed<Finished>> {
        let again = Expr::col("run").gt(1_i64);
        let no_prediction = Expr::col("kind").ne(JobKind::Prediction.name());
        let select = Query::select()
            .columns(["id", "run", "completed_at"])
            .from("jobs")
            .and_where(Expr::col("completed_at").gte(completed.start.0))
            .and_where(Expr::col("completed_at").lt(completed.end.0))
            .and_where(again.or(no_prediction))
            .take();
        self.newest(select, "completed_at", page, finished).await
    }

    pub(super) async fn job_waits(
        &self,
        version: &VersionId,
        kind: JobKind,
        now: Timestamp,
    ) -> Result<bool> {
        let select = Query::select()
            .column("id")
            .from("jobs")
            .and_where(Expr::col("version").eq(version.0.as_str()))
            .and_where(Expr::col("kind").eq(kind.name()))
            .and_where(Expr::col("state").eq("queued"))
            .and_where(Expr::col("not_before").lte(now.0))
            .limit(1)
            .take();
        Ok(self.one(&select).await?.is_some())
    }

    pub(super) async fn next_due_after(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let select = Query::select()
            .expr_as(Func::min(Expr::col("not_before")), "due")
            .from("jobs")
            .and_where(Expr::col("state").eq(QUEUED))
            .and_where(Expr::col("not_before").gt(now.0))
            .take();
        let found = self.one(&select).await?;
        found.map_or(Ok(None), |found| row::maybe_time(&found, "due"))
    }

    /// One step along an index a version, and counts that end early: a long queue costs no more than a short one.
    pub(super) async fn demand_of_versions(&self, now: Timestamp) -> Result<Vec<Demand>> {
        let mut demands: BTreeMap<(VersionId, Lane), Demand> = BTreeMap::new();
        for state in [QUEUED, RUNNING] {
            let mut after = None;
            while let Some(version) = self.next_version(state, after.as_ref()).await? {
                for kind in [JobKind::Prediction, JobKind::Batch, JobKind::Training] {
                    let some = self.some_of(state, &version, kind, now).await?;
                    let place = (version.clone(), Lane::of(kind));
                    add(demands.entry(place), state, some);
                }
                after = Some(version);
            }
        }
        for (version, shares) in self.all_shares().await? {
            // Trainings are not shared out.
            if let Some(demand) = demands.get_mut(&(version, Lane::Jobs)) {
                demand.help += u64::from(shares.seats());
                demand.helpers += shares.helpers.len() as u64;
            }
        }
        demands.retain(|_, demand| demand.queued + demand.running > 0);
        Ok(demands.into_values().collect())
    }

    /// How many there are and the oldest of them, as far as is counted.
    async fn some_of(
        &self,
        state: &str,
        version: &VersionId,
        kind: JobKind,
        now: Timestamp,
    ) -> Result<(u64, Option<Timestamp>)> {
        let mut rows = Query::select()
            .columns(["id", "created_at"])
            .from("jobs")
            .and_where(Expr::col("state").eq(state))
            .and_where(Expr::col("version").eq(version.0.as_str()))
            .and_where(Expr::col("kind").eq(kind.name()))
            .limit(fair::QUEUE_COUNTED_MAX)
            .take();
        if state == QUEUED {
            rows.and_where(Expr::col("not_before").lte(now.0));
        }
        let select = Query::select()
            .expr_as(Func::count(Expr::col("id")), "counted")
            .expr_as(Func::min(Expr::col("created_at")), "oldest")
            .from_subquery(rows, "some_jobs")
            .take();
        match self.one(&select).await? {
            Some(found) => Ok((
                row::count(&found, "counted")?,
                row::maybe_time(&found, "oldest")?,
            )),
            None => Ok((0, None)),
        }
    }

    async fn next_version(
        &self,
        state: &str,
        after: Option<&VersionId>,
    ) -> Result<Option<VersionId>> {
        let mut select = Query::select()
            .column("version")
            .from("jobs")
            .and_where(Expr::col("state").eq(state))
            .order_by("version", Order::Asc)
            .limit(1)
            .take();
        if let Some(after) = after {
            select.and_where(Expr::col("version").gt(after.0.as_str()));
        }
        let found = self.one(&select).await?;
        found
            .map(|found| row::get(&found, "version").map(VersionId))
            .transpose()
    }

    /// Counts no further than anybody reads.
    pub(super) async fn jobs_ahead(&self, job: &Job) -> Result<u64> {
        let lane = Lane::of(job.spec.kind());
        let own = self
            .counted(own_ahead(job), fair::PLACES_COUNTED_MAX)
            .await?;
        let (mut others, mut after) = (Vec::new(), None);
        // Far back already: nobody asks how much farther others put it.
        while own < fair::PLACES_COUNTED_MAX && others.len() < fair::PLACES_COUNTED_MAX as usize {
            let next = turns::next_person(&job.version, lane, after.as_ref());
            let Some(found) = self.one(&next).await? else {
                break;
            };
            let by: Id = row::parse(&found, "principal")?;
            if by != job.by {
                let theirs = queued_of(&job.version, lane, &by);
                others.push(self.counted(theirs, own + 1).await?);
            }
            after = Some(by);
        }
        Ok(fair::ahead(own, others))
    }

    async fn counted(&self, mut rows: SelectStatement, most: u64) -> Result<u64> {
        let rows = rows.limit(most).take();
        let select = Query::select()
            .expr_as(Func::count(Expr::col("id")), "counted")
            .from_subquery(rows, "some_jobs")
            .take();
        let found = self.one(&select).await?;
        found.map_or(Ok(0), |found| row::count(&found, "counted"))
    }
}

fn own_ahead(job: &Job) -> SelectStatement {
    let urgency = || Expr::col("urgency");
    let created_at = || Expr::col("created_at");
    let same_urgency = Cond::all().add(urgency().eq(i64::from(job.urgency.get())));
    let earlier = same_urgency.clone().add(created_at().lt(job.created_at.0));
    let same_time = same_urgency
        .add(created_at().eq(job.created_at.0))
        .add(Expr::col("id").lt(job.id.as_str()));
    let before = Cond::any()
        .add(urgency().lt(i64::from(job.urgency.get())))
        .add(earlier)
        .add(same_time);
    queued_of(&job.version, Lane::of(job.spec.kind()), &job.by)
        .cond_where(before)
        .order_by("urgency", Order::Asc)
        .order_by("created_at", Order::Asc)
        .order_by("id", Order::Asc)
        .take()
}

fn queued_of(version: &VersionId, lane: Lane, by: &Id) -> SelectStatement {
    Query::select()
        .column("id")
        .from("jobs")
        .and_where(Expr::col("state").eq(QUEUED))
        .and_where(Expr::col("version").eq(version.0.as_str()))
        .and_where(in_lane(lane))
        .and_where(Expr::col("principal").eq(by.as_str()))
        .take()
}

fn running(row: &QueryResult) -> Result<RunningJob> {
    Ok(RunningJob {
        lease: Lease {
            job: row::id(row)?,
            run: row::small(row, "run")?,
            owner: Incarnation(row::get(row, "owner")?),
        },
        version: VersionId(row::get(row, "version")?),
        beat: row::count(row, "beat")?,
    })
}

/// One row a version and kind.
/// Two kinds of one lane are added up.
fn add(
    place: Entry<'_, (VersionId, Lane), Demand>,
    state: &str,
    (count, oldest): (u64, Option<Timestamp>),
) {
    let (version, lane) = place.key().clone();
    let demand = place.or_insert(Demand {
        version,
        lane,
        queued: 0,
        running: 0,
        help: 0,
        helpers: 0,
        oldest_queued_at: None,
    });
    if state == RUNNING {
        demand.running += count;
        return;
    }
    demand.queued += count;
    let both = demand.oldest_queued_at.into_iter().chain(oldest);
    demand.oldest_queued_at = both.min();
}

fn finished(row: &QueryResult) -> Result<Finished> {
    Ok(Finished {
        id: row::id(row)?,
        run: row::small(row, "run")?,
        completed_at: row::time(row, "completed_at")?,
    })
}
