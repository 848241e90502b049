//! Schedules in memory.
//! Must not know when a tick is.

use super::{MemoryStore, newest};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Id, ModelName, Result,
    ports::{Listed, Page, Schedules},
    schedule::Schedule,
};

#[async_trait]
impl Schedules for MemoryStore {
    async fn add_schedule(&self, schedule: Schedule) -> Result<()> {
        let mut state = self.lock();
        if !state.models.contains_key(&schedule.model) {
            return Err(rules::no_model(&schedule.model));
        }
        if state.schedules.contains_key(&schedule.id) {
            return Err(Error::conflict(format!(
                "schedule `{}` is there already",
                schedule.id
            )));
        }
        state.schedules.insert(schedule.id.clone(), schedule);
        Ok(())
    }

    async fn schedule(&self, id: &Id) -> Result<Option<Schedule>> {
        Ok(self.lock().schedules.get(id).cloned())
    }

    async fn schedules(&self, model: Option<&ModelName>, page: Page) -> Result<Listed<Schedule>> {
        let of_model = |row: &Schedule| model.is_none_or(|model| row.model == *model);
        let state = self.lock();
        Ok(newest(
            &state.schedules,
            &page,
            |row| row.created_at,
            of_model,
        ))
    }

    async fn soonest_schedules(&self, limit: u32) -> Result<Vec<Schedule>> {
        let state = self.lock();
        let mut due: Vec<_> = state
            .schedules
            .values()
            .filter_map(|row| Some((row.due_at()?, &row.id, row)))
            .collect();
        due.sort_by_key(|(at, id, _)| (*at, *id));
        due.truncate(limit as usize);
        Ok(due.into_iter().map(|(_, _, row)| row.clone()).collect())
    }

    async fn update_schedule(&self, schedule: Schedule) -> Result<Schedule> {
        let mut state = self.lock();
        let known = state
            .schedules
            .get_mut(&schedule.id)
            .ok_or_else(|| rules::no_schedule(&schedule.id))?;
        let next = rules::next_schedule(known, schedule)?;
        *known = next.clone();
        Ok(next)
    }

    async fn remove_schedule(&self, id: &Id) -> Result<()> {
        let removed = self.lock().schedules.remove(id);
        removed.map(drop).ok_or_else(|| rules::no_schedule(id))
    }
}
