// Owns a small imitation of the HTTP API, to look at the page while the server is being written. It is no
// part of the product and of no test. Must not be trusted about anything but shapes.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { CSP, examplesOf, models, solve, versionOf } from './models.mjs';

const PREFIX = process.env.PREFIX ?? '';
const PORT = Number(process.env.PORT ?? 8490);
const DIST = new URL('../dist/', import.meta.url).pathname;
const PASSWORD = 'stage';
const runs = new Map();
const batches = new Map();
const files = new Map();
let links = 1;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
let n = 0;
const newId = () =>
  `01j${Date.now().toString(32)}${(n++).toString(32).padStart(4, '0')}`.padEnd(26, 'a').slice(0, 26);

createServer((req, res) => {
  handle(req, res).catch((e) => problem(res, 500, 'internal', String(e)));
}).listen(PORT, '127.0.0.1', () => console.log(`fake API on http://127.0.0.1:${PORT}${PREFIX}/`));

async function handle(req, res) {
  const url = new URL(req.url, 'http://x');
  if (!url.pathname.startsWith(`${PREFIX}/`)) return problem(res, 404, 'not_found', 'Outside the prefix.');
  const path = url.pathname.slice(PREFIX.length);
  if (path.startsWith('/v1/')) return api(req, res, path, url);
  if (path === '/login' && url.searchParams.get('token') === 'once' && links-- > 0) {
    res.writeHead(303, { location: `${PREFIX}/`, 'set-cookie': cookie('owner') }).end();
    return;
  }
  return page(res, path);
}

const cookie = (role) => `onstage_session=${role}; Path=${PREFIX}/; HttpOnly; SameSite=Lax`;

