"""The life of a worker: dial, say hello, describe, set up, predict, exit.

It must not compute or encode anything itself, nor know whether the process was started or forked.
"""

from __future__ import annotations

import atexit
import collections
import faulthandler
import gc
import os
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Deque, Dict, List, Optional, Tuple

from onstage import __version__
from onstage.ctx import Ctx
from onstage.entry import NoPredictor
from onstage.errors import DeclarationError
from onstage.worker.channel import Channel, leave
from onstage.worker.compute import WEIGHTS, Compute, Desk
from onstage.worker.interrupt import Interrupt, ignore_in_children
from onstage.worker.model import Model, SetupFailed
from onstage.worker.outcome import error_of
from onstage.worker.prints import Output
from onstage.worker.stage import Calls, WorkerStage
from onstage.worker.watch import Watcher

if TYPE_CHECKING:
    from onstage.worker.train import Training

PROTOCOL = 1

Received = Tuple[str, Dict[str, Any], List[memoryview], bool, float]


class Worker:
    def __init__(self, sock: socket.socket, model: Model, output: Output) -> None:
        self._model = model
        self._inbox: Deque[Received] = collections.deque()
        self._interrupt = Interrupt()
        self._interrupt.install()
        ignore_in_children()
        self._channel = Channel(sock, self._receive)
        self._desk = Desk(self._channel, self._interrupt, model.root, output)
        self._calls = Calls(self._channel, self._interrupt)
        self._watcher = Watcher(self._channel, self._desk.progress, self._desk.outbox.flush)
        self._folder: Optional[Path] = None
        self._compute: Optional[Compute] = None
        self._training: Optional[Training] = None

    def adopt(self, stage: WorkerStage) -> None:
        """A stage that the author's set-up was given before this worker was forked."""
        stage.move(self._channel, self._interrupt, self._calls)

    def serve(self) -> None:
        """Answer the host until it says `exit`."""
        self._channel.send(
            {"t": "hello", "protocol": PROTOCOL, "pid": os.getpid(), "runner": f"onstage-python/{__version__}"}
        )
        progress, inbox = self._desk.progress, self._inbox
        while True:
            self._channel.pump(inbox.__len__)
            progress.busy = True
            if self._watcher.parked:
                self._watcher.wake()
            while inbox:
                progress.step += 1
                received = inbox.popleft()
                if received[0] == "exit":
                    return
                self._perform(*received)
            progress.busy = False

    def _receive(self, message: Dict[str, Any], attachments: List[memoryview], present: bool) -> None:
        """Called by whichever thread reads; must be quick and must not run the author's code."""
        name = message["t"]
        if name == "predict":
            items = message.get("items") or []
            self._desk.waiting.update(dict.fromkeys([item["id"] for item in items], True))
            self._inbox.append((name, message, attachments, present, time.time()))
        elif name == "train":
            self._desk.waiting[message["id"]] = True
            self._inbox.append((name, message, attachments, present, time.time()))
        elif name == "ping":
            self._channel.send({"t": "pong", "n": message.get("n")})
        elif name == "cancel":
            self._desk.cancel(message["id"])
        elif name == "recall":
            self._desk.give_back(message.get("ids") or [])
        elif name in ("state", "checkpoint", "dataset"):
            self._calls.answer(message)
        elif name in ("describe", "setup", "exit"):
            self._inbox.append((name, message, attachments, present, 0.0))

    def _perform(self, name: str, message: Dict[str, Any], attachments: Any, present: bool, arrived: float) -> None:
        if name == "describe":
            self._attempt("describe", lambda: {"t": "schema", "schema": self._model.described()})
        elif name == "setup":
            self._attempt("setup", lambda: self._set_up(message))
        elif name == "train" and self._training is not None:
            self._training.run(message, arrived)
        elif name == "predict" and self._compute is not None:
            self._compute.microbatch(message.get("items") or [], attachments, present, arrived)
        else:
            leave(f"onstage worker: the host sent `{name}` before `setup` was ready for it\n", 1)

    def _attempt(self, during: str, step: Callable[[], Dict[str, Any]]) -> None:
        try:
            answer = step()
        except BaseException as error:
            answer = {"t": "failed", "during": during, "error": told(error, self._model.root)}
        self._desk.output.end_item()
        self._desk.output.flush()
        self._channel.send(answer)

    def _set_up(self, message: Dict[str, Any]) -> Dict[str, Any]:
        tempdir, weights = message.get("tempdir"), message.get("weights")
        self._folder = Path(tempdir) if tempdir else None
        WEIGHTS.path = Path(weights) if weights else None
        ctx = Ctx(stage=self._stage([]), seed=message.get("seed") or 0, weights=WEIGHTS.path)
        if message.get("work") == "train":
            return self._set_up_training(ctx)
        contract = self._model.set_up(ctx)
        try:
            self._compute = Compute(self._desk, contract, self._stage)
            if not contract.takes_tensors:
                self._channel.only_reads()
        except DeclarationError:
            raise
        except BaseException as error:
            raise SetupFailed(error) from None
        # What lives now lives on; the collector need not look at it again, nor touch its pages in forked children.
        gc.collect()
        gc.freeze()
        return {"t": "ready"}

    def _set_up_training(self, ctx: Ctx) -> Dict[str, Any]:
        """Only what the training function asks for is set up: the model may have no weights yet to answer with."""
        # Not needed by the many workers that only predict.
        from onstage.worker.train import Training, TrainStage, own_folder

        contract = self._model.imported().training
        if contract is None:
            raise DeclarationError("the model has no training function; put `@on.train` on one")
        if self._folder is not None:
            own_folder(self._model.root, self._folder)
        try:
            given = {name: setup.value(ctx) for name, setup in contract.parameters.setups.items()}
        except BaseException as error:
            raise SetupFailed(error) from None
        stage = TrainStage(self._channel, self._interrupt, self._calls, [], self._folder)
        self._training = Training(self._desk, contract, given, stage)
        return {"t": "ready"}

    def _stage(self, ids: List[int]) -> WorkerStage:
        return WorkerStage(self._channel, self._interrupt, self._calls, ids, self._folder)


