//! Plays one history on a store and on the model, and compares them after every step.
//! Must not decide what is right; the model does.

use super::{
    model::{Lease, Model, State},
    step::{ACTORS, End, Hold, Step},
};
use crate::store::suite::make;
use onstage_core::{
    Id, Kind, Timestamp,
    job::{self, Idempotency, JobOutput, JobState, NewJob},
    lifecycle::{RetryPolicy, RunEnd},
    model::VersionId,
    outcome::{Failure, Reason},
    ports::Store,
    value::Stored,
};
use proptest::{prop_assert, prop_assert_eq, test_runner::TestCaseError};
use std::collections::HashMap;

type Check = Result<(), TestCaseError>;

/// One history's own corner of a store: its version, ids, actors and time.
struct Play<'a> {
    store: &'a dyn Store,
    world: u64,
    now: i64,
    model: Model,
    /// Every lease an actor ever got.
    leases: [Vec<Lease>; ACTORS as usize],
    /// What the reaper noted: a lease and its beat.
    noted: Vec<(Lease, u64)>,
    /// Jobs as they ended.
    ended: HashMap<u8, job::Job>,
    runs: HashMap<u8, u32>,
}

pub(super) async fn play(store: &dyn Store, world: u64, steps: &[Step]) -> Check {
    let mut play = Play {
        store,
        world,
        now: 1_000,
        model: Model::default(),
        leases: Default::default(),
        noted: Vec::new(),
        ended: HashMap::new(),
        runs: HashMap::new(),
    };
    for step in steps {
        play.step(step).await?;
    }
    play.check_end().await
}