async function page(res, path) {
  const asset = path.startsWith('/assets/') ? normalize(path).slice(1) : null;
  const types = { js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml', woff2: 'font/woff2' };
  if (asset) {
    const body = await readFile(join(DIST, asset)).catch(() => null);
    if (!body) return problem(res, 404, 'not_found', 'No such asset.');
    res
      .writeHead(200, { 'content-type': types[asset.split('.').pop()] ?? 'application/octet-stream' })
      .end(body);
    return;
  }
  // The page's addresses are relative; this is all a server has to do for deeper paths.
  const up = '../'.repeat(path.split('/').length - 2) || './';
  const html = (await readFile(join(DIST, 'index.html'), 'utf8')).replaceAll('"./', `"${up}`);
  res
    .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': CSP })
    .end(html);
}

const json = (res, status, body, headers = {}) =>
  res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const problem = (res, status, code, detail, more = {}) =>
  res
    .writeHead(status, { 'content-type': 'application/problem+json' })
    .end(JSON.stringify({ status, code, detail, request_id: newId(), ...more }));
const list = (results) => ({ results, next: null, previous: null });

async function bodyOf(req) {
  const chunks = [];
  for await (const c of req) chunks.push(c);
  return Buffer.concat(chunks);
}

async function api(req, res, path, url) {
  const body = await bodyOf(req);
  const parts = path.slice(4).split('/');
  if (path === '/v1/login') {
    if (JSON.parse(body).password !== PASSWORD) return problem(res, 401, 'denied', 'Wrong password.');
    return res.writeHead(204, { 'set-cookie': cookie('stakeholder') }).end();
  }
  if (path === '/v1/logout') return res.writeHead(204, { 'set-cookie': cookie('nobody') }).end();
  const role = /onstage_session=(owner|stakeholder)/.exec(req.headers.cookie ?? '')?.[1];
  req.role = role ?? (process.env.OPEN ? 'owner' : '');
  if (!req.role) return problem(res, 401, 'unauthenticated', 'Log in first.');
  if (path === '/v1/account')
    return json(res, 200, { type: 'user', username: req.role, name: req.role, role: req.role });
  if (parts[0] === 'models') return modelApi(req, res, parts.slice(1), body);
  if (parts[0] === 'predictions') return runApi(req, res, parts.slice(1), body, url);
  if (parts[0] === 'batches') return batchApi(req, res, parts.slice(1));
  if (parts[0] === 'files') {
    const id = newId();
    files.set(id, body);
    return json(res, 201, { id, name: 'table.csv', content_type: 'text/csv', size: body.length });
  }
  if (parts[0] === 'feedback') {
    const said = [...runs.values()].filter((r) => r.feedback);
    if (url.searchParams.get('format') === 'csv') {
      return res
        .writeHead(200, { 'content-type': 'text/csv' })
        .end(said.map((r) => JSON.stringify(r.feedback)).join('\n'));
    }
    return json(res, 200, list(said.map((r) => ({ ...r.feedback, input: r.input, output: r.output }))));
  }
  return problem(res, 404, 'not_found', 'No such route.');
}

async function modelApi(req, res, parts, body) {
  if (!parts.length && req.method === 'POST') return json(res, 201, {});
  if (!parts.length) return json(res, 200, list(process.env.EMPTY ? [] : models));
  if (req.method === 'POST' && parts[2] === 'versions' && parts.length === 3) {
    return json(res, 201, { ...models.find((m) => m.name === parts[1]).latest_version });
  }
  if (req.method === 'DELETE' && parts.length === 2) return res.writeHead(204).end();
  const model = models.find((m) => m.name === parts[1]);
  if (!model) return problem(res, 404, 'not_found', `There is no model \`${parts[0]}/${parts[1]}\`.`);
  const what = parts[2];
  if (!what) return json(res, 200, model);
  if (what === 'warmup') {
    model.readiness = { state: 'starting', workers: 0, text: 'Loading, about 2 s' };
    setTimeout(() => (model.readiness = { state: 'ready', workers: 1, text: '' }), 2500);
    return json(res, 202, { readiness: model.readiness });
  }
  if (what === 'versions' && parts[4] === 'logs')
    return res
      .writeHead(200, { 'content-type': 'text/plain' })
      .end('made environment\nimported model.py\nready\n');
  if (what === 'versions' && parts[4] === 'examples') {
    const body = await readFile(
      new URL(`../../examples/${model.name}/examples/${parts[5]}`, import.meta.url),
    );
    return res.writeHead(200, { 'content-type': 'image/png' }).end(body);
  }
  if (what === 'versions' && parts[3]) return json(res, 200, model.latest_version);
  if (what === 'versions') return json(res, 200, list(versionOf.history(model)));
  if (what === 'batches' && parts[3] === 'preview') {
    if (body.length < 300) return problem(res, 422, 'bad_table', 'The table has no rows.');
    return json(res, 200, examplesOf.preview);
  }
  if (what === 'batches') return json(res, 202, startBatch(model, JSON.parse(body)));
  if (what === 'predictions') return predict(req, res, model, JSON.parse(body).input);
  return problem(res, 404, 'not_found', 'No such route.');
}

function predict(req, res, model, input) {
  const run = {
    id: newId(),
    model: `lab/${model.name}`,
    version: model.latest_version.id,
    version_number: model.live_version_number,
    kind: model.background ? 'background' : 'realtime',
    input,
    output: null,
    error: null,
    logs: '',
    status: 'starting',
    phase: 'queued',
    reason: null,
    metrics: {},
    created_at: new Date().toISOString(),
    started_at: null,
    completed_at: null,
    progress: null,
    queue: { position: 2, ahead: 1, eta_s: 2 },
    source: 'page',
    feedback: null,
    events: [],
    watchers: new Set(),
    rerun: req.role === 'owner' ? `onstage run lab/${model.name} --from ${n}` : null,
  };
  runs.set(run.id, run);
  work(run, model);
  if (model.background) return json(res, 202, record(run), { location: `/v1/predictions/${run.id}` });
  return stream(res, run, 0);
}

const record = (run) => ({ ...run, events: undefined, watchers: undefined });
function emit(run, event, data) {
  const e = { id: run.events.length + 1, event, data: { t: new Date().toISOString(), ...data } };
  run.events.push(e);
  for (const w of run.watchers) w(e);
}

async function work(run, model) {
  emit(run, 'queued', { position: 2, ahead: 1, eta_s: 2, phase: 'queued' });
  await sleep(model.background ? 1200 : 300);
  emit(run, 'phase', { phase: 'loading', text: 'Loading, about 1 s' });
  run.phase = 'loading';
  await sleep(model.background ? 900 : 300);
  run.status = 'processing';
  run.phase = 'running';
  run.started_at = new Date().toISOString();
  emit(run, 'start', {});
  await solve(run, model, (event, data) => {
    if (event === 'progress') run.progress = data;
    if (event === 'log') run.logs += `${data.data}\n`;
    emit(run, event, data);
  });
  if (run.status === 'processing') run.status = run.error ? 'failed' : 'succeeded';
  run.phase = 'done';
  run.completed_at = new Date().toISOString();
  run.metrics = { predict_time: (Date.parse(run.completed_at) - Date.parse(run.started_at)) / 1000 };
  run.queue = run.progress = null;
  model.run_count += 1;
  emit(run, 'completed', { record: record(run) });
}

function stream(res, run, after) {
  res.writeHead(200, { 'content-type': 'text/event-stream', location: `/v1/predictions/${run.id}` });
  const write = (e) => {
    res.write(`id: ${e.id}\nevent: ${e.event}\ndata: ${JSON.stringify(e.data)}\n\n`);
    if (e.event === 'completed') res.end();
  };
  run.events.filter((e) => e.id > after).forEach(write);
  run.watchers.add(write);
  res.on('close', () => run.watchers.delete(write));
}

function runApi(req, res, parts, body, url) {
  if (!parts.length) {
    const all = [...runs.values()].reverse().map(record);
    const { model, status } = Object.fromEntries(url.searchParams);
    return json(
      res,
      200,
      list(all.filter((r) => (!model || r.model === model) && (!status || r.status === status))),
    );
  }
  const run = runs.get(parts[0]);
  if (!run) return problem(res, 404, 'not_found', 'There is no such run.');
  if (parts[1] === 'events') return stream(res, run, Number(req.headers['last-event-id'] ?? 0));
  if (parts[1] === 'cancel') run.status = 'canceled';
  if (parts[1] === 'feedback') {
    run.feedback = {
      ...JSON.parse(body),
      id: newId(),
      prediction: run.id,
      model: run.model,
      who: req.role,
      created_at: new Date().toISOString(),
    };
    return json(res, 201, run.feedback);
  }
  return json(res, 200, record(run));
}

function startBatch(model, start) {
  const b = {
    id: newId(),
    model: `lab/${model.name}`,
    version_number: 1,
    status: 'starting',
    phase: 'provisioning',
    created_at: new Date().toISOString(),
    counts: { total: 502, done: 0, failed: 0 },
    progress: null,
    metrics: {},
    format: 'csv',
    table: { name: 'held-out.csv', size: 90123 },
    map: start.map,
  };
  batches.set(b.id, b);
  (async () => {
    await sleep(1000);
    b.status = 'processing';
    b.phase = 'running';
    b.started_at = new Date().toISOString();
    while (b.counts.done < 502 && b.status === 'processing') {
      await sleep(400);
      b.counts.done = Math.min(502, b.counts.done + 40);
      if (b.counts.done > 100) b.counts.failed = 2;
      b.progress = { done: b.counts.done, total: 502, rate_per_s: 75, eta_s: (502 - b.counts.done) / 75 };
    }
    if (b.status === 'processing') b.status = 'succeeded';
    b.completed_at = new Date().toISOString();
    b.partial = true;
    b.metrics = { accuracy: start.label ? 0.975 : null, rows_per_s: 74.8 };
  })();
  return b;
}

function batchApi(req, res, parts) {
  if (!parts.length) return json(res, 200, list([...batches.values()].reverse()));
  const b = batches.get(parts[0]);
  if (!b) return problem(res, 404, 'not_found', 'There is no such batch job.');
  if (parts[1] === 'items') return json(res, 200, list(examplesOf.failed));
  if (parts[1] === 'cancel') b.status = 'canceled';
  if (parts[1] === 'retry') return json(res, 202, startBatch(models[0], { map: b.map }));
  if (parts[1] === 'result') return res.writeHead(200, { 'content-type': 'text/csv' }).end('a,b\n1,2\n');
  return json(res, 200, b);
}
