//! When a batch job is given up because worker after worker dies in it.
//! Pure.

use onstage_core::outcome::{Failure, Reason};

/// Workers that died or hung one after the other, without one answer between, before the job is given up.
const DEATHS_IN_A_ROW_MAX: u32 = 5;

/// Counts workers, not rows: a worker that takes a whole microbatch with it has died once.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    in_a_row: u32,
    last_worker: Option<u64>,
}

impl Deaths {
    /// A row was answered, well or not.
    pub(crate) fn answered(&mut self) {
        self.in_a_row = 0;
    }

    /// Worker number `worker` died or hung; answers why the job must be given up, when it must.
    pub(crate) fn died(&mut self, worker: u64, why: &Failure) -> Option<Failure> {
        if self.last_worker != Some(worker) {
            self.last_worker = Some(worker);
            self.in_a_row += 1;
        }
        (self.in_a_row >= DEATHS_IN_A_ROW_MAX).then(|| Failure {
            message: format!(
                "{} workers in a row died or hung without one answer; the last: {}",
                self.in_a_row, why.message
            ),
            ..why.clone()
        })
    }
}

/// Whether a failure means that its worker is gone.
pub(crate) fn is_death(failure: &Failure) -> bool {
    matches!(
        failure.reason,
        Reason::WorkerLost | Reason::OutOfMemory | Reason::Timeout
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_counted_and_answers_forgive() {
        let why = Failure::new(Reason::WorkerLost, "boom");
        let mut deaths = Deaths::default();
        for worker in 1..DEATHS_IN_A_ROW_MAX {
            for _row in 0..100 {
                let worker = u64::from(worker);
                assert_eq!(deaths.died(worker, &why), None);
            }
        }
        deaths.answered();
        for worker in 10..10 + DEATHS_IN_A_ROW_MAX - 1 {
            assert_eq!(deaths.died(u64::from(worker), &why), None);
        }
        let failure = deaths.died(99, &why).unwrap();
        assert!(
            failure.message.starts_with("5 workers in a row"),
            "{}",
            failure.message
        );
        assert_eq!(failure.reason, Reason::WorkerLost);
    }
}
