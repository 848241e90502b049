//! What a flight must keep whatever happens: every item ends once, nobody gets another's answer, only the guilty fail.
//! Random schedules beside the cases with a name.

use super::flight::{Due, Flight};
use super::item::{End, Item, Sink};
use onstage_core::{
    outcome::{Failure, Reason},
    value::Value,
    wire::from_worker::{Answer, WorkerError},
};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

#[derive(Default)]
struct Ends(Mutex<Vec<String>>);

impl Sink for Ends {
    fn end(&self, end: End) {
        let said = match end {
            End::Output { output, .. } => String::from_utf8(output.json.to_vec()).unwrap(),
            End::Failed { failure, .. } => format!("{:?}", failure.reason),
            End::Returned { alone: true, .. } => "alone".to_owned(),
            End::Returned { alone: false, .. } => "again".to_owned(),
        };
        self.0.lock().unwrap().push(said);
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn item(id: u64, until: Option<u64>) -> (Item, Arc<Ends>) {
    let ends = Arc::new(Ends::default());
    let item = Item {
        id,
        input: Value::null(),
        seed: 0,
        limit: at(10),
        until: until.map(at),
        sink: ends.clone(),
    };
    (item, ends)
}

fn items(ids: std::ops::Range<u64>) -> (Vec<Item>, Vec<Arc<Ends>>) {
    ids.map(|id| item(id, None)).unzip()
}

fn answer(id: u64) -> Answer {
    Answer {
        id,
        outcome: Ok(Value::json(id.to_string())),
        chunks: None,
        metrics: BTreeMap::new(),
    }
}

fn canceled(id: u64) -> Answer {
    Answer {
        outcome: Err(WorkerError {
            kind: "canceled".into(),
            message: String::new(),
            field: None,
            traceback: None,
        }),
        ..answer(id)
    }
}

fn said(ends: &[Arc<Ends>]) -> Vec<String> {
    ends.iter()
        .map(|it| it.0.lock().unwrap().join("+"))
        .collect()
}

fn flight(together: bool) -> Flight {
    Flight::new(together, at(2))
}

fn died() -> Failure {
    Failure::new(Reason::WorkerLost, "the worker died")
}

#[test]
fn a_death_blames_only_an_item_that_was_alone() {
    let mut alone = flight(false);
    let (one, ends) = items(1..2);
    let (next, next_ends) = items(2..4);
    alone.send(one, at(0));
    alone.send(next, at(0));
    alone.lost(&died(), at(1));
    assert_eq!(said(&ends), ["WorkerLost"]);
    assert_eq!(said(&next_ends), ["again", "again"]);

    let mut several = flight(true);
    let (three, ends) = items(1..4);
    several.send(three, at(0));
    several.answer(answer(2), at(1));
    several.lost(&died(), at(1));
    assert_eq!(said(&ends), ["alone", "2", "alone"]);
}

#[test]
fn an_item_that_has_streamed_is_not_run_again() {
    let mut flight = flight(false);
    let (two, ends) = items(1..3);
    flight.send(two, at(0));
    flight.chunk(1, 0, Value::null()).unwrap();
    assert!(flight.chunk(1, 2, Value::null()).is_err());
    flight.lost(&died(), at(1));
    assert_eq!(said(&ends), ["WorkerLost", "alone"]);
}

#[test]
fn at_its_limit_one_alone_times_out_and_several_are_taken_back() {
    let mut one = flight(false);
    let (alone, ends) = items(1..2);
    one.send(alone, at(0));
    assert_eq!(one.look(at(9)), Due::default());
    assert_eq!(one.look(at(10)).cancel, [1]);
    assert_eq!(said(&ends), ["Timeout"]);
    assert!(!one.look(at(11)).kill);
    assert!(one.look(at(12)).kill);
    one.lost(&died(), at(12));
    assert_eq!(said(&ends), ["Timeout"]);

    let mut several = flight(false);
    let (two, ends) = items(1..3);
    several.send(two, at(0));
    assert_eq!(several.look(at(10)).cancel, [1, 2]);
    // The waiting one was dropped by the worker, the slow one does not come back.
    several.answer(canceled(2), at(10));
    assert!(several.look(at(12)).kill);
    several.lost(&died(), at(12));
    assert_eq!(said(&ends), ["Timeout", "alone"]);
}

#[test]
fn a_worker_is_not_killed_for_one_while_others_wait_for_the_same_microbatch() {
    let mut flight = flight(true);
    let (two, ends) = items(1..3);
    flight.send(two, at(0));
    assert!(flight.cancel(1, at(1)));
    assert!(!flight.cancel(1, at(1)));
    assert!(!flight.look(at(9)).kill);
    flight.answer(answer(2), at(9));
    // What was given up comes late: nobody gets it.
    flight.answer(answer(1), at(9));
    flight.answer(answer(77), at(9));
    assert_eq!(said(&ends), ["Canceled", "2"]);
    assert_eq!((flight.strays, flight.is_empty()), (2, true));
}

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    Answer(u64),
    Refuse(u64),
    Cancel(u64),
    Look,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_usize..5).prop_map(Step::Send),
        (0_u64..30).prop_map(Step::Answer),
        (0_u64..30).prop_map(Step::Refuse),
        (0_u64..30).prop_map(Step::Cancel),
        Just(Step::Look),
        (0_u64..8).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_item_ends_exactly_once_with_its_own_answer(steps in prop::collection::vec(step(), 0..60), together: bool, until in prop::option::of(1_u64..40)) {
        let mut flight = flight(together);
        let (mut now, mut next, mut all) = (at(0), 0_u64, Vec::new());
        for step in steps {
            match step {
                Step::Send(count) => {
                    let (batch, ends): (Vec<_>, Vec<_>) = (next..next + count as u64).map(|id| item(id, until)).unzip();
                    next += count as u64;
                    flight.send(batch, now);
                    all.extend(ends);
                }
                Step::Answer(id) => { flight.answer(answer(id), now); }
                Step::Refuse(id) => { flight.answer(canceled(id), now); }
                Step::Cancel(id) => { flight.cancel(id, now); }
                Step::Look => {
                    let due = flight.look(now);
                    if let Some(again) = flight.next_look() {
                        prop_assert!(due.kill || again > now, "it would look again at once, for ever");
                    }
                }
                Step::Wait(seconds) => now += at(seconds),
            }
        }
        flight.lost(&died(), now);
        prop_assert!(flight.is_empty());
        for (id, end) in said(&all).into_iter().enumerate() {
            let known = ["Timeout", "Canceled", "WorkerLost", "alone", "again"];
            prop_assert!(end == id.to_string() || known.contains(&end.as_str()), "{id}: {end}");
        }
    }
}

