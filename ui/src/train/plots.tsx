// Owns the lines of what a training measures, one plot a metric. Must not know how they are fetched.
import { lazy, memo, Suspense, useMemo } from 'react';
import { number } from '../parts/format';
import { plotOf, type Point, type Series } from './view';
import '../style/train.css';

const Plot = lazy(() => import('../output/plot'));

export function MetricPlots({ series }: { series: Series }) {
  const names = Object.keys(series).sort();
  if (!names.length) return null;
  return (
    <div className="metric-plots">
      {names.map((name) => (
        <MetricPlot key={name} name={name} points={series[name] ?? []} />
      ))}
    </div>
  );
}

const MetricPlot = memo(function MetricPlot({ name, points }: { name: string; points: Point[] }) {
  const spec = useMemo(() => plotOf(name, points), [name, points]);
  const last = points.at(-1);
  return (
    <figure className="metric-plot">
      <figcaption>
        <span>{name}</span> <strong>{last ? number(last.value) : ''}</strong>
      </figcaption>
      <Suspense fallback={<div className="plot" />}>
        <Plot spec={spec} name={name} bare />
      </Suspense>
    </figure>
  );
});
