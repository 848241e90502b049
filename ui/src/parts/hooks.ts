// Owns the few hooks that any page may need: title, clock, clipboard. Must not know the API.
import { useEffect, useState } from 'react';
import { toast } from './toasts';

export function useTitle(...parts: (string | undefined | null)[]): void {
  const title = [...parts.filter(Boolean), 'Onstage'].join(' · ');
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** The time now, renewed while something on the screen counts. */
export function useNow(everyMs: number, running = true): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, running]);
  return now;
}

/** Copies, also where the clipboard API is missing because the page is not served over TLS. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  toast(`${what} copied.`);
}
