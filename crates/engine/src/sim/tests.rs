//! What scaler, windows and batcher come to under loads: the targets, then bounds that hold for every model and shape.

use super::*;
use crate::batcher::Wait;

/// Of all loads here.
const MEASURES: Measures = Measures {
    base: 4.0,
    peak: 120.0,
    seconds: 400.0,
};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A second for up to a hundred; workers are forked from one that holds the weights.
fn heavy() -> Setup {
    Setup {
        shape: Shape {
            many_max: Some(100),
            wait: Wait::Auto,
        },
        latency_goal: None,
        workers_min: 1,
        workers_max: 7,
        idle: seconds(5.0),
        queue_items_max: Some(8_192),
        deadline: None,
        call: CallTime {
            fixed: seconds(1.0),
            each: Duration::ZERO,
            spread: 0.0,
        },
        start: seconds(0.015),
        memory: Memory::default(),
        callers: 1,
        seed: 1,
    }
}

/// Models of other kinds: slow to start and not sure of its time, quick and called one by one, in between.
fn models() -> [Setup; 4] {
    let call = |fixed, each, spread| CallTime {
        fixed: seconds(fixed),
        each: seconds(each),
        spread,
    };
    let slow = Setup {
        call: call(0.4, 0.004, 0.2),
        start: seconds(3.0),
        workers_min: 0,
        queue_items_max: None,
        ..heavy()
    };
    let single = Setup {
        shape: Shape {
            many_max: None,
            wait: Wait::Fixed(Duration::ZERO),
        },
        call: call(0.03, 0.0, 0.5),
        workers_max: 6,
        start: seconds(0.2),
        deadline: Some(seconds(20.0)),
        callers: 5,
        ..heavy()
    };
    let fixed = Setup {
        shape: Shape {
            many_max: Some(16),
            wait: Wait::Fixed(seconds(0.02)),
        },
        call: call(0.05, 0.002, 0.1),
        workers_min: 2,
        ..heavy()
    };
    [heavy(), slow, single, fixed]
}

fn shapes() -> Vec<(&'static str, Load)> {
    vec![
        ("step", Load::step(&MEASURES)),
        ("spike", Load::spike(&MEASURES)),
        ("sawtooth", Load::sawtooth(&MEASURES)),
        ("day", Load::day(&MEASURES)),
        ("nothing", Load::constant(0.0, 60.0)),
        (
            "bursts",
            Load::recorded(include_str!("traces/bursts.csv")).unwrap(),
        ),
    ]
}

#[test]
fn uneven_load_is_answered_in_time_with_little_more_than_the_least_time_of_workers() {
    let (calm, spike) = ((15.0, 20.0), (30.0, 500.0));
    let load = Load::of(&[calm, spike, calm, spike, calm, spike, calm]);
    // One worker in calm times, five in spikes: no fewer can compute it at all.
    let least = 4.0 * 15.0 + 3.0 * 30.0 * 5.0;
    for (workers_min, seed) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)] {
        let setup = Setup {
            workers_min,
            seed,
            ..heavy()
        };
        let outcome = simulate(&setup, &load);
        let p99 = outcome.latencies.quantile(0.99);
        let share = outcome.alive.as_secs_f64() / least;
        println!(
            "min {workers_min}, seed {seed}: p99 {p99:?}, {share:.3} of the least, {} starts, back {:?}",
            outcome.starts, outcome.back_to_min
        );
        assert_eq!(outcome.answered, outcome.accepted + outcome.refused);
        assert!(p99 <= seconds(1.6), "{p99:?}");
        assert!(share <= 1.3, "{share}");
        assert!(outcome.workers_peak <= 7);
        for end in [45.0, 90.0, 135.0] {
            // What calm times need is there again, and no more.
            let alive = outcome.workers_at(seconds(end) + setup.idle);
            assert!(alive <= 2, "{alive} workers after the spike until {end}");
        }
        assert!(outcome.back_to_min.is_some_and(|back| back <= setup.idle));
    }
}

#[test]
fn seven_workers_hold_the_heavy_model_at_five_hundred_a_second() {
    let setup = Setup {
        workers_min: 7,
        latency_goal: Some(seconds(1.15)),
        ..heavy()
    };
    let load = Load::of(&[(10.0, 2.0), (40.0, 500.0)]);
    let outcome = simulate(&setup, &load);
    assert_eq!(outcome.answered, outcome.accepted + outcome.refused);
    // From two seconds after the load came on: before that the workers have not spread their calls.
    let mut steady = Latencies::default();
    let slices = outcome.slices.len() as f64;
    for slice in &outcome.slices[(12.0 / 50.0 * slices).ceil() as usize..] {
        steady.merge(&slice.latencies);
    }
    let (p99, all) = (steady.quantile(0.99), outcome.latencies.quantile(0.99));
    println!(
        "p50 {:?}, p99 {p99:?}, with the beginning {all:?}",
        steady.quantile(0.5)
    );
    assert!(steady.count() > 18_000);
    assert!(p99 <= seconds(1.16), "{p99:?}");
    assert!(all <= seconds(1.35), "{all:?}");
}

