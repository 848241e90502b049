//! The model of most experiments: it does what its input says, and tells which process answered.
//! Knows no experiment.

use crate::world::World;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CODE: &str = r#"
import ctypes, os, pathlib, random, signal, struct, sys, time
import onstage as on

BROKEN = pathlib.Path("BROKEN")
if BROKEN.exists():
    print("these are the last words", flush=True)
    os._exit(3)

def wire():
    for fd in range(3, 60):
        try:
            if os.fstat(fd).st_mode & 0o170000 == 0o140000:
                return fd
        except OSError:
            pass

def frame(header):
    return struct.pack("<II", 4 + len(header), len(header)) + header

@on.setup
def held(ctx: on.Ctx):
    if pathlib.Path("SLOW").exists():
        time.sleep(3600)
    return []

@on.predict
def act(do: str = "ok", n: int = 0, *, held) -> list:
    if do == "exit":
        os._exit(3)
    if do == "raise":
        raise RuntimeError("the net is torn")
    if do == "break":
        BROKEN.touch()
        os._exit(3)
    if do == "slow start":
        pathlib.Path("SLOW").touch()
        os._exit(3)
    if do == "sleep":
        time.sleep(3600)
    if do == "nap":
        time.sleep(n / 1000)
    if do == "hold":
        ctypes.PyDLL(None).sleep(3600)
    if do == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if do == "late":
        ctypes.CDLL(None).usleep(1_300_000)
    if do == "eat":
        with open("eaten", "a") as file:
            file.write("x")
        held.append(bytearray(4 << 30))
    if do == "eaten":
        n = len(pathlib.Path("eaten").read_text())
    if do == "print":
        os.write(1, frame(b'{"t":"result","items":[{"id":1,"output":[1,1]}]}'))
        print('{"t":"exit"}', file=sys.stderr)
    if do == "wrong ids":
        socket = wire()
        for i in range(n):
            os.write(socket, frame(b'{"t":"result","items":[{"id":%d,"output":[-1,-1]}]}' % (10**9 + i)))
    if do == "noise":
        os.write(wire(), random.Random(n).randbytes(4096))
        time.sleep(3600)
    if do == "huge":
        os.write(wire(), struct.pack("<II", 2**32 - 1, 2**32 - 5))
        time.sleep(3600)
    if do == "no json":
        os.write(wire(), frame(b"\xff{]"))
        time.sleep(3600)
    return [n, os.getpid()]
"#;

/// Pushes it under a name, with these lines of `[realtime]`.
pub(crate) async fn push(world: &World, name: &str, realtime: &str) {
    let toml = format!("[model]\nname = \"{name}\"\n[realtime]\n{realtime}\n");
    world.push(name, CODE, &[("onstage.toml", &toml)]).await;
}

/// What became of one call.
#[derive(Debug)]
pub(crate) struct Told {
    pub status: u16,
    pub answer: Value,
    pub took: Duration,
}

impl Told {
    /// Whether it is this caller's own answer.
    pub(crate) fn is(&self, n: u64) -> bool {
        self.status == 201 && self.answer["output"][0] == n
    }

    pub(crate) fn reason(&self) -> &str {
        self.answer["reason"].as_str().unwrap_or_default()
    }

    /// The process that answered.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.answer["output"][1].as_u64().map(|pid| pid as u32)
    }
}

pub(crate) async fn call(world: &World, name: &str, input: Value) -> Told {
    let began = Instant::now();
    let (status, answer) = world.predict(name, input).await;
    Told {
        status,
        answer,
        took: began.elapsed(),
    }
}

pub(crate) async fn act(world: &World, name: &str, how: &str, n: u64) -> Told {
    call(world, name, json!({"do": how, "n": n})).await
}

/// Calls that must be answered, one after the other; answers how long each took.
pub(crate) async fn echoes(
    world: &World,
    experiment: &mut crate::experiment::Experiment,
    name: &str,
    count: usize,
) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for n in 0..count as u64 {
        let told = act(world, name, "ok", n).await;
        experiment.check(told.is(n), || format!("`{name}` answered {told:?} to {n}"));
        times.push(told.took);
    }
    times
}
