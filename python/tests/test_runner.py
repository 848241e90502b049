"""The runner end to end: a real process, a real socket, one prediction after the other.

It must not reach into the runner's modules.
"""

from __future__ import annotations

import os

from host import lines_by_item

HELLO = """
    import onstage as on

    @on.predict
    def shout(text: str, times: int = on.Input("How often", ge=1, default=1)) -> str:
        "Say it loud"
        return text.upper() * times
"""


def test_hello_describe_setup_predict_exit(start):
    host = start(HELLO, ready=False)
    assert host.hello["protocol"] == 1
    assert host.hello["pid"] == host.process.pid
    assert host.hello["runner"].startswith("onstage-python/")
    schema = host.describe()["schema"]
    assert schema["function"] == "shout"
    assert schema["title"] == "Say it loud"
    assert host.setup()["t"] == "ready"
    assert host.one(text="hey") == "HEY"
    assert host.one(text="hey", times=2) == "HEYHEY"
    assert host.exit() == 0


def test_many_items_in_one_frame_are_each_answered_once(start):
    host = start(HELLO)
    results = host.predict(*({"text": f"a{index}"} for index in range(200)))
    assert [one["output"] for one in results] == [f"A{index}" for index in range(200)]
    ids = [item["id"] for message in host.all("result") for item in message["items"]]
    assert sorted(ids) == list(range(1, 201))
    assert len(host.all("result")) < 200


def test_setup_values_and_ctx_are_given(start):
    host = start("""
        import onstage as on

        @on.setup
        def base(ctx: on.Ctx):
            return {"base": 100, "weights": ctx.weights}

        @on.setup
        def net(*, base):
            return base["base"] + 1

        @on.predict
        def f(x: int, ctx: on.Ctx, *, net) -> dict:
            return {"sum": x + net, "seed": ctx.seed, "deadline": ctx.deadline}
    """)
    assert host.one(x=1) == {"sum": 102, "seed": 7, "deadline": None}
    timed = host.predict({"x": 1}, deadline_ms=60_000)[0]["output"]
    assert timed["deadline"] > 0


def test_ping_is_answered_while_computing_and_while_asleep(start):
    host = start("""
        import time
        import onstage as on

        @on.predict
        def f(seconds: float) -> str:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pass
            return "done"
    """)
    (number,) = host.begin({"seconds": 1.0})
    for n in range(5):
        host.send({"t": "ping", "n": n})
        assert host.wait("pong")["n"] == n
    assert not host.all("result")
    assert host.result(number)["output"] == "done"
    host.send({"t": "ping", "n": 99})
    assert host.wait("pong")["n"] == 99


def test_a_ready_result_does_not_wait_for_a_slow_neighbour(start):
    host = start("""
        import pathlib
        import time
        import onstage as on

        @on.predict
        def f(wait_for: str) -> str:
            while wait_for and not pathlib.Path(wait_for).exists():
                time.sleep(0.01)
            return "done"
    """)
    gate = host.scratch / "gate"
    first, second = host.begin({"wait_for": ""}, {"wait_for": str(gate)})
    assert host.result(first)["output"] == "done"
    gate.touch()
    assert host.result(second)["output"] == "done"


def test_prints_are_labelled_and_never_reach_the_channel(start):
    host = start("""
        import ctypes, os, sys
        import onstage as on

        print("at import")
        libc = ctypes.CDLL(None)

        @on.predict
        def f(x: int) -> int:
            if x == 1:
                print("one")
                print("left open", end="")
            if x == 2:
                print("error two", file=sys.stderr)
            if x == 3:
                os.write(1, b"raw three\\n")
            if x == 4:
                libc.printf(b"from C four\\n")
            if x == 5:
                print("five")
            return x
    """)
    ids = host.begin({"x": 1}, {"x": 2}, {"x": 3}, {"x": 4}, {"x": 5})
    assert [host.result(number)["output"] for number in ids] == [1, 2, 3, 4, 5]
    lines = lines_by_item(host.printed(b"from C four"))
    host.printed(b"five")
    lines = lines_by_item(host.lines["stdout"])
    assert (None, b"at import") in lines
    assert (ids[0], b"one") in lines
    assert (ids[0], b"left open") in lines
    assert (None, b"raw three") in lines
    assert (None, b"from C four") in lines
    assert (ids[4], b"five") in lines
    assert (ids[1], b"error two") in lines_by_item(host.printed(b"error two", "stderr"))


