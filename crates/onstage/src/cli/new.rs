//! `onstage new`: a folder with a model that works at once.
//! Asks nothing and talks to no server.

use super::{
    caller::Caller,
    exit::Failure,
    folder::{self, CONFIG_NAME},
    print,
};
use onstage_core::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Make a folder with a model that works at once
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to make; its name becomes the model's
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// The model's name, when it is not the folder's
    #[arg(long)]
    name: Option<String>,
}

const MODEL: &str = r#"import onstage as on


@on.predict
def greet(name: str = on.Input("Who is greeted", default="Ada"), excited: bool = False) -> str:
    """Say hello

    Put your own model here. The parameters become the form and the API, their annotations are checked before your
    code runs, and this text becomes the help.
    """
    if not name.strip():
        raise on.UserError("somebody must have a name", field="name")
    return f"Hello {name}{'!' if excited else '.'}"
"#;

const SETTINGS: &str = r#"
# Everything below may stay away. Uncomment what you need.

# [environment]
# python = "3.11"
# requirements = ["numpy>=2", "scikit-learn"]

# [realtime]
# timeout = "60s"                  # how long one prediction may take
# workers = { min = 0, max = 2 }   # min = 1 keeps the model awake

# [feedback]
# ask = ["wrong answer", "too slow"]
"#;

pub(super) fn run(caller: &Caller, args: &Args) -> Result<(), Failure> {
    let folder = caller.path(&args.folder);
    let name = match &args.name {
        Some(name) => name.clone(),
        None => folder::name_of(&folder).ok_or_else(|| {
            Error::invalid(format!(
                "folder `{}` gives no name for a model",
                folder.display()
            ))
            .hint("say one with `--name`")
        })?,
    };
    onstage_core::ModelName::new(caller.owner(), &name)?;
    make(&folder, &name)?;
    if caller.json {
        return print::json(&json!({"name": name, "folder": folder}));
    }
    print::line(&folder.display().to_string())?;
    print::say(&format!(
        "model `{name}` is ready; see it on stage with\n  cd {}\n  onstage dev",
        print::word(&args.folder.display().to_string())
    ));
    Ok(())
}

fn make(folder: &Path, name: &str) -> Result<()> {
    let cannot = |error: std::io::Error| {
        Error::invalid(format!("folder `{}` cannot be made", folder.display())).because(error)
    };
    if folder.is_file()
        || folder
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_some())
    {
        return Err(Error::conflict(format!(
            "folder `{}` is there and not empty",
            folder.display()
        ))
        .hint("name a new folder; nothing was changed"));
    }
    std::fs::create_dir_all(folder.join("examples")).map_err(cannot)?;
    let example = json!({"input": {"name": "Grace", "excited": true}});
    let example =
        serde_json::to_string_pretty(&example).expect("a JSON value is always JSON") + "\n";
    for (file, text) in [
        ("model.py", MODEL.to_owned()),
        (
            CONFIG_NAME,
            format!("[model]\nname = \"{name}\"\n{SETTINGS}"),
        ),
        ("examples/grace.json", example),
    ] {
        std::fs::write(folder.join(file), text).map_err(cannot)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_a_model_and_a_full_one_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("my-model");
        make(&path, "my-model").unwrap();
        let made = folder::ModelFolder::open(&path).unwrap();
        assert_eq!(made.model(None, "lab").unwrap().to_string(), "lab/my-model");
        std::fs::write(path.join("model.py"), "mine").unwrap();
        assert_eq!(
            make(&path, "other").unwrap_err().kind,
            onstage_core::Kind::Conflict
        );
        assert_eq!(
            std::fs::read_to_string(path.join("model.py")).unwrap(),
            "mine"
        );
    }
}
