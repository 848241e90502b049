//! Fail points: durable writes at which a test has this very process die, as by SIGKILL, before or after.
//! Only in builds with debug assertions or the feature `fail-points`; must not know who writes what.

use rustix::process::{Signal, getpid, kill_process};
use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

const COMPILED: bool = cfg!(any(debug_assertions, feature = "fail-points"));
/// In the folder: who is to die and where, a line like `task finish_all after`. Whoever does takes it away first, so that one dies.
const NEXT: &str = "next";
/// In the folder: the points that were passed, a line like that for each.
const PASSED: &str = "passed";

static ARMED: OnceLock<Armed> = OnceLock::new();

#[derive(Debug)]
struct Armed {
    folder: PathBuf,
    role: &'static str,
    passed: Mutex<HashSet<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    /// Done, and whoever wanted it does not know.
    After,
}

/// From here on this process, in its role, looks into `folder` whether it is to die. Does nothing in a build without fail points.
pub fn arm(folder: &Path, role: &'static str) {
    if COMPILED {
        let armed = Armed {
            folder: folder.to_owned(),
            role,
            passed: Mutex::default(),
        };
        // Armed twice by one process, the first one counts.
        let _ = ARMED.set(armed);
    }
}

/// The point `name`.
pub(crate) fn at(name: &str, moment: Moment) {
    if COMPILED && let Some(armed) = ARMED.get() {
        let moment = match moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        armed.pass(&format!("{} {name} {moment}", armed.role));
    }
}

/// The function in which a closure is written, by the name of the closure's type: so a new write has a point without being told.
pub(crate) fn name_of<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let function = path.split("::{{closure}}").next().unwrap_or(path);
    let name = function.split("<'").next().unwrap_or(function);
    name.rsplit("::").next().unwrap_or(name)
}

impl Armed {
    fn pass(&self, point: &str) {
        self.note(point);
        let next = self.folder.join(NEXT);
        if fs::read_to_string(&next).is_ok_and(|wanted| wanted.trim() == point)
            && fs::remove_file(&next).is_ok()
        {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }

    fn note(&self, point: &str) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if passed.insert(point.to_owned()) {
            let notes = OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.folder.join(PASSED));
            // What cannot be noted was not passed, and the test will miss it.
            let _ = notes.and_then(|mut notes| notes.write_all(format!("{point}\n").as_bytes()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit() -> &'static str {
        fn of<F: Fn()>(_: F) -> &'static str {
            name_of::<F>()
        }
        of(|| {})
    }

    #[test]
    fn a_point_is_called_after_the_function_that_writes() {
        assert_eq!(submit(), "submit");
    }

    #[test]
    fn points_are_noted_once() {
        let folder = tempfile::tempdir().unwrap();
        let armed = Armed {
            folder: folder.path().to_owned(),
            role: "task",
            passed: Mutex::default(),
        };
        fs::write(folder.path().join(NEXT), "front submit before\n").unwrap();
        for _ in 0..2 {
            armed.pass("task submit before");
        }
        let passed = fs::read_to_string(folder.path().join(PASSED)).unwrap();
        assert_eq!(passed, "task submit before\n");
        assert!(folder.path().join(NEXT).exists(), "it is for another");
    }
}
