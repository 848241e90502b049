// Owns the upload of one file with its progress: small ones in one request, large ones in parts that a lost
// connection does not undo. Must not know what the file is for.
import { datasetPutPath } from './calls';
import { sendParts } from './parts';
import { sent, type OnSending } from './sending';
import type { DatasetVersion, StoredFile } from './types';

/** Larger files go in parts. */
const WHOLE_BYTES_MAX = 64 * 1024 * 1024;

export async function upload(file: File, onSending: OnSending, signal: AbortSignal): Promise<StoredFile> {
  if (goesOn(file)) return sendParts<StoredFile>(file, undefined, onSending, signal);
  const form = new FormData();
  form.append('content', file, file.name);
  return sent<StoredFile>('POST', 'v1/files', form, (bytes, of) => onSending(part(bytes, of)), signal);
}

/** A new version of a dataset; the newest one when it has the same bytes already. */
export async function uploadDataset(
  name: string,
  file: File,
  onSending: OnSending,
  signal: AbortSignal,
): Promise<DatasetVersion> {
  if (goesOn(file)) return sendParts<DatasetVersion>(file, name, onSending, signal);
  const path = datasetPutPath(name, file.name);
  return sent<DatasetVersion>('PUT', path, file, (bytes, of) => onSending(part(bytes, of)), signal);
}

/** Whether what was broken off is not sent again. */
export const goesOn = (file: File): boolean => file.size > WHOLE_BYTES_MAX;

const part = (bytes: number, of: number) => ({ sent: of ? bytes / of : 0, cut: false });
