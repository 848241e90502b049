//! Jobs in memory: each verb applies the lifecycle to the record under the lock.
//! Must not decide by itself how a job moves.

use super::{
    KnownKey, MemoryStore, State,
    due::{due_after, is_due, is_of, place},
    newest,
};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Kind, Result, Timestamp,
    batch::Chunk,
    event::{Event, NewEvent},
    fair::{self, Waiting},
    job::{Idempotency, Job, JobFilter, JobKind, JobState, Lease, NewJob},
    lifecycle::{self, Beat, RetryPolicy, RunEnd},
    model::VersionId,
    outcome::Failure,
    ports::{Demand, Finished, Jobs, Listed, Page, RunningJob, Submitted},
    shares::{ShareStep, Shares},
    task::{Incarnation, Lane},
    training::{Checkpoint, Trained},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

#[async_trait]
impl Jobs for MemoryStore {
    async fn submit(&self, new: NewJob) -> Result<Submitted> {
        let mut state = self.lock();
        if let Some(key) = &new.idempotency
            && let Some(job) = state.submitted_before(key, new.created_at)?
        {
            return Ok(Submitted { job, new: false });
        }
        if state.jobs.contains_key(&new.id) {
            return Err(Error::conflict(format!("job `{}` exists already", new.id)));
        }
        state.check_model(&new.model)?;
        for which in new.spec.datasets() {
            if state.dataset_version(rules::exactly(which)?).is_none() {
                return Err(rules::no_dataset(which));
            }
        }
        let key = new.idempotency.clone();
        let job = lifecycle::submitted(new);
        if let Some(key) = key {
            let known = KnownKey {
                job: job.id.clone(),
                body_sha256: key.body_sha256,
                created_at: job.created_at,
            };
            state.keys.insert((key.scope, key.key), known);
        }
        if job.spec.kind() == JobKind::Prediction {
            state.count_runs(&job.model, 1);
        }
        state.jobs.insert(job.id.clone(), job.clone());
        Ok(Submitted { job, new: true })
    }

    async fn submission(&self, key: &Idempotency, now: Timestamp) -> Result<Option<Job>> {
        self.lock().submitted_before(key, now)
    }

    async fn job(&self, id: &Id) -> Result<Option<Job>> {
        Ok(self.lock().jobs.get(id).cloned())
    }

    async fn jobs(&self, filter: &JobFilter, page: Page) -> Result<Listed<Job>> {
        let state = self.lock();
        let fits = |job: &Job| fits(job, filter);
        Ok(newest(&state.jobs, &page, |job| job.created_at, fits))
    }

    async fn finished(&self, completed: Range<Timestamp>, page: Page) -> Result<Listed<Finished>> {
        let ended = |job: &Job| job.state.completed_at().unwrap_or_default();
        let fits = |job: &Job| {
            let at = job.state.completed_at();
            let may_leave = job.run > 1 || job.spec.kind() != JobKind::Prediction;
            may_leave && at.is_some_and(|at| completed.contains(&at))
        };
        let found = newest(&self.lock().jobs, &page, ended, fits);
        let rows = found.rows.into_iter().map(|job| Finished {
            completed_at: ended(&job),
            run: job.run,
            id: job.id,
        });
        Ok(Listed {
            rows: rows.collect(),
            next: found.next,
        })
    }

