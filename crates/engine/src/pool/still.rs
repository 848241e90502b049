//! What the watchdog sees of a pool, and what it does to one whose queue stands still.
//! Does not judge.

use super::Pool;
use crate::watchdog::Seen;
use std::{sync::atomic::Ordering::Relaxed, time::Duration};

impl Pool {
    pub(crate) fn seen_moving(&self) -> Seen {
        let inside = self.inside();
        let should_move = !inside.queue.is_empty() && inside.roster.ready() > 0;
        drop(inside);
        let (taken, ended) = (&self.tally.microbatches, &self.tally.finished);
        Seen {
            should_move,
            moved: taken.load(Relaxed) + ended.load(Relaxed),
        }
    }

    pub(crate) fn cancel_grace(&self) -> Duration {
        self.stage.settings.cancel_grace
    }

    /// Ends all workers; what they had goes back into the queue, which has others started.
    pub(crate) fn replace_workers(&self) {
        let workers = self.inside().roster.dismiss_all();
        for worker in workers {
            worker.ask_to_stop(Duration::ZERO);
        }
        self.look.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ask::{Ask, Keep, Loaded},
        catalog::Catalog,
        house::House,
        meter::Meter,
        parts::{Settings, tests::parts_with},
        pool::{Host, Stage},
        recorder::Recorder,
        registry::Registry,
        watchdog,
        worker::peer_tests::{Script, ScriptLauncher, version},
    };
    use bytes::Bytes;
    use onstage_core::{
        Id,
        people::{Principal, Role},
        ports::{CheckError, InputCheck, OutputCheck},
        value::{Stored, Value},
    };
    use std::{
        collections::VecDeque,
        sync::{Arc, Mutex},
    };
    use tokio_util::sync::CancellationToken;

    struct Anything;

    impl InputCheck for Anything {
        fn check(&self, _: &[u8]) -> Result<(), Vec<CheckError>> {
            Ok(())
        }
        fn coerce(&self, _: &[(String, serde_json::Value)]) -> Result<Bytes, Vec<CheckError>> {
            Ok(Bytes::new())
        }
    }

    impl OutputCheck for Anything {
        fn check(&self, _: &[u8]) -> Result<(), Vec<CheckError>> {
            Ok(())
        }
    }

    /// Answers everything until it is hung up on.
    fn answers() -> Script {
        Box::new(|mut peer| {
            peer.get_ready();
            while let Some(heard) = peer.hear() {
                let id = &heard["items"][0]["id"];
                match heard["t"].as_str() {
                    Some("predict") => peer.say(&format!(
                        r#"{{"t":"result","items":[{{"id":{id},"output":1}}]}}"#
                    )),
                    Some("exit") => return,
                    _ => {}
                }
            }
        })
    }

    fn house_of(scripts: VecDeque<Script>) -> Arc<House> {
        let parts = parts_with(Arc::new(ScriptLauncher(Mutex::new(scripts))));
        let settings = Arc::new(Settings {
            tempdir: std::env::temp_dir(),
            cancel_grace: Duration::from_millis(20),
            ..Settings::default()
        });
        let registry = Arc::new(Registry::default());
        let stage = Stage {
            host: Host::new(4, &[], parts.launcher.clone()),
            recorder: Recorder::start(parts.clone(), &settings, registry.clone()),
            meter: Meter::start(parts.clone(), settings.prices.clone()),
            parts: parts.clone(),
            settings,
            registry,
        };
        House::new(stage, Catalog::new(parts))
    }

    fn loaded() -> Arc<Loaded> {
        let limits = r#", "realtime": {"timeout": "100ms", "workers": {"min": 0, "max": 1}}"#;
        let version = version(limits);
        let schema = r#"{"title": "", "help": "", "function": "f", "background": false, "streams": false, "many": null, "components": {"schemas": {}}}"#;
        Arc::new(Loaded {
            model: version.model.clone(),
            version,
            schema: serde_json::from_str(schema).unwrap(),
            input: Arc::new(Anything),
            output: Arc::new(Anything),
        })
    }

    fn ask(house: &House, version: &Arc<Loaded>) -> Ask {
        Ask {
            id: house.stage.parts.new_id(),
            version: version.clone(),
            input: Value::json("{}".to_owned()),
            placed: Arc::default(),
            stored_input: Stored::Inline("{}".to_owned()),
            by: Principal {
                id: "person-1".parse::<Id>().unwrap(),
                role: Role::Owner,
                name: "test".to_owned(),
            },
            source: "api".to_owned(),
            deadline: None,
            keep: Keep::Sampled,
        }
    }

    #[tokio::test]
    async fn a_queue_that_stands_still_by_our_own_error_moves_again() {
        let house = house_of([answers(), answers()].into());
        let version = loaded();
        let first = house.predict(ask(&house, &version)).unwrap();
        assert!(first.done().await.outcome.is_ok());
        let pool = house.pool_of(&version.version.id).unwrap();
        // What no code of ours should ever do: a worker that is idle counts as busy, so nobody calls it.
        let forget = || {
            let mut inside = pool.inside();
            let idle = inside.roster.workers()[0].number();
            inside.roster.rota.busy(idle);
        };
        // The alarm of the first answer's limit rings once more, and whoever wakes looks into the queue.
        tokio::time::sleep(Duration::from_secs(1)).await;
        forget();
        let stuck = house.predict(ask(&house, &version)).unwrap();
        let stop = CancellationToken::new();
        let dog = watchdog::run(house.clone(), Duration::from_millis(20), stop.clone());
        let answered = tokio::select! {
            finished = stuck.done() => finished,
            () = dog => unreachable!("nobody stopped it"),
        };
        assert!(answered.outcome.is_ok(), "{:?}", answered.outcome);
        assert_eq!(pool.gauges().starts, 2, "another worker answered");
    }
}
