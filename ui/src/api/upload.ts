// Owns the upload of one file with its progress. Must not know what the file is for.
import { address } from './http';
import { Problem } from './problem';
import { datasetPutPath } from './calls';
import type { DatasetVersion, ProblemBody, StoredFile } from './types';

type OnProgress = (fraction: number) => void;

export function upload(file: File, onProgress: OnProgress, signal: AbortSignal): Promise<StoredFile> {
  const form = new FormData();
  form.append('content', file, file.name);
  return sent<StoredFile>('POST', 'v1/files', form, onProgress, signal);
}

/** A new version of a dataset; the newest one when it has the same bytes already. */
export const uploadDataset = (name: string, file: File, onProgress: OnProgress, signal: AbortSignal) =>
  sent<DatasetVersion>('PUT', datasetPutPath(name, file.name), file, onProgress, signal);

/** fetch() cannot tell how far an upload has come, so this is the one place that uses XMLHttpRequest. */
function sent<T>(
  method: string,
  path: string,
  body: FormData | File,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, address(path));
    request.setRequestHeader('accept', 'application/json');
    request.upload.onprogress = (e) => onProgress(e.lengthComputable ? e.loaded / e.total : 0);
    request.onload = () => {
      const answer = parse(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(answer as T);
      else reject(new Problem(answer as ProblemBody, request.status));
    };
    request.onerror = () =>
      reject(
        new Problem({ detail: 'The upload was cut off. Drop the file again to retry.', retryable: true }, 0),
      );
    request.onabort = () => reject(new DOMException('upload canceled', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    request.send(body);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
