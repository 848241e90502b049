// Owns the one way requests leave the page: same origin, JSON or a Problem, and what a lost session does.
// Must not know any route of the API.
import { at, resolveLink } from '../app/base';
import { Problem, problemOf } from './problem';

type Lost = () => void;
let onLostSession: Lost = () => undefined;

/** Called once per answer of 401 outside the login itself. */
export function setLostSession(lost: Lost): void {
  onLostSession = lost;
}

export interface Ask {
  method?: string;
  json?: unknown;
  form?: FormData;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** A login attempt reports 401 itself instead of leading to the login page. */
  keepOn401?: boolean;
}

export async function send(path: string, ask: Ask = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...ask.headers };
  let body: BodyInit | undefined = ask.form;
  if (ask.json !== undefined) {
    headers['content-type'] = 'application/json';
    body = JSON.stringify(ask.json);
  }
  const url = address(path);
  const response = await fetch(url, {
    method: ask.method ?? (body ? 'POST' : 'GET'),
    headers,
    body,
    signal: ask.signal,
    credentials: 'same-origin',
  });
  if (response.status === 401 && !ask.keepOn401) onLostSession();
  if (!response.ok) throw await problemOf(response);
  return response;
}

export async function fetchJson<T>(path: string, ask?: Ask): Promise<T> {
  const response = await send(path, ask);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** Paths of our own (`v1/models`) and links from answers (`/v1/models?cursor=…`) both work. */
export function address(path: string): string {
  if (!path.startsWith('/') && !/^[a-z]+:/i.test(path)) return at(path);
  const link = resolveLink(path);
  if (!link)
    throw new Problem({ detail: 'This link leads outside this installation.', code: 'foreign_link' }, 0);
  return link;
}
