//! Records of realtime predictions and feedback on them, in memory.
//! Must not know how they were computed or collected.

use super::{MemoryStore, newest};
use async_trait::async_trait;
use onstage_core::{
    Error, Id, ModelName, Result, Timestamp,
    feedback::{Feedback, FeedbackFilter},
    ports::{FeedbackBook, Listed, Page, Predictions},
    prediction::{Forgotten, PredictionFilter, PredictionRecord, RecordPart},
};
use std::{collections::HashSet, ops::Range};

#[async_trait]
impl Predictions for MemoryStore {
    async fn record(&self, predictions: Vec<PredictionRecord>) -> Result<()> {
        let mut state = self.lock();
        for record in predictions {
            // What a model has computed goes with it, also what is written down late.
            if !state.models.contains_key(&record.model) {
                continue;
            }
            let model = record.model.clone();
            let known = state.predictions.insert(record.id.clone(), record);
            if known.is_none() {
                state.count_runs(&model, 1);
            }
        }
        Ok(())
    }

    async fn prediction(&self, id: &Id) -> Result<Option<PredictionRecord>> {
        Ok(self.lock().predictions.get(id).cloned())
    }

    async fn predictions(
        &self,
        filter: &PredictionFilter,
        page: Page,
    ) -> Result<Listed<PredictionRecord>> {
        let fits = |row: &PredictionRecord| {
            filter
                .model
                .as_ref()
                .is_none_or(|model| row.model == *model)
                && filter
                    .status
                    .as_ref()
                    .is_none_or(|status| row.end.status_name() == status)
                && filter.by.as_ref().is_none_or(|by| row.by == *by)
        };
        Ok(newest(
            &self.lock().predictions,
            &page,
            |row| row.created_at,
            fits,
        ))
    }

    async fn delete_prediction(&self, id: &Id) -> Result<()> {
        let removed = self.lock().predictions.remove(id);
        removed
            .map(|_| ())
            .ok_or_else(|| Error::not_found(format!("prediction `{id}` does not exist")))
    }

    async fn forget(
        &self,
        model: &ModelName,
        part: RecordPart,
        created: Range<Timestamp>,
        limit: u32,
    ) -> Result<Vec<Forgotten>> {
        let mut state = self.lock();
        let liked: HashSet<Id> = (state.feedback.values())
            .map(|feedback| feedback.prediction.clone())
            .collect();
        let mut due: Vec<&mut PredictionRecord> = (state.predictions.values_mut())
            .filter(|row| row.model == *model && created.contains(&row.created_at))
            .filter(|row| !liked.contains(&row.id))
            .collect();
        due.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(due
            .into_iter()
            .filter_map(|row| {
                let (id, blobs) = (row.id.clone(), row.has_blobs(part));
                row.remove(part).then_some(Forgotten { id, blobs })
            })
            .take(limit as usize)
            .collect())
    }

    async fn run_count(&self, model: &ModelName) -> Result<u64> {
        Ok(self.lock().runs.get(model).copied().unwrap_or(0))
    }
}

#[async_trait]
impl FeedbackBook for MemoryStore {
    async fn put_feedback(&self, feedback: Feedback) -> Result<Feedback> {
        let mut state = self.lock();
        let same =
            |row: &Feedback| row.prediction == feedback.prediction && row.who == feedback.who;
        let taken = state
            .feedback
            .get(&feedback.id)
            .is_some_and(|row| !same(row));
        if taken {
            return Err(Error::conflict(format!(
                "feedback `{}` exists already",
                feedback.id
            )));
        }
        state.feedback.retain(|_, row| !same(row));
        state.feedback.insert(feedback.id.clone(), feedback.clone());
        Ok(feedback)
    }

    async fn feedback(&self, filter: &FeedbackFilter, page: Page) -> Result<Listed<Feedback>> {
        let fits = |row: &Feedback| {
            filter
                .model
                .as_ref()
                .is_none_or(|model| row.model == *model)
                && filter
                    .prediction
                    .as_ref()
                    .is_none_or(|prediction| row.prediction == *prediction)
                && filter.since.is_none_or(|since| row.created_at >= since)
        };
        Ok(newest(
            &self.lock().feedback,
            &page,
            |row| row.created_at,
            fits,
        ))
    }
}
