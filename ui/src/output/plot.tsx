// Owns Vega-Lite plots: interpreted, not compiled to code, and without any loading from elsewhere. Must not
// know which model drew it.
import { useEffect, useRef, useState } from 'react';
import { expressionInterpreter } from 'vega-interpreter';
import { loader, parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { DownloadText } from './download';

const sealed = {
  ...loader(),
  load: () => Promise.reject(new Error('plots carry their own data here')),
  // A picture inside the specification is data too: figures of other libraries arrive this way.
  sanitize: (uri: string) =>
    /^data:image\//i.test(uri)
      ? Promise.resolve({ href: uri })
      : Promise.reject(new Error('plots carry their own data here')),
};

interface PlotProps {
  spec: Record<string, unknown>;
  name: string;
  /** Nothing but the drawing. */
  bare?: boolean;
}

export default function Plot({ spec, name, bare }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<View | null>(null);
  const [wrong, setWrong] = useState('');
  useEffect(() => {
    if (!box.current) return;
    let view: View | undefined;
    try {
      view = draw(spec, box.current);
      drawn.current = view;
      view.runAsync().catch((error: unknown) => setWrong(String(error)));
    } catch (error) {
      // The library throws while it reads a wrong specification; the reader is told below.
      queueMicrotask(() => setWrong(error instanceof Error ? error.message : String(error)));
    }
    return () => void view?.finalize();
  }, [spec]);
  return (
    <div className="stack">
      {wrong && <p className="field-error">This plot cannot be drawn: {wrong}</p>}
      <div className="plot" ref={box} />
      {!bare && (
        <div className="row">
          <DownloadText text={() => drawn.current?.toSVG() ?? ''} name={`${name}.svg`} type="image/svg+xml">
            Picture (SVG)
          </DownloadText>
          <DownloadText
            text={() => JSON.stringify(spec, null, 2)}
            name={`${name}.vl.json`}
            type="application/json"
          >
            Specification
          </DownloadText>
        </div>
      )}
    </div>
  );
}

/** A single view fills the box with its axes; several views only know the width of one. */
function room(spec: Record<string, unknown>, width: number): Record<string, unknown> {
  const single = ('mark' in spec || 'layer' in spec) && !hasFacets(spec);
  if (!single) return { width: Math.max(200, width - 90) };
  return { width: Math.max(240, width - 2), autosize: { type: 'fit-x', contains: 'padding' } };
}

const hasFacets = (spec: Record<string, unknown>): boolean =>
  ['row', 'column', 'facet'].some((name) => name in ((spec.encoding as object | undefined) ?? {}));

function draw(spec: Record<string, unknown>, box: HTMLElement): View {
  const style = getComputedStyle(box);
  const ink = style.getPropertyValue('--ink-2').trim() || '#555';
  const lines = style.getPropertyValue('--line').trim() || '#ddd';
  const accent = style.getPropertyValue('--accent').trim() || '#0a6b62';
  const vega = String(spec.$schema ?? '').includes('/vega/');
  const config = {
    background: 'transparent',
    font: style.fontFamily,
    axis: { labelColor: ink, titleColor: ink, gridColor: lines, domainColor: lines, tickColor: lines },
    legend: { labelColor: ink, titleColor: ink },
    title: { color: ink },
    view: { stroke: 'transparent' },
    mark: { color: accent },
  };
  const fitted = 'width' in spec || vega ? spec : { ...room(spec, box.clientWidth), ...spec };
  const full = vega ? spec : compile(fitted as unknown as TopLevelSpec, { config: config as never }).spec;
  const runtime = parse(full as never, vega ? (config as never) : undefined, { ast: true });
  return new View(runtime, {
    expr: expressionInterpreter as never,
    loader: sealed as never,
    renderer: 'svg',
    container: box,
    hover: true,
  });
}
