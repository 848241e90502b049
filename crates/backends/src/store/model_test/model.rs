//! What a store should do with jobs, said a second time and as simply as possible.
//! Must not use the lifecycle of `onstage-core`: it is what is tested.

use super::step::End;
use onstage_core::Kind;
use std::collections::HashMap;

const RETRIES: u32 = 2;
const DEATHS_IN_A_ROW_MAX: u32 = 3;
const RESTARTS_MAX: u32 = 10;
const JITTER: f64 = 0.5;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    Queued { from: i64 },
    Running { actor: u8, beat: u64, cancel: bool },
    Succeeded { output: String, at: i64 },
    Failed { at: i64 },
    Canceled { at: i64 },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Job {
    pub(super) state: State,
    pub(super) created: i64,
    pub(super) run: u32,
    pub(super) attempts: u32,
    pub(super) restarts: u32,
    pub(super) deaths: u32,
    /// Index to the run that committed it.
    pub(super) chunks: HashMap<u8, u32>,
    pub(super) events: u64,
}

/// A lease as an actor remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) job: u8,
    pub(super) run: u32,
    pub(super) actor: u8,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) jobs: HashMap<u8, Job>,
    pub(super) keys: HashMap<u8, (u8, u8)>,
}

/// What a submission should answer: the job it stands for and whether it is new.
pub(super) type Submitted = Result<(u8, bool), Kind>;

impl Model {
    pub(super) fn submit(
        &mut self,
        job: u8,
        key: Option<(u8, u8)>,
        running: Option<u8>,
        now: i64,
    ) -> Submitted {
        if let Some((known, body)) = key.and_then(|(key, _)| self.keys.get(&key).copied()) {
            let same = key.is_some_and(|(_, wanted)| wanted == body);
            return if same {
                Ok((known, false))
            } else {
                Err(Kind::Conflict)
            };
        }
        if self.jobs.contains_key(&job) {
            return Err(Kind::Conflict);
        }
        let state = match running {
            Some(actor) => State::Running {
                actor,
                beat: 0,
                cancel: false,
            },
            None => State::Queued { from: 0 },
        };
        let record = Job {
            state,
            created: now,
            run: u32::from(running.is_some()),
            attempts: 0,
            restarts: 0,
            deaths: 0,
            chunks: HashMap::new(),
            events: 0,
        };
        self.jobs.insert(job, record);
        if let Some((key, body)) = key {
            self.keys.insert(key, (job, body));
        }
        Ok((job, true))
    }

    pub(super) fn claim(&mut self, actor: u8, limit: u8, now: i64) -> Vec<u8> {
        let is_due = |job: &Job| matches!(job.state, State::Queued { from } if from <= now);
        let due = self.jobs.iter().filter(|(_, job)| is_due(job));
        let mut due: Vec<(i64, u8)> = due.map(|(id, job)| (job.created, *id)).collect();
        due.sort_unstable();
        due.truncate(usize::from(limit));
        for (_, id) in &due {
            let job = self.jobs.get_mut(id).unwrap();
            job.run += 1;
            job.state = State::Running {
                actor,
                beat: 0,
                cancel: false,
            };
        }
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// The job of a lease that holds.
    pub(super) fn held(&mut self, lease: Lease) -> Result<&mut Job, Kind> {
        let job = self.jobs.get_mut(&lease.job).ok_or(Kind::Lost)?;
        let holds = matches!(job.state, State::Running { actor, .. } if actor == lease.actor);
        if holds && job.run == lease.run {
            Ok(job)
        } else {
            Err(Kind::Lost)
        }
    }

    pub(super) fn beat(&mut self, lease: Lease) -> Result<bool, Kind> {
        match &mut self.held(lease)?.state {
            State::Running { beat, cancel, .. } => {
                *beat += 1;
                Ok(*cancel)
            }
            _ => unreachable!("it is held"),
        }
    }

    pub(super) fn finish(
        &mut self,
        lease: Lease,
        end: End,
        output: &str,
        at: i64,
    ) -> Result<(), Kind> {
        let job = self.held(lease)?;
        let cancel = matches!(job.state, State::Running { cancel: true, .. });
        match end {
            End::Succeeded => {
                job.state = State::Succeeded {
                    output: output.to_owned(),
                    at,
                }
            }
            End::Canceled => job.state = State::Canceled { at },
            _ if cancel => job.state = State::Canceled { at },
            End::FailedForGood => {
                job.attempts += 1;
                job.state = State::Failed { at };
            }
            End::FailedOnce => {
                job.attempts += 1;
                if job.attempts > RETRIES {
                    job.state = State::Failed { at };
                } else {
                    job.deaths = 0;
                    let wait = 1_000.0 * f64::from(1 << (job.attempts - 1)) * JITTER;
                    job.state = State::Queued {
                        from: at + wait as i64,
                    };
                }
            }
            End::HandedBack => {
                job.deaths = 0;
                job.again(at);
            }
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, lease: Lease, observed: u64, at: i64) -> Result<(), Kind> {
        let job = self.held(lease)?;
        match job.state {
            State::Running { beat, .. } if beat != observed => return Err(Kind::Conflict),
            State::Running { cancel: true, .. } => job.state = State::Canceled { at },
            _ => {
                job.deaths += 1;
                job.again(at);
            }
        }
        Ok(())
    }

    pub(super) fn cancel(&mut self, job: u8, at: i64) -> Result<(), Kind> {
        let job = self.jobs.get_mut(&job).ok_or(Kind::NotFound)?;
        match &mut job.state {
            State::Queued { .. } => job.state = State::Canceled { at },
            State::Running { cancel, .. } => *cancel = true,
            _ => {}
        }
        Ok(())
    }
}

impl Job {
    fn again(&mut self, at: i64) {
        self.restarts += 1;
        let given_up = self.deaths >= DEATHS_IN_A_ROW_MAX || self.restarts > RESTARTS_MAX;
        self.state = if given_up {
            State::Failed { at }
        } else {
            State::Queued { from: 0 }
        };
    }
}
