//! Pages of tables, ordered by a time and the id, newest first.
//! Must not know a table.

use super::{SqlStore, row};
use onstage_core::{
    Error, Result, Timestamp,
    ports::{Cursor, Listed, Page},
};
use sea_orm::{
    Order, QueryResult,
    sea_query::{Expr, ExprTrait, SelectStatement},
};

impl SqlStore {
    /// A page of what `select` finds, ordered by its column `time`.
    pub(super) async fn newest<T>(
        &self,
        select: SelectStatement,
        time: &'static str,
        page: &Page,
        read: impl Fn(&QueryResult) -> Result<T>,
    ) -> Result<Listed<T>> {
        let rows = self.all(&in_order(select, time, page)).await?;
        listed(&rows, page.limit, read, |row| place(row, time))
    }
}

/// Where a row is among others.
pub(super) fn place(row: &QueryResult, time: &'static str) -> Result<Cursor> {
    Ok(Cursor {
        at: Timestamp(row::get(row, time)?),
        id: row::get(row, "id")?,
    })
}

/// One row more than the page has, which tells whether another follows.
pub(super) fn in_order(
    mut select: SelectStatement,
    time: &'static str,
    page: &Page,
) -> SelectStatement {
    if let Some(after) = &page.after {
        // The first condition alone lets an index find the place.
        let same_or_older = Expr::col(time).lte(after.at.0);
        let older = Expr::col(time)
            .lt(after.at.0)
            .or(Expr::col("id").lt(after.id.as_str()));
        select.and_where(same_or_older).and_where(older);
    }
    select
        .order_by(time, Order::Desc)
        .order_by("id", Order::Desc)
        .limit(u64::from(page.limit) + 1)
        .take()
}

/// Makes a page of the rows that were found, one more than its limit when another page follows: rows that cannot be read count as rows.
pub(super) fn listed<T, C>(
    rows: &[QueryResult],
    limit: u32,
    read: impl Fn(&QueryResult) -> Result<T>,
    place: impl Fn(&QueryResult) -> Result<C>,
) -> Result<Listed<T, C>> {
    let shown = &rows[..rows.len().min(limit as usize)];
    let mut next = None;
    if rows.len() > shown.len() && !shown.is_empty() {
        let last = shown.iter().rev().find_map(|row| place(row).ok());
        let unreadable = || Error::internal("a whole page of records cannot be read");
        next = Some(last.ok_or_else(unreadable)?);
    }
    Ok(Listed {
        rows: row::readable(shown, read),
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::sea_query::{Query, SqliteQueryBuilder};

    #[test]
    fn a_page_begins_where_an_index_can_find_it() {
        let page = Page {
            after: Some("0000000000077-abcdefgh".parse().unwrap()),
            limit: 20,
        };
        let select = Query::select().column("id").from("jobs").take();
        assert_eq!(
            in_order(select, "created_at", &page).to_string(SqliteQueryBuilder),
            r#"SELECT "id" FROM "jobs" WHERE "created_at" <= 77 AND ("created_at" < 77 OR "id" < 'abcdefgh') ORDER BY "created_at" DESC, "id" DESC LIMIT 21"#
        );
    }
}
