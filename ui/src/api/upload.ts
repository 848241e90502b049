// Owns the upload of one file with its progress. Must not know what the file is for.
import { address } from './http';
import { Problem } from './problem';
import type { ProblemBody, StoredFile } from './types';

/** fetch() cannot tell how far an upload has come, so this is the one place that uses XMLHttpRequest. */
export function upload(
  file: File,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<StoredFile> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', address('v1/files'));
    request.setRequestHeader('accept', 'application/json');
    request.upload.onprogress = (e) => onProgress(e.lengthComputable ? e.loaded / e.total : 0);
    request.onload = () => {
      const body = parse(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(body as StoredFile);
      else reject(new Problem(body as ProblemBody, request.status));
    };
    request.onerror = () =>
      reject(
        new Problem({ detail: 'The upload was cut off. Drop the file again to retry.', retryable: true }, 0),
      );
    request.onabort = () => reject(new DOMException('upload canceled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    const form = new FormData();
    form.append('content', file, file.name);
    request.send(form);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
