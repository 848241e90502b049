// Owns one request with a body whose way is watched, and what is said of that way. Must not know what is sent.
import { address } from './http';
import { Problem } from './problem';
import type { ProblemBody } from './types';

/** How far an upload has come. */
export interface Sending {
  /** From 0 to 1. */
  sent: number;
  /** The connection is lost, and it goes on by itself when it is there again. */
  cut: boolean;
}
export type OnSending = (sending: Sending) => void;
export const SENDING_FIRST: Sending = { sent: 0, cut: false };

/** A connection over which nothing has gone for so long is lost. */
const STILL_MS_MAX = 45_000;

/** fetch() cannot tell how far an upload has come, so this is the one place that uses XMLHttpRequest. */
export function sent<T>(
  method: string,
  path: string,
  body: FormData | Blob,
  onBytes: (bytes: number, of: number) => void,
  signal: AbortSignal,
): Promise<T> {
  return toAddress(method, address(path), { accept: 'application/json' }, body, onBytes, signal);
}

/** The same to any address at all, also one that leads outside this installation, with nothing but these headers. */
export function toAddress<T>(
  method: string,
  url: string,
  headers: Record<string, string>,
  body: FormData | Blob,
  onBytes: (bytes: number, of: number) => void,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(stopped());
    const request = new XMLHttpRequest();
    let still: ReturnType<typeof setTimeout> | undefined;
    const stop = (): void => request.abort();
    const over = (): void => {
      clearTimeout(still);
      signal.removeEventListener('abort', stop);
    };
    const cut = (): void => {
      over();
      reject(
        new Problem({ detail: 'The upload was cut off. Drop the file again to retry.', retryable: true }, 0),
      );
    };
    const watch = (): void => {
      clearTimeout(still);
      still = setTimeout(() => {
        cut();
        request.abort();
      }, STILL_MS_MAX);
    };
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (e) => {
      watch();
      onBytes(e.loaded, e.lengthComputable ? e.total : 0);
    };
    // All is sent: the server may take its time to store it.
    request.upload.onload = () => clearTimeout(still);
    request.onload = () => {
      over();
      const answer = parse(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(answer as T);
      else reject(new Problem(answer as ProblemBody, request.status));
    };
    request.onerror = cut;
    request.onabort = () => {
      over();
      reject(stopped());
    };
    signal.addEventListener('abort', stop);
    watch();
    request.send(body);
  });
}

const stopped = (): DOMException => new DOMException('upload canceled', 'AbortError');

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
