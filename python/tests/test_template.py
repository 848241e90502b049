"""Templates: what their workers share and what each has for itself, and when none may be forked."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from host import WAIT_SECONDS_MAX
from onstage import frames
from template_host import Template

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates are for Linux")

PROCESS = """
    import os, random, sys, tempfile
    import onstage as on

    made = os.getpid()

    @on.setup
    def net(ctx: on.Ctx):
        ctx.log("setting up")
        return {"pid": os.getpid(), "ctx": ctx}

    @on.predict
    def f(what: str = "", *, net):
        if what == "die":
            os.kill(os.getpid(), 9)
        if what == "log":
            net["ctx"].log("from set-up's ctx")
        print("asked for", what)
        return {
            "imported": made, "set_up": net["pid"], "own": os.getpid(), "parent": os.getppid(), "random": random.random(),
            "group": os.getpgid(0), "session": os.getsid(0), "temp": tempfile.gettempdir(), "label": os.environ["ONSTAGE_WORKER"],
            "open": [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")],
        }
"""


@pytest.fixture
def template(folder, tmp_path):
    made = []

    def begin(source: str, **variables: str) -> Template:
        made.append(Template(folder(source), tmp_path / f"t{len(made)}", **variables))
        return made[-1]

    yield begin
    for one in made:
        one.__exit__()


@pytest.mark.parametrize("share", ["import", "setup"])
def test_workers_share_what_was_done_and_nothing_else(template, share, tmp_path):
    stem = template(PROCESS)
    assert stem.prepare(share) == {"t": "prepared", "failed": False, "obstacle": None}
    assert stem.logs == (["setting up"] if share == "setup" else [])
    temps = [tmp_path / "a", tmp_path / "b"]
    for temp in temps:
        temp.mkdir()
    workers = [stem.fork(TMPDIR=str(temp)) for temp in temps]
    for worker in workers:
        assert worker.setup()["t"] == "ready"
    told = [worker.one() for worker in workers]
    for worker, one, temp in zip(workers, told, temps):
        assert one["imported"] == stem.process.pid
        assert one["set_up"] == (stem.process.pid if share == "setup" else one["own"])
        assert one["parent"] == stem.process.pid
        assert one["own"] == one["group"] == one["session"] == worker.process.pid == worker.hello["pid"]
        assert one["temp"] == str(temp) and one["label"] == "test"
        assert sum(name.startswith("socket:") for name in one["open"]) == 1, one["open"]
        assert worker.printed(b"asked for ")
        assert b"onstage.worker" in Path(f"/proc/{worker.process.pid}/cmdline").read_bytes()
    assert b"onstage.worker" not in Path(f"/proc/{stem.process.pid}/cmdline").read_bytes()
    assert told[0]["random"] != told[1]["random"]
    workers[0].one(what="log")
    assert "from set-up's ctx" in [log["text"] for log in workers[0].all("log")]


def test_the_end_of_a_worker_is_its_own(template):
    stem = template(PROCESS)
    stem.prepare()
    first, second = stem.fork(), stem.fork()
    for worker in (first, second):
        worker.setup()
    first.begin({"what": "die"})
    assert first.process.wait(30) == -signal.SIGKILL
    first.closed = True
    assert second.one()["own"] == second.process.pid
    assert second.exit() == 0
    stem.workers.clear()


def test_a_worker_dies_with_its_host_whatever_it_does(template):
    stem = template("""
        import onstage as on

        @on.predict
        def f():
            # Holds Python's lock, so that no thread of the worker can look after anything.
            sum(range(10**12))
    """)
    stem.prepare()
    worker = stem.fork()
    worker.setup()
    worker.begin({})
    worker.process.close()
    assert worker.process.wait(30) == -signal.SIGKILL
    # The template reaps it when that has been heard.
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{worker.process.pid}"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_came_for_a_worker_that_is_not_born_is_closed(template):
    stem = template("""
        import os
        import onstage as on

        @on.predict
        def f():
            pass

        def full():
            raise OSError("no process is left")

        os.fork = full
    """)
    stem.prepare()
    stdout, theirs = os.pipe()
    others = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    socket.send_fds(stem.sock, [frames.encode({"t": "fork", "variables": {}})], [theirs, *others])
    for number in (theirs, *others):
        os.close(number)
    assert "no process is left" in stem.hear()["error"]
    assert select.select([stdout], [], [], WAIT_SECONDS_MAX)[0], "somebody could still write to it"
    assert os.read(stdout, 1) == b""
    os.close(stdout)


def test_workers_outlive_their_template(template):
    stem = template(PROCESS)
    stem.prepare()
    worker = stem.fork()
    worker.setup()
    stem.process.kill()
    stem.process.wait()
    stem.process.returncode = 0
    assert worker.one()["own"] == worker.process.pid


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import nothing_of_this_name", "import_failed"),
        ("def f(x: int): return x", "no_predictor"),
        ("import onstage as on\n@on.predict\ndef f(x: complex): return x", "import_failed"),
        (
            "import onstage as on\n@on.setup\ndef s(): raise ValueError('no')\n@on.predict\ndef f(x: int): return x",
            "setup_failed",
        ),
        (
            "import onstage as on\n@on.setup\ndef s(ctx: on.Ctx): ctx.state.add('x')\n@on.predict\ndef f(x: int): return x",
            "setup_failed",
        ),
    ],
)
def test_a_failure_reads_the_same_wherever_it_happens(start, template, code, kind):
    alone = start(code, ready=False)
    alone.answer_state = lambda _: {"error": "app state is there for predictions, not for setup"}
    expected = alone.setup()
    assert expected["error"]["kind"] == kind
    for share in ("import", "setup"):
        stem = template(code)
        assert stem.prepare(share)["failed"] == (share == "setup" or kind != "setup_failed")
        worker = stem.fork()
        worker.answer_state = alone.answer_state
        told = worker.setup()["error"]
        if "ctx.state" in code:
            # Refused in another place of Onstage, which is in the traceback.
            told["traceback"] = expected["error"]["traceback"]
        assert told == expected["error"]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), name='poller', daemon=True).start()",
            "`poller`",
        ),
        (
            "import subprocess\np = subprocess.Popen(['sleep', '60'])\nimport atexit; atexit.register(p.kill)",
            "other processes",
        ),
        ("import socket\npair = socket.socketpair()", "open connections"),
        ("import select\npoll = select.epoll()", "event loop"),
        ("gpu = open('/dev/null')", None),
    ],
)
def test_what_cannot_be_forked_is_named(template, code, told):
    stem = template(f"import onstage as on\n{code}\n@on.predict\ndef f(x: int): return x")
    obstacle = stem.prepare()["obstacle"]
    assert (told in obstacle) if told else obstacle is None


MATRICES = """
    import os
    import LIBRARY
    import onstage as on

    @on.setup
    def a():
        made = LIBRARY.ones((300, 300))
        # The generator exists before the fork.
        DRAW
        assert float((made @ made)[0, 0]) == 300
        return made

    @on.predict
    def f(x: int = 0, *, a):
        return [float((a @ a).sum()), len(os.listdir("/proc/self/task")), float(DRAW)]
"""


@pytest.mark.parametrize(
    ("library", "draw"), [("numpy", "numpy.random.rand()"), ("torch", "torch.rand(1)[0]")], ids=["numpy", "torch"]
)
def test_numeric_libraries_work_after_a_fork(template, library, draw):
    # PyTorch is in the Python of the tests of model templates, which run this as well.
    pytest.importorskip(library)
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    stem = template(MATRICES.replace("LIBRARY", library).replace("DRAW", draw), **one)
    assert stem.prepare("setup")["obstacle"] is None
    drawn = set()
    for _ in range(4):
        worker = stem.fork(**dict.fromkeys(one, "2"))
        assert worker.setup()["t"] == "ready"
        total, threads, random = worker.one()
        assert total == 300.0**3
        # The pool has grown to what the host has said: one thread more, beside the watcher.
        assert threads >= 3, threads
        drawn.add(random)
    assert len(drawn) == 4


OPENMP = r"""
int team(void) {
    int threads = 0;
    #pragma omp parallel
    {
        #pragma omp atomic
        threads += 1;
    }
    return threads;
}
"""


def test_openmp_works_after_a_fork(template, tmp_path):
    """GNU's hangs in a child of a process that had more than one thread of it."""
    compiler = shutil.which("gcc")
    if compiler is None:
        warnings.warn("gcc is not installed: forks after the use of OpenMP are NOT tested", stacklevel=1)
        pytest.skip("gcc is not installed")
    source, library = tmp_path / "team.c", tmp_path / "libteam.so"
    source.write_text(OPENMP)
    subprocess.run([compiler, "-fopenmp", "-shared", "-fPIC", "-o", library, source], check=True)
    stem = template(
        f"""
        import ctypes
        import onstage as on

        team = ctypes.CDLL({str(library)!r}).team
        in_template = team()

        @on.predict
        def f():
            return [in_template, team()]
        """,
        OMP_NUM_THREADS="1",
    )
    assert stem.prepare()["obstacle"] is None
    for _ in range(2):
        worker = stem.fork(OMP_NUM_THREADS="2")
        assert worker.setup()["t"] == "ready"
        assert worker.one() == [1, 2]
