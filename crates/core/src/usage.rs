//! What was computed, for whom and when, summed up by day; what that costs by a table of prices; and a model's limits on it.
//! Does not measure and does not know where the sums are kept.

use crate::{Error, Id, ModelName, Result, Timestamp, config::MoneySection};
use serde::{Deserialize, Serialize};
use std::{fmt, ops::AddAssign, time::Duration};

/// USD, Linux on x86, us-east-1. Second-hand: AWS's own pages fill their figures in by script.
pub const FARGATE_VCPU_HOUR: f64 = 0.04048;
pub const FARGATE_GB_HOUR: f64 = 0.004_445;
pub const FARGATE_SOURCE: &str = "Fargate, Linux x86: factualminds.com, June 2026";
/// From memory.
const GPU_HOUR: f64 = 0.526;

const DAY_MS: i64 = 86_400_000;
const MIB: f64 = (1_u64 << 20) as f64;

/// What kind of work it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageKind {
    /// A prediction that its caller waited for.
    Realtime,
    /// A prediction that was a job.
    Background,
    Batch,
    Training,
}

impl UsageKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Realtime => "realtime",
            Self::Background => "background",
            Self::Batch => "batch",
            Self::Training => "training",
        }
    }
}

/// The day of a point in time, in UTC: midnight at its beginning.
pub fn day_of(time: Timestamp) -> Timestamp {
    Timestamp(time.0.div_euclid(DAY_MS) * DAY_MS)
}

/// The first day of the month of a point in time, in UTC.
pub fn month_of(time: Timestamp) -> Timestamp {
    let days = time.0.div_euclid(DAY_MS);
    Timestamp((days - day_of_month(days) + 1) * DAY_MS)
}

/// 1 to 31. The calendar is counted in years that begin in March, so that the leap day is the last one.
fn day_of_month(days: i64) -> i64 {
    const DAYS_TO_MARCH_OF_YEAR_0: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let day = (days + DAYS_TO_MARCH_OF_YEAR_0).rem_euclid(DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    day_of_year - (153 * month + 2) / 5 + 1
}

/// Sums; all of them only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Predictions, rows of batch jobs, or trainings.
    pub runs: u64,
    /// Time of workers. Of a microbatch, each prediction has an equal share.
    pub compute_ms: u64,
    /// The same, times the cores of the worker.
    pub cpu_ms: u64,
    /// The same, times the GPUs of the worker, in thousandths of one.
    pub gpu_milli_ms: u64,
    /// The same, times the memory of the worker.
    pub memory_mib_ms: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.compute_ms += other.compute_ms;
        self.cpu_ms += other.cpu_ms;
        self.gpu_milli_ms += other.gpu_milli_ms;
        self.memory_mib_ms += other.memory_mib_ms;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

/// What a worker occupies while it computes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worker {
    pub cpu: f64,
    pub gpu: f64,
    pub memory_bytes: u64,
}

impl Worker {
    /// What it occupies in so much time.
    pub fn in_time(self, time: Duration) -> Amounts {
        let ms = time.as_secs_f64() * 1_000.0;
        let rounded = |number: f64| number.round() as u64;
        Amounts {
            compute_ms: rounded(ms),
            cpu_ms: rounded(ms * self.cpu),
            gpu_milli_ms: rounded(ms * self.gpu * 1_000.0),
            memory_mib_ms: rounded(ms * self.memory_bytes as f64 / MIB),
            ..Amounts::default()
        }
    }
}

/// What one person had of one version on one day, of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// As `day_of` gives it.
    pub day: Timestamp,
    pub model: ModelName,
    pub version_number: u32,
    pub by: Id,
    pub kind: UsageKind,
    pub amounts: Amounts,
}

/// By what sums are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    Day,
    Model,
    Version,
    Person,
    Kind,
}

impl Dimension {
    pub const ALL: [Self; 5] = [
        Self::Day,
        Self::Model,
        Self::Version,
        Self::Person,
        Self::Kind,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Model => "model",
            Self::Version => "version",
            Self::Person => "person",
            Self::Kind => "kind",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dimension| dimension.name() == name)
    }
}

/// Which usage is summed up. Absent fields do not filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UsageFilter {
    /// Days from this one on.
    pub since: Option<Timestamp>,
    /// Days before this one.
    pub until: Option<Timestamp>,
    pub model: Option<ModelName>,
}

/// A sum, told apart by some dimensions; the others are absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UsageSum {
    pub day: Option<Timestamp>,
    pub model: Option<ModelName>,
    pub version_number: Option<u32>,
    pub by: Option<Id>,
    pub kind: Option<UsageKind>,
    pub amounts: Amounts,
}

/// List prices of compute that is paid for while it runs, in USD.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    pub vcpu_hour: f64,
    pub gb_hour: f64,
    pub gpu_hour: f64,
    /// Whose they are, and of when.
    pub source: String,
}

impl Prices {
    /// List prices, without free tiers.
    pub fn usual() -> Self {
        Self {
            vcpu_hour: FARGATE_VCPU_HOUR,
            gb_hour: FARGATE_GB_HOUR,
            gpu_hour: GPU_HOUR,
            source: format!("{FARGATE_SOURCE}; a GPU as a g4dn.xlarge instance, unchecked"),
        }
    }

    /// What it would have cost.
    pub fn usd(&self, amounts: &Amounts) -> f64 {
        let hours = |ms: u64| ms as f64 / 3_600_000.0;
        // Memory is sold by 2^30 bytes, whatever the price list calls them.
        hours(amounts.cpu_ms) * self.vcpu_hour
            + hours(amounts.memory_mib_ms) / 1_024.0 * self.gb_hour
            + hours(amounts.gpu_milli_ms) / 1_000.0 * self.gpu_hour
    }
}

