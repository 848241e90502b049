//! Which templates go: those without use for long, those that hold much while nobody needs it, and the oldest when there are too many.
//! Pure.

use std::time::Duration;

/// Templates of one host.
pub(super) const TEMPLATES_MAX: usize = 16;
/// How long the template of a sleeping model is kept, so that the model wakes at once.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// The same for one that holds what set-up has made, which may be gigabytes: long enough for a worker to be replaced.
const IDLE_LOADED_MAX: Duration = Duration::from_secs(10);

/// What is known of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Since a worker was forked from it, or since the last one of them ended.
    pub(super) unused_for: Duration,
    pub(super) workers: usize,
    /// It holds what set-up has made.
    pub(super) loaded: bool,
}

/// The places of those that go.
pub(super) fn due(all: &[Standing]) -> Vec<usize> {
    let (mut gone, mut kept): (Vec<usize>, Vec<usize>) =
        (0..all.len()).partition(|place| all[*place].is_over());
    let extra = kept.len().saturating_sub(TEMPLATES_MAX);
    // Those of sleeping models before those with workers, then the one that was not used for longest.
    kept.sort_by_key(|place| {
        (
            all[*place].workers > 0,
            std::cmp::Reverse(all[*place].unused_for),
        )
    });
    gone.extend(&kept[..extra]);
    gone
}

impl Standing {
    fn is_over(self) -> bool {
        let most = if self.loaded {
            IDLE_LOADED_MAX
        } else {
            IDLE_MAX
        };
        self.workers == 0 && self.unused_for >= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(seconds: u64, workers: usize, loaded: bool) -> Standing {
        Standing {
            unused_for: Duration::from_secs(seconds),
            workers,
            loaded,
        }
    }

    #[test]
    fn what_nobody_uses_goes_and_what_is_loaded_goes_first() {
        let all = [
            standing(599, 0, false),
            standing(600, 0, false),
            standing(9, 0, true),
            standing(10, 0, true),
            standing(9999, 1, true),
        ];
        assert_eq!(due(&all), [1, 3]);
    }

    #[test]
    fn too_many_lose_those_of_sleeping_models_first_then_the_oldest() {
        let mut all: Vec<Standing> = (0..TEMPLATES_MAX as u64 + 2)
            .map(|n| standing(n, 1, false))
            .collect();
        all[3].workers = 0;
        assert_eq!(due(&all), [3, TEMPLATES_MAX + 1]);
        all.truncate(TEMPLATES_MAX);
        assert_eq!(due(&all), Vec::<usize>::new());
    }
}
