//! Usage as the wire has it: sums in seconds, gibibytes and USD.
//! Does not fetch.

use super::time;
use onstage_core::usage::{self, Prices, UsageSum};
use serde::Serialize;
use utoipa::ToSchema;

/// Sums by what was asked for, and all together.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageReport {
    /// Days in UTC.
    pub(crate) since: String,
    pub(crate) until: Option<String>,
    /// Days newest first.
    pub(crate) results: Vec<UsageLine>,
    /// False when there are more sums than one answer holds; `total` is of those here.
    pub(crate) complete: bool,
    pub(crate) total: UsageAmounts,
    pub(crate) prices: UsagePrices,
}

/// One sum; what it is not told apart by is absent.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsageLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_number: Option<u32>,
    /// Id of who asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<String>,
    /// `realtime`, `background`, `batch` or `training`.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(flatten)]
    amounts: UsageAmounts,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct UsageAmounts {
    /// Predictions, rows of batch jobs, trainings.
    runs: u64,
    /// Time of workers; of a microbatch, each prediction has an equal share.
    compute_s: f64,
    /// The same, times their cores.
    cpu_s: f64,
    /// The same, times their GPUs.
    gpu_s: f64,
    /// The same, times their memory in GiB.
    memory_gib_s: f64,
    /// Of realtime predictions.
    bytes_in: u64,
    bytes_out: u64,
    /// By the prices of this answer.
    usd: f64,
}

/// What compute costs that is paid for while it runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsagePrices {
    vcpu_hour: f64,
    gb_hour: f64,
    gpu_hour: f64,
    source: String,
}

impl UsageLine {
    pub(crate) fn of(sum: &UsageSum, prices: &Prices) -> Self {
        Self {
            day: sum.day.map(|day| time(day)[..10].to_owned()),
            model: sum.model.as_ref().map(ToString::to_string),
            version_number: sum.version_number,
            person: sum.by.as_ref().map(ToString::to_string),
            kind: sum.kind.map(usage::UsageKind::name),
            amounts: amounts(&sum.amounts, prices),
        }
    }
}

pub(crate) fn amounts(amounts: &usage::Amounts, prices: &Prices) -> UsageAmounts {
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    UsageAmounts {
        runs: amounts.runs,
        compute_s: seconds(amounts.compute_ms),
        cpu_s: seconds(amounts.cpu_ms),
        gpu_s: seconds(amounts.gpu_milli_ms) / 1_000.0,
        memory_gib_s: seconds(amounts.memory_mib_ms) / 1_024.0,
        bytes_in: amounts.bytes_in,
        bytes_out: amounts.bytes_out,
        usd: prices.usd(amounts),
    }
}

impl From<&Prices> for UsagePrices {
    fn from(prices: &Prices) -> Self {
        Self {
            vcpu_hour: prices.vcpu_hour,
            gb_hour: prices.gb_hour,
            gpu_hour: prices.gpu_hour,
            source: prices.source.clone(),
        }
    }
}
