//! `[jobs]` and `[training]` seen alike: what the tasks of one lane may have and do.
//! Does not know jobs.

use super::{ModelConfig, Size};
use crate::task::Lane;
use std::time::Duration;

/// What a section says about the tasks of its lane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneLimits<'a> {
    pub cpu: Option<f64>,
    pub memory: Option<Size>,
    /// As in `[realtime]`, where the section says nothing.
    pub gpu: Option<f64>,
    /// Tasks of a version at once.
    pub tasks: u32,
    pub linger: Duration,
    /// How long one run may take.
    pub stop_after: Duration,
    pub retries: u32,
    pub retry_on: &'a [String],
}

impl ModelConfig {
    pub fn of_lane(&self, lane: Lane) -> LaneLimits<'_> {
        let (jobs, training) = (&self.jobs, &self.training);
        match lane {
            Lane::Jobs => LaneLimits {
                cpu: jobs.cpu,
                memory: jobs.memory,
                gpu: jobs.gpu.or(self.realtime.gpu),
                tasks: jobs.tasks,
                linger: jobs.linger.0,
                stop_after: jobs.stop_after.0,
                retries: jobs.retries,
                retry_on: &jobs.retry_on,
            },
            Lane::Trainings => LaneLimits {
                cpu: training.cpu,
                memory: training.memory,
                gpu: training.gpu.or(self.realtime.gpu),
                tasks: training.tasks,
                linger: training.linger.0,
                stop_after: training.stop_after.0,
                retries: training.retries,
                retry_on: &training.retry_on,
            },
        }
    }
}