def test_printed_marks_do_not_change_the_label_and_raw_bytes_are_not_late(start):
    host = start("""
        import sys
        import onstage as on

        @on.predict
        def f(x: int) -> int:
            print("\\x1e7\\nafter", x)
            sys.stdout.buffer.write(b"bytes %d\\n" % x)
            return x
    """)
    (number,) = host.begin({"x": 3})
    assert host.result(number)["output"] == 3
    lines = lines_by_item(host.printed(b"bytes 3"))
    assert (number, b"\\x1e7") in lines
    assert (number, b"after 3") in lines


def test_closed_standard_streams_cost_lines_but_no_answers(start):
    host = start("""
        import os, sys
        import onstage as on

        @on.predict
        def f(x: int) -> int:
            print("before")
            if x == 1:
                sys.stdout.close()
            if x == 2:
                sys.stderr.write("lost")
                os.close(2)
            return x
    """)
    assert host.one(x=2) == 2
    assert host.one(x=1) == 1
    assert host.one(x=3) == 3
    host.until(lambda: host.lines["stdout"].count(b"before") == 3, "all prints")


def test_a_forked_child_cannot_speak_for_the_worker(start):
    host = start("""
        import multiprocessing
        import onstage as on

        def child(ctx, queue):
            try:
                ctx.log("from the child")
            except Exception as error:
                queue.put(str(error))

        @on.predict
        def f(*, ctx: on.Ctx) -> str:
            fork = multiprocessing.get_context("fork")
            queue = fork.SimpleQueue()
            process = fork.Process(target=child, args=(ctx, queue))
            process.start()
            said = queue.get()
            process.join()
            return said
    """)
    assert "only the worker itself can use `ctx`" in host.one()
    assert host.all("log") == []


def test_a_predict_function_can_be_given_to_other_processes(start):
    host = start("""
        import pickle
        import onstage as on

        @on.predict
        def f() -> bool:
            return pickle.loads(pickle.dumps(f)) is f
    """)
    assert host.one() is True


def test_lines_are_written_before_their_result(start):
    host = start("""
        import ctypes
        import onstage as on

        libc = ctypes.CDLL(None)

        @on.predict
        def f(x: int) -> int:
            print("python", x)
            libc.printf(b"c %d\\n", x)
            return x
    """)
    for x in range(20):
        host.one(x=x)
    host.hang_up()
    assert host.process.wait(30) is not None
    for x in range(20):
        host.printed(b"c %d" % x)
        host.printed(b"python %d" % x)


def test_children_do_not_hold_the_socket_or_the_input(start):
    host = start("""
        import multiprocessing, os, subprocess, sys
        import onstage as on

        LIST = "import os; print([os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')])"

        def sockets(queue):
            queue.put([os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                       if os.path.lexists(f"/proc/self/fd/{fd}") and os.path.exists(f"/proc/self/fd/{fd}")])

        @on.predict
        def f() -> dict:
            fork = multiprocessing.get_context("fork")
            queue = fork.SimpleQueue()
            child = fork.Process(target=sockets, args=(queue,))
            child.start()
            forked = queue.get()
            child.join()
            spawned = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True).stdout
            return {"forked": str(forked), "spawned": spawned, "stdin": os.readlink("/proc/self/fd/0")}
    """)
    answer = host.one()
    assert "socket:" not in answer["forked"]
    assert "socket:" not in answer["spawned"]
    assert answer["stdin"] == "/dev/null"


def test_the_worker_ends_when_the_host_is_gone_whatever_it_does(start):
    host = start("""
        import time
        import onstage as on

        @on.predict
        def f() -> int:
            print("running")
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass
    """)
    host.begin({})
    host.printed(b"running")
    host.hang_up()
    assert host.process.wait(30) is not None


def test_exit_finishes_what_runs_and_threads_do_not_hold_it(start):
    host = start("""
        import threading, time
        import onstage as on

        @on.predict
        def f() -> int:
            threading.Thread(target=time.sleep, args=(600,)).start()
            time.sleep(0.2)
            return 1
    """)
    (number,) = host.begin({})
    assert host.exit() == 0
    assert host.result(number)["output"] == 1


def test_predict_with_large_attachments_both_ways(start):
    host = start("""
        import onstage as on

        @on.predict
        def f(data: on.File) -> bytes:
            return data.bytes() * 20
    """)
    blob = os.urandom(5 << 20)
    given = {"data": {"$attachment": 0, "name": "a.bin", "media_type": "application/octet-stream"}}
    result = host.predict(given, attachments=[blob])[0]
    assert result["output"]["$attachment"] == 0
    assert result["attachments"][0] == blob * 20