#[test]
fn whatever_the_model_and_the_load_bounds_hold_and_nothing_is_lost() {
    for (place, setup) in models().iter().enumerate() {
        for (name, load) in shapes() {
            let outcome = simulate(setup, &load);
            let at = format!("model {place}, {name}");
            println!(
                "{at}: {} answered, {} refused, {} expired, p99 {:?}, {} starts, {:.0} s alive, {:.0} s busy",
                outcome.answered,
                outcome.refused,
                outcome.expired,
                outcome.latencies.quantile(0.99),
                outcome.starts,
                outcome.alive.as_secs_f64(),
                outcome.busy.as_secs_f64()
            );
            assert_eq!(outcome.accepted, outcome.answered + outcome.expired, "{at}");
            assert!(outcome.workers_peak <= setup.workers_max, "{at}");
            assert!(outcome.busy <= outcome.alive + setup.call.of(100), "{at}");
            let back = outcome.back_to_min;
            let most = setup.idle * 2 + seconds(4.0);
            assert!(back.is_some_and(|back| back <= most), "{at}: {back:?}");
            // A start every few seconds at most, however often the load turns.
            let bound = load.length().as_secs() / 3 + 2 * setup.workers_max as u64;
            assert!(outcome.starts <= bound, "{at}: {} starts", outcome.starts);
        }
    }
}

#[test]
fn nothing_costs_nothing() {
    let setup = Setup {
        workers_min: 0,
        ..heavy()
    };
    let outcome = simulate(&setup, &Load::constant(0.0, 3_600.0));
    assert_eq!((outcome.alive, outcome.starts), (Duration::ZERO, 0));
    // One request an hour wakes one worker, which sleeps again after its idle time.
    let outcome = simulate(&setup, &Load::recorded("0,1\n3599,0").unwrap());
    assert_eq!((outcome.answered, outcome.starts), (1, 1));
    let alive = outcome.alive.as_secs_f64();
    assert!((5.9..6.2).contains(&alive), "{alive}");
}

#[test]
fn more_workers_are_there_before_the_wait_breaks_the_goal() {
    for (workers_max, share) in [(20, 0.99), (2, 0.0)] {
        let setup = Setup {
            workers_min: 1,
            workers_max,
            ..heavy()
        };
        let outcome = simulate(&setup, &Load::of(&[(20.0, 5.0), (60.0, 600.0)]));
        let in_time = outcome.in_time as f64 / outcome.accepted as f64;
        assert!(in_time >= share, "{in_time} with up to {workers_max}");
        // Where workers may not come, nothing helps: the test can fail.
        assert_eq!(in_time >= 0.99, workers_max == 20, "{in_time}");
    }
}

#[test]
fn what_is_full_is_refused_and_who_waits_too_long_expires() {
    let setup = Setup {
        workers_max: 1,
        queue_items_max: Some(300),
        deadline: Some(seconds(2.5)),
        callers: 3,
        ..heavy()
    };
    let outcome = simulate(&setup, &Load::constant(300.0, 30.0));
    assert!(outcome.refused > 0 && outcome.expired > 0);
    assert_eq!(outcome.accepted, outcome.answered + outcome.expired);
    assert!(outcome.latencies.max() <= seconds(3.5 + 1e-6));
    let of_slices: u64 = outcome.slices.iter().map(|slice| slice.refused).sum();
    assert_eq!(of_slices, outcome.refused);
}

#[test]
fn a_million_requests_are_counted_one_by_one_and_alike_for_the_same_seed() {
    let load = Load::constant(2_000.0, 500.0);
    let setup = Setup {
        workers_max: 40,
        ..heavy()
    };
    let outcome = simulate(&setup, &load);
    assert_eq!(load.arrivals(1).count() as u64, outcome.accepted);
    assert_eq!(outcome.answered, outcome.accepted);
    assert!((990_000..1_010_000).contains(&outcome.answered));
    let sizes = outcome.sizes.iter().enumerate();
    let items: u64 = sizes.map(|(size, count)| size as u64 * count).sum();
    assert_eq!(items, outcome.answered);
    let again = simulate(&setup, &load);
    assert_eq!(again.alive, outcome.alive);
    assert_eq!(
        again.latencies.quantile(0.99),
        outcome.latencies.quantile(0.99)
    );
}

#[test]
fn the_cheapest_setting_that_keeps_the_goal_comes_first() {
    let setup = Setup {
        latency_goal: Some(seconds(1.5)),
        call: CallTime {
            fixed: seconds(1.0),
            each: seconds(0.001),
            spread: 0.05,
        },
        ..heavy()
    };
    let load = Load::constant(100.0, 60.0);
    let mut told = 0;
    let all = tried(&setup, &load, &settings(&setup, &load), |done| told = done);
    assert_eq!(told, all.len());
    let kept: Vec<_> = all.iter().filter(|it| it.keeps_goal).collect();
    assert!(!kept.is_empty() && kept.len() < all.len());
    assert!(kept.is_sorted_by_key(|it| it.alive) && all[0] == *kept[0]);
    let again = simulate(&all[0].setting.applied(&setup), &load);
    assert_eq!((again.alive, again.answered_share()), (all[0].alive, 1.0));
    assert!(again.latencies.quantile(0.99) <= seconds(1.5));
}
