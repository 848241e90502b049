//! Cases about messages to webhooks: written with what they tell of, taken by one at a time, in order, never forgotten.
//! Each starts with an empty store.

use super::{
    make::{
        at, claim_again, id, kind_of, lost_worker, new_job, output, owner, page, policy, version,
    },
    trainings::{trained, training},
};
use onstage_core::{
    Kind,
    event::{EventKind, NewEvent},
    job::{Lease, NewJob},
    ports::{Page, Store},
    webhook::{Fate, Message, Webhook, WebhookEvent},
};

const LATER: i64 = 10_000;

pub(in crate::store) fn hook(events: &[WebhookEvent]) -> Webhook {
    Webhook {
        url: "https://example.org/hook".to_owned(),
        events: events.to_vec(),
        for_owner: false,
    }
}

async fn submit(store: &dyn Store, text: &str, events: &[WebhookEvent]) {
    let new = NewJob {
        webhook: Some(hook(events)),
        ..new_job(text)
    };
    store.submit(new).await.unwrap();
}

async fn finish(store: &dyn Store, text: &str) {
    let lease = claim_again(store, &id(text), 200).await.lease().unwrap();
    end(store, &lease).await;
}

async fn end(store: &dyn Store, lease: &Lease) {
    let policy = policy();
    let end = store.finish(lease, output("1"), &policy, 0.0, at(300));
    end.await.unwrap();
}

async fn take(store: &dyn Store, now: i64) -> Vec<Message> {
    let taken = store.take_messages(9, at(now), at(now + LATER));
    taken.await.unwrap()
}

pub(super) async fn news_come_in_the_order_of_what_happened(store: &dyn Store) {
    submit(store, "1", &WebhookEvent::ALL).await;
    assert!(take(store, 999).await.is_empty(), "it only waits");
    finish(store, "1").await;
    let first = take(store, 999).await;
    assert_eq!(first.len(), 1, "one after the other");
    let start = &first[0];
    assert_eq!((&start.job, start.event), (&id("1"), WebhookEvent::Start));
    assert_eq!(
        (start.tries, start.url.as_str()),
        (1, "https://example.org/hook")
    );
    assert_eq!(start.created_at, at(200));
    assert!(take(store, 1_500).await.is_empty(), "it is on its way");
    store
        .settle_message(start, Fate::Arrived, None)
        .await
        .unwrap();
    let second = take(store, 1_500).await;
    assert_eq!(second[0].event, WebhookEvent::Completed);
    store
        .settle_message(&second[0], Fate::Arrived, None)
        .await
        .unwrap();
    assert!(take(store, 99_999).await.is_empty());
}

pub(super) async fn what_waits_for_an_earlier_message_takes_no_place(store: &dyn Store) {
    submit(store, "1", &WebhookEvent::ALL).await;
    finish(store, "1").await;
    let one = async |now, until| store.take_messages(1, at(now), at(until)).await.unwrap();
    assert_eq!(one(400, 90_000).await[0].event, WebhookEvent::Start);
    submit(store, "2", &WebhookEvent::ALL).await;
    finish(store, "2").await;
    let next = one(500, 90_000).await;
    assert_eq!(next.len(), 1, "the end of 1 is older, but not its turn");
    assert_eq!(
        (&next[0].job, next[0].event),
        (&id("2"), WebhookEvent::Start)
    );
}

pub(super) async fn only_what_is_wanted_is_told(store: &dyn Store) {
    submit(store, "1", &[WebhookEvent::Completed]).await;
    store.submit(new_job("2")).await.unwrap();
    let lease = claim_again(store, &id("1"), 200).await.lease().unwrap();
    store
        .expire(&lease, 0, lost_worker(), at(200))
        .await
        .unwrap();
    assert!(take(store, 999).await.is_empty(), "it runs again");
    finish(store, "1").await;
    let told = take(store, 999).await;
    assert_eq!((told.len(), told[0].event), (1, WebhookEvent::Completed));
    submit(store, "3", &[WebhookEvent::Completed]).await;
    store.request_cancel(&id("3"), at(400)).await.unwrap();
    let told = take(store, 999).await;
    assert_eq!(
        (told.len(), &told[0].job),
        (1, &id("3")),
        "a cancel is an end"
    );
}

