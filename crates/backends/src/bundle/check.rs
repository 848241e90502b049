//! The rules of `onstage.toml` that its types do not say.
//! Does not parse the file.

use crate::archive::path;
use onstage_core::{
    Error, ModelName, Result,
    config::{
        EnvironmentSection, ModelConfig, MoneySection, RealtimeSection, Requirements,
        TrainingSection, check_schedules,
    },
    outcome::Reason,
};
use std::path::Path;

/// Workers of one version on one host; more is a slip.
const WORKERS_MAX: u32 = 1_000;
/// The oldest Python that the worker runner works with.
pub(crate) const PYTHON_MIN: (u32, u32) = (3, 9);

pub(super) fn config(folder: &Path, config: &ModelConfig) -> Result<()> {
    ModelName::new(
        config.model.owner.as_deref().unwrap_or("lab"),
        &config.model.name,
    )?;
    entry(folder, config)?;
    environment(folder, &config.environment)?;
    realtime(&config.realtime)?;
    one_of("[jobs] tasks", config.jobs.tasks >= 1, "at least 1")?;
    training(&config.training)?;
    secrets(&config.secrets.names)?;
    money(&config.money)?;
    check_schedules(&config.schedules)?;
    // Also for bundles that no command line has looked at.
    config.refuse_unkept_promises()
}

fn money(money: &MoneySection) -> Result<()> {
    for (key, usd) in [("[money] month", money.month), ("[money] run", money.run)] {
        let fine = usd.is_none_or(|usd| usd.is_finite() && usd >= 0.0);
        one_of(key, fine, "an amount in USD, like 20 or 0.5")?;
    }
    Ok(())
}

pub(super) fn no_predictor(entry: &str) -> Error {
    Error::invalid(format!("folder has no predictor: there is no `{entry}`")).hint(
        "write a `model.py` with a function under `@on.predict`, or run `onstage new` for one to start from",
    )
}

fn entry(folder: &Path, config: &ModelConfig) -> Result<()> {
    let entry = &config.model.entry;
    let clean = path::clean(entry.as_bytes())
        .map_err(|why| Error::invalid(format!("[model] entry: {why}")))?;
    match &config.model.command {
        Some(command) if command.first().is_none_or(String::is_empty) => Err(Error::invalid(
            "[model] command is empty",
        )
        .hint("write the program and its arguments, like `command = [\"node\", \"worker.js\"]`")),
        Some(_) => Ok(()),
        None if folder.join(clean).is_file() => Ok(()),
        None => Err(no_predictor(entry)),
    }
}

fn environment(folder: &Path, section: &EnvironmentSection) -> Result<()> {
    if let Some(python) = &section.python {
        python_wanted(python)?;
    }
    if let Some(Requirements::File(name)) = &section.requirements {
        let clean = path::clean(name.as_bytes())
            .map_err(|why| Error::invalid(format!("[environment] requirements: {why}")))?;
        if !folder.join(clean).is_file() {
            return Err(Error::invalid(format!(
                "[environment] requirements: folder has no `{name}`"
            ))
            .hint("name a file in the folder, or write the lines as a list"));
        }
    }
    Ok(())
}

/// `3.11`, `3`, `3.11.7` or the absolute path of an interpreter.
pub(crate) fn python_wanted(text: &str) -> Result<()> {
    if text.starts_with('/') {
        return Ok(());
    }
    let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
    let parts = parts
        .filter(|parts| (1..=3).contains(&parts.len()))
        .ok_or_else(|| {
            Error::invalid(format!("[environment] python: `{text}` is not a version"))
                .hint("write it like `3.11`, or give the absolute path of an interpreter")
        })?;
    let oldest = (parts[0], parts.get(1).copied().unwrap_or(u32::MAX));
    if oldest < PYTHON_MIN || parts[0] > 3 {
        return Err(Error::invalid(format!(
            "[environment] python: `{text}` does not work here; Python 3.9 or later of the 3 series is needed"
        )));
    }
    Ok(())
}

fn realtime(section: &RealtimeSection) -> Result<()> {
    let RealtimeSection {
        workers, on, share, ..
    } = section;
    one_of(
        "[realtime] workers",
        workers.max >= 1 && workers.min <= workers.max && workers.max <= WORKERS_MAX,
        &format!(
            "`min` at most `max`, `max` between 1 and {WORKERS_MAX} (is {} and {})",
            workers.min, workers.max
        ),
    )?;
    one_of(
        "[realtime] on",
        ["here", "lambda", "service"].contains(&on.as_str()),
        &format!("`here`, `lambda` or `service`, not `{on}`"),
    )?;
    one_of(
        "[realtime] share",
        ["import", "setup", "none"].contains(&share.as_str()),
        &format!("`import`, `setup` or `none`, not `{share}`"),
    )?;
    one_of(
        "[realtime] timeout",
        !section.timeout.0.is_zero(),
        "more than zero",
    )?;
    one_of(
        "[realtime] startup_timeout",
        !section.startup_timeout.0.is_zero(),
        "more than zero",
    )
}

fn training(section: &TrainingSection) -> Result<()> {
    one_of("[training] tasks", section.tasks >= 1, "at least 1")?;
    one_of(
        "[training] keep_checkpoints",
        section.keep_checkpoints >= 1,
        "at least 1",
    )?;
    one_of(
        "[training] stop_after",
        !section.stop_after.0.is_zero(),
        "more than zero",
    )?;
    for word in &section.retry_on {
        let known = serde_json::from_value::<Reason>(word.as_str().into()).is_ok();
        one_of(
            "[training] retry_on",
            known,
            &format!("reasons such as `worker_lost`, and `{word}` is none"),
        )?;
    }
    Ok(())
}

fn one_of(what: &str, fits: bool, wanted: &str) -> Result<()> {
    if fits {
        Ok(())
    } else {
        Err(Error::invalid(format!("{what} must be {wanted}")))
    }
}

/// Names that would change how the worker itself starts.
fn secrets(names: &[String]) -> Result<()> {
    for name in names {
        let well_formed = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        let taken = ["PATH", "HOME", "TMPDIR", "LANG"].contains(&name.as_str())
            || ["ONSTAGE_", "PYTHON", "LD_", "DYLD_"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
        one_of(
            "[secrets] names",
            well_formed && !taken,
            &format!("names of environment variables of your own, which `{name}` is not"),
        )?;
    }
    Ok(())
}
