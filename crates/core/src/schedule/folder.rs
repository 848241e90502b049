//! Schedules that a model's folder asks for: what has to change for the records to say what the folder says.
//! Does not write them. What people made by hand is left alone.

use super::{Overlap, Pace, Schedule, When, Zone};
use crate::{
    Id, ModelName, Timestamp,
    config::{ScheduleTable, SchedulesSection},
    people::{Principal, Role},
};

/// Whose the jobs are that a folder asks for: whoever may push it may do everything.
const ON_BEHALF: &str = "onstage.toml";
const ON_BEHALF_ID: &str = "onstage-toml";

/// One step towards what a folder says.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Add(Schedule),
    Update(Schedule),
    Remove(Id),
}

/// `there` are the model's schedules; `id_of` gives the same id for the same name, so that of two fronts one adds it.
pub fn changes(
    model: &ModelName,
    wanted: &SchedulesSection,
    there: &[Schedule],
    id_of: impl Fn(&str) -> Id,
    now: Timestamp,
) -> Vec<Change> {
    let named = |name: &str| there.iter().find(|it| it.name.as_deref() == Some(name));
    let kept = wanted.iter().filter_map(|(name, table)| match named(name) {
        None => {
            let mut new = unwritten(model, name, id_of(name), now);
            write(&mut new, table, now);
            Some(Change::Add(new))
        }
        Some(known) => {
            let mut next = known.clone();
            write(&mut next, table, now);
            (next != *known).then_some(Change::Update(next))
        }
    });
    let gone = there
        .iter()
        .filter(|it| {
            it.name
                .as_ref()
                .is_some_and(|name| !wanted.contains_key(name))
        })
        .map(|it| Change::Remove(it.id.clone()));
    kept.chain(gone).collect()
}

fn unwritten(model: &ModelName, name: &str, id: Id, now: Timestamp) -> Schedule {
    let table = ScheduleTable::default();
    Schedule {
        id,
        model: model.clone(),
        name: Some(name.to_owned()),
        kind: table.kind(),
        version: None,
        request: String::new(),
        // Another than any that can be written, so that it is set going below.
        when: When::Every {
            every_ms: 0,
            start: now,
        },
        catch_up: true,
        overlap: Overlap::Skip,
        by: Principal {
            id: ON_BEHALF_ID.parse().expect("it is an id"),
            role: Role::Owner,
            name: ON_BEHALF.to_owned(),
        },
        by_token: false,
        created_at: now,
        pace: Pace::Paused {
            why: Some("it is new".to_owned()),
        },
        last: None,
        last_job: None,
        revision: 0,
    }
}

/// What the table says; where its time is another one, the next tick is the first of that. Paused by somebody, it stays so.
fn write(schedule: &mut Schedule, table: &ScheduleTable, now: Timestamp) {
    schedule.kind = table.kind();
    schedule.version.clone_from(&table.version);
    schedule.request = table.request();
    schedule.catch_up = table.catch_up;
    schedule.overlap = table.overlap;
    let Some(when) = when(table, &schedule.when, now) else {
        return;
    };
    if when == schedule.when {
        return;
    }
    schedule.when = when;
    if schedule.pace != (Pace::Paused { why: None }) {
        schedule.go_on_after(now);
    }
}

/// Spans count from where they began, as long as they are as long.
fn when(table: &ScheduleTable, known: &When, now: Timestamp) -> Option<When> {
    if let Some(cron) = &table.cron {
        let zone = table.zone.clone().unwrap_or_else(utc);
        let cron = cron.clone();
        return Some(When::Cron { cron, zone });
    }
    let wanted = When::every(table.every?.0, now).ok()?;
    match (known, &wanted) {
        (When::Every { every_ms, .. }, When::Every { every_ms: new, .. }) if every_ms == new => {
            Some(known.clone())
        }
        _ => Some(wanted),
    }
}

