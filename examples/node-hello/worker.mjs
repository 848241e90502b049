// A worker in plain Node.js: the frame codec, the messages, and below them the model itself.
// It must not need anything but Node; `docs/worker-protocol.md` is all it was written from.

import net from "node:net";

const FRAME_BYTES_MAX = 2 ** 30;
const HEADER_BYTES_MAX = 64 * 2 ** 20;

// ---- the model ----

const GREETINGS = { en: "Hello", de: "Hallo", fr: "Bonjour", es: "Hola" };

const SCHEMA = {
  title: "Hello from Node",
  help: "Greets somebody in their language.\n\nA name of several people, separated by commas, greets each of them.",
  function: "greet",
  background: false,
  streams: false,
  many: null,
  components: {
    schemas: {
      Input: {
        type: "object",
        title: "Input",
        properties: {
          name: { type: "string", title: "Name", "x-order": 0, description: "Who is greeted", minLength: 1, maxLength: 200 },
          language: {
            type: "string",
            title: "Language",
            "x-order": 1,
            description: "In which language",
            enum: Object.keys(GREETINGS),
            default: "en",
          },
        },
        required: ["name"],
        additionalProperties: false,
      },
      Output: { title: "Output", type: "string" },
    },
  },
};

class UserError extends Error {
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

async function greet({ name, language = "en" }, item) {
  const people = name.split(",").map((person) => person.trim());
  const greetings = [];
  for (const [index, person] of people.entries()) {
    if (person === "") throw new UserError("Every name needs at least one letter.", "name");
    item.progress(index + 1, people.length, person);
    greetings.push(`${GREETINGS[language]}, ${person}!`);
    // One turn of the event loop, so that a cancel or a ping is heard between two people.
    await new Promise(setImmediate);
    if (item.cancelled) throw new Cancelled();
  }
  console.log(`greeted ${people.length}`);
  return greetings.join("\n");
}

// ---- frames ----

function encode(message) {
  const header = Buffer.from(JSON.stringify(message));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(4 + header.length, 0);
  lengths.writeUInt32LE(header.length, 4);
  return Buffer.concat([lengths, header]);
}

// Reads whole frames out of a growing list of pieces; yields each header.
class Frames {
  pieces = [];
  size = 0;

  push(piece) {
    this.pieces.push(piece);
    this.size += piece.length;
  }

  *take() {
    while (this.size >= 4) {
      if (this.pieces[0].length < 4) this.join();
      const length = this.pieces[0].readUInt32LE(0);
      if (length < 4 || length > FRAME_BYTES_MAX) throw new Error(`frame length ${length} is out of range`);
      if (this.size < 4 + length) return;
      const held = this.join();
      this.pieces = [held.subarray(4 + length)];
      this.size -= 4 + length;
      yield header(held.subarray(4, 4 + length));
    }
  }

  join() {
    if (this.pieces.length > 1) this.pieces = [Buffer.concat(this.pieces)];
    return this.pieces[0];
  }
}

function header(body) {
  const bytes = body.readUInt32LE(0);
  if (bytes > HEADER_BYTES_MAX || 4 + bytes > body.length) throw new Error(`header length ${bytes} is out of range`);
  const message = JSON.parse(body.toString("utf8", 4, 4 + bytes));
  const attached = (message.attachments ?? []).reduce((sum, size) => sum + size, 0);
  if (4 + bytes + attached !== body.length) throw new Error("attachment sizes do not add up to the end of the frame");
  return message;
}

// ---- the worker ----

class Cancelled extends Error {}

const socket = net.connect(process.env.ONSTAGE_SOCKET);
const frames = new Frames();
const waiting = new Map(); // id → item, from its arrival until its outcome is sent
const queue = [];
let busy = false;
let leaving = false;

const send = (message) => socket.write(encode(message));

function errorOf(error) {
  const { message, field = null } = error;
  if (error instanceof UserError) return { kind: "user_error", message, field, traceback: null };
  if (error instanceof Cancelled) return { kind: "canceled", message: "canceled", field: null, traceback: null };
  return { kind: "exception", message: `${error.name}: ${message}`, field: null, traceback: error.stack };
}

// A pipe is written asynchronously; lines must be out before the result of their item.
const flushed = (stream) => new Promise((done) => stream.write("", done));

async function compute(item) {
  let outcome;
  try {
    outcome = { id: item.id, output: await greet(item.input, item) };
  } catch (error) {
    outcome = { id: item.id, error: errorOf(error) };
  }
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  waiting.delete(item.id);
  send({ t: "result", items: [outcome] });
}

async function work() {
  if (busy) return;
  busy = true;
  while (queue.length > 0) {
    const item = queue.shift();
    if (waiting.has(item.id)) {
      item.started = true;
      await compute(item);
    }
  }
  busy = false;
  if (leaving) socket.end(() => process.exit(0));
}

function cancel(id) {
  const item = waiting.get(id);
  if (item === undefined) return;
  item.cancelled = true;
  if (item.started) return;
  waiting.delete(id);
  send({ t: "result", items: [{ id, error: errorOf(new Cancelled()) }] });
}

function accept({ id, input }) {
  const item = { id, input, started: false, cancelled: false };
  item.progress = (done, total, text) => send({ t: "progress", id, done, total, text });
  waiting.set(id, item);
  queue.push(item);
}

const MESSAGES = {
  describe: () => send({ t: "schema", schema: SCHEMA }),
  setup: () => send({ t: "ready" }),
  ping: ({ n }) => send({ t: "pong", n }),
  cancel: ({ id }) => cancel(id),
  predict: ({ items }) => {
    items.forEach(accept);
    work();
  },
  exit: () => {
    leaving = true;
    work();
  },
};

socket.on("connect", () => send({ t: "hello", protocol: 1, pid: process.pid, runner: `node-hello/${process.version}` }));
socket.on("data", (piece) => {
  frames.push(piece);
  try {
    for (const message of frames.take()) MESSAGES[message.t]?.(message);
  } catch (error) {
    console.error(`node-hello: the host broke the protocol: ${error.message}`);
    process.exit(1);
  }
});
// The host is gone: nobody wants the answer.
socket.on("close", () => process.exit(0));
socket.on("error", () => process.exit(0));
