//! Probation: for a while after a version went live over an older one, the older one stays ready, and answers again by
//! itself when the new one turns out sick. Does not judge; that is the judge's. Going back is one change of the record.

mod judge;

pub(crate) use judge::Seen;

use crate::{ask::Loaded, house::House, pool::Pool, spawn::spawn};
use judge::{Judge, Sickness, Verdict};
use onstage_core::{
    Error, Kind, Result,
    model::{VersionState, Withdrawn},
};
use std::{sync::Arc, time::Duration};

/// How often a version on probation is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between tries to write while the store does not answer.
const WRITE_RETRY: Duration = Duration::from_secs(1);

/// A version that went live, and the one that it replaced.
pub(crate) struct Probation {
    pub from: Arc<Loaded>,
    pub to: Arc<Loaded>,
}

impl Probation {
    /// Only a newer version is on probation: one that somebody went back to was chosen because of the other.
    pub(crate) fn is_due(&self, house: &House) -> bool {
        house.stage.settings.probation > Duration::ZERO
            && self.to.version.number > self.from.version.number
            && !self.to.schema.background
    }

    /// Begins; the replaced version's pool is retired when it is over.
    pub(crate) fn begin(self, house: &Arc<House>, replaced: Option<Arc<Pool>>) {
        let held = replaced.as_ref().filter(|pool| pool.has_workers());
        if let Some(pool) = held {
            pool.stand_by(true);
        }
        if let Some(pool) = &replaced {
            pool.set_live(false);
        }
        let house = house.clone();
        spawn("probation", async move {
            let before = replaced.as_ref().map(|pool| pool.tally.seen());
            if let Some(why) = self.observe(&house, before.unwrap_or_default()).await {
                self.withdraw(&house, why).await;
                self.gone_back(&house).await;
            }
            let Some(pool) = replaced else { return };
            pool.stand_by(false);
            let wanted = house.catalog.wants(&self.from.model);
            if !house.is_closed() && wanted.as_ref() != Some(&self.from.version.id) {
                house.retire(pool);
            }
        });
    }

    /// Until the version before answers, which it is held ready for.
    async fn gone_back(&self, house: &House) {
        while !house.is_closed()
            && house.catalog.is_live(&self.to.version)
            && house.catalog.wants(&self.from.model).as_ref() == Some(&self.from.version.id)
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Answers why the version is sick; nothing when it passed or does not answer any more.
    async fn observe(&self, house: &House, before: Seen) -> Option<String> {
        let began = house.stage.parts.clock.monotonic();
        let until = began + house.stage.settings.probation;
        let mut judge = Judge::new(until, before, self.seen(house));
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if house.is_closed() || !house.catalog.is_live(&self.to.version) {
                return None;
            }
            let now = house.stage.parts.clock.monotonic();
            match judge.look(now, self.seen(house)) {
                Verdict::Undecided => {}
                Verdict::Passed => return None,
                Verdict::Sick(sickness) => {
                    return Some(self.words(house, sickness, now.saturating_sub(began)));
                }
            }
        }
    }

    fn seen(&self, house: &House) -> Seen {
        let pool = house.pool_of(&self.to.version.id);
        pool.map(|pool| pool.tally.seen()).unwrap_or_default()
    }

    fn words(&self, house: &House, sickness: Sickness, after: Duration) -> String {
        let what = match sickness {
            Sickness::Dies(ended) => {
                format!("{ended} of its workers died or did not start in a row")
            }
            Sickness::Fails { bad, answers } => {
                format!("{bad} of its last {answers} answers failed")
            }
        };
        let pool = house.pool_of(&self.to.version.id);
        let last = pool
            .map(|pool| pool.readiness())
            .filter(|readiness| readiness.state == "failed")
            .map(|readiness| format!(": {}", readiness.text))
            .unwrap_or_default();
        format!("{what}, {} s after it went live{last}", after.as_secs())
    }

    /// Makes the version before the live one again. While the store is away it is tried again.
    pub(crate) async fn withdraw(&self, house: &Arc<House>, why: String) {
        let (bad, good) = (self.to.version.number, self.from.version.number);
        loop {
            match self.write(house, &why).await {
                Ok(true) => {
                    tracing::warn!(model = %self.to.model, why, "v{bad} was withdrawn, v{good} answers again");
                    return house.look_again().await;
                }
                Ok(false) => {
                    tracing::info!(model = %self.to.model, why, "v{bad} is sick, and there is no going back to v{good} any more");
                    return;
                }
                Err(error) if error.kind.retryable() || error.kind == Kind::Conflict => {
                    tracing::warn!(model = %self.to.model, why, %error, "v{bad} is sick and cannot be withdrawn now; it is tried again");
                }
                Err(error) => {
                    tracing::error!(model = %self.to.model, why, %error, "v{bad} is sick and cannot be withdrawn");
                    return;
                }
            }
            tokio::time::sleep(WRITE_RETRY).await;
            if house.is_closed() {
                return;
            }
        }
    }

    /// False when the record names another version meanwhile, or the one before is gone.
    async fn write(&self, house: &House, why: &str) -> Result<bool> {
        let store = &house.stage.parts.store;
        let back = store.version(&self.from.version.id).await?;
        let can_answer =
            back.is_some_and(|version| matches!(version.state, VersionState::Ready { .. }));
        let Some(mut model) = store.model(&self.to.model).await? else {
            return Ok(false);
        };
        if !can_answer || model.live.as_ref() != Some(&self.to.version.id) {
            return Ok(false);
        }
        model.live = Some(self.from.version.id.clone());
        // `rollback` must not lead to the sick one.
        model.previous = None;
        store.update_model(model).await?;
        if let Err(error) = self.note(house, why).await {
            tracing::warn!(model = %self.to.model, %error, "why a version was withdrawn is not on its record");
        }
        Ok(true)
    }

    async fn note(&self, house: &House, why: &str) -> Result<(), Error> {
        let withdrawn = Withdrawn {
            why: why.to_owned(),
            at: house.stage.parts.clock.now(),
        };
        let state = VersionState::Ready {
            schema: self.to.schema.clone(),
            withdrawn: Some(withdrawn),
            environment_sha256: self.to.version.environment_sha256().map(str::to_owned),
        };
        let store = &house.stage.parts.store;
        store
            .set_version_state(&self.to.version.id, state)
            .await
            .map(drop)
    }
}
