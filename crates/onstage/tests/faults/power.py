"""Makes crash states of a store's files that were copied at one moment, opens each, and prints what is missing, as JSON.

What lay in the write-ahead log behind the last synced byte may be there, be gone or be anything after a loss of power.
"""

import json
import random
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

SECTOR_BYTES = 512


def main():
    folder, synced, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    acknowledged = set((folder / "acknowledged").read_text().split())
    chance = random.Random(seed)
    print(json.dumps([state(folder, synced, how, acknowledged, chance) for how in range(count)]))


def state(folder, synced, how, acknowledged, chance):
    with tempfile.TemporaryDirectory(dir=folder) as place:
        store = Path(place) / "onstage.db"
        shutil.copy(folder / "onstage.db", store)
        log = (folder / "onstage.db-wal").read_bytes()
        (Path(place) / "onstage.db-wal").write_bytes(hurt(log, synced, how, chance))
        opened = sqlite3.connect(store)
        try:
            whole = [row[0] for row in opened.execute("PRAGMA integrity_check")] == ["ok"]
            there = {row[0] for row in opened.execute("SELECT id FROM jobs")}
        except sqlite3.DatabaseError as error:
            return {"whole": False, "missing": [], "jobs": 0, "why": str(error)}
        finally:
            opened.close()
        return {"whole": whole, "missing": sorted(acknowledged - there)[:5], "jobs": len(there), "why": ""}


def hurt(log, synced, how, chance):
    """As it is, cut at any byte, or with some of its sectors lost and others torn; never before `synced`."""
    synced = min(synced, len(log))
    tail = bytearray(log[synced:])
    if how % 3 == 1:
        tail = tail[: chance.randrange(len(tail) + 1)]
    if how % 3 == 2:
        for at in range(0, len(tail), SECTOR_BYTES):
            size = min(SECTOR_BYTES, len(tail) - at)
            if chance.random() < 0.5:
                tail[at : at + size] = chance.choice([bytes(size), chance.randbytes(size)])
    return log[:synced] + bytes(tail)


main()