def told(error: BaseException, root: str) -> Dict[str, Any]:
    """Why `describe` or `setup` did not work, in the protocol's words."""
    if isinstance(error, NoPredictor):
        return {"kind": "no_predictor", "message": str(error), "field": None, "traceback": None}
    if isinstance(error, SetupFailed):
        return error_of(error.error, root, kind="setup_failed")
    made = error_of(error, root, kind="import_failed")
    if isinstance(error, DeclarationError):
        made["message"] = str(error)
    return made


def open_line() -> Optional[socket.socket]:
    """Connects as the environment says; None when it says nothing."""
    path = os.environ.get("ONSTAGE_SOCKET")
    if not path:
        sys.stderr.write(
            "onstage worker: `ONSTAGE_SOCKET` is not set; `onstage dev` or `onstage serve` starts workers\n"
        )
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    return sock


def enter() -> str:
    """What comes before the author's code, in whatever process that is imported; answers the entry file."""
    faulthandler.enable()
    entry_file = os.environ.get("ONSTAGE_ENTRY", "model.py")
    # The model's folder, and the one that the entry file lies in, as where a script is run.
    for folder in (os.path.dirname(os.path.abspath(entry_file)), os.getcwd()):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    return entry_file


def end() -> None:
    """Ends the process as Python would, but for threads that the author left running: they must not keep it alive."""
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        leave()


def main() -> int:
    """Run a worker as the environment says."""
    entry_file = enter()
    sock = open_line()
    if sock is None:
        return 2
    Worker(sock, Model(entry_file), Output()).serve()
    end()
    return 0
