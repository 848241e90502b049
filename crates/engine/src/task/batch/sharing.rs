//! Whether the rest of a batch job is worth sharing with other tasks, and in what pieces.
//! Pure: knows rows, rates and seconds, neither tables nor tasks.

/// A share takes about this long, so that a task is never far from its next look at what else waits.
const SHARE_S: f64 = 3.0;
/// Rows of one share at most.
const SHARE_ROWS_MAX: u64 = 50_000;
/// Shares that every task should get, so that they end at about the same time.
const SHARES_A_TASK: u64 = 4;
/// What a task costs beside the start of its worker: its own start and the table.
const TASK_START_S: f64 = 1.0;
/// A task must compute for so many times what it takes to start.
const WORTH: f64 = 2.0;

/// What is known of a job while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outlook {
    /// Tasks of the model that may run at once, this one included.
    pub(crate) tasks_max: u32,
    /// Rows that nobody has begun.
    pub(crate) rows_left: u64,
    /// What this task computes alone.
    pub(crate) rows_per_s: f64,
    /// How long its worker took to start.
    pub(crate) start_s: f64,
    /// Rows of a microbatch: less than that is no share.
    pub(crate) microbatch: u64,
}

impl Outlook {
    /// How many helpers there is use for: each must have something to do for longer than it takes to come.
    pub(crate) fn helpers(&self) -> u32 {
        if self.rows_per_s <= 0.0 {
            return 0;
        }
        let seconds = self.rows_left as f64 / self.rows_per_s;
        let worth = seconds / (WORTH * (self.start_s + TASK_START_S));
        let shares = self.rows_left / self.microbatch.max(1);
        let tasks = (worth as u64).min(shares).min(u64::from(self.tasks_max));
        (tasks as u32).saturating_sub(1)
    }

    /// Rows of one share.
    pub(crate) fn share_rows(&self) -> u64 {
        let of_time = (self.rows_per_s * SHARE_S) as u64;
        let of_rest = self.rows_left / (u64::from(self.tasks_max.max(1)) * SHARES_A_TASK);
        of_time
            .min(of_rest)
            .clamp(self.microbatch.clamp(1, SHARE_ROWS_MAX), SHARE_ROWS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlook(rows_left: u64, rows_per_s: f64) -> Outlook {
        Outlook {
            tasks_max: 4,
            rows_left,
            rows_per_s,
            start_s: 1.0,
            microbatch: 32,
        }
    }

    #[test]
    fn few_rows_ask_for_nobody() {
        assert_eq!(outlook(1_000_000, 0.0).helpers(), 0, "nothing is known yet");
        assert_eq!(outlook(1_000, 10_000.0).helpers(), 0, "done in a moment");
        assert_eq!(outlook(31, 0.001).helpers(), 0, "one microbatch");
        assert_eq!(outlook(1_000, 125.0).helpers(), 1, "two tasks, 4 s each");
        assert_eq!(
            outlook(1_000_000, 10_000.0).helpers(),
            3,
            "all there may be"
        );
    }

    #[test]
    fn a_model_that_starts_slowly_asks_for_fewer() {
        let slow = Outlook {
            start_s: 20.0,
            ..outlook(1_000_000, 10_000.0)
        };
        assert_eq!(slow.helpers(), 1);
    }

    #[test]
    fn shares_are_short_in_time_and_many_enough_for_all() {
        assert_eq!(outlook(1_000_000, 1_000.0).share_rows(), 3_000);
        assert_eq!(outlook(1_000_000_000, 1e6).share_rows(), SHARE_ROWS_MAX);
        assert_eq!(outlook(1_600, 1_000.0).share_rows(), 100);
        assert_eq!(
            outlook(100, 1.0).share_rows(),
            32,
            "never below a microbatch"
        );
    }
}
