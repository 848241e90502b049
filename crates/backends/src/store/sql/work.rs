//! What a write does inside its transaction, kept so that it can be done again after it was undone.
//! Must not know what is written, nor when it is done again.

use futures::future::BoxFuture;
use onstage_core::Result;
use sea_orm::DatabaseTransaction;

/// An error undoes what was written; the work may then be run anew, and must come to the same.
pub(super) trait Work<T>: Send + Sync {
    fn run<'a>(&'a self, transaction: &'a DatabaseTransaction) -> BoxFuture<'a, Result<T>>;
}

/// Work over values that every run borrows.
pub(super) fn over<V, T, F>(values: V, run: F) -> Box<dyn Work<T>>
where
    V: Send + Sync + 'static,
    T: 'static,
    F: for<'a> Fn(&'a DatabaseTransaction, &'a V) -> BoxFuture<'a, Result<T>>,
    F: Send + Sync + 'static,
{
    Box::new(Over { values, run })
}

struct Over<V, F> {
    values: V,
    run: F,
}

impl<V, T, F> Work<T> for Over<V, F>
where
    V: Send + Sync,
    F: for<'a> Fn(&'a DatabaseTransaction, &'a V) -> BoxFuture<'a, Result<T>>,
    F: Send + Sync,
{
    fn run<'a>(&'a self, transaction: &'a DatabaseTransaction) -> BoxFuture<'a, Result<T>> {
        (self.run)(transaction, &self.values)
    }
}
