// Owns the sortable grid that long tables are shown in; only the visible rows exist. Must not know where
// the rows came from.
import {
  flexRender,
  getCoreRowModel,
  getSortedRowModel,
  useReactTable,
  type ColumnDef,
  type SortingState,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState, type ReactNode } from 'react';
import { number, summary } from '../parts/format';
import '../style/grid.css';

type Row = Record<string, unknown>;

export interface GridProps {
  columns: string[];
  rows: Row[];
  caption: string;
  labels?: Record<string, ReactNode>;
  render?: Record<string, (row: Row) => ReactNode>;
  heightMax?: number;
}

const ROW_PX = 37;

export function Grid({ columns, rows, caption, labels, render, heightMax = 420 }: GridProps) {
  const [sorting, setSorting] = useState<SortingState>([]);
  const scroll = useRef<HTMLDivElement>(null);
  const defs = useMemo<ColumnDef<Row>[]>(
    () =>
      columns.map((name) => ({
        id: name,
        accessorFn: (row) => row[name],
        header: () => labels?.[name] ?? name,
        sortingFn: compare,
        sortUndefined: 'last',
        cell: (cell) => render?.[name]?.(cell.row.original) ?? <Cell value={cell.getValue()} />,
      })),
    [columns, labels, render],
  );
  const table = useReactTable({
    data: rows,
    columns: defs,
    state: { sorting },
    onSortingChange: setSorting,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  const model = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: model.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    initialRect: { width: 800, height: heightMax },
  });
  const items = virtual.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items[items.length - 1]?.end ?? 0);
  const numeric = useMemo(
    () => new Set(columns.filter((name) => !render?.[name] && isNumeric(rows, name))),
    [columns, rows, render],
  );
  return (
    <div
      className="grid"
      ref={scroll}
      style={{ maxHeight: heightMax }}
      // The box scrolls, so it takes the focus: arrow keys then move the rows.
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      role="region"
      aria-label={caption}
    >
      <table aria-rowcount={rows.length + 1}>
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => (
                <th
                  key={header.id}
                  scope="col"
                  className={numeric.has(header.id) ? 'is-number' : undefined}
                  aria-sort={ariaSort(header.column.getIsSorted())}
                >
                  <button type="button" onClick={header.column.getToggleSortingHandler()}>
                    {flexRender(header.column.columnDef.header, header.getContext())}
                    <span aria-hidden="true">{arrow(header.column.getIsSorted())}</span>
                  </button>
                </th>
              ))}
            </tr>
          ))}
        </thead>
        <tbody>
          {before > 0 && <tr aria-hidden="true" style={{ height: before }} />}
          {items.map((item) => {
            const row = model[item.index];
            return (
              row && (
                <tr key={row.id} aria-rowindex={item.index + 2}>
                  {row.getVisibleCells().map((cell) => (
                    <td key={cell.id} className={numeric.has(cell.column.id) ? 'is-number' : undefined}>
                      {flexRender(cell.column.columnDef.cell, cell.getContext())}
                    </td>
                  ))}
                </tr>
              )
            );
          })}
          {after > 0 && <tr aria-hidden="true" style={{ height: after }} />}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ value }: { value: unknown }) {
  if (value === null || value === undefined || value === '') return <span className="fine">–</span>;
  if (typeof value === 'number') return <>{number(value)}</>;
  if (value instanceof Date) return <>{value.toISOString().slice(0, 10)}</>;
  const text = typeof value === 'string' ? value : summary(value, 300);
  return <span title={text.length > 60 ? text.slice(0, 2000) : undefined}>{summary(value, 120)}</span>;
}

function isNumeric(rows: Row[], name: string): boolean {
  const cells = rows.slice(0, 50).map((row) => row[name]);
  const filled = cells.filter((cell) => cell !== null && cell !== undefined && cell !== '');
  return filled.length > 0 && filled.every((cell) => typeof cell === 'number');
}

const arrow = (sorted: false | 'asc' | 'desc'): string =>
  sorted === 'asc' ? '↑' : sorted === 'desc' ? '↓' : '';
const ariaSort = (sorted: false | 'asc' | 'desc') =>
  sorted === 'asc' ? 'ascending' : sorted === 'desc' ? 'descending' : 'none';

function compare(
  a: { getValue: (id: string) => unknown },
  b: { getValue: (id: string) => unknown },
  id: string,
): number {
  const [x, y] = [a.getValue(id), b.getValue(id)];
  if (typeof x === 'number' && typeof y === 'number') return x - y;
  return String(x ?? '').localeCompare(String(y ?? ''), undefined, { numeric: true });
}