impl Play<'_> {
    async fn step(&mut self, step: &Step) -> Check {
        match *step {
            Step::Submit { job, key, running } => self.submit(job, key, running).await,
            Step::Claim { actor, limit } => self.claim(actor, limit).await,
            Step::Beat(hold) => self.beat(hold).await,
            Step::Finish(hold, end) => self.finish(hold, end).await,
            Step::Report(hold, index) => self.report(hold, index).await,
            Step::Watch { job } => {
                self.watch(job);
                Ok(())
            }
            Step::Expire { noted } => self.expire(noted).await,
            Step::Reap { job } => {
                self.watch(job);
                self.expire(0).await
            }
            Step::Cancel { job } => self.cancel(job).await,
            Step::Wait { ms } => {
                self.now += i64::from(ms);
                Ok(())
            }
        }
    }

    async fn submit(&mut self, job: u8, key: Option<(u8, u8)>, running: Option<u8>) -> Check {
        let new = NewJob {
            id: self.id(job),
            version: self.version(),
            created_at: Timestamp(self.now),
            claimed_by: running.map(|actor| make::owner(&format!("actor {actor}"))),
            idempotency: key.map(|(key, body)| Idempotency {
                scope: format!("world {}", self.world),
                key: key.to_string(),
                body_sha256: body.to_string(),
            }),
            ..make::new_job("any")
        };
        let wanted = self.model.submit(job, key, running, self.now);
        let answer = self.store.submit(new).await;
        let answered = answer.as_ref().map(|done| (done.job.id.clone(), done.new));
        let wanted_ids = wanted.map(|(job, new)| (self.id(job), new));
        prop_assert_eq!(answered.map_err(|error| error.kind), wanted_ids);
        match (answer, wanted) {
            (Ok(done), Ok((job, new))) => {
                if let (true, Some(actor)) = (new, running) {
                    self.leases[usize::from(actor)].push(Lease { job, run: 1, actor });
                }
                self.check_record(job, &done.job)
            }
            _ => self.check_stored(job).await,
        }
    }

    async fn claim(&mut self, actor: u8, limit: u8) -> Check {
        let owner = make::owner(&format!("actor {actor}"));
        let now = Timestamp(self.now);
        let claimed = self
            .store
            .claim(&self.version(), &owner, u32::from(limit), now)
            .await;
        let claimed = claimed.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let wanted = self.model.claim(actor, limit, self.now);
        let ids: Vec<Id> = claimed.iter().map(|job| job.id.clone()).collect();
        let wanted_ids: Vec<Id> = wanted.iter().map(|job| self.id(*job)).collect();
        prop_assert_eq!(ids, wanted_ids);
        for (record, job) in claimed.iter().zip(wanted) {
            self.leases[usize::from(actor)].push(Lease {
                job,
                run: record.run,
                actor,
            });
            self.check_record(job, record)?;
        }
        Ok(())
    }

    async fn beat(&mut self, hold: Hold) -> Check {
        let Some(lease) = self.lease(hold) else {
            return Ok(());
        };
        let answer = self.store.beat(&self.real(lease), make::beat()).await;
        prop_assert_eq!(answer.map_err(|error| error.kind), self.model.beat(lease));
        self.check_stored(lease.job).await
    }

    async fn finish(&mut self, hold: Hold, end: End) -> Check {
        let Some(lease) = self.lease(hold) else {
            return Ok(());
        };
        let output = format!(
            "\"by actor {} in run {} at {}\"",
            lease.actor, lease.run, self.now
        );
        let policy = RetryPolicy {
            retries: 2,
            retry_on: vec![Reason::Timeout],
        };
        let (real, now) = (self.real(lease), Timestamp(self.now));
        let answer = self
            .store
            .finish(&real, run_end(end, &output), &policy, 0.5, now)
            .await;
        let wanted = self.model.finish(lease, end, &output, self.now);
        self.check_answer(lease.job, answer, wanted).await
    }

    async fn report(&mut self, hold: Hold, index: u8) -> Check {
        let Some(lease) = self.lease(hold) else {
            return Ok(());
        };
        let real = self.real(lease);
        let chunk = make::chunk(u64::from(index), lease.run);
        let chunk = self
            .store
            .commit_chunk(&real, chunk)
            .await
            .map_err(|error| error.kind);
        let event = vec![make::event("{}")];
        let event = self
            .store
            .append_events(&real.job, Some(&real), event)
            .await;
        let wanted = self.model.held(lease).map(|job| {
            job.chunks.entry(index).or_insert(lease.run);
            job.events += 1;
            job.events
        });
        prop_assert_eq!(chunk, wanted.map(|_| ()));
        prop_assert_eq!(event.map_err(|error| error.kind), wanted);
        Ok(())
    }

    fn watch(&mut self, job: u8) {
        let found = self.model.jobs.get(&job);
        if let Some(State::Running { actor, beat, .. }) = found.map(|job| &job.state) {
            let run = self.model.jobs[&job].run;
            self.noted.push((
                Lease {
                    job,
                    run,
                    actor: *actor,
                },
                *beat,
            ));
        }
    }

    async fn expire(&mut self, back: u8) -> Check {
        let place = self.noted.len().checked_sub(1 + usize::from(back));
        let Some((lease, beat)) = place.map(|place| self.noted[place]) else {
            return Ok(());
        };
        let failure = Failure::new(Reason::WorkerLost, "the task went silent");
        let (real, now) = (self.real(lease), Timestamp(self.now));
        let answer = self.store.expire(&real, beat, failure, now).await;
        let wanted = self.model.expire(lease, beat, self.now);
        self.check_answer(lease.job, answer, wanted).await
    }

    async fn cancel(&mut self, job: u8) -> Check {
        let answer = self
            .store
            .request_cancel(&self.id(job), Timestamp(self.now))
            .await;
        let wanted = self.model.cancel(job, self.now);
        self.check_answer(job, answer, wanted).await
    }

    /// Both did it and agree on the record, or both refused it for the same reason and nothing changed.
    async fn check_answer(
        &mut self,
        job: u8,
        answer: onstage_core::Result<job::Job>,
        wanted: Result<(), Kind>,
    ) -> Check {
        match answer {
            Ok(record) => {
                prop_assert_eq!(Ok(()), wanted);
                self.check_record(job, &record)
            }
            Err(error) => {
                prop_assert_eq!(Err(error.kind), wanted);
                self.check_stored(job).await
            }
        }
    }

    async fn check_stored(&mut self, job: u8) -> Check {
        let stored = self.store.job(&self.id(job)).await;
        let stored = stored.map_err(|error| TestCaseError::fail(error.to_string()))?;
        match stored {
            Some(record) => self.check_record(job, &record),
            None => {
                prop_assert!(!self.model.jobs.contains_key(&job));
                Ok(())
            }
        }
    }

    fn check_record(&mut self, job: u8, record: &job::Job) -> Check {
        let Some(wanted) = self.model.jobs.get(&job) else {
            return Err(TestCaseError::fail("the model has no such job"));
        };
        prop_assert_eq!(as_model(&record.state), wanted.state.clone());
        prop_assert_eq!(
            (record.run, record.attempts, record.restarts),
            (wanted.run, wanted.attempts, wanted.restarts)
        );
        let last_run = self.runs.insert(job, record.run).unwrap_or(0);
        prop_assert!(record.run >= last_run, "run numbers only grow");
        if let Some(before) = self.ended.get(&job) {
            prop_assert_eq!(before, record, "what has ended never changes");
        }
        if record.state.is_final() {
            self.ended.insert(job, record.clone());
        }
        Ok(())
    }

    /// What is stored at the end is what the answers said on the way.
    async fn check_end(&mut self) -> Check {
        let jobs: Vec<u8> = self.model.jobs.keys().copied().collect();
        for job in jobs {
            self.check_stored(job).await?;
            let id = self.id(job);
            let chunks = self.store.chunks(&id).await.expect("chunks are read");
            let chunks: HashMap<u8, u32> = chunks
                .iter()
                .map(|chunk| (chunk.index as u8, chunk.run))
                .collect();
            let wanted = &self.model.jobs[&job];
            prop_assert_eq!(&chunks, &wanted.chunks);
            let events = self
                .store
                .events(&id, 0, 100)
                .await
                .expect("events are read");
            let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
            prop_assert_eq!(numbers, (1..=wanted.events).collect::<Vec<u64>>());
            if let State::Succeeded { output, .. } = &wanted.state {
                let by_run = format!("in run {} at", wanted.run);
                prop_assert!(output.contains(&by_run), "the result is of the row's run");
            }
        }
        Ok(())
    }

    fn id(&self, job: u8) -> Id {
        make::id(&format!("w{}j{job}", self.world))
    }

    fn version(&self) -> VersionId {
        VersionId(format!("world {}", self.world))
    }

    fn lease(&self, hold: Hold) -> Option<Lease> {
        let all = &self.leases[usize::from(hold.actor)];
        let place = all.len().checked_sub(1 + usize::from(hold.back))?;
        Some(all[place])
    }

    fn real(&self, lease: Lease) -> job::Lease {
        job::Lease {
            job: self.id(lease.job),
            run: lease.run,
            owner: make::owner(&format!("actor {}", lease.actor)),
        }
    }
}

