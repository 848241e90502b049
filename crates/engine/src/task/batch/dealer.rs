//! Gives the thread that reads the table one stretch of rows after the other: of this task's own rows, or of what many tasks share.
//! Does not read rows, and leaves to `sharing` whether there is something to share.

use super::{meter::Meter, sharing::Outlook};
use crate::{parts::Parts, task::persist};
use onstage_core::{
    Error, Result,
    job::{JobKind, Lease},
    model::VersionId,
    shares::{self, ShareStep, Shares},
};
use std::{ops::Range, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// How often the run whose rows are shared looks what the others have done.
const LOOK_EVERY_MS: u64 = 1_000;
/// How often a task that has nothing left looks whether a share comes back from one that is gone.
const WAIT_MS: u64 = 100;
/// Rows of a stretch before it is known how fast they go, in microbatches.
const FIRST_MICROBATCHES: u64 = 4;
/// Rows of a stretch while nothing is shared: sharing can begin behind it.
const OWN_ROWS_MAX: u64 = 10_000;

/// Rows to read one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Counted from 0 in the order in which they are read.
    pub(crate) seq: u64,
    pub(crate) rows: Range<u64>,
    /// It is a share: its end is told to the store.
    pub(crate) shared: bool,
}

/// What the reading thread asks with; no stretch is the end.
pub(crate) type Ask = oneshot::Sender<Result<Option<Stretch>>>;

/// Whose rows these are.
pub(crate) enum Role {
    /// The job's own run, which has these rows and may share them.
    Own {
        free: Vec<Range<u64>>,
        tasks_max: u32,
    },
    /// A helper of it, which goes when jobs of this version wait.
    Helper { version: VersionId },
}

pub(crate) struct Dealer {
    pub(crate) parts: Parts,
    pub(crate) lease: Lease,
    pub(crate) meter: Arc<Meter>,
    pub(crate) role: Role,
    /// Rows of a microbatch.
    pub(crate) microbatch: u64,
}

struct Dealing {
    dealer: Dealer,
    seq: u64,
    /// Rows are shared.
    shared: bool,
    /// Ends of the shares that this task has.
    known: Vec<u64>,
    wanted: u32,
}

impl Dealer {
    /// Answers every ask until nobody asks any more.
    pub(crate) async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        let mut dealing = Dealing {
            shared: matches!(self.role, Role::Helper { .. }),
            dealer: self,
            seq: 0,
            known: Vec::new(),
            wanted: 0,
        };
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => {
                        let _ = ask.send(dealing.next().await);
                    }
                    None => return,
                },
                () = tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)), if dealing.looks() => {
                    if let Err(error) = dealing.look().await {
                        tracing::debug!(job = %dealing.dealer.lease.job, %error, "the shares of a job were not seen");
                    }
                }
            }
        }
    }
}

impl Dealing {
    async fn next(&mut self) -> Result<Option<Stretch>> {
        if !self.shared {
            self.open_if_worth().await?;
        }
        if self.shared {
            return self.next_share().await;
        }
        let most = self.own_rows();
        let Role::Own { free, .. } = &mut self.dealer.role else {
            return Ok(None);
        };
        let rows = shares::take_rows(free, most);
        Ok(rows.map(|rows| self.stretch(rows)))
    }

    fn stretch(&mut self, rows: Range<u64>) -> Stretch {
        self.seq += 1;
        Stretch {
            seq: self.seq - 1,
            rows,
            shared: self.shared,
        }
    }

    /// All there is when nobody may help; else little enough to share the rest soon.
    fn own_rows(&self) -> u64 {
        match &self.dealer.role {
            Role::Own { tasks_max: 2.., .. } => {
                let now = self.dealer.parts.clock.monotonic();
                let first = self.dealer.microbatch * FIRST_MICROBATCHES;
                let pace = self.dealer.meter.pace(now);
                pace.map_or(first, |(rows_per_s, _)| {
                    (rows_per_s as u64).clamp(first, OWN_ROWS_MAX.max(first))
                })
            }
            _ => u64::MAX,
        }
    }

