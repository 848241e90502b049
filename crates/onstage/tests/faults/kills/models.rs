//! The models of the kill loop, which write down every run that begins and ends; and what they wrote.
//! Knows no kills.

use std::{collections::HashMap, path::Path};

/// Every one of them begins so.
const LEDGER: &str = r#"
import json, os, time
import onstage as on

def note(word, model, n, token="-"):
    line = f"{word} {model} {n} {os.getpid()} {time.time():.6f} {token}\n"
    with open(os.environ["LEDGER"], "ab", buffering=0) as ledger:
        ledger.write(line.encode())
"#;

const KEPT: &str = r#"
@on.predict(background=True)
def kept(n: int, ms: int = 0) -> dict:
    token = f"{os.getpid()}-{time.monotonic_ns()}"
    note("begin", "kept", n, token)
    time.sleep(ms / 1000)
    note("end", "kept", n)
    return {"n": n, "token": token}
"#;

const TWICE: &str = r#"
@on.predict
def twice(x: int, ms: int = 20) -> int:
    return x * 2

@twice.many(max=250)
def _(rows):
    column = rows.column("x")
    note("begin", "twice", column[0])
    time.sleep(rows.column("ms")[0] / 1000)
    note("end", "twice", column[0])
    return [x * 2 for x in column]
"#;

const COUNT: &str = r#"
@on.setup
def found(ctx: on.Ctx):
    return json.loads(ctx.weights.read_text()) if ctx.weights else {"n": 0}

@on.predict
def total(x: int = 0, *, found) -> int:
    return found["n"] + x

@on.train
def count(steps: int = 10, *, ctx: on.Ctx) -> on.Weights:
    state = json.loads(ctx.resume.read_text()) if ctx.resume else {"n": 0}
    note("begin", "count", state["n"])
    while state["n"] < steps and not ctx.cancelled:
        time.sleep(0.02)
        state["n"] += 1
        ctx.progress(state["n"], steps)
        ctx.metric(step=state["n"], left=steps - state["n"])
        if state["n"] % 10 == 0:
            with open("state.json", "w") as file:
                json.dump(state, file)
            ctx.checkpoint("state.json")
    note("end", "count", state["n"])
    with open("weights.json", "w") as file:
        json.dump(state, file)
    return on.Weights("weights.json", metrics={"n": state["n"]})
"#;

const QUICK: &str = r#"
@on.predict
def quick(x: int, *, ctx: on.Ctx) -> int:
    note("begin", "quick", x)
    if x % 50 == 0:
        ctx.state.add("calls", 1)
    note("end", "quick", x)
    return x
"#;

/// Name, code and what `onstage.toml` says beside the name.
/// Tasks without work wait for more for so long.
pub(crate) fn all(linger: &str) -> [(&'static str, String, String); 4] {
    let toml = |name: &str, rest: &str| {
        format!("[model]\nname = \"{name}\"\n[environment]\nvariables = [\"LEDGER\"]\n{rest}")
    };
    let tasks = format!("[jobs]\ntasks = 2\nlinger = \"{linger}\"\n");
    let code = |own: &str| format!("{LEDGER}{own}");
    [
        ("kept", code(KEPT), toml("kept", &tasks)),
        ("twice", code(TWICE), toml("twice", &tasks)),
        (
            "count",
            code(COUNT),
            toml("count", "[training]\nlinger = \"300ms\"\n"),
        ),
        (
            "quick",
            code(QUICK),
            toml("quick", "[realtime]\nworkers = { min = 1, max = 2 }\n"),
        ),
    ]
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    pub(crate) begins: bool,
    pub(crate) model: String,
    pub(crate) n: u64,
    pub(crate) pid: u32,
    /// Seconds since the epoch.
    pub(crate) at: f64,
    pub(crate) token: String,
}

/// What was written so far; a line that its writer did not live to end is left out.
pub(crate) fn ledger(file: &Path) -> Vec<Note> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(note).collect()
}

fn note(line: &str) -> Option<Note> {
    let mut words = line.split(' ');
    Some(Note {
        begins: words.next()? == "begin",
        model: words.next()?.to_owned(),
        n: words.next()?.parse().ok()?,
        pid: words.next()?.parse().ok()?,
        at: words.next()?.parse().ok()?,
        token: words.next()?.to_owned(),
    })
}

/// The tokens of runs, by what they computed.
pub(crate) fn tokens(notes: &[Note]) -> HashMap<u64, Vec<String>> {
    let mut tokens: HashMap<u64, Vec<String>> = HashMap::new();
    for note in notes {
        if note.begins && note.model == "kept" {
            tokens.entry(note.n).or_default().push(note.token.clone());
        }
    }
    tokens
}
