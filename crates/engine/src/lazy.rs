//! Checks that are compiled when they are first needed: most of a thousand models sleep.
//! The builder has compiled them before, so an error here is ours.

use crate::parts::{Checks, Parts};
use bytes::Bytes;
use onstage_core::{
    Result,
    ports::{CheckError, InputCheck, OutputCheck},
    schema::ModelSchema,
};
use std::sync::{Arc, OnceLock};

pub(crate) struct Lazy<T: ?Sized> {
    checks: Arc<dyn Checks>,
    schema: Arc<ModelSchema>,
    compiled: OnceLock<Arc<T>>,
}

impl<T: ?Sized> Lazy<T> {
    pub(crate) fn new(parts: &Parts, schema: &Arc<ModelSchema>) -> Arc<Self> {
        Arc::new(Self {
            checks: parts.checks.clone(),
            schema: schema.clone(),
            compiled: OnceLock::new(),
        })
    }

    fn get(
        &self,
        compile: impl FnOnce(&dyn Checks, &ModelSchema) -> Result<Arc<T>>,
    ) -> Result<&Arc<T>, Vec<CheckError>> {
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let compiled = compile(&*self.checks, &self.schema).map_err(|error| {
            tracing::error!(%error, "a schema that was good cannot be compiled");
            vec![CheckError {
                pointer: String::new(),
                expected: "a schema that can be checked".to_owned(),
                got: error.to_string(),
            }]
        })?;
        Ok(self.compiled.get_or_init(|| compiled))
    }
}

impl InputCheck for Lazy<dyn InputCheck> {
    fn check(&self, json: &[u8]) -> Result<(), Vec<CheckError>> {
        self.get(|checks, schema| checks.input(schema))?.check(json)
    }

    fn coerce(&self, cells: &[(String, serde_json::Value)]) -> Result<Bytes, Vec<CheckError>> {
        self.get(|checks, schema| checks.input(schema))?
            .coerce(cells)
    }
}

impl OutputCheck for Lazy<dyn OutputCheck> {
    fn check(&self, json: &[u8]) -> Result<(), Vec<CheckError>> {
        self.get(|checks, schema| checks.output(schema))?
            .check(json)
    }
}
