// Owns the reading of a list of numbers from text. Pure. Must not know React.

/** Undefined when nothing is there; words among the numbers are kept so that validation can name them. */
export function numbersIn(text: string): (number | string)[] | undefined {
  const parts = text
    .replace(/[[\]]/g, ' ')
    .split(/[\s,;]+/)
    .filter((part) => part !== '');
  if (!parts.length) return undefined;
  return parts.map((part) => (Number.isFinite(Number(part)) ? Number(part) : part));
}
