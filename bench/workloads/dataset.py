"""J5: five gigabytes become a dataset, in one request and in parts, beside `cp` followed by `sha256sum` of the copy."""

import http.client
import os
import re
import subprocess
import time
from pathlib import Path

from load import Ask
from ours import House
from world import OURS

BYTES = 5_000_000_000
ROUNDS = 3
PIECE = 1 << 20
PLAIN = "cp, then sha256sum"
PARTS = f"{OURS}, in parts"
HEALTH = Ask("/healthz", method="GET")
DATASET = "/v1/datasets/five"


def run(world):
    source = make_file(world.folder / "five.bin")
    house = House(world, "datasets", [])
    with house.serving(HEALTH) as ours:
        for number in range(ROUNDS + 1):
            # The first round only warms up.
            kept = world.figures if number else None
            timed(kept, PLAIN, lambda: copied(source))
            for name, upload in ((OURS, whole), (PARTS, in_parts)):
                before = reset_peak(ours.pid)
                timed(kept, name, lambda upload=upload: upload(house, ours, source))
                if kept:
                    kept.add("J5", name, "the front grows by", peak(ours.pid) - before, "MiB")
                asked(house, ours, "DELETE")
    source.unlink()
    house.remove()
    world.figures.note("J5", "Onstage's bytes are on the disk when it answers; `cp` leaves them to the system.")


def timed(figures, name, work):
    begun = time.monotonic()
    work()
    if figures:
        figures.add("J5", name, "rate", BYTES / 1e6 / (time.monotonic() - begun), "MB/s")


def make_file(place):
    """Random bytes; a mebibyte of them again and again would not be told apart by any of the measured."""
    piece = os.urandom(PIECE)
    with open(place, "wb") as file:
        left = BYTES
        while left > 0:
            left -= file.write(piece[:left])
    return place


def copied(source):
    copy = source.with_suffix(".copy")
    subprocess.run(["cp", source, copy], check=True)
    subprocess.run(["sha256sum", copy], stdout=subprocess.DEVNULL, check=True)
    copy.unlink()


def whole(house, ours, source):
    with open(source, "rb") as file:
        made = asked(house, ours, "PUT", file)
    if f'"size":{BYTES}' not in made:
        raise RuntimeError(f"the server did not keep the dataset: {made}")


def asked(house, ours, method, file=None):
    host, port = ours.address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=600)
    connection.putrequest(method, DATASET)
    connection.putheader("Authorization", f"Bearer {house.token}")
    connection.putheader("Content-Length", str(BYTES if file else 0))
    connection.endheaders()
    if file:
        connection.sock.sendfile(file)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    if answer.status not in (200, 201, 204):
        raise RuntimeError(f"{method} answered {answer.status}: {text}")
    return text


def in_parts(house, ours, source):
    environment = {**os.environ, "ONSTAGE_URL": f"http://{ours.address}", "ONSTAGE_TOKEN": house.token}
    command = [str(house.world.onstage), "data", "put", "five", str(source)]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)


def reset_peak(pid):
    """Forgets the most memory that a process ever had; answers what it has now, in MiB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident(pid, "VmRSS")


def peak(pid):
    return resident(pid, "VmHWM")


def resident(pid, name):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1)) / 1024