fn utc() -> Zone {
    "UTC".parse().expect("it is a zone")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;
    use serde_json::{Value, json};

    fn section(tables: &Value) -> SchedulesSection {
        let config = json!({"model": {"name": "age"}, "schedules": tables});
        serde_json::from_value::<ModelConfig>(config)
            .unwrap()
            .schedules
    }

    fn steps(wanted: &SchedulesSection, there: &[Schedule], now: i64) -> Vec<Change> {
        let id_of = |name: &str| format!("schedule-{name}").parse().unwrap();
        let model = "lab/age".parse().unwrap();
        changes(&model, wanted, there, id_of, Timestamp(now))
    }

    fn after(steps: &[Change], there: &mut Vec<Schedule>) {
        for step in steps.iter().cloned() {
            match step {
                Change::Add(new) => there.push(new),
                Change::Remove(id) => there.retain(|it| it.id != id),
                Change::Update(next) => {
                    let known = there.iter_mut().find(|it| it.id == next.id);
                    *known.unwrap() = next;
                }
            }
        }
    }

    #[test]
    fn the_records_say_what_the_folder_says_and_nothing_is_done_twice() {
        let mut there = Vec::new();
        let first = section(&json!({
            "nightly": {"cron": "0 3 * * *", "zone": "Europe/Zurich", "table": "labels"},
            "often": {"every": "1h", "input": {"x": 1}},
            "learn": {"every": "7d", "train": true, "input": {"data": "labels"}, "promote": true, "gates": ["accuracy >= 0.9"]},
        }));
        after(&steps(&first, &there, 1_000), &mut there);
        let kinds: Vec<&str> = there.iter().map(|it| it.kind.name()).collect();
        assert_eq!(kinds, ["training", "batch", "prediction"]);
        assert_eq!(there[1].request, r#"{"table":"onstage://datasets/labels"}"#);
        assert_eq!(there[2].request, r#"{"input":{"x":1}}"#);
        assert_eq!(there[2].next_at(), Some(Timestamp(3_601_000)));
        let asked: Value = serde_json::from_str(&there[0].request).unwrap();
        assert_eq!(
            asked,
            json!({"input": {"data": "labels"}, "promote": true, "gates": ["accuracy >= 0.9"]})
        );
        assert_eq!(steps(&first, &there, 9_000_000), []);

        let mut by_hand = there[2].clone();
        (by_hand.id, by_hand.name) = ("schedule-by-hand".parse().unwrap(), None);
        there.push(by_hand.clone());
        let second = section(&json!({"often": {"every": "1h", "input": {"x": 2}}}));
        let told = steps(&second, &there, 2_000);
        assert_eq!(told.len(), 3, "{told:?}");
        after(&told, &mut there);
        assert_eq!(there.len(), 2);
        assert_eq!(there[1], by_hand);
        assert_eq!(there[0].request, r#"{"input":{"x":2}}"#);
        assert_eq!(
            there[0].next_at(),
            Some(Timestamp(3_601_000)),
            "its time is the same"
        );
    }

    #[test]
    fn another_time_counts_from_now_and_what_somebody_paused_stays_paused() {
        let mut there = Vec::new();
        after(
            &steps(&section(&json!({"a": {"every": "1h"}})), &there, 0),
            &mut there,
        );
        after(
            &steps(&section(&json!({"a": {"every": "1m"}})), &there, 500),
            &mut there,
        );
        assert_eq!(there[0].next_at(), Some(Timestamp(60_500)));
        there[0].pace = Pace::Paused { why: None };
        after(
            &steps(&section(&json!({"a": {"every": "2m"}})), &there, 900),
            &mut there,
        );
        assert_eq!(there[0].next_at(), None);
        there[0].pace = Pace::Paused {
            why: Some("no tick comes any more".to_owned()),
        };
        after(
            &steps(&section(&json!({"a": {"every": "3m"}})), &there, 1_000),
            &mut there,
        );
        assert_eq!(there[0].next_at(), Some(Timestamp(181_000)));
    }

    #[test]
    fn what_a_table_cannot_mean_is_refused_by_name() {
        for (table, said) in [
            (json!({}), "cron"),
            (json!({"cron": "0 3 * * *", "every": "1h"}), "not both"),
            (json!({"every": "1ms"}), "366d"),
            (json!({"every": "1h", "zone": "UTC"}), "zone"),
            (
                json!({"every": "1h", "table": "labels", "train": true}),
                "train",
            ),
            (
                json!({"every": "1h", "table": "labels", "input": {"x": 1}}),
                "input",
            ),
            (json!({"every": "1h", "promote": true}), "promote"),
        ] {
            let section = section(&json!({"nightly": table}));
            let error = crate::config::check_schedules(&section).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("[schedules.nightly]") && text.contains(said),
                "{text}"
            );
        }
        let odd = section(&json!({"Every Night": {"every": "1h"}}));
        assert!(crate::config::check_schedules(&odd).is_err());
    }
}
