//! The table of routes: method, path, who may, what it says of itself, and its handler. The router, the OpenAPI document
//! and the access test are made from it. Does not know what handlers do.

use super::{call::Call, problem::Answer};
use http::Method;
use std::pin::Pin;

pub(crate) type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;
pub(crate) type Run = fn(Call) -> Running;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody: says and does nothing that needs protection, or is the login itself.
    Public,
    /// Anybody signed in.
    Stakeholder,
    Owner,
}

/// One line of the table.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) query: &'static [Param],
    pub(crate) takes: Takes,
    /// Status, and what comes with it.
    pub(crate) answers: Vec<(u16, Gives)>,
    /// Statuses of its own errors, beside those every route can have.
    pub(crate) errors: &'static [u16],
    pub(crate) run: Run,
}

/// A query parameter: its name and what it does.
pub(crate) type Param = (&'static str, &'static str);

/// What a route takes as its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    /// JSON of a named component.
    Json(&'static str),
    /// JSON of a named component, or a form with parts of the same names.
    JsonOrForm(&'static str),
    Form(&'static str),
    Bytes(&'static str),
    /// Bytes of a media type, or JSON of a named component.
    BytesOrJson(&'static str, &'static str),
}

/// What a route answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    Nothing,
    /// JSON of a named component.
    Json(&'static str),
    /// A page of a named component.
    Page(&'static str),
    /// Bytes of a media type.
    Media(&'static str),
}

/// What every list understands.
pub(crate) const CURSOR: Param = ("cursor", "where the page begins; taken from `next`");
pub(crate) const LIMIT: Param = ("limit", "rows of a page: 50 by default, 200 at most");
pub(crate) const PAGING: &[Param] = &[CURSOR, LIMIT];

impl Route {
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        access: Access,
        summary: &'static str,
        run: Run,
    ) -> Self {
        Self {
            method,
            path,
            access,
            tag: "",
            summary,
            query: &[],
            takes: Takes::Nothing,
            answers: Vec::new(),
            errors: &[],
            run,
        }
    }

    pub(crate) fn query(mut self, query: &'static [Param]) -> Self {
        self.query = query;
        self
    }

    pub(crate) fn takes(mut self, takes: Takes) -> Self {
        self.takes = takes;
        self
    }

    pub(crate) fn gives(mut self, status: u16, gives: Gives) -> Self {
        self.answers.push((status, gives));
        self
    }

    pub(crate) fn errors(mut self, errors: &'static [u16]) -> Self {
        self.errors = errors;
        self
    }
}

/// All routes.
pub(crate) fn routes() -> Vec<Route> {
    let areas = [
        ("models", super::models::routes()),
        ("versions", super::versions::routes()),
        ("templates", super::templates::routes()),
        ("aliases", super::aliases::routes()),
        ("predictions", super::predictions::routes()),
        ("batches", super::batches::routes()),
        ("trainings", super::trainings::routes()),
        ("jobs", super::jobs::routes()),
        ("schedules", super::schedules::routes()),
        ("files", super::files::routes()),
        ("uploads", super::uploads::routes()),
        ("datasets", super::datasets::routes()),
        ("feedback", super::feedback::routes()),
        ("usage", super::usage::routes()),
        ("webhooks", super::webhooks::routes()),
        ("people", super::people::routes()),
        ("installation", super::installation::routes()),
        ("one model", super::cog::routes()),
        ("inference protocol", super::v2::routes()),
        ("page", super::page::routes()),
    ];
    areas
        .into_iter()
        .flat_map(|(tag, routes)| routes.into_iter().map(move |route| Route { tag, ..route }))
        .collect()
}

/// One line: `route!(GET "/v1/models", Stakeholder, "lists models", list::run)`.
macro_rules! route {
    ($method:ident $path:expr, $access:ident, $summary:expr, $run:path) => {
        $crate::gateway::table::Route::new(
            http::Method::$method,
            $path,
            $crate::gateway::table::Access::$access,
            $summary,
            |call| Box::pin($run(call)),
        )
    };
}
pub(crate) use route;