fn run_end(end: End, output: &str) -> RunEnd {
    let failed = |reason| RunEnd::Failed(Failure::new(reason, "it failed"));
    match end {
        End::Succeeded => make::output(output),
        End::FailedForGood => failed(Reason::Exception),
        End::FailedOnce => failed(Reason::Timeout),
        End::Canceled => RunEnd::Canceled,
        End::HandedBack => RunEnd::HandedBack,
    }
}

fn as_model(state: &JobState) -> State {
    match state {
        JobState::Queued { not_before } => State::Queued { from: not_before.0 },
        JobState::Running {
            owner,
            beat,
            cancel_requested,
            ..
        } => State::Running {
            actor: owner
                .0
                .rsplit(' ')
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(u8::MAX),
            beat: *beat,
            cancel: *cancel_requested,
        },
        JobState::Succeeded {
            output,
            completed_at,
        } => State::Succeeded {
            output: match output {
                JobOutput::Prediction {
                    output: Stored::Inline(text),
                    ..
                } => text.clone(),
                other => format!("{other:?}"),
            },
            at: completed_at.0,
        },
        JobState::Failed { completed_at, .. } => State::Failed { at: completed_at.0 },
        JobState::Canceled { completed_at } => State::Canceled { at: completed_at.0 },
    }
}