    async fn open_if_worth(&mut self) -> Result<()> {
        let Some(total) = self.dealer.meter.total() else {
            return Ok(());
        };
        let Role::Own { free, .. } = &mut self.dealer.role else {
            return Ok(());
        };
        clip(free, total.end);
        let rows_left = free.iter().map(|rows| rows.end - rows.start).sum();
        let Some(outlook) = self.outlook(rows_left) else {
            return Ok(());
        };
        self.wanted = outlook.helpers();
        if self.wanted == 0 {
            return Ok(());
        }
        let Role::Own { free, .. } = &mut self.dealer.role else {
            return Ok(());
        };
        let open = ShareStep::Open {
            free: std::mem::take(free),
            share_rows: outlook.share_rows(),
            wanted: self.wanted,
        };
        self.share(open).await?;
        self.shared = true;
        tracing::info!(job = %self.dealer.lease.job, rows_left, share_rows = outlook.share_rows(), helpers = self.wanted, "other tasks may help with the rest");
        Ok(())
    }

    fn outlook(&self, rows_left: u64) -> Option<Outlook> {
        let Role::Own { tasks_max, .. } = self.dealer.role else {
            return None;
        };
        let now = self.dealer.parts.clock.monotonic();
        let (rows_per_s, start_s) = self.dealer.meter.pace(now)?;
        Some(Outlook {
            tasks_max,
            rows_left,
            rows_per_s,
            start_s,
            microbatch: self.dealer.microbatch,
        })
    }

    /// A helper goes when there are none or others wait; the job's own run stays until everybody is done.
    async fn next_share(&mut self) -> Result<Option<Stretch>> {
        let helps = matches!(self.dealer.role, Role::Helper { .. });
        if self.others_wait().await? {
            return Ok(None);
        }
        loop {
            let known = self.known.clone();
            let shares = self.share(ShareStep::Take { known }).await?;
            self.dealer.meter.tell_helped(shares.helped);
            let me = &self.dealer.lease.owner;
            let is_mine = |end: &u64| {
                shares
                    .taken
                    .iter()
                    .any(|it| it.owner == *me && it.rows.end == *end)
            };
            self.known.retain(is_mine);
            if let Some(share) = shares.unknown_share(me, &self.known) {
                let rows = share.rows.clone();
                self.known.push(rows.end);
                return Ok(Some(self.stretch(rows)));
            }
            if helps || !shares.others_compute(me) {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(WAIT_MS)).await;
        }
    }

    /// Whether jobs wait that a helper keeps from being run; trainings have tasks of their own.
    async fn others_wait(&self) -> Result<bool> {
        let Role::Helper { version } = &self.dealer.role else {
            return Ok(false);
        };
        let parts = &self.dealer.parts;
        for kind in [JobKind::Prediction, JobKind::Batch] {
            let waits = persist::insist(parts, "looking for jobs that wait", || {
                parts.store.waits(version, kind, parts.clock.now())
            });
            if waits.await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn looks(&self) -> bool {
        self.shared && matches!(self.dealer.role, Role::Own { .. })
    }

    /// What helpers have done, and whether there is use for as many as before.
    async fn look(&mut self) -> Result<()> {
        let found = self
            .dealer
            .parts
            .store
            .shares(&self.dealer.lease.job)
            .await?;
        let Some(shares) = found else { return Ok(()) };
        self.dealer.meter.tell_helped(shares.helped);
        let rows_left = shares.free.iter().map(|rows| rows.end - rows.start).sum();
        let Some(outlook) = self.outlook(rows_left) else {
            return Ok(());
        };
        // Who is in has come already: only places that nobody took are too many.
        let wanted = outlook.helpers().min(self.wanted);
        if wanted < self.wanted {
            self.wanted = wanted;
            self.share(ShareStep::Want(wanted)).await?;
        }
        Ok(())
    }

    async fn share(&self, step: ShareStep) -> Result<Shares> {
        let (parts, lease) = (&self.dealer.parts, &self.dealer.lease);
        let shares = persist::insist(parts, "sharing rows", || {
            parts.store.share(lease, step.clone())
        });
        shares
            .await?
            .ok_or_else(|| Error::internal("rows are shared, and nobody knows how"))
    }
}

/// Cuts off what lies behind `end`.
fn clip(free: &mut Vec<Range<u64>>, end: u64) {
    for rows in free.iter_mut() {
        rows.end = rows.end.min(end);
    }
    free.retain(|rows| rows.start < rows.end);
}
