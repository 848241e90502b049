// Owns the reading of what somebody says would have been right. Pure. Must not know React.
import { isScores } from '../output/kind';

export const correctionText = (value: unknown): string =>
  value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);

/** What a person types is text, unless the answer was of a kind that text can be read as. */
export function correctionValue(text: string, output: unknown): unknown {
  const trimmed = text.trim();
  if (typeof output === 'string' || output === null || isScores(output)) return trimmed;
  try {
    return JSON.parse(trimmed) as unknown;
  } catch {
    return trimmed;
  }
}
