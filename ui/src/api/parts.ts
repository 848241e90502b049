// Owns uploads in parts: each sent again until it is there, through cuts, reloads and restarts of the server.
// Must not know what becomes of the file.
import { fetchJson } from './http';
import { Problem } from './problem';
import { sent, toAddress, type OnSending } from './sending';

interface Upload {
  id: string;
  size: number;
  part_size: number;
  part_count: number;
  dataset: string | null;
  complete: boolean;
  /** Whether parts may go to the storage by links, past the server. */
  direct: boolean;
  /** Those that came. */
  parts: { part: number; size: number; sha256: string }[];
}

interface PartLink {
  url: string;
  headers: Record<string, string>;
}

const AGAIN_MS = 2_000;

export async function sendParts<T>(
  file: File,
  dataset: string | undefined,
  onSending: OnSending,
  signal: AbortSignal,
): Promise<T> {
  const place = `onstage-upload ${dataset ?? ''} ${file.name} ${file.size} ${file.lastModified}`;
  let done = 0;
  const tell = (bytes: number, cut: boolean): void => onSending({ sent: bytes / file.size, cut });
  const insist = <A>(ask: () => Promise<A>): Promise<A> => throughCuts(ask, () => tell(done, true), signal);
  const upload =
    (await insist(() => taken(place, file, dataset))) ?? (await insist(() => begun(file, dataset)));
  remember(place, upload.id);
  const path = `v1/uploads/${upload.id}`;
  let direct = upload.direct;
  for (let number = 1; number <= upload.part_count; number += 1) {
    const part = file.slice(done, Math.min(file.size, done + upload.part_size));
    const digest = await sha256(part);
    const there = upload.parts.find((p) => p.part === number);
    if (!there || (digest && there.sha256 !== digest)) {
      const to = { path: `${path}/parts/${number}`, query: digest ? `?sha256=${digest}` : '' };
      const from = done;
      // Not the request's own bytes: those that were on the way when it broke count for nothing.
      const onBytes = (bytes: number): void => tell(from + Math.min(bytes, part.size), false);
      direct &&= digest !== null && (await insist(() => sentDirectly(to, part, onBytes, signal)));
      if (!direct) await insist(() => sent('PUT', to.path + to.query, part, onBytes, signal));
    }
    done += part.size;
    tell(done, false);
  }
  const made = await insist(() => completed<T>(path, signal));
  localStorage.removeItem(place);
  return made;
}

/** False when the storage did not take the part: not every network lets it out. What follows goes through the server then. */
async function sentDirectly(
  to: { path: string; query: string },
  part: Blob,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const link = await fetchJson<PartLink>(`${to.path}/link${to.query}`, { method: 'POST', signal });
  try {
    await toAddress('PUT', link.url, link.headers, part, onBytes, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    return false;
  }
  await fetchJson(to.path + to.query, { method: 'POST', signal });
  return true;
}

const begun = (file: File, dataset: string | undefined): Promise<Upload> =>
  fetchJson('v1/uploads', {
    json: { name: file.name, size: file.size, content_type: file.type || undefined, dataset },
  });

/** One of the same file that was broken off, if the server still knows it. */
async function taken(place: string, file: File, dataset: string | undefined): Promise<Upload | null> {
  const id = localStorage.getItem(place);
  if (!id) return null;
  try {
    const upload = await fetchJson<Upload>(`v1/uploads/${id}`);
    const same = upload.size === file.size && (upload.dataset ?? undefined) === dataset;
    return same && !upload.complete ? upload : null;
  } catch (error) {
    if (error instanceof Problem && [403, 404].includes(error.status)) return null;
    throw error;
  }
}

function remember(place: string, id: string): void {
  try {
    localStorage.setItem(place, id);
  } catch {
    // Without a memory it only cannot be taken up again after a reload.
  }
}

/** Large files take the server longer than one answer. */
async function completed<T>(path: string, signal: AbortSignal): Promise<T> {
  for (;;) {
    const answer = await fetchJson<T & { part_count?: number }>(`${path}/complete`, {
      method: 'POST',
      signal,
    });
    if (answer.part_count === undefined) return answer;
    await pause(AGAIN_MS, signal);
  }
}

/** The part's digest; none where the page is not served over TLS and the browser has no means. */
async function sha256(part: Blob): Promise<string | null> {
  if (!globalThis.crypto.subtle) return null;
  const digest = await crypto.subtle.digest('SHA-256', await part.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Asks until there is an answer; a refusal is one. */
async function throughCuts<A>(ask: () => Promise<A>, onCut: () => void, signal: AbortSignal): Promise<A> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted || !isCut(error)) throw error;
      onCut();
      await pause(AGAIN_MS, signal);
    }
  }
}

const DISK_FULL = 507;

/** fetch() throws a TypeError where the server cannot be reached. */
const isCut = (error: unknown): boolean =>
  error instanceof TypeError ||
  (error instanceof Problem && (error.status === 0 || (error.retryable && error.status !== DISK_FULL)));

/** Shorter when the connection comes back meanwhile. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const over = (): void => {
      clearTimeout(timer);
      removeEventListener('online', go);
      signal.removeEventListener('abort', stop);
    };
    const go = (): void => {
      over();
      resolve();
    };
    const stop = (): void => {
      over();
      reject(signal.reason as Error);
    };
    const timer = setTimeout(go, ms);
    addEventListener('online', go);
    signal.addEventListener('abort', stop);
  });
}
