//! Cases for the sums of usage.
//! Each starts with an empty store.

use super::make::{id, name};
use onstage_core::{
    Timestamp,
    ports::Store,
    usage::{Amounts, Dimension, Usage, UsageFilter, UsageKind, UsageSum},
};

const DAY: i64 = 86_400_000;

fn usage(day: i64, model: &str, by: &str, kind: UsageKind, runs: u64) -> Usage {
    Usage {
        day: Timestamp(day * DAY),
        model: name(model),
        version_number: 1,
        by: id(by),
        kind,
        amounts: amounts(runs),
    }
}

/// All of them differ.
fn amounts(runs: u64) -> Amounts {
    Amounts {
        runs,
        compute_ms: runs * 2,
        cpu_ms: runs * 3,
        gpu_milli_ms: runs * 4,
        memory_mib_ms: runs * 5,
        bytes_in: runs * 6,
        bytes_out: runs * 7,
    }
}

async fn some(store: &dyn Store) {
    let first = vec![
        usage(1, "lab/age", "ada", UsageKind::Realtime, 1),
        usage(1, "lab/age", "bob", UsageKind::Realtime, 10),
        usage(2, "lab/age", "ada", UsageKind::Batch, 100),
    ];
    store.add_usage(first).await.unwrap();
    let second = vec![
        usage(1, "lab/age", "ada", UsageKind::Realtime, 1_000),
        usage(2, "lab/sex", "ada", UsageKind::Realtime, 10_000),
    ];
    store.add_usage(second).await.unwrap();
    store.add_usage(Vec::new()).await.unwrap();
}

async fn sums(store: &dyn Store, filter: UsageFilter, by: &[Dimension]) -> Vec<UsageSum> {
    store.usage(&filter, by).await.unwrap()
}

pub(super) async fn usage_adds_up(store: &dyn Store) {
    let nothing = sums(store, UsageFilter::default(), &[Dimension::Model]).await;
    assert_eq!(nothing, []);
    some(store).await;
    let all = sums(store, UsageFilter::default(), &[]).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].amounts, amounts(11_111));
    let mut by_all = sums(store, UsageFilter::default(), &Dimension::ALL).await;
    assert_eq!(by_all.len(), 4);
    assert_eq!(by_all[0].day, Some(Timestamp(2 * DAY)), "newest first");
    let ada = by_all.remove(2);
    let expected = UsageSum {
        day: Some(Timestamp(DAY)),
        model: Some(name("lab/age")),
        version_number: Some(1),
        by: Some(id("ada")),
        kind: Some(UsageKind::Realtime),
        amounts: amounts(1_001),
    };
    assert_eq!(ada, expected);
}

pub(super) async fn usage_is_told_apart_and_filtered(store: &dyn Store) {
    some(store).await;
    let by_model = sums(store, UsageFilter::default(), &[Dimension::Model]).await;
    let told: Vec<_> = by_model
        .iter()
        .map(|sum| (sum.model.clone().unwrap(), sum.by.clone(), sum.amounts.runs))
        .collect();
    assert_eq!(
        told,
        [
            (name("lab/age"), None, 1_111),
            (name("lab/sex"), None, 10_000)
        ]
    );
    let filter = UsageFilter {
        since: Some(Timestamp(DAY)),
        until: Some(Timestamp(2 * DAY)),
        model: Some(name("lab/age")),
    };
    let by_person = sums(store, filter, &[Dimension::Person]).await;
    let told: Vec<_> = by_person.iter().map(|sum| sum.amounts.runs).collect();
    assert_eq!(told, [1_001, 10]);
}
