// Owns lists that the server gives page by page: the pages so far, and the way to the next one. Must not know
// what the rows are.
import { keepPreviousData, useInfiniteQuery, type QueryKey } from '@tanstack/react-query';
import { useEffect, useMemo } from 'react';
import { asProblem, type Problem } from '../api/problem';
import type { Page } from '../api/types';
import { ProblemNotice } from './bits';
import { number } from './format';

/** A page of a list: the first one, or that of a link. */
export type PageOf<T> = (next?: string) => Promise<Page<T>>;

interface Wish<T> {
  /** How long until the rows are looked at again; the more pages are open, the longer it takes. */
  refreshMs?: (rows: T[]) => number | false;
  /** Goes on by itself to the end: where one chooses among all of them. */
  whole?: boolean;
  /** What was shown under another key stays until this is here. */
  keeps?: boolean;
  enabled?: boolean;
}

export interface Listed<T> {
  rows: T[];
  loaded: boolean;
  /** Why there are no rows, or no more of them. */
  problem: Problem | null;
  again: () => void;
  hasMore: boolean;
  loadsMore: boolean;
  more: () => void;
}

export function useListed<T>(key: QueryKey, page: PageOf<T>, wish: Wish<T> = {}): Listed<T> {
  const { refreshMs, whole = false, keeps = false, enabled } = wish;
  const query = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam }) => page(pageParam || undefined),
    initialPageParam: '',
    getNextPageParam: (last) => last.next,
    placeholderData: keeps ? keepPreviousData : undefined,
    enabled,
    refetchInterval: (q) => {
      const pages = q.state.data?.pages ?? [];
      const ms = refreshMs?.(pages.flatMap((p) => p.results));
      return ms ? ms * Math.max(1, pages.length) : false;
    },
  });
  const { hasNextPage, isFetching, error, fetchNextPage } = query;
  useEffect(() => {
    if (whole && hasNextPage && !isFetching && !error) void fetchNextPage();
  }, [whole, hasNextPage, isFetching, error, fetchNextPage]);
  // The same array while the pages are the same.
  const rows = useMemo(() => query.data?.pages.flatMap((p) => p.results) ?? [], [query.data]);
  return {
    rows,
    loaded: query.data !== undefined,
    problem: error ? asProblem(error) : null,
    again: () => void (query.isFetchNextPageError ? fetchNextPage() : query.refetch()),
    hasMore: hasNextPage,
    loadsMore: query.isFetchingNextPage,
    more: () => void fetchNextPage(),
  };
}

/** Stands below the rows: nothing when all are there. */
export function More<T>({ list }: { list: Listed<T> }) {
  if (!list.loaded) return null;
  return (
    <>
      {list.problem && <ProblemNotice problem={list.problem} again={list.again} />}
      {list.hasMore && (
        <div className="row more">
          <button type="button" className="button" onClick={list.more} disabled={list.loadsMore}>
            {list.loadsMore ? 'Loading…' : 'Load more'}
          </button>
          <span className="fine" role="status">
            {number(list.rows.length)} loaded so far
          </span>
        </div>
      )}
    </>
  );
}