    async fn claim(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Job>> {
        self.lock()
            .claim_all(version, Lane::Jobs, owner, limit, now)
    }

    async fn claim_training(
        &self,
        version: &VersionId,
        owner: &Incarnation,
        now: Timestamp,
    ) -> Result<Option<Job>> {
        let mut state = self.lock();
        let claimed = state.claim_all(version, Lane::Trainings, owner, 1, now);
        Ok(claimed?.pop())
    }

    async fn help(&self, version: &VersionId, owner: &Incarnation) -> Result<Option<(Job, Lease)>> {
        Ok(self.lock().help(version, owner))
    }

    async fn share(&self, lease: &Lease, step: ShareStep) -> Result<Option<Shares>> {
        self.lock().share(lease, step)
    }

    async fn shares(&self, job: &Id) -> Result<Option<Shares>> {
        Ok(self.lock().shares.get(job).cloned())
    }

    async fn beat(&self, lease: &Lease, said: Beat) -> Result<bool> {
        let mut state = self.lock();
        match lifecycle::beat(state.leased(lease)?, lease, said) {
            Err(error) if error.kind == Kind::Lost => state.helper_beat(lease),
            other => other,
        }
    }

    async fn commit_chunk(&self, lease: &Lease, chunk: Chunk) -> Result<()> {
        let mut state = self.lock();
        state.check_lease(lease)?;
        let place = (lease.job.clone(), chunk.index);
        if state.chunks.contains_key(&place) {
            return Ok(());
        }
        if let Some(shares) = state.shares.get_mut(&lease.job) {
            shares.committed(lease, &chunk)?;
        }
        state.chunks.insert(place, chunk);
        Ok(())
    }

    async fn chunks(&self, job: &Id) -> Result<Vec<Chunk>> {
        let state = self.lock();
        let of_job = (job.clone(), 0)..=(job.clone(), u64::MAX);
        Ok(state.chunks.range(of_job).map(|(_, c)| c.clone()).collect())
    }

    async fn commit_checkpoint(
        &self,
        lease: &Lease,
        checkpoint: Checkpoint,
        keep: u32,
    ) -> Result<Vec<Checkpoint>> {
        self.lock().commit_checkpoint(lease, checkpoint, keep)
    }

    async fn checkpoints(&self, job: &Id) -> Result<Vec<Checkpoint>> {
        Ok(self.lock().checkpoints_of(job))
    }

    async fn finish_training(
        &self,
        lease: &Lease,
        trained: Trained,
        now: Timestamp,
    ) -> Result<Job> {
        self.lock().finish_training(lease, &trained, now)
    }

    async fn finish(
        &self,
        lease: &Lease,
        end: RunEnd,
        policy: &RetryPolicy,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Job> {
        self.lock().finish(lease, end, policy, jitter, now)
    }

    async fn finish_all(
        &self,
        ends: Vec<(Lease, RunEnd)>,
        policy: &RetryPolicy,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Vec<Result<Job>>> {
        let mut state = self.lock();
        Ok(ends
            .into_iter()
            .map(|(lease, end)| state.finish(&lease, end, policy, jitter, now))
            .collect())
    }

    async fn expire(
        &self,
        lease: &Lease,
        observed: u64,
        failure: Failure,
        now: Timestamp,
    ) -> Result<Job> {
        let mut state = self.lock();
        let job = state.leased(lease)?;
        let before = job.state.clone();
        match lifecycle::expire(job, lease, observed, failure, now) {
            Err(error) if error.kind == Kind::Lost => state.expire_helper(lease, observed),
            other => other.map(|()| state.moved(&lease.job, &before)),
        }?;
        Ok(state.leased(lease)?.clone())
    }

    async fn request_cancel(&self, id: &Id, now: Timestamp) -> Result<Job> {
        let mut state = self.lock();
        let job = state.jobs.get_mut(id).ok_or_else(|| rules::no_job(id))?;
        let before = job.state.clone();
        lifecycle::request_cancel(job, now);
        state.moved(id, &before);
        Ok(state.jobs[id].clone())
    }

    async fn running(&self) -> Result<Vec<RunningJob>> {
        let state = self.lock();
        let runs = state.jobs.values().filter_map(running);
        Ok(runs.chain(state.helping()).collect())
    }

    async fn demand(&self, now: Timestamp) -> Result<Vec<Demand>> {
        let state = self.lock();
        let mut demands: BTreeMap<(&VersionId, Lane), Demand> = BTreeMap::new();
        for job in state.jobs.values() {
            let is_running = matches!(job.state, JobState::Running { .. });
            if !is_running && !is_due(job, now) {
                continue;
            }
            let lane = Lane::of(job.spec.kind());
            let demand = demands
                .entry((&job.version, lane))
                .or_insert_with(|| Demand {
                    version: job.version.clone(),
                    lane,
                    queued: 0,
                    running: 0,
                    help: 0,
                    helpers: 0,
                    oldest_queued_at: None,
                });
            if is_running {
                demand.running += 1;
                let shares = state.shares.get(&job.id);
                demand.help += shares.map_or(0, |shares| u64::from(shares.seats()));
                demand.helpers += shares.map_or(0, |shares| shares.helpers.len() as u64);
            } else {
                demand.queued += 1;
                let oldest = demand.oldest_queued_at.unwrap_or(job.created_at);
                demand.oldest_queued_at = Some(oldest.min(job.created_at));
            }
        }
        Ok(demands.into_values().collect())
    }

    async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let state = self.lock();
        let later = state.jobs.values().filter_map(|job| due_after(job, now));
        Ok(later.min())
    }

    async fn waits(&self, version: &VersionId, kind: JobKind, now: Timestamp) -> Result<bool> {
        let state = self.lock();
        let waits =
            |job: &Job| job.version == *version && job.spec.kind() == kind && is_due(job, now);
        Ok(state.jobs.values().any(waits))
    }

    async fn ahead(&self, job: &Job) -> Result<u64> {
        let state = self.lock();
        let lane = Lane::of(job.spec.kind());
        let queued = |other: &&Job| {
            is_of(other, &job.version, lane) && matches!(other.state, JobState::Queued { .. })
        };
        let mut others: BTreeMap<&Id, u64> = BTreeMap::new();
        let mut own = 0;
        for other in state.jobs.values().filter(queued) {
            if other.by != job.by {
                *others.entry(&other.by).or_default() += 1;
            } else if place(other) < place(job) {
                own += 1;
            }
        }
        Ok(fair::ahead(own, others.into_values()))
    }

    async fn append_events(
        &self,
        job: &Id,
        lease: Option<&Lease>,
        events: Vec<NewEvent>,
    ) -> Result<u64> {
        let mut state = self.lock();
        match lease {
            Some(lease) => state.check_lease(lease)?,
            None if !state.jobs.contains_key(job) => return Err(rules::no_job(job)),
            None => {}
        }
        state.tell_said(job, &events);
        let log = state.events.entry(job.clone()).or_default();
        for event in events {
            log.push(Event {
                seq: log.len() as u64 + 1,
                kind: event.kind,
                at: event.at,
                data: event.data,
            });
        }
        Ok(log.len() as u64)
    }

    async fn events(&self, job: &Id, after: u64, limit: u32) -> Result<Vec<Event>> {
        let state = self.lock();
        let log = state.events.get(job).map(Vec::as_slice).unwrap_or_default();
        let newer = log.iter().filter(|event| event.seq > after);
        Ok(newer.take(limit as usize).cloned().collect())
    }

    async fn delete_job(&self, id: &Id) -> Result<()> {
        let mut state = self.lock();
        let job = state.jobs.get(id).ok_or_else(|| rules::no_job(id))?;
        if !job.state.is_final() {
            return Err(rules::not_finished(id));
        }
        state.remove_job(id);
        Ok(())
    }
}

impl State {
    /// The job of an earlier submission with the same key.
    fn submitted_before(&self, key: &Idempotency, now: Timestamp) -> Result<Option<Job>> {
        let place = (key.scope.clone(), key.key.clone());
        let known = self.keys.get(&place);
        match known.filter(|known| rules::key_is_known(known.created_at, now)) {
            None => Ok(None),
            Some(known) if known.body_sha256 != key.body_sha256 => Err(rules::other_body(key)),
            Some(known) => Ok(self.jobs.get(&known.job).cloned()),
        }
    }

    fn claim_all(
        &mut self,
        version: &VersionId,
        lane: Lane,
        owner: &Incarnation,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Job>> {
        let mut claimed = Vec::new();
        loop {
            let left = limit - claimed.len() as u32;
            let more = self.claim(version, lane, owner, left, now)?;
            if more.is_empty() {
                return Ok(claimed);
            }
            claimed.extend(more);
        }
    }

    /// One round of turns.
    fn claim(
        &mut self,
        version: &VersionId,
        lane: Lane,
        owner: &Incarnation,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Job>> {
        let people = self.people(version, lane);
        let of_version = self.turns.iter().filter(|((of, _), _)| of == version);
        let mut latest = of_version.map(|(_, turn)| *turn).max().unwrap_or(0);
        let (count, mut claimed) = (people.len(), Vec::new());
        for (at, one) in people.into_iter().enumerate() {
            let left = limit - claimed.len() as u32;
            let quota = fair::quota(left, count - at);
            let mut theirs: Vec<&mut Job> = self
                .jobs
                .values_mut()
                .filter(|job| is_of(job, version, lane) && job.by == one.by && is_due(job, now))
                .collect();
            theirs.sort_by(|a, b| place(a).cmp(&place(b)));
            theirs.truncate(quota as usize);
            if theirs.is_empty() {
                continue;
            }
            let mut begun = Vec::with_capacity(theirs.len());
            for job in theirs {
                let before = job.state.clone();
                lifecycle::claim(job, owner.clone(), now)?;
                begun.push((job.id.clone(), before));
                claimed.push(job.clone());
            }
            for (id, before) in begun {
                self.tell(&id, &before);
            }
            latest += 1;
            self.turns.insert((version.clone(), one.by), latest);
        }
        Ok(claimed)
    }

    /// Everybody with queued jobs of a version and lane, in turn.
    fn people(&self, version: &VersionId, lane: Lane) -> Vec<Waiting> {
        let queued =
            |job: &&Job| is_of(job, version, lane) && matches!(job.state, JobState::Queued { .. });
        let people: BTreeSet<&Id> = self
            .jobs
            .values()
            .filter(queued)
            .map(|job| &job.by)
            .collect();
        let waiting = people.into_iter().map(|by| Waiting {
            by: by.clone(),
            turn: self
                .turns
                .get(&(version.clone(), by.clone()))
                .copied()
                .unwrap_or(0),
        });
        fair::in_turn(waiting.collect())
    }

    /// The job that a lease is on, whether or not it still holds.
    pub(super) fn leased(&mut self, lease: &Lease) -> Result<&mut Job> {
        self.jobs
            .get_mut(&lease.job)
            .ok_or_else(|| rules::lease_on_nothing(lease))
    }

    pub(super) fn finish(
        &mut self,
        lease: &Lease,
        end: RunEnd,
        policy: &RetryPolicy,
        jitter: f64,
        now: Timestamp,
    ) -> Result<Job> {
        let before = self.leased(lease)?.state.clone();
        lifecycle::finish(self.leased(lease)?, lease, end, policy, jitter, now)?;
        self.moved(&lease.job, &before);
        Ok(self.leased(lease)?.clone())
    }

    /// Removes a job with all that hangs on it.
    pub(super) fn remove_job(&mut self, id: &Id) {
        self.jobs.remove(id);
        self.events.remove(id);
        self.chunks.retain(|(job, _), _| job != id);
        self.checkpoints.retain(|(job, _), _| job != id);
        self.shares.remove(id);
        self.messages.retain(|(job, _), _| job != id);
        self.keys.retain(|_, known| known.job != *id);
    }
}

fn running(job: &Job) -> Option<RunningJob> {
    match job.state {
        JobState::Running { beat, .. } => Some(RunningJob {
            lease: job.lease()?,
            version: job.version.clone(),
            beat,
        }),
        _ => None,
    }
}

fn fits(job: &Job, filter: &JobFilter) -> bool {
    filter.kind.is_none_or(|kind| job.spec.kind() == kind)
        && filter
            .model
            .as_ref()
            .is_none_or(|model| job.model == *model)
        && filter
            .state
            .as_ref()
            .is_none_or(|state| job.state.name() == state)
        && filter.by.as_ref().is_none_or(|by| job.by == *by)
        && filter.dead.is_none_or(|dead| job.dead.is_some() == dead)
}
