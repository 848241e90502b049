// Owns how a refused request is told to people and to the form. Must not know who shows it.
import type { ProblemBody } from './types';

export class Problem extends Error {
  readonly status: number;
  readonly code: string | undefined;
  readonly hint: string | undefined;
  readonly requestId: string | undefined;
  readonly retryable: boolean;
  readonly fields: { pointer: string; message: string }[];

  constructor(body: ProblemBody, status: number) {
    super(body.detail || body.title || plainStatus(status));
    this.name = 'Problem';
    this.status = status;
    this.code = body.code;
    this.hint = body.hint ?? undefined;
    this.requestId = body.request_id;
    this.retryable = body.retryable ?? status >= 500;
    this.fields = (body.errors ?? []).map((e) => ({ pointer: e.pointer ?? '', message: fieldMessage(e) }));
  }
}

/** Anything thrown, as a Problem: a network failure reads like one too. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const offline = error instanceof TypeError;
  const detail = offline
    ? 'The server cannot be reached. Your input is still here: try again in a moment.'
    : error instanceof Error
      ? error.message
      : String(error);
  return new Problem({ detail, code: offline ? 'unreachable' : 'page', retryable: true }, 0);
}

export async function problemOf(response: Response): Promise<Problem> {
  let body: ProblemBody = {};
  try {
    body = (await response.json()) as ProblemBody;
  } catch {
    // A proxy in between may answer with a page of its own; its status is all there is to tell.
  }
  const requestId = body.request_id ?? response.headers.get('x-request-id') ?? undefined;
  return new Problem({ ...body, request_id: requestId }, response.status);
}

/** Where a pointer of the request body points in the form: `/input/photo` and `/photo` are both `photo`. */
export function pointerPath(pointer: string): string[] {
  const parts = pointer
    .replace(/^#/, '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'));
  return parts[0] === 'input' ? parts.slice(1) : parts;
}

function fieldMessage(e: { expected?: string; got?: string; message?: string }): string {
  if (e.message) return e.message;
  if (e.expected && e.got) return `Expected ${e.expected}, got ${e.got}.`;
  if (e.expected) return `Expected ${e.expected}.`;
  return 'This value was not accepted.';
}

function plainStatus(status: number): string {
  if (status === 404) return 'There is nothing here.';
  if (status === 413) return 'This is too large for the server.';
  if (status === 429) return 'Too many requests at once. Try again in a moment.';
  if (status >= 500) return `The server had a problem (${status}).`;
  return `The request was not accepted (${status}).`;
}