#[test]
fn what_waits_behind_a_slow_one_is_offered_to_the_idle_and_goes_again() {
    let (ms, mut flight) = (Duration::from_millis, flight(false));
    let (three, ends) = items(1..4);
    let (ahead, ahead_ends) = items(4..5);
    flight.send(three, ms(0));
    flight.send(ahead, ms(0));
    assert!(!flight.is_slow(ms(7)));
    assert_eq!(flight.next_slow_look(), Some(ms(8)));
    assert!(flight.is_slow(ms(8)));
    assert!(!flight.is_slow(ms(9)), "asked again only after a while");
    assert_eq!(flight.offer(), [2, 3, 4]);
    assert_eq!(flight.offer(), [0_u64; 0]);
    let recalled = |id| Answer {
        outcome: Err(WorkerError {
            kind: "recalled".into(),
            message: String::new(),
            field: None,
            traceback: None,
        }),
        ..answer(id)
    };
    flight.answer(recalled(2), ms(9));
    flight.answer(recalled(4), ms(9));
    // The third had begun when it was asked for.
    flight.answer(answer(1), ms(10));
    flight.answer(answer(3), ms(11));
    assert!(flight.is_empty());
    assert_eq!(said(&ends), ["1", "again", "3"]);
    assert_eq!(said(&ahead_ends), ["again"]);
}

#[test]
fn the_time_of_a_microbatch_is_that_of_all_its_items() {
    let mut flight = flight(false);
    let (three, _ends) = items(1..4);
    flight.send(three, at(1));
    assert_eq!(flight.answer(answer(1), at(2)), None);
    assert_eq!(flight.answer(answer(2), at(4)), None);
    assert_eq!(flight.answer(answer(3), at(4)), Some((3, at(3))));
}
