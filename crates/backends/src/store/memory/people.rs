//! Credentials in memory.
//! Must not see a secret; it holds their hashes.

use super::{MemoryStore, newest};
use async_trait::async_trait;
use onstage_core::{
    Error, Id, Result, Timestamp,
    people::{Credential, CredentialKind},
    ports::{Listed, Page, People},
};

#[async_trait]
impl People for MemoryStore {
    async fn add_credential(&self, credential: Credential) -> Result<()> {
        let mut state = self.lock();
        let same = |known: &Credential| {
            known.id == credential.id || known.secret_sha256 == credential.secret_sha256
        };
        if state.credentials.values().any(same) {
            return Err(Error::conflict(format!(
                "credential `{}` exists already",
                credential.id
            )));
        }
        state.credentials.insert(credential.id.clone(), credential);
        Ok(())
    }

    async fn credential(&self, secret_sha256: &str) -> Result<Option<Credential>> {
        let state = self.lock();
        let mut rows = state.credentials.values();
        Ok(rows.find(|row| row.secret_sha256 == secret_sha256).cloned())
    }

    async fn take_credential(&self, secret_sha256: &str) -> Result<Option<Credential>> {
        let mut state = self.lock();
        let once = |row: &&Credential| {
            row.secret_sha256 == secret_sha256 && row.kind == CredentialKind::LoginLink
        };
        let id = state
            .credentials
            .values()
            .find(once)
            .map(|row| row.id.clone());
        Ok(id.and_then(|id| state.credentials.remove(&id)))
    }

    async fn credentials(&self, kind: CredentialKind, page: Page) -> Result<Listed<Credential>> {
        Ok(newest(
            &self.lock().credentials,
            &page,
            |row| row.created_at,
            |row| row.kind == kind,
        ))
    }

    async fn remove_credential(&self, id: &Id) -> Result<()> {
        let removed = self.lock().credentials.remove(id);
        removed.map(|_| ()).ok_or_else(|| no_credential(id))
    }

    async fn touch_credential(&self, id: &Id, now: Timestamp) -> Result<()> {
        let mut state = self.lock();
        let row = state.credentials.get_mut(id);
        row.ok_or_else(|| no_credential(id))?.last_used_at = Some(now);
        Ok(())
    }

    async fn sweep_credentials(&self, now: Timestamp) -> Result<u64> {
        let mut state = self.lock();
        let before = state.credentials.len();
        let lives = |row: &Credential| row.expires_at.is_none_or(|at| at >= now);
        state.credentials.retain(|_, row| lives(row));
        Ok((before - state.credentials.len()) as u64)
    }
}

fn no_credential(id: &Id) -> Error {
    Error::not_found(format!("credential `{id}` does not exist"))
}
