//! Whether a model may do more this month, and whether one job of it would be too dear.
//! Does not know what a job is.

use crate::gateway::{call::Call, problem::Problem};
use onstage_core::{
    ModelName, Timestamp,
    job::Idempotency,
    model::Version,
    usage::{Dimension, UsageFilter, UsageKind, check_month, check_run},
};

/// Estimates look back this far.
const LOOK_BACK_MS: i64 = 30 * 86_400_000;

/// Before a job is taken that may have been taken already: what was accepted once is not refused when it is asked again.
pub(crate) async fn check_new(
    call: &Call,
    version: &Version,
    (kind, items): (UsageKind, Option<u64>),
    key: Option<&Idempotency>,
) -> Result<(), Problem> {
    let checked = check(call, version, kind, items).await;
    let (Err(_), Some(key)) = (&checked, key) else {
        return checked;
    };
    let parts = &call.state.parts;
    match parts.store.submission(key, parts.clock.now()).await? {
        Some(_) => Ok(()),
        None => checked,
    }
}

/// Before a job is taken. Errors: over budget.
pub(crate) async fn check(
    call: &Call,
    version: &Version,
    kind: UsageKind,
    items: Option<u64>,
) -> Result<(), Problem> {
    let money = &version.config.money;
    if money.month.is_some() {
        let spent = call.state.engine.spent(&version.model).await?;
        check_month(&version.model, money, spent)?;
    }
    if money.run.is_some()
        && let Some(items) = items
    {
        let each = usd_each(call, &version.model, kind).await?;
        let estimate = each.map(|each| each * items as f64);
        check_run(&version.model, money, estimate)?;
    }
    Ok(())
}

/// What one row or training of the model has cost on average: of this kind, or of all kinds where there was none of it.
pub(crate) async fn usd_each(
    call: &Call,
    model: &ModelName,
    kind: UsageKind,
) -> Result<Option<f64>, Problem> {
    let parts = &call.state.parts;
    let filter = UsageFilter {
        since: Some(Timestamp(parts.clock.now().0 - LOOK_BACK_MS)),
        model: Some(model.clone()),
        ..UsageFilter::default()
    };
    let sums = parts.store.usage(&filter, &[Dimension::Kind]).await?;
    let same = sums.iter().find(|sum| sum.kind == Some(kind));
    let alike = |other: Option<UsageKind>| {
        (other == Some(UsageKind::Training)) == (kind == UsageKind::Training)
    };
    let most = sums
        .iter()
        .filter(|sum| alike(sum.kind))
        .max_by_key(|sum| sum.amounts.runs);
    let found = same.or(most).filter(|sum| sum.amounts.runs > 0);
    let prices = call.state.engine.prices();
    Ok(found.map(|sum| prices.usd(&sum.amounts) / sum.amounts.runs as f64))
}
