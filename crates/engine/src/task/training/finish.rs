//! The end of a training that got through: weights into the blobs, then one commit for the job and its version.
//! Does not build the version; a front does.

use super::{Ending, Learnt, Run};
use crate::task::{desk::Desk, hold::Hold, journal::Journal, persist};
use onstage_core::{
    Kind, Result,
    lifecycle::RunEnd,
    model::{Model, NewVersion, VersionId},
    outcome::{Failure, Reason},
    parcel::Parcel,
    training::{Lineage, Trained, refusals},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

impl Run<'_> {
    /// Takes the weights up and puts together what is to be committed.
    pub(super) async fn trained(
        &self,
        mut learnt: Learnt,
        mut metrics: BTreeMap<String, f64>,
        took: Duration,
    ) -> Result<Trained, Ending> {
        let (parts, lease) = (&self.desk.parts, self.lease);
        let key = format!("jobs/{}/run-{}/weights", lease.job, lease.run);
        let weights = persist::insist(parts, "keeping the weights", || {
            parts.parcels.take(&learnt.path, &key)
        })
        .await?;
        metrics.extend(std::mem::take(&mut learnt.metrics));
        let trainer = &self.desk.loaded.version;
        let mut gates = trainer.config.training.gates.clone();
        gates.extend(self.spec.gates.iter().cloned());
        let held_back = match self.spec.promote {
            true => refusals(&gates, &metrics),
            false => None,
        };
        let version = NewVersion {
            id: self.version_id(&weights),
            model: self.spec.destination.clone(),
            bundle: trainer.bundle.clone(),
            config: trainer.config.clone(),
            examples: trainer.examples.clone(),
            promote_when_ready: self.spec.promote && held_back.is_none(),
            created_at: parts.clock.now(),
            weights: Some(weights.clone()),
            lineage: Some(Lineage {
                environment_sha256: learnt.environment_sha256,
                ..self.lineage(&metrics, took)
            }),
        };
        Ok(Trained {
            version,
            weights,
            metrics,
            held_back,
        })
    }

    /// Also those that were left at their defaults: another version of the code may have others.
    fn parameters(&self) -> String {
        let given = &self.spec.parameters;
        match self.desk.loaded.schema.of_training() {
            Some(schema) => schema.with_defaults(given),
            None => given.clone(),
        }
    }

    fn lineage(&self, metrics: &BTreeMap<String, f64>, took: Duration) -> Lineage {
        let trainer = &self.desk.loaded.version;
        Lineage {
            training: self.job.id.clone(),
            trainer: trainer.id.clone(),
            trainer_model: trainer.model.clone(),
            trainer_number: trainer.number,
            datasets: self.clerk.datasets(),
            parameters: self.parameters(),
            seed: self.spec.seed,
            code_sha256: trainer.bundle.sha256.clone(),
            environment_sha256: None,
            resumed: self.spec.resume.as_ref().map(|it| it.training.clone()),
            runs: self.job.run,
            seconds: took.as_secs_f64(),
            metrics: metrics.clone(),
        }
    }

    /// One training makes one version, whichever run gets through; two that learn the same are two versions.
    fn version_id(&self, weights: &Parcel) -> VersionId {
        let text = format!(
            "{}\0{}\0{}\0{}",
            self.spec.destination, self.desk.loaded.version.id, self.job.id, weights.blob.sha256
        );
        let digest = Sha256::digest(text);
        let id = digest.iter().fold(String::new(), |mut id, byte| {
            let _ = write!(id, "{byte:02x}");
            id
        });
        VersionId(id)
    }
}

/// Commits the job's end and the version together. A commit whose answer got lost is read back instead of being taken for a loss.
pub(super) async fn commit(
    desk: &Desk,
    journal: Arc<Journal>,
    hold: Hold,
    trained: Trained,
) -> Result<()> {
    let parts = &desk.parts;
    let now = parts.clock.now();
    let model = Model::new(trained.version.model.clone(), now);
    persist::insist(parts, "reading the destination", || {
        parts.store.ensure_model(model.clone())
    })
    .await?;
    let mut tries = 0_u32;
    let finished = persist::insist(parts, "committing a training", || {
        tries += 1;
        parts
            .store
            .finish_training(&hold.lease, trained.clone(), now)
    })
    .await;
    let job = match finished {
        Ok(job) => Some(job),
        Err(error) if error.kind == Kind::NotFound => {
            let failure = Failure::new(Reason::UserError, error.to_string());
            drop(hold);
            let end = RunEnd::Failed(failure);
            return desk.conclude(vec![(journal, end)]).await;
        }
        Err(error) if error.kind == Kind::Lost && tries > 1 => {
            persist::read_back(parts, &hold.lease).await?
        }
        Err(error) if matches!(error.kind, Kind::Lost | Kind::Conflict) => None,
        Err(error) => return Err(error),
    };
    drop(hold);
    match job {
        Some(job) => desk.say_after(&journal, &job).await,
        None => {
            tracing::warn!(job = %journal.lease.job, run = journal.lease.run, "a training's end came too late: its lease was lost");
        }
    }
    Ok(())
}
