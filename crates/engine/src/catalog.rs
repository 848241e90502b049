//! The cached catalog: which version answers for each model and what its aliases point at, kept current by watching one number in the store.
//! Does not build versions; switching to another one waits until that one has a worker, when the old one had.

use crate::{
    ask::Loaded,
    lazy::Lazy,
    parts::{Parts, Settings},
};
use arc_swap::ArcSwap;
use onstage_core::{
    Error, ModelName, Result,
    alias::{Alias, Aliases},
    model::{Model, Version, VersionId, VersionState},
    ports::Page,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// Models read in one page.
const PAGE_MODELS: u32 = 200;
/// How often the revision is read when only this front changes the catalog, and says so.
const POLL_ALONE: Duration = Duration::from_secs(5);
/// Compiled versions kept beside those that are live.
const LOADED_MAX: usize = 256;

/// What a model has in the cache.
#[derive(Clone)]
pub(crate) struct Standing {
    pub loaded: Option<Arc<Loaded>>,
    /// The version that the record names, which may not answer yet.
    pub wanted: Option<VersionId>,
    /// Why the wanted version does not answer although it should.
    pub trouble: Option<String>,
    pub aliases: Arc<Aliases>,
}

impl Standing {
    /// Whether the live version or an alias is this one.
    fn names(&self, id: &VersionId) -> bool {
        self.wanted.as_ref() == Some(id) || self.aliases.values().any(|to| to.version == *id)
    }
}

pub(crate) struct Catalog {
    parts: Parts,
    live: ArcSwap<HashMap<ModelName, Standing>>,
    loaded: Mutex<HashMap<VersionId, Arc<Loaded>>>,
    pub changed: watch::Sender<u64>,
    pub nudged: Notify,
}

/// A model whose record names another version than the one that answers.
pub(crate) struct Switch {
    pub model: ModelName,
    pub to: Option<Arc<Loaded>>,
}

impl Catalog {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            live: ArcSwap::default(),
            loaded: Mutex::new(HashMap::new()),
            changed: watch::Sender::new(0),
            nudged: Notify::new(),
        })
    }

    pub(crate) fn live(&self, model: &ModelName) -> Option<Arc<Loaded>> {
        self.live.load().get(model)?.loaded.clone()
    }

    /// The version that an alias points at, when it can answer.
    pub(crate) fn aliased(&self, model: &ModelName, alias: &Alias) -> Option<Arc<Loaded>> {
        let live = self.live.load();
        self.cached(&live.get(model)?.aliases.get(alias)?.version)
    }

    pub(crate) fn standing(&self, model: &ModelName) -> Option<Standing> {
        self.live.load().get(model).cloned()
    }

    /// Every version that answers.
    pub(crate) fn all_live(&self) -> Vec<Arc<Loaded>> {
        let live = self.live.load();
        live.values().filter_map(|it| it.loaded.clone()).collect()
    }

    pub(crate) fn is_live(&self, version: &Version) -> bool {
        self.live(&version.model)
            .is_some_and(|loaded| loaded.version.id == version.id)
    }

    /// Any ready version, compiled.
    pub(crate) async fn loaded(&self, id: &VersionId) -> Result<Arc<Loaded>> {
        if let Some(loaded) = self.cached(id) {
            return Ok(loaded);
        }
        let version = self.parts.store.version(id).await?;
        let version =
            version.ok_or_else(|| Error::not_found(format!("there is no version `{id}`")))?;
        let loaded = Arc::new(load(&self.parts, version)?);
        let mut cache = self.cache();
        if cache.len() >= LOADED_MAX {
            let live = self.live.load();
            cache.retain(|id, _| live.values().any(|it| it.names(id)));
        }
        Ok(cache.entry(id.clone()).or_insert(loaded).clone())
    }

    pub(crate) fn cached(&self, id: &VersionId) -> Option<Arc<Loaded>> {
        self.cache().get(id).cloned()
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<VersionId, Arc<Loaded>>> {
        self.loaded
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Reads all models; answers the switches that are due. Models without a version that answers so far are switched at once.
    pub(crate) async fn refresh(&self) -> Result<Vec<Switch>> {
        let models = self.read_models().await?;
        let (mut switches, mut notes) = (Vec::new(), Vec::new());
        for model in &models {
            let mut note = Note {
                model: model.name.clone(),
                wanted: model.live.clone(),
                trouble: None,
                aliases: Some(Arc::new(model.aliases.clone())),
            };
            self.load_aliased(model).await;
            let standing = self.standing(&model.name);
            let answers = standing
                .and_then(|it| it.loaded)
                .map(|loaded| loaded.version.id.clone());
            if answers != model.live {
                match self.wanted(model).await {
                    Ok(to) => {
                        // A rollout under way learns from this that it has become pointless.
                        note.trouble = self.standing(&model.name).and_then(|it| it.trouble);
                        switches.push(Switch {
                            model: model.name.clone(),
                            to,
                        });
                    }
                    Err(error) => note.trouble = Some(error.to_string()),
                }
            }
            notes.push(note);
        }
        self.note_all(&notes);
        switches.extend(self.vanished(&models));
        Ok(switches)
    }

    async fn wanted(&self, model: &Model) -> Result<Option<Arc<Loaded>>> {
        match &model.live {
            Some(id) => self.loaded(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads what aliases point at before it is asked for; one that cannot be read now is read then.
    async fn load_aliased(&self, model: &Model) {
        for (alias, to) in &model.aliases {
            if let Err(error) = self.loaded(&to.version).await {
                tracing::debug!(model = %model.name, %alias, %error, "what an alias points at cannot answer");
            }
        }
    }

    /// Models that are in the cache and no longer in the store.
    fn vanished(&self, models: &[Model]) -> Vec<Switch> {
        let live = self.live.load();
        let known = |name: &ModelName| models.iter().any(|model| model.name == *name);
        live.keys()
            .filter(|name| !known(name))
            .map(|name| Switch {
                model: name.clone(),
                to: None,
            })
            .collect()
    }

    async fn read_models(&self) -> Result<Vec<Model>> {
        let mut models: Vec<Model> = Vec::new();
        let mut after = None;
        loop {
            let page = Page {
                after,
                limit: PAGE_MODELS,
            };
            let read = self.parts.store.models(page).await?;
            models.extend(read.rows);
            after = read.next;
            if after.is_none() {
                return Ok(models);
            }
        }
    }

    /// From now on these versions answer.
    pub(crate) fn switch_all(&self, switches: &[Switch]) {
        if switches.is_empty() {
            return;
        }
        self.live.rcu(|live| {
            let mut live = HashMap::clone(live);
            for Switch { model, to } in switches {
                match to {
                    Some(loaded) => {
                        let known = live.get(model).map(|it| it.aliases.clone());
                        let standing = Standing {
                            wanted: Some(loaded.version.id.clone()),
                            loaded: Some(loaded.clone()),
                            trouble: None,
                            aliases: known.unwrap_or_default(),
                        };
                        live.insert(model.clone(), standing);
                    }
                    None => {
                        live.remove(model);
                    }
                }
            }
            live
        });
        self.changed.send_modify(|changed| *changed += 1);
    }

    /// The version that the record names, as it was last read.
    pub(crate) fn wants(&self, model: &ModelName) -> Option<VersionId> {
        self.standing(model)?.wanted
    }

    /// Notes which version a model's record names, and why that one does not answer.
    pub(crate) fn note(
        &self,
        model: &ModelName,
        wanted: Option<&VersionId>,
        trouble: Option<&str>,
    ) {
        self.note_all(&[Note {
            model: model.clone(),
            wanted: wanted.cloned(),
            trouble: trouble.map(str::to_owned),
            aliases: None,
        }]);
    }

    fn note_all(&self, notes: &[Note]) {
        let new: Vec<&Note> = notes.iter().filter(|note| !self.is_noted(note)).collect();
        if new.is_empty() {
            return;
        }
        // Built inside, so that a switch at the same moment is not undone.
        self.live.rcu(|live| {
            let mut live = HashMap::clone(live);
            for note in &new {
                let known = live.get(&note.model);
                let aliases = note.aliases.clone();
                let noted = Standing {
                    loaded: known.and_then(|it| it.loaded.clone()),
                    wanted: note.wanted.clone(),
                    trouble: note.trouble.clone(),
                    aliases: aliases
                        .or_else(|| known.map(|it| it.aliases.clone()))
                        .unwrap_or_default(),
                };
                live.insert(note.model.clone(), noted);
            }
            live
        });
    }

    fn is_noted(&self, note: &Note) -> bool {
        let same_aliases = |known: &Aliases| note.aliases.as_deref().is_none_or(|it| it == known);
        self.standing(&note.model).map_or_else(
            || note.wanted.is_none() && note.trouble.is_none() && same_aliases(&Aliases::new()),
            |it| {
                it.trouble == note.trouble && it.wanted == note.wanted && same_aliases(&it.aliases)
            },
        )
    }
}

/// What a model's record names, and why that does not answer.
struct Note {
    model: ModelName,
    wanted: Option<VersionId>,
    trouble: Option<String>,
    /// None where only the rest is news.
    aliases: Option<Arc<Aliases>>,
}

/// Watches the catalog's revision; calls `tell` with what is to be switched after every change.
pub(crate) async fn watch(
    catalog: Arc<Catalog>,
    settings: Arc<Settings>,
    stop: tokio_util::sync::CancellationToken,
    tell: impl Fn(Vec<Switch>) + Send,
) {
    let poll = if settings.sole_front {
        settings.catalog_poll.max(POLL_ALONE)
    } else {
        settings.catalog_poll
    };
    let mut seen = None;
    let mut failing = false;
    loop {
        match look(&catalog, &mut seen).await {
            Ok(Some(switches)) => tell(switches),
            Ok(None) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, "the catalog cannot be read now; what is cached goes on answering");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = catalog.nudged.notified() => {}
            () = tokio::time::sleep(poll) => {}
        }
    }
}

async fn look(catalog: &Catalog, seen: &mut Option<u64>) -> Result<Option<Vec<Switch>>> {
    let revision = catalog.parts.store.catalog_revision().await?;
    if *seen == Some(revision) {
        return Ok(None);
    }
    let switches = catalog.refresh().await?;
    *seen = Some(revision);
    catalog.changed.send_modify(|changed| *changed += 1);
    Ok(Some(switches))
}

fn load(parts: &Parts, version: Version) -> Result<Loaded> {
    let id = &version.id;
    let schema = match &version.state {
        VersionState::Ready { schema, .. } => schema.clone(),
        VersionState::Building { text, .. } => {
            return Err(Error::conflict(format!(
                "version `{id}` is still being built: {text}"
            )));
        }
        VersionState::Failed { error } => {
            return Err(Error::conflict(format!(
                "version `{id}` could not be built: {}",
                error.message
            )));
        }
        VersionState::Deleted => {
            return Err(Error::not_found(format!("version `{id}` was deleted")));
        }
    };
    Ok(Loaded {
        model: version.model.clone(),
        input: Lazy::new(parts, &schema),
        output: Lazy::new(parts, &schema),
        schema,
        version,
    })
}
