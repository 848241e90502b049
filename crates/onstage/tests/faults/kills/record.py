"""Reads what a server that was stopped has left in its data folder, and prints it as JSON: jobs, versions, blobs, left-over files."""

import hashlib
import json
import sqlite3
import sys
from pathlib import Path

DATA = Path(sys.argv[1])


def main():
    store = sqlite3.connect(f"file:{DATA / 'onstage.db'}?mode=ro", uri=True)
    store.row_factory = sqlite3.Row
    rows = {table: [dict(row) for row in store.execute(f'SELECT * FROM "{table}"')] for table in tables(store)}
    whole = [row[0] for row in store.execute("PRAGMA integrity_check")]
    print(
        json.dumps(
            {
                "jobs": jobs(rows),
                "lineages": lineages(rows),
                "blobs": list(blobs(rows)),
                "whole": whole == ["ok"],
                "left": left(),
            }
        )
    )


def tables(store):
    names = store.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return [name[0] for name in names]


def lineages(rows):
    """The training of every version that one made."""
    return [json.loads(row["lineage_json"])["training"] for row in rows["versions"] if row["lineage_json"]]


def jobs(rows):
    events, chunks = {}, {}
    for event in sorted(rows["events"], key=lambda event: event["seq"]):
        events.setdefault(event["job"], []).append(event)
    for chunk in sorted(rows["chunks"], key=lambda chunk: chunk["chunk"]):
        chunks.setdefault(chunk["job"], []).append([chunk["first_row"], chunk["row_count"], chunk["run"]])
    return [job(row, events.get(row["id"], []), chunks.get(row["id"], [])) for row in rows["jobs"]]


def job(row, events, chunks):
    output = json.loads(row["output_json"] or "null")
    return {
        **{name: row[name] for name in ("id", "kind", "state", "run", "attempts", "restarts", "dead")},
        "history": [[run["run"], run["failure"]["reason"]] for run in json.loads(row["attempts_json"])],
        "failure": json.loads(row["failure_json"] or "null"),
        "output": output,
        "keys": sorted(reference[0] for reference in references(output)),
        "ends": [json.loads(event["data_json"]).get("status") for event in events if event["kind"] == "completed"],
        "numbers": [event["seq"] for event in events],
        "chunks": chunks,
    }


def references(value):
    """Key, size and digest of every blob that JSON names, also in JSON that lies in it as text."""
    if isinstance(value, str) and value[:1] in "{[" and "sha256" in value:
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    if isinstance(value, dict):
        if {"key", "size_bytes", "sha256"} <= value.keys():
            yield value["key"], value["size_bytes"], value["sha256"]
        for item in value.values():
            yield from references(item)


def blobs(rows):
    """Every blob that a record points at, as the record has it and as it is."""
    named = set()
    for row in (row for table in rows.values() for row in table):
        for column, value in row.items():
            if column.endswith("_json") and value:
                named.update(references(value))
            if column.endswith("_key") and f"{column[:-4]}_sha256" in row and value:
                stem = column[:-4]
                named.add((value, row[f"{stem}_size_bytes"], row[f"{stem}_sha256"]))
    for key, size, sha256 in sorted(named):
        file = DATA / "blobs" / key
        digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None
        right = digest == sha256 and file.stat().st_size == size
        yield {"key": key, "is": "right" if right else "gone" if digest is None else "other"}


def left():
    """Folders of processes that are gone."""
    return sorted(str(entry.relative_to(DATA)) for entry in (DATA / "scratch").glob("*"))


main()