/// What is to be done where a model's limit for a month is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtLimit {
    /// Nothing new is taken until the month is over.
    #[default]
    Sleep,
    /// It is only said.
    Warn,
}

impl Prices {
    /// What so many rows cost, if each costs what a row did so far; none when nothing is known of any.
    pub fn usd_of_rows(&self, used: Option<&Amounts>, rows: f64) -> Option<f64> {
        let used = used.filter(|used| used.runs > 0)?;
        Some(self.usd(used) / used.runs as f64 * rows)
    }
}

/// Money as it is shown: cents, or more digits where it is less than one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usd(pub f64);

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            zero if zero <= 0.0 => f.write_str("0.00 USD"),
            small if small < 0.000_1 => f.write_str("less than 0.0001 USD"),
            small if small < 0.01 => write!(f, "{small:.4} USD"),
            usual => write!(f, "{usual:.2} USD"),
        }
    }
}

/// Refuses a job whose estimate is over the model's limit for one.
/// Errors: over budget.
pub fn check_run(model: &ModelName, money: &MoneySection, estimate: Option<f64>) -> Result<()> {
    let (Some(limit), Some(estimate)) = (money.run, estimate) else {
        return Ok(());
    };
    if estimate <= limit {
        return Ok(());
    }
    Err(Error::over_budget(format!(
        "this would cost about {}, and one job of `{model}` may cost {}",
        Usd(estimate),
        Usd(limit)
    ))
    .hint("take fewer rows, or raise `[money] run` in onstage.toml and push"))
}

/// Refuses whatever would cost more in a month whose limit is reached.
/// Errors: over budget.
pub fn check_month(model: &ModelName, money: &MoneySection, spent: f64) -> Result<()> {
    match money.month {
        Some(limit) if spent >= limit && money.at_limit == AtLimit::Sleep => {
            Err(Error::over_budget(format!(
                "`{model}` sleeps until next month: it has used {} of the {} that it may cost in one",
                Usd(spent),
                Usd(limit)
            ))
            .hint("its owner can raise `[money] month` in onstage.toml and push, or set `at_limit = \"warn\"`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> ModelName {
        "lab/age".parse().unwrap()
    }

    #[test]
    fn days_begin_at_midnight_also_before_the_epoch() {
        assert_eq!(day_of(Timestamp(DAY_MS + 1)), Timestamp(DAY_MS));
        assert_eq!(day_of(Timestamp(DAY_MS - 1)), Timestamp(0));
        assert_eq!(day_of(Timestamp(-1)), Timestamp(-DAY_MS));
    }

    #[test]
    fn months_begin_on_their_first_day() {
        let noon = |days: i64| Timestamp(days * DAY_MS + DAY_MS / 2);
        // 2024-02-29, 2024-03-01, 2026-11-26, 1970-01-01, 2000-12-31, 1969-12-31, 2100-03-01.
        for (day, first) in [
            (19_782, 19_754),
            (19_783, 19_783),
            (20_783, 20_758),
            (0, 0),
            (11_322, 11_292),
            (-1, -31),
            (47_541, 47_541),
        ] {
            assert_eq!(month_of(noon(day)), Timestamp(first * DAY_MS), "{day}");
        }
    }

    #[test]
    fn an_hour_of_a_worker_costs_what_the_table_says() {
        let worker = Worker {
            cpu: 2.0,
            gpu: 0.5,
            memory_bytes: 3 << 30,
        };
        let amounts = worker.in_time(Duration::from_secs(3_600));
        assert_eq!(amounts.compute_ms, 3_600_000);
        let prices = Prices {
            vcpu_hour: 1.0,
            gb_hour: 10.0,
            gpu_hour: 100.0,
            source: String::new(),
        };
        let usd = prices.usd(&amounts);
        assert!((usd - (2.0 + 30.0 + 50.0)).abs() < 1e-9, "{usd}");
    }

    #[test]
    fn a_job_over_its_limit_is_refused_with_both_sums() {
        let money = MoneySection {
            run: Some(1.0),
            ..MoneySection::default()
        };
        assert!(check_run(&name(), &money, Some(1.0)).is_ok());
        assert!(check_run(&name(), &money, None).is_ok(), "nothing is known");
        let error = check_run(&name(), &money, Some(2.5)).unwrap_err();
        assert_eq!(
            error.message,
            "this would cost about 2.50 USD, and one job of `lab/age` may cost 1.00 USD"
        );
    }

    #[test]
    fn a_spent_month_puts_a_model_to_sleep_unless_it_only_warns() {
        let money = |at_limit| MoneySection {
            month: Some(5.0),
            at_limit,
            ..MoneySection::default()
        };
        assert!(check_month(&name(), &money(AtLimit::Sleep), 4.99).is_ok());
        assert!(check_month(&name(), &money(AtLimit::Warn), 9.0).is_ok());
        let error = check_month(&name(), &money(AtLimit::Sleep), 5.0).unwrap_err();
        assert!(
            error.message.contains("5.00 USD of the 5.00 USD"),
            "{error}"
        );
    }

    #[test]
    fn small_sums_are_not_shown_as_nothing() {
        let shown = [0.0, 0.000_05, 0.001_24, 0.014, 12.0].map(|usd| Usd(usd).to_string());
        assert_eq!(
            shown,
            [
                "0.00 USD",
                "less than 0.0001 USD",
                "0.0012 USD",
                "0.01 USD",
                "12.00 USD"
            ]
        );
    }
}
