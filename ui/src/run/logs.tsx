// Owns the fold with log lines, which stays at its end while lines come. Must not know where they come from.
import { useEffect, useRef } from 'react';
import { count } from '../parts/format';
import type { LogLine } from './view';

const LINES_SHOWN_MAX = 500;

export function Logs({ lines, live, open }: { lines: LogLine[]; live?: boolean; open?: boolean }) {
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (live && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [live, lines.length]);
  if (!lines.length) return null;
  const shown = lines.slice(-LINES_SHOWN_MAX);
  const last = lines[lines.length - 1];
  return (
    <details className="fold logs" open={open}>
      <summary>
        Log{' '}
        <span className="fine">{live && last ? last.text.slice(0, 120) : count(lines.length, 'line')}</span>
      </summary>
      {/* The box scrolls, so it must be reachable by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre ref={box} tabIndex={0} aria-label="Log lines">
        {shown.map((line, i) => (
          <span key={i} className={`log-${line.level}`}>
            {line.text}
            {'\n'}
          </span>
        ))}
      </pre>
    </details>
  );
}
