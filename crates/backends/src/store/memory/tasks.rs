//! Tasks and uploaded files in memory.
//! Must not know how tasks are started or where the bytes of a file lie.

use super::{MemoryStore, newest};
use crate::store::rules;
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result, Timestamp,
    file::File,
    ports::{Files, Listed, Page, Tasks},
    task::{Incarnation, Task},
};

#[async_trait]
impl Tasks for MemoryStore {
    async fn register_task(&self, task: Task) -> Result<()> {
        let mut state = self.lock();
        if state.tasks.contains_key(&task.id) {
            return Err(Error::conflict(format!(
                "task `{}` is registered already",
                task.id
            )));
        }
        let oldest = rules::forgotten_tasks(task.started_at);
        let kept = |task: &Task| task.ended_at.is_none_or(|ended| ended >= oldest);
        state.tasks.retain(|_, task| kept(task));
        state.tasks.insert(task.id.clone(), task);
        Ok(())
    }

    async fn beat_task(&self, id: &Id, incarnation: &Incarnation) -> Result<()> {
        let mut state = self.lock();
        let task = state.tasks.get_mut(id).ok_or_else(|| no_task(id))?;
        if task.incarnation != *incarnation || task.ended_at.is_some() {
            return Err(Error::lost(format!(
                "task `{id}` has ended or is another's"
            )));
        }
        task.beat += 1;
        Ok(())
    }

    async fn end_task(&self, id: &Id, why: &str, now: Timestamp) -> Result<()> {
        let mut state = self.lock();
        let task = state.tasks.get_mut(id).ok_or_else(|| no_task(id))?;
        if task.ended_at.is_none() {
            task.ended_at = Some(now);
            task.end = Some(why.to_owned());
        }
        Ok(())
    }

    async fn tasks(&self, page: Page) -> Result<Listed<Task>> {
        Ok(newest(
            &self.lock().tasks,
            &page,
            |task| task.started_at,
            |_| true,
        ))
    }
}

fn no_task(id: &Id) -> Error {
    Error::not_found(format!("task `{id}` does not exist"))
}

#[async_trait]
impl Files for MemoryStore {
    async fn add_file(&self, file: File) -> Result<()> {
        let mut state = self.lock();
        if state.files.contains_key(&file.id) {
            return Err(Error::conflict(format!(
                "file `{}` exists already",
                file.id
            )));
        }
        state.files.insert(file.id.clone(), file);
        Ok(())
    }

    async fn file(&self, id: &Id) -> Result<Option<File>> {
        Ok(self.lock().files.get(id).cloned())
    }

    async fn files(&self, page: Page) -> Result<Listed<File>> {
        Ok(newest(
            &self.lock().files,
            &page,
            |file| file.created_at,
            |_| true,
        ))
    }

    async fn remove_file(&self, id: &Id) -> Result<File> {
        let removed = self.lock().files.remove(id);
        removed.ok_or_else(|| Error::not_found(format!("file `{id}` does not exist")))
    }
}
