"""`Compute`: runs the author's predict function on items and puts their outcomes into the outbox.

Everything here runs in the main thread. It must not read the socket.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

from onstage.contract import Contract
from onstage.ctx import Ctx
from onstage.errors import BadOutput, Cancelled
from onstage.foreign import plain, records
from onstage.parameters import Parameters
from onstage.rows import Rows
from onstage.wire import Incoming, Outgoing
from onstage.worker.channel import Channel
from onstage.worker.interrupt import Interrupt
from onstage.worker.outbox import Outbox
from onstage.worker.outcome import all_succeeded, error_of, failed, output_json, streamed, succeeded
from onstage.worker.prints import Output
from onstage.worker.stage import WorkerStage
from onstage.worker.watch import Progress

COALESCE_SECONDS = 0.001
RECALLED = {"kind": "recalled", "message": "given back before it began", "field": None, "traceback": None}

Item = Dict[str, Any]
MakeStage = Callable[[List[int]], WorkerStage]


class Desk:
    """What all computing shares: the way out, the way to be stopped, and who is being served."""

    def __init__(self, channel: Channel, interrupt: Interrupt, root: str, output: Output) -> None:
        self.channel = channel
        self.interrupt = interrupt
        self.progress = Progress()
        self.root = root
        self.running: Optional[int] = None
        """The item that the main thread computes alone; prints are labelled with it."""
        self.batch: Dict[int, bool] = {}
        """Items of the running vectorised call that have no outcome yet; taking one out is claiming it."""
        self.batch_name = 0
        """The first item's id, by which the vectorised call is stopped as a whole."""
        self.waiting: Dict[int, bool] = {}
        """Items received and not yet begun; taking one out is claiming it."""
        self.output = output
        self.output.label(lambda: self.running)
        self.outbox = Outbox(channel, self.output.flush)

    def cancel(self, item: int) -> None:
        """Drop a waiting item, or ask for the running one to stop; called by whichever thread reads."""
        if self.waiting.pop(item, None) or self._leave_batch(item):
            self.outbox.add(failed(item, error_of(Cancelled(), None)))
            self.outbox.flush()
        elif self.running == item and item not in self.interrupt.cancelled:
            self.interrupt.cancelled.add(item)
            self.interrupt.demand(item)

    def give_back(self, items: List[int]) -> None:
        """Hand back what has not begun, for another worker; called by whichever thread reads."""
        for item in items:
            if self.waiting.pop(item, None):
                self.outbox.add(failed(item, RECALLED))
        self.outbox.flush()

    def _leave_batch(self, item: int) -> bool:
        if self.batch.pop(item, None) is None:
            return False
        self.interrupt.cancelled.add(item)
        if not self.batch:
            self.interrupt.demand(self.batch_name)
        return True


