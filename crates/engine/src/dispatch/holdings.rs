//! Which task holds which GPUs of this host, and what becomes of work that waits for some.
//! Does not decide which tasks are started.

use crate::{gpus::Reservation, parts::Parts, pool::Host, task::events};
use onstage_core::{
    Id, Result,
    job::JobFilter,
    model::VersionId,
    outcome::Phase,
    ports::{Page, RunState, Running},
    task::Lane,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// Jobs that are told at one look what they wait for.
const TOLD_AT_ONCE_MAX: u32 = 100;

pub(super) struct Holdings {
    host: Arc<Host>,
    held: HashMap<Id, Reservation>,
    /// Jobs that know that they wait.
    told: HashSet<Id>,
}

impl Holdings {
    pub(super) fn of(host: Arc<Host>) -> Self {
        Self {
            host,
            held: HashMap::new(),
            told: HashSet::new(),
        }
    }

    /// Counts what tasks hold that another front has started, and no longer what those held that have ended.
    pub(super) fn see(&mut self, running: &[Running]) {
        let alive = |one: &&Running| one.state == RunState::Alive;
        let alive: HashMap<&Id, &Running> = (running.iter().filter(alive))
            .map(|one| (&one.id, one))
            .collect();
        self.held.retain(|id, _| alive.contains_key(id));
        for (id, one) in alive {
            if let Some(share) = &one.gpus
                && !self.held.contains_key(id)
            {
                let reservation = self.host.gpus.hold(share.clone());
                self.held.insert(id.clone(), reservation);
            }
        }
    }

    /// Errors: why a task that asks for so much cannot start now.
    pub(super) fn look(&self, gpu: Option<f64>) -> Result<(), String> {
        self.host.gpus.look(gpu).map_err(|lack| lack.in_words())
    }

    /// None where nothing was asked for. Errors: somebody else was quicker.
    pub(super) fn reserve(&self, gpu: Option<f64>) -> Result<Option<Reservation>, String> {
        self.host.gpus.reserve(gpu).map_err(|lack| lack.in_words())
    }

    /// Whether a worker or a task waits for GPUs.
    pub(super) fn are_wanted(&self) -> bool {
        self.host.gpus.were_wanted()
    }

    pub(super) fn keep(&mut self, task: Id, reservation: Option<Reservation>) {
        if let Some(reservation) = reservation {
            self.held.insert(task, reservation);
        }
    }

    /// Has an idle worker, or a task that lingers, give its GPUs up, and tells the jobs that wait for them.
    pub(super) async fn wait_for_some(
        &mut self,
        parts: &Parts,
        (version, lane): (&VersionId, Lane),
        why: &str,
    ) -> Result<()> {
        self.host.make_room_on_gpus();
        self.host.gpus.want();
        let queued = JobFilter {
            state: Some("queued".to_owned()),
            ..JobFilter::default()
        };
        let page = Page {
            after: None,
            limit: TOLD_AT_ONCE_MAX,
        };
        let jobs = parts.store.jobs(&queued, page).await?.rows;
        let ids: HashSet<&Id> = jobs.iter().map(|job| &job.id).collect();
        self.told.retain(|id| ids.contains(id));
        for job in &jobs {
            let waits = job.version == *version && Lane::of(job.spec.kind()) == lane;
            if waits && self.told.insert(job.id.clone()) {
                let said = events::phase(Phase::Queued, why, parts.clock.now());
                parts.store.append_events(&job.id, None, vec![said]).await?;
            }
        }
        Ok(())
    }
}
