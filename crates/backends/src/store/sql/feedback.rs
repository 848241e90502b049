//! Feedback in SQL: one row per person and prediction.
//! Must not know how it was collected.

use super::{SqlStore, dialect, error::store_error, row};
use async_trait::async_trait;
use onstage_core::{
    Error, Result,
    feedback::{Feedback, FeedbackFilter},
    ports::{FeedbackBook, Listed, Page},
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, QueryResult,
    sea_query::{Expr, ExprTrait, Query},
};

const COLUMNS: [&str; 12] = [
    "id",
    "prediction",
    "model",
    "version_number",
    "rating",
    "reason",
    "comment",
    "correction_json",
    "who",
    "input_json",
    "output_json",
    "created_at",
];

/// How often one is put again after somebody else was first.
const TRIES_MAX: u32 = 8;

#[async_trait]
impl FeedbackBook for SqlStore {
    async fn put_feedback(&self, feedback: Feedback) -> Result<Feedback> {
        self.write(feedback, |transaction, feedback| {
            Box::pin(put(transaction, feedback.clone()))
        })
        .await
    }

    async fn feedback(&self, filter: &FeedbackFilter, page: Page) -> Result<Listed<Feedback>> {
        let is = |column: &'static str| move |text: String| Expr::col(column).eq(text);
        let model = filter.model.as_ref().map(ToString::to_string);
        let prediction = filter.prediction.as_ref().map(ToString::to_string);
        let since = filter
            .since
            .map(|since| Expr::col("created_at").gte(since.0));
        let select = Query::select()
            .columns(COLUMNS)
            .from("feedback")
            .and_where_option(model.map(is("model")))
            .and_where_option(prediction.map(is("prediction")))
            .and_where_option(since)
            .take();
        self.newest(select, "created_at", &page, read).await
    }
}

async fn put(transaction: &DatabaseTransaction, feedback: Feedback) -> Result<Feedback> {
    for _ in 0..TRIES_MAX {
        let older = Query::delete()
            .from_table("feedback")
            .and_where(Expr::col("prediction").eq(feedback.prediction.as_str()))
            .and_where(Expr::col("who").eq(feedback.who.as_str()))
            .take();
        transaction.execute(&older).await.map_err(store_error)?;
        let insert = Query::insert()
            .into_table("feedback")
            .columns(COLUMNS)
            .values_panic(values(&feedback))
            .take();
        // The same person, at the same moment through another front, may have come in between.
        if dialect::insert_once(transaction, insert, &["prediction", "who"]).await? {
            return Ok(feedback);
        }
    }
    Err(Error::conflict(format!(
        "feedback `{}` is there already, or is given by too many at once",
        feedback.id
    )))
}

fn values(feedback: &Feedback) -> [Expr; 12] {
    [
        feedback.id.as_str().into(),
        feedback.prediction.as_str().into(),
        feedback.model.to_string().into(),
        i64::from(feedback.version_number).into(),
        feedback.rating.map(i64::from).into(),
        row::maybe_plain(feedback.reason.as_deref()).into(),
        row::maybe_plain(feedback.comment.as_deref()).into(),
        feedback.correction.clone().into(),
        feedback.who.as_str().into(),
        feedback.input.clone().into(),
        feedback.output.clone().into(),
        feedback.created_at.0.into(),
    ]
}

fn read(row: &QueryResult) -> Result<Feedback> {
    let rating = row::get::<Option<i64>>(row, "rating")?.map(i8::try_from);
    Ok(Feedback {
        id: row::id(row)?,
        prediction: row::parse(row, "prediction")?,
        model: row::parse(row, "model")?,
        version_number: row::small(row, "version_number")?,
        rating: rating
            .transpose()
            .map_err(|error| Error::internal("a rating is small").because(error))?,
        reason: row::get(row, "reason")?,
        comment: row::get(row, "comment")?,
        correction: row::get(row, "correction_json")?,
        who: row::parse(row, "who")?,
        input: row::get(row, "input_json")?,
        output: row::get(row, "output_json")?,
        created_at: row::time(row, "created_at")?,
    })
}