class Compute:
    def __init__(self, desk: Desk, contract: Contract, make_stage: MakeStage) -> None:
        self._desk = desk
        self._contract = contract
        self._shape = contract.piece()
        self._make_stage = make_stage
        self._function = contract.predictor.function
        self._plan = _given(contract.parameters)
        many = contract.predictor.vectorised
        self._many = many.function if many else None
        self._many_plan = _given(many.parameters()) if many else ({}, [])

    def microbatch(self, items: List[Item], attachments: List[memoryview], present: bool, arrived: float) -> None:
        """Answer every item of one `predict` message."""
        progress = self._desk.progress
        progress.together = self._many is not None and len(items) > 1
        (self._together if progress.together else self._one_by_one)(items, attachments, present, arrived)
        progress.together = False
        self._desk.outbox.flush()

    def _one_by_one(self, items: List[Item], attachments: List[memoryview], present: bool, arrived: float) -> None:
        desk = self._desk
        incoming = Incoming(attachments, None, present)
        since = time.perf_counter()
        for item in items:
            number = item["id"]
            desk.running = number
            desk.progress.step += 1
            if desk.waiting.pop(number, None) is not None:
                self._one(number, item, incoming, arrived)
            desk.running = None
            now = time.perf_counter()
            if now - since > COALESCE_SECONDS:
                desk.outbox.flush()
                since = now

    def _one(self, number: int, item: Item, incoming: Incoming, arrived: float) -> None:
        desk = self._desk
        interrupt = desk.interrupt
        given, wants_ctx = self._plan
        stage: Optional[WorkerStage] = None
        outgoing = Outgoing()
        try:
            if wants_ctx or incoming.present:
                stage = self._make_stage([number])
                incoming = incoming.within(stage.tempdir)
            arguments = self._contract.decode(
                item.get("input") or {}, incoming.of(item) if incoming.present else incoming
            )
            arguments.update(given)
            for name in wants_ctx:
                arguments[name] = _ctx(stage, item, arrived)
            if self._contract.streams:
                made = streamed(number, self._stream(number, arguments))
            else:
                made = succeeded(number, output_json(self._shape, self._call(number, arguments), outgoing))
        except BaseException as error:
            interrupt.close()
            made = failed(number, self._blame(number, error))
            outgoing = Outgoing()
        interrupt.reset()
        desk.output.end_item()
        desk.outbox.add(made, outgoing.attachments)
        if stage is not None:
            stage.clear()

    def _call(self, number: int, arguments: Dict[str, Any]) -> Any:
        interrupt = self._desk.interrupt
        interrupt.open(number)
        try:
            return self._function(**arguments)
        finally:
            interrupt.close()

    def _stream(self, number: int, arguments: Dict[str, Any]) -> int:
        interrupt = self._desk.interrupt
        pieces = iter(self._call(number, arguments))
        index = 0
        try:
            while True:
                interrupt.open(number)
                try:
                    piece = next(pieces)
                except StopIteration:
                    return index
                finally:
                    interrupt.close()
                self._send_chunk(number, index, piece)
                self._desk.progress.step += 1
                index += 1
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _send_chunk(self, number: int, index: int, piece: Any) -> None:
        outgoing = Outgoing()
        output = output_json(self._shape, piece, outgoing)
        sizes = b""
        if outgoing.attachments:
            sizes = b',"attachments":[%b]' % b",".join(b"%d" % len(one) for one in outgoing.attachments)
        header = b'{"t":"chunk","id":%d,"index":%d,"output":%b%b}' % (number, index, output, sizes)
        self._desk.channel.send_header(header, outgoing.attachments)

    def _together(self, items: List[Item], attachments: List[memoryview], present: bool, arrived: float) -> None:
        desk = self._desk
        stage = self._make_stage([item["id"] for item in items])
        incoming = Incoming(attachments, stage.tempdir, present)
        desk.batch_name = items[0]["id"]
        rows, numbers = self._rows(items, incoming)
        desk.progress.step += 1
        answers: Any = None
        trouble: Optional[BaseException] = None
        try:
            if rows:
                answers = self._call_many(rows, stage, items[0], arrived)
                answers = _answers(answers, len(rows))
        except BaseException as error:
            desk.interrupt.close()
            trouble = error
        desk.output.end_item()
        if trouble is not None:
            answers = [trouble] * len(numbers)
        claimed = [place for place, number in enumerate(numbers) if desk.batch.pop(number, None) is not None]
        self._add_rows([numbers[place] for place in claimed], [answers[place] for place in claimed])
        desk.interrupt.reset()
        desk.outbox.flush()
        stage.clear()

    def _rows(self, items: List[Item], incoming: Incoming) -> Tuple[Rows, List[int]]:
        """The rows that can be computed; the others are answered at once."""
        desk = self._desk
        rows, numbers = Rows(), []
        # All at once, so that cancelling the first item does not look like cancelling the whole batch.
        desk.batch.update((item["id"], True) for item in items)
        for item in items:
            number = item["id"]
            if desk.waiting.pop(number, None) is None:
                desk.batch.pop(number, None)
                continue
            try:
                rows.append(
                    self._contract.decode(item.get("input") or {}, incoming.of(item) if incoming.present else incoming)
                )
                numbers.append(number)
            except Exception as error:
                if desk.batch.pop(number, None) is not None:
                    desk.outbox.add(failed(number, self._blame(number, error)))
        return rows, numbers

    def _call_many(self, rows: Rows, stage: WorkerStage, first: Item, arrived: float) -> Any:
        interrupt = self._desk.interrupt
        given, wants_ctx = self._many_plan
        arguments = {**given, **{name: _ctx(stage, first, arrived) for name in wants_ctx}}
        interrupt.open(first["id"])
        try:
            return self._many(rows, **arguments) if self._many else None
        finally:
            interrupt.close()

    def _add_rows(self, numbers: List[int], answers: List[Any]) -> None:
        made = all_succeeded(self._shape, numbers, answers) if len(numbers) > 1 else None
        if made is not None:
            self._desk.outbox.add(made)
            return
        for number, answer in zip(numbers, answers):
            self._add_row(number, answer)

    def _add_row(self, number: int, answer: Any) -> None:
        outgoing = Outgoing()
        try:
            if isinstance(answer, BaseException):
                raise answer
            made = succeeded(number, output_json(self._shape, answer, outgoing))
        except BaseException as error:
            made = failed(number, self._blame(number, error))
            outgoing = Outgoing()
        self._desk.outbox.add(made, outgoing.attachments)

    def _blame(self, number: int, error: BaseException) -> Dict[str, Any]:
        if isinstance(error, Cancelled) and number not in self._desk.interrupt.cancelled:
            return error_of(RuntimeError("the function raised `Cancelled` although nobody asked"), self._desk.root)
        return error_of(error, self._desk.root)


def _given(parameters: Parameters) -> Tuple[Dict[str, Any], List[str]]:
    """Set-up values by parameter name, and the parameters that want a `Ctx`."""
    return {name: setup.value() for name, setup in parameters.setups.items()}, parameters.ctx


def _ctx(stage: Optional[WorkerStage], item: Item, arrived: float) -> Ctx:
    milliseconds = item.get("deadline_ms")
    deadline = arrived + milliseconds / 1000 if milliseconds is not None else None
    return Ctx(stage=stage, seed=item.get("seed") or 0, deadline=deadline, weights=WEIGHTS.path)


class Weights:
    """The version's weights, told once by `setup`."""

    def __init__(self) -> None:
        self.path: Optional[Path] = None


WEIGHTS = Weights()


def _answers(given: Any, wanted: int) -> List[Any]:
    """One answer per row. Raises BadOutput, naming expected and got."""
    if not isinstance(given, (list, tuple)):
        found = records(given)
        if found is None and not isinstance(given, (str, bytes, dict)):
            found = plain(given) if not hasattr(given, "shape") else list(given)
            found = list(found) if hasattr(found, "__iter__") else None
        if found is None:
            kind = type(given).__name__
            raise BadOutput(
                f"the `.many` function returns one answer per row: expected a list of {wanted}, got `{kind}`"
            )
        given = found
    if len(given) != wanted:
        raise BadOutput(f"the `.many` function returns one answer per row: expected {wanted}, got {len(given)}")
    return list(given)
