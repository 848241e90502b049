//! What workers cost: a small table of list prices with their dates and sources, and the bill of a plan.
//! Not asked from anybody: prices change, and the date says how old these are.

use super::model::Planned;
use onstage_core::usage::{FARGATE_GB_HOUR, FARGATE_SOURCE, FARGATE_VCPU_HOUR};
use onstage_engine::sim::{Load, Outcome};
use serde_json::{Value, json};

/// Each task is billed for this at least.
const FARGATE_SECONDS_MIN: f64 = 60.0;
/// vCPU, and the least and most GB that go with it.
const FARGATE_SIZES: [(f64, f64, f64); 7] = [
    (0.25, 0.5, 2.0),
    (0.5, 1.0, 4.0),
    (1.0, 2.0, 8.0),
    (2.0, 4.0, 16.0),
    (4.0, 8.0, 30.0),
    (8.0, 16.0, 60.0),
    (16.0, 32.0, 120.0),
];
/// Second-hand as well.
const LAMBDA_GB_SECOND: f64 = 0.000_016_666_7;
const LAMBDA_MILLION_REQUESTS: f64 = 0.20;
const LAMBDA_GB_MAX: f64 = 10.0;
/// Of a function without a memory that was named.
const LAMBDA_GB_USUAL: f64 = 1.0;
const LAMBDA_SOURCE: &str = "Lambda, x86, first tier: cloudchipr.com, 2024, confirmed May 2026";

const GIB: f64 = (1_u64 << 30) as f64;
const MONTH_SECONDS: f64 = 30.0 * 86_400.0;

/// A price of the whole load, or why there is none.
#[derive(Debug)]
pub(super) struct Price {
    pub place: &'static str,
    pub usd: Result<f64, String>,
    pub how: String,
}

/// What the load costs in each place.
#[derive(Debug)]
pub(super) struct Bill {
    pub prices: Vec<Price>,
    /// How many times the load fits into a month.
    pub times_a_month: f64,
}

pub(super) fn bill(planned: &Planned, load: &Load, outcome: &Outcome, host_price: f64) -> Bill {
    let seconds = outcome.length.as_secs_f64();
    Bill {
        prices: vec![
            Price {
                place: "this host",
                usd: Ok(host_price * seconds / 3_600.0),
                how: format!("{host_price} an hour, whatever runs on it (`--host-price`)"),
            },
            fargate(planned, outcome),
            lambda(planned, load),
        ],
        times_a_month: MONTH_SECONDS / load.length().as_secs_f64().max(1.0),
    }
}

/// A worker is a task, with nothing shared between tasks.
fn fargate(planned: &Planned, outcome: &Outcome) -> Price {
    let memory = &planned.setup.memory;
    let gb = (memory.shared + memory.each) as f64 / GIB;
    let size = FARGATE_SIZES
        .iter()
        .find(|(vcpu, _, most)| *vcpu >= planned.cpu && *most >= gb);
    let Some((vcpu, least, _)) = size else {
        let why = format!("no size for {} vCPU and {gb:.0} GB", planned.cpu);
        return Price {
            place: "Fargate",
            usd: Err(why),
            how: FARGATE_SOURCE.to_owned(),
        };
    };
    let gb = gb.ceil().max(*least);
    let hour = vcpu * FARGATE_VCPU_HOUR + gb * FARGATE_GB_HOUR;
    // Starts that are sooner over than the least that is billed cannot be told apart; each counts as that at least.
    let seconds = outcome
        .alive
        .as_secs_f64()
        .max(outcome.starts as f64 * FARGATE_SECONDS_MIN);
    Price {
        place: "Fargate",
        usd: Ok(seconds / 3_600.0 * hour),
        how: format!("{vcpu} vCPU and {gb} GB for each worker; {FARGATE_SOURCE}"),
    }
}

/// One request at a time in each environment: nothing is computed together.
fn lambda(planned: &Planned, load: &Load) -> Price {
    let memory = &planned.setup.memory;
    let gb = match (memory.shared + memory.each) as f64 / GIB {
        0.0 => LAMBDA_GB_USUAL,
        gb => gb.max(0.125),
    };
    if gb > LAMBDA_GB_MAX {
        let why = format!("more than {LAMBDA_GB_MAX:.0} GB");
        return Price {
            place: "Lambda",
            usd: Err(why),
            how: LAMBDA_SOURCE.to_owned(),
        };
    }
    let requests = load.requests();
    let seconds = requests * planned.setup.call.of(1).as_secs_f64();
    Price {
        place: "Lambda",
        usd: Ok(seconds * gb * LAMBDA_GB_SECOND + requests / 1e6 * LAMBDA_MILLION_REQUESTS),
        how: format!(
            "{gb:.1} GB, each request alone in a call of its own, without starts; {LAMBDA_SOURCE}"
        ),
    }
}

impl Bill {
    pub(super) fn json(&self) -> Value {
        let each = self.prices.iter().map(|price| {
            json!({
                "place": price.place,
                "usd": price.usd.as_ref().ok(),
                "usd_a_month": price.usd.as_ref().ok().map(|usd| usd * self.times_a_month),
                "why_not": price.usd.as_ref().err(),
                "how": price.how,
            })
        });
        Value::Array(each.collect())
    }
}
