// Owns the small models that only the walks need, and how they get to the server. Must not know the page.
import type { APIRequestContext } from '@playwright/test';
import { gzipSync } from 'node:zlib';

const PUSH_MS_MAX = 240_000;

export const STORY = `"""Tells a story word by word."""
import time
from typing import Iterator

import onstage as on

WORDS = "Once upon a time a model stood on a stage and people came and asked and it answered VERSION".split()


@on.predict
def tell(
    words: int = on.Input("How many words", ge=1, le=60, default=18),
    pause_ms: int = on.Input("Pause between two words", ge=0, le=2000, default=120),
) -> Iterator[str]:
    """A short story

    Comes word by word.
    """
    for number in range(words):
        time.sleep(pause_ms / 1000)
        yield WORDS[number % len(WORDS)] + " "
`;

export const KINDS = `"""One answer of every kind."""
import dataclasses
from typing import Any, List, Literal, Optional

import onstage as on


@dataclasses.dataclass
class Place:
    name: str
    km: float = 1.0


@on.predict
def kinds(
    kind: Literal["number", "text", "rows", "record", "tree", "plot", "nothing", "refuse", "crash"] = on.Input("What to answer"),
    note: str = on.Input("A note", default="", max_length=400),
    loud: bool = on.Input("Print something", default=False),
    place: Optional[Place] = on.Input("Where", default=None),
    tags: List[str] = on.Input("Tags", default=[]),
    table: Optional[on.Table] = on.Input("Some rows", default=None),
) -> Any:
    """Every kind of answer"""
    if loud:
        print("a line for the log")
    if kind == "number":
        return 42.5
    if kind == "text":
        return "plain words " + note
    if kind == "rows":
        return [{"city": "Lima", "people": 10}, {"city": "Oslo", "people": 7}, {"city": "Bern", "people": 12}]
    if kind == "record":
        return {"name": place.name if place else "nowhere", "tags": tags, "rows": len(list(table.rows())) if table else 0}
    if kind == "tree":
        return [[1, [2, {"deep": True}]], "leaf"]
    if kind == "plot":
        values = [{"x": i, "y": i * i} for i in range(20)]
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "data": {"values": values},
            "mark": "line",
            "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}},
        }
    if kind == "refuse":
        raise on.UserError("the note is not to my taste", field="note")
    if kind == "crash":
        raise RuntimeError("the curtain fell")
    return None
`;

export async function push(api: APIRequestContext, name: string, source: string): Promise<number> {
  const bundle = gzipSync(
    Buffer.concat([
      entry('onstage.toml', `[model]\nname = "${name}"\n\n[feedback]\nask = ["too dull", "too long"]\n`),
      entry('model.py', source),
      Buffer.alloc(1024),
    ]),
  );
  await api.post('v1/models', { data: { owner: 'lab', name } });
  const answer = await api.post(`v1/models/lab/${name}/versions`, {
    data: bundle,
    headers: { 'content-type': 'application/gzip' },
  });
  if (!answer.ok()) throw new Error(`push of ${name}: ${answer.status()} ${await answer.text()}`);
  const version = (await answer.json()) as { id: string; number: number };
  const until = Date.now() + PUSH_MS_MAX;
  for (;;) {
    const got = await api.get(`v1/models/lab/${name}/versions/${version.id}`);
    const now = (await got.json()) as { state: string; live: boolean; error?: unknown };
    if (now.state === 'ready' && now.live) return version.number;
    // The same folder pushed again is the same version, and stays where it was.
    if (now.state === 'ready') await api.post(`v1/models/lab/${name}/versions/${version.id}/promote`);
    if (now.state === 'failed' || Date.now() > until) throw new Error(`${name} is ${JSON.stringify(now)}`);
    await new Promise((done) => setTimeout(done, 300));
  }
}

/** One file of a tar archive. */
function entry(path: string, text: string): Buffer {
  const body = Buffer.from(text);
  const head = Buffer.alloc(512);
  const put = (at: number, length: number, value: string) => head.write(value.slice(0, length), at, 'ascii');
  put(0, 100, path);
  put(100, 8, '0000644\0');
  put(108, 8, '0000000\0');
  put(116, 8, '0000000\0');
  put(124, 12, `${body.length.toString(8).padStart(11, '0')}\0`);
  put(136, 12, '00000000000\0');
  put(148, 8, '        ');
  put(156, 1, '0');
  put(257, 8, 'ustar\x0000');
  const sum = head.reduce((total, byte) => total + byte, 0);
  put(148, 8, `${sum.toString(8).padStart(6, '0')}\0 `);
  return Buffer.concat([head, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
