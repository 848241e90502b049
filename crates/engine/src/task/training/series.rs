//! The metrics of one run, thinned: all of a short series, ever fewer of a long one, and always the last.
//! Pure; does not store anything.

use std::collections::BTreeMap;

/// Points that are kept before every second one is left out, then three of four, and so on.
const POINTS_A_STRIDE: u64 = 500;
/// Points of all groups together before every group is thinned faster.
const POINTS_FREE: u64 = 8_000;
/// Groups of names told together; more are thinned as one.
const GROUPS_MAX: usize = 64;

pub(super) type Values = BTreeMap<String, f64>;

/// What is known of a run's metrics.
#[derive(Debug, Default)]
pub(super) struct Series {
    groups: BTreeMap<String, Thinned>,
    /// Points of all groups.
    kept: u64,
    last: Values,
}

/// Metrics that are told together.
#[derive(Debug, Default)]
struct Thinned {
    seen: u64,
    kept: u64,
    /// The newest point, if it was left out.
    held: Option<(Values, Option<f64>)>,
}

impl Series {
    /// Whether the point is to be kept now.
    pub(super) fn push(&mut self, values: &Values, step: Option<f64>) -> bool {
        self.last.extend(values.clone());
        let mut group = values
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ");
        if self.groups.len() >= GROUPS_MAX && !self.groups.contains_key(&group) {
            group = String::new();
        }
        let thinned = self.groups.entry(group).or_default();
        let beyond = self.kept.saturating_sub(POINTS_FREE) / POINTS_A_STRIDE;
        let stride = 1_u64 << (thinned.kept / POINTS_A_STRIDE + beyond).min(40);
        let keep = thinned.seen.is_multiple_of(stride);
        thinned.seen += 1;
        thinned.kept += u64::from(keep);
        self.kept += u64::from(keep);
        thinned.held = (!keep).then(|| (values.clone(), step));
        keep
    }

    /// The newest points that were left out; at the end they are told as well.
    pub(super) fn take_held(&mut self) -> Vec<(Values, Option<f64>)> {
        let groups = self.groups.values_mut();
        groups.filter_map(|group| group.held.take()).collect()
    }

    /// The last value of every metric.
    pub(super) fn last(&self) -> &Values {
        &self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(value: f64) -> Values {
        Values::from([("loss".to_owned(), value)])
    }

    #[test]
    fn a_short_series_is_kept_whole_and_a_long_one_thinned_to_its_end() {
        let mut series = Series::default();
        let kept = (0..500).filter(|step| series.push(&loss(f64::from(*step)), None));
        assert_eq!(kept.count(), 500);
        assert!(series.take_held().is_empty());
        let more = (500..1_000_000).filter(|step| series.push(&loss(f64::from(*step)), None));
        let more = more.count();
        assert!((4_000..6_000).contains(&more), "{more}");
        assert_eq!(series.take_held(), [(loss(999_999.0), None)]);
        assert_eq!(series.last(), &loss(999_999.0));
    }

    #[test]
    fn what_is_told_rarely_is_not_lost_among_what_is_told_often() {
        let mut series = Series::default();
        let accuracy = Values::from([("accuracy".to_owned(), 0.5)]);
        for step in 0..100_000 {
            series.push(&loss(1.0), Some(f64::from(step)));
            if step % 1_000 == 7 {
                assert!(series.push(&accuracy, None), "{step}");
            }
        }
    }
}