pub(super) async fn a_message_whose_sender_died_is_taken_again(store: &dyn Store) {
    submit(store, "1", &[WebhookEvent::Completed]).await;
    finish(store, "1").await;
    let dead = take(store, 999).await;
    let again = take(store, 999 + LATER).await;
    assert_eq!(again[0].tries, 2);
    let late = store.settle_message(&dead[0], Fate::Arrived, None).await;
    assert_eq!(kind_of(late), Kind::Lost);
    let wait = Fate::Again {
        not_before: at(50_000),
    };
    let said = store.settle_message(&again[0], wait, Some("500".to_owned()));
    said.await.unwrap();
    assert!(take(store, 49_999).await.is_empty());
    let third = take(store, 50_000).await;
    assert_eq!(
        (third[0].tries, third[0].failure.as_deref()),
        (3, Some("500"))
    );
}

pub(super) async fn dead_messages_are_listed_and_sent_again(store: &dyn Store) {
    submit(store, "1", &WebhookEvent::ALL).await;
    finish(store, "1").await;
    let start = take(store, 999).await.remove(0);
    let gone = Some("410".to_owned());
    store
        .settle_message(&start, Fate::Dead, gone)
        .await
        .unwrap();
    let next = take(store, 999).await;
    assert_eq!(next[0].event, WebhookEvent::Completed, "it holds up nobody");
    let dead = store.dead_messages(page(9)).await.unwrap().rows;
    assert_eq!((dead.len(), dead[0].failure.as_deref()), (1, Some("410")));
    assert_eq!(store.revive_messages(&id("2"), at(2_000)).await.unwrap(), 0);
    assert_eq!(store.revive_messages(&id("1"), at(2_000)).await.unwrap(), 1);
    assert!(store.dead_messages(page(9)).await.unwrap().rows.is_empty());
    let again = take(store, 2_000).await;
    assert_eq!((again[0].event, again[0].tries), (WebhookEvent::Start, 1));
}

pub(super) async fn a_page_of_dead_messages_cuts_no_job_in_two(store: &dyn Store) {
    for text in ["1", "2", "3"] {
        submit(store, text, &WebhookEvent::ALL).await;
    }
    let (one, me, policy) = (version("v-one"), owner("me"), policy());
    let claimed = store.claim(&one, &me, 9, at(200)).await;
    for job in claimed.unwrap() {
        let lease = job.lease().unwrap();
        // At the moment of its start.
        let end = store.finish(&lease, output("1"), &policy, 0.0, at(200));
        end.await.unwrap();
    }
    for _ in WebhookEvent::ALL {
        for message in take(store, 999).await {
            let dead = store.settle_message(&message, Fate::Dead, None).await;
            dead.unwrap();
        }
    }
    let mut next = None;
    let mut pages = Vec::new();
    loop {
        let page = Page {
            after: next,
            limit: 3,
        };
        let listed = store.dead_messages(page).await.unwrap();
        let rows = listed.rows.into_iter();
        pages.push(rows.map(|row| (row.job, row.event)).collect::<Vec<_>>());
        next = listed.next;
        if next.is_none() {
            break;
        }
    }
    let (start, end) = (WebhookEvent::Start, WebhookEvent::Completed);
    let both = |text: &str| [(id(text), end), (id(text), start)];
    let first = [both("3"), both("2")].concat();
    assert_eq!(pages, [first, both("1").to_vec()]);
}

pub(super) async fn the_end_of_a_training_is_told(store: &dyn Store) {
    let new = NewJob {
        webhook: Some(hook(&[WebhookEvent::Completed])),
        ..training("1")
    };
    store.submit(new).await.unwrap();
    let (one, me) = (version("v-one"), owner("me"));
    let claimed = store.claim_training(&one, &me, at(200)).await;
    let lease = claimed.unwrap().unwrap().lease().unwrap();
    let end = store.finish_training(&lease, trained("new"), at(300)).await;
    end.unwrap();
    let told = take(store, 999).await;
    assert_eq!((told.len(), told[0].event), (1, WebhookEvent::Completed));
    assert_eq!((&told[0].job, told[0].created_at), (&id("1"), at(300)));
}

pub(super) async fn many_senders_take_each_message_once(store: &dyn Store) {
    for text in ["1", "2", "3", "4", "5", "6"] {
        submit(store, text, &[WebhookEvent::Start]).await;
    }
    let jobs = store
        .claim(&version("v-one"), &owner("me"), 9, at(200))
        .await;
    assert_eq!(jobs.unwrap().len(), 6);
    let senders = (0..4).map(|_| async { take(store, 999).await });
    let taken = futures::future::join_all(senders).await.concat();
    let mut jobs: Vec<_> = taken.into_iter().map(|message| message.job).collect();
    jobs.sort();
    assert_eq!(jobs, ["1", "2", "3", "4", "5", "6"].map(id));
}

fn said(kind: EventKind, now: i64) -> NewEvent {
    NewEvent {
        kind,
        at: at(now),
        data: "{}".to_owned(),
    }
}

