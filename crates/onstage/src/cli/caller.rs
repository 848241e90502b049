//! Who called: the flags that all verbs share, the environment, the clock and the folder they stand in.
//! Does not print and opens nothing before it is asked.

use crate::{
    client::{Client, Named, Target},
    environment::Environment,
    settings::{Flags, Layers},
};
use onstage_backends::clock::SystemClock;
use onstage_core::{Clock, Error, Result, Timestamp};
use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Flags that every verb takes.
#[derive(Debug, clap::Args)]
pub(super) struct Shared {
    /// The server's address (or ONSTAGE_URL; else the one that runs on this machine)
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// The token to use (better in ONSTAGE_TOKEN, where other users cannot see it)
    #[arg(long, global = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The data folder of the server on this machine (or ONSTAGE_DATA)
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    json: bool,
}

/// What a verb may ask about its caller.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) json: bool,
    pub(super) environment: Environment,
    pub(super) clock: Arc<dyn Clock>,
    /// The folder the command was called in.
    pub(super) folder: PathBuf,
    /// Whether standard output is a terminal that a person reads.
    pub(super) screen: bool,
    /// Whether output may be coloured.
    pub(super) colour: bool,
    server: Option<String>,
    token: Option<String>,
    data: Option<PathBuf>,
}

impl Caller {
    pub(super) fn new(shared: Shared) -> Result<Self> {
        let environment = Environment::read();
        let folder = std::env::current_dir()
            .map_err(|error| Error::invalid("the current folder is gone").because(error))?;
        let screen = std::io::stdout().is_terminal();
        Ok(Self {
            json: shared.json,
            colour: screen && !environment.no_color(),
            environment,
            clock: Arc::new(SystemClock::new()),
            folder,
            screen,
            server: shared.server,
            token: shared.token,
            data: shared.data,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The server to talk to.
    pub(super) fn client(&self) -> Result<Client> {
        Client::new(self.target()?)
    }

    pub(super) fn target(&self) -> Result<Target> {
        let named = Named {
            server: self.server.as_deref(),
            token: self.token.as_deref(),
            data: self.data.as_deref(),
        };
        Target::find(&named, &self.environment, &self.folder)
    }

    /// The settings' layers, with what only some verbs take on the command line.
    pub(super) fn layers(&self, listen: Option<String>, config: Option<PathBuf>) -> Result<Layers> {
        let flags = Flags {
            data: self.data.clone(),
            listen,
            config,
        };
        Layers::load(&self.environment, &flags)
    }

    /// The same, in another data folder where nobody named one.
    pub(super) fn layers_in(&self, data: &Path, listen: Option<String>) -> Result<Layers> {
        let data = self.data.clone().unwrap_or_else(|| data.to_owned());
        Layers::load(
            &self.environment,
            &Flags {
                data: Some(data),
                listen,
                config: None,
            },
        )
    }

    /// A path as the caller wrote it, from the folder they stand in.
    pub(super) fn path(&self, written: &Path) -> PathBuf {
        self.folder.join(written)
    }

    /// The owner of models whose name says none.
    pub(super) fn owner(&self) -> &str {
        self.environment.get("ONSTAGE_OWNER").unwrap_or("lab")
    }
}
