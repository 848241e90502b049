"""Stopping items: running, sleeping, waiting, in a vectorised call, while streaming; and leaving the others alone.

It must not depend on how long anything takes.
"""

from __future__ import annotations

SLEEPER = """
    import time
    import onstage as on

    @on.predict
    def f(x: int, *, ctx: on.Ctx) -> int:
        if x == 0:
            print("sleeping")
            try:
                time.sleep(600)
            finally:
                print("cleaned up", ctx.cancelled)
        if x == 1:
            print("spinning")
            while True:
                pass
        if x == 2:
            print("stubborn")
            while True:
                try:
                    time.sleep(600)
                except BaseException:
                    return 2
        return x
"""


def kind(result):
    return result["error"]["kind"]


def test_a_sleeping_item_is_stopped_and_the_next_is_not(start):
    host = start(SLEEPER)
    first, second = host.begin({"x": 0}, {"x": 5})
    host.printed(b"sleeping")
    host.send({"t": "cancel", "id": first})
    assert kind(host.result(first)) == "canceled"
    assert host.result(second)["output"] == 5
    host.printed(b"cleaned up True")


def test_a_spinning_item_is_stopped(start):
    host = start(SLEEPER)
    (number,) = host.begin({"x": 1})
    host.printed(b"spinning")
    host.send({"t": "cancel", "id": number})
    assert kind(host.result(number)) == "canceled"
    assert host.one(x=9) == 9


def test_a_waiting_item_is_dropped_at_once(start):
    host = start(SLEEPER)
    first, second, third = host.begin({"x": 1}, {"x": 6}, {"x": 7})
    (later,) = host.begin({"x": 8})
    host.printed(b"spinning")
    host.send({"t": "cancel", "id": second})
    host.send({"t": "cancel", "id": later})
    assert kind(host.result(second)) == "canceled"
    assert kind(host.result(later)) == "canceled"
    host.send({"t": "cancel", "id": first})
    assert kind(host.result(first)) == "canceled"
    assert host.result(third)["output"] == 7


def test_a_result_that_comes_first_wins_and_a_late_cancel_hurts_nobody(start):
    host = start(SLEEPER)
    (number,) = host.begin({"x": 2})
    host.printed(b"stubborn")
    host.send({"t": "cancel", "id": number})
    assert host.result(number)["output"] == 2
    host.send({"t": "cancel", "id": number})
    host.send({"t": "cancel", "id": 12345})
    for x in range(10, 40):
        assert host.one(x=x) == x


def test_cancels_racing_with_short_items_strike_only_their_own(start):
    host = start(SLEEPER)
    wanted, unwanted = [], []
    for x in range(100, 300):
        (one,), (other,) = host.begin({"x": x}), host.begin({"x": x})
        host.send({"t": "cancel", "id": one})
        unwanted.append((one, x))
        wanted.append((other, x))
    for number, x in wanted:
        assert host.result(number)["output"] == x
    for number, x in unwanted:
        result = host.result(number)
        assert result.get("output") == x or kind(result) == "canceled"
    ids = [item["id"] for message in host.all("result") for item in message["items"]]
    assert len(ids) == len(set(ids)) == 400


BATCH = """
    import time
    import onstage as on

    @on.predict
    def f(x: int) -> int:
        return x

    @f.many(max=10)
    def _(rows, *, ctx: on.Ctx):
        if 0 in rows.column("x"):
            print("sleeping")
            time.sleep(600)
        if 1 in rows.column("x"):
            print("waiting")
            while not ctx.state.get("go"):
                time.sleep(0.01)
        return [x * 2 for x in rows.column("x")]
"""


def test_one_row_leaves_its_batch_and_the_others_are_answered(start):
    host = start(BATCH)
    go = []
    host.answer_state = lambda message: {"value": bool(go)}
    ids = host.begin({"x": 1}, {"x": 2}, {"x": 3})
    host.printed(b"waiting")
    host.send({"t": "cancel", "id": ids[1]})
    assert kind(host.result(ids[1])) == "canceled"
    go.append(True)
    assert host.result(ids[0])["output"] == 2
    assert host.result(ids[2])["output"] == 6


def test_a_batch_that_nobody_wants_is_stopped(start):
    host = start(BATCH)
    ids = host.begin({"x": 0}, {"x": 2})
    host.printed(b"sleeping")
    for number in ids:
        host.send({"t": "cancel", "id": number})
    assert [kind(host.result(number)) for number in ids] == ["canceled", "canceled"]
    assert [one["output"] for one in host.predict({"x": 4}, {"x": 5})] == [8, 10]


def test_a_stream_is_stopped_and_closed(start):
    host = start("""
        import time
        import onstage as on

        @on.predict
        def f():
            try:
                while True:
                    yield "tick"
                    time.sleep(0.01)
            finally:
                print("closed")
    """)
    (number,) = host.begin({})
    host.until(lambda: len(host.all("chunk")) > 2, "chunks")
    host.send({"t": "cancel", "id": number})
    assert kind(host.result(number)) == "canceled"
    host.printed(b"closed")


def test_raising_cancelled_without_being_asked_is_an_exception(start):
    host = start("""
        import onstage as on

        @on.predict
        def f() -> int:
            raise on.Cancelled()
    """)
    assert host.error()["kind"] == "exception"


def test_what_has_not_begun_is_given_back_and_what_has_goes_on(start):
    host = start(SLEEPER)
    first, second, third = host.begin({"x": 1}, {"x": 6}, {"x": 7})
    host.printed(b"spinning")
    host.send({"t": "recall", "ids": [first, second, 12345]})
    assert kind(host.result(second)) == "recalled"
    host.send({"t": "cancel", "id": first})
    assert kind(host.result(first)) == "canceled"
    assert host.result(third)["output"] == 7