async fn say(store: &dyn Store, text: &str, events: Vec<NewEvent>) {
    let job = id(text);
    let said = store.append_events(&job, None, events);
    said.await.unwrap();
}

/// Starts the job and has the message about that arrive.
async fn start(store: &dyn Store, text: &str) -> Lease {
    submit(store, text, &WebhookEvent::ALL).await;
    let lease = claim_again(store, &id(text), 200).await.lease().unwrap();
    let told = take(store, 200).await;
    assert_eq!(told[0].event, WebhookEvent::Start);
    arrived(store, &told[0]).await;
    lease
}

async fn arrived(store: &dyn Store, message: &Message) {
    let settled = store.settle_message(message, Fate::Arrived, None);
    settled.await.unwrap();
}

fn events(messages: &[Message]) -> Vec<WebhookEvent> {
    messages.iter().map(|message| message.event).collect()
}

pub(super) async fn what_a_job_says_is_gathered_and_told(store: &dyn Store) {
    let lease = start(store, "1").await;
    let (output, log) = (EventKind::Output, EventKind::Log);
    say(
        store,
        "1",
        vec![said(output, 300), said(EventKind::Metric, 300)],
    )
    .await;
    let more = vec![said(log, 350), said(log, 400)];
    let under_lease = store.append_events(&lease.job, Some(&lease), more);
    under_lease.await.unwrap();
    say(store, "1", vec![said(output, 700)]).await;
    assert!(take(store, 799).await.is_empty(), "more may come");
    let told = take(store, 800).await;
    assert_eq!(events(&told), [WebhookEvent::Output]);
    assert_eq!(told[0].created_at, at(700), "one message for both pieces");
    assert!(take(store, 950).await.is_empty(), "one after the other");
    arrived(store, &told[0]).await;
    let told = take(store, 950).await;
    assert_eq!(events(&told), [WebhookEvent::Logs]);
    arrived(store, &told[0]).await;
    assert!(take(store, 99_999).await.is_empty());
}

pub(super) async fn what_is_said_while_a_message_is_on_its_way_is_told_next(store: &dyn Store) {
    start(store, "1").await;
    say(store, "1", vec![said(EventKind::Log, 300)]).await;
    let first = take(store, 800).await.remove(0);
    say(store, "1", vec![said(EventKind::Log, 900)]).await;
    arrived(store, &first).await;
    assert!(take(store, 1_399).await.is_empty());
    let second = take(store, 1_400).await.remove(0);
    assert_eq!((second.tries, second.created_at), (1, at(900)));
    let missed = store.settle_message(&second, Fate::Dropped, None);
    missed.await.unwrap();
    assert!(take(store, 99_999).await.is_empty());
}

pub(super) async fn who_is_away_meanwhile_is_told_the_end_all_the_same(store: &dyn Store) {
    let lease = start(store, "1").await;
    say(store, "1", vec![said(EventKind::Log, 300)]).await;
    let missed = take(store, 800).await.remove(0);
    let wait = Fate::Again {
        not_before: at(90_000),
    };
    let settled = store.settle_message(&missed, wait, Some("500".to_owned()));
    settled.await.unwrap();
    end(store, &lease).await;
    let told = take(store, 1_000).await;
    assert_eq!(events(&told), [WebhookEvent::Completed]);
}

pub(super) async fn what_gathers_holds_nothing_up(store: &dyn Store) {
    let lease = start(store, "1").await;
    say(store, "1", vec![said(EventKind::Log, 300)]).await;
    say(store, "1", vec![said(EventKind::Output, 700)]).await;
    let told = take(store, 800).await;
    assert_eq!(events(&told), [WebhookEvent::Logs], "the output is not due");
    end(store, &lease).await;
    assert!(
        take(store, 1_000).await.is_empty(),
        "the lines are on their way"
    );
    arrived(store, &told[0]).await;
    let told = take(store, 1_000).await;
    assert_eq!(events(&told), [WebhookEvent::Completed]);
    say(store, "1", vec![said(EventKind::Log, 1_001)]).await;
    arrived(store, &told[0]).await;
    let overtaken = take(store, 99_999).await;
    assert_eq!(
        events(&overtaken),
        [WebhookEvent::Output],
        "and nothing new"
    );
}

pub(super) async fn messages_go_with_their_job(store: &dyn Store) {
    submit(store, "1", &WebhookEvent::ALL).await;
    finish(store, "1").await;
    store.delete_job(&id("1")).await.unwrap();
    assert!(take(store, 99_999).await.is_empty());
}
