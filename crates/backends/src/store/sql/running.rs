//! What dispatch and reaper look at: running and finished jobs, demand per version, places in the queue.
//! Only reads; its answers are hints.

use super::{SqlStore, row, trainings::in_lane};
use onstage_core::{
    Result, Timestamp, fair,
    job::{Job, JobKind, Lease},
    model::VersionId,
    ports::{Demand, Finished, Listed, Page, RunningJob},
    task::{Incarnation, Lane},
};
use sea_orm::{
    QueryResult,
    sea_query::{CaseStatement, Cond, Expr, ExprTrait, Func, Query, SelectStatement},
};
use std::{collections::BTreeMap, ops::Range};

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
        runs_min: u32,
        completed: Range<Timestamp>,
        page: &Page,
    ) -> Result<Listed<Finished>> {
        let select = Query::select()
            .columns(["id", "run", "completed_at"])
            .from("jobs")
            .and_where(Expr::col("completed_at").gte(completed.start.0))
            .and_where(Expr::col("completed_at").lt(completed.end.0))
            .and_where(Expr::col("run").gte(i64::from(runs_min)))
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

    pub(super) async fn demand_of_versions(&self, now: Timestamp) -> Result<Vec<Demand>> {
        let rows = self.all(&demand_select(now)).await?;
        let mut demands: BTreeMap<(VersionId, Lane), Demand> = BTreeMap::new();
        for one in row::readable(&rows, demand) {
            let place = (one.version.clone(), one.lane);
            match demands.get_mut(&place) {
                Some(sum) => add(sum, &one),
                None => drop(demands.insert(place, one)),
            }
        }
        demands.retain(|_, demand| demand.queued + demand.running > 0);
        let seats = self.seats().await?;
        for ((version, lane), demand) in &mut demands {
            // Trainings are not shared out.
            if *lane == Lane::Jobs {
                demand.help = seats.get(version).copied().unwrap_or(0);
            }
        }
        Ok(demands.into_values().collect())
    }

    pub(super) async fn jobs_ahead(&self, job: &Job) -> Result<u64> {
        let own = self.one(&own_ahead(job)).await?;
        let own = own.map_or(Ok(0), |found| row::count(&found, "ahead"))?;
        let others = self.all(&queued_of_others(job)).await?;
        let others = others.iter().map(|found| row::count(found, "queued"));
        Ok(fair::ahead(own, others.collect::<Result<Vec<u64>>>()?))
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
    Query::select()
        .expr_as(Func::count(Expr::col("id")), "ahead")
        .from("jobs")
        .and_where(Expr::col("state").eq("queued"))
        .and_where(Expr::col("version").eq(job.version.0.as_str()))
        .and_where(in_lane(Lane::of(job.spec.kind())))
        .and_where(Expr::col("principal").eq(job.by.as_str()))
        .cond_where(before)
        .take()
}

fn queued_of_others(job: &Job) -> SelectStatement {
    Query::select()
        .column("principal")
        .expr_as(Func::count(Expr::col("id")), "queued")
        .from("jobs")
        .and_where(Expr::col("state").eq("queued"))
        .and_where(Expr::col("version").eq(job.version.0.as_str()))
        .and_where(in_lane(Lane::of(job.spec.kind())))
        .and_where(Expr::col("principal").ne(job.by.as_str()))
        .group_by_col("principal")
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
fn demand_select(now: Timestamp) -> SelectStatement {
    let due = || {
        Cond::all()
            .add(Expr::col("state").eq("queued"))
            .add(Expr::col("not_before").lte(now.0))
    };
    // A count is a whole number in every database; a sum is a decimal in some.
    let how_many = |when: Cond| Func::count(CaseStatement::new().case(when, 1_i64));
    let is_running = Cond::all().add(Expr::col("state").eq("running"));
    let oldest = CaseStatement::new().case(due(), Expr::col("created_at"));
    Query::select()
        .columns(["version", "kind"])
        .expr_as(how_many(due()), "queued")
        .expr_as(how_many(is_running), "running")
        .expr_as(Func::min(oldest), "oldest_queued_at")
        .from("jobs")
        .and_where(Expr::col("state").is_in(["queued", "running"]))
        .group_by_columns(["version", "kind"])
        .take()
}

fn finished(row: &QueryResult) -> Result<Finished> {
    Ok(Finished {
        id: row::id(row)?,
        run: row::small(row, "run")?,
        completed_at: row::time(row, "completed_at")?,
    })
}

/// Two kinds of one lane.
fn add(sum: &mut Demand, one: &Demand) {
    sum.queued += one.queued;
    sum.running += one.running;
    let both = sum.oldest_queued_at.into_iter().chain(one.oldest_queued_at);
    sum.oldest_queued_at = both.min();
}

fn demand(row: &QueryResult) -> Result<Demand> {
    let kind: JobKind = row::word(row, "kind")?;
    Ok(Demand {
        lane: Lane::of(kind),
        version: VersionId(row::get(row, "version")?),
        queued: row::count(row, "queued")?,
        running: row::count(row, "running")?,
        help: 0,
        oldest_queued_at: row::maybe_time(row, "oldest_queued_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::sea_query::{MysqlQueryBuilder, PostgresQueryBuilder};

    #[test]
    fn demand_is_counted_in_words_that_every_database_knows() {
        let select = demand_select(Timestamp(7));
        let sqls = [
            select.to_string(MysqlQueryBuilder),
            select.to_string(PostgresQueryBuilder),
        ];
        for sql in sqls {
            assert!(sql.contains("COUNT(") && !sql.contains("CAST("), "{sql}");
            assert!(!sql.contains("ELSE"), "what is not counted is null: {sql}");
        }
    }
}
