// Owns who is looking at the page, and the way to the login and back. Must not know the login form.
import { useQuery } from '@tanstack/react-query';
import { account } from '../api/calls';
import { Problem } from '../api/problem';
import type { Account } from '../api/types';
import { basePath } from './base';

export function useAccount(): Account | undefined {
  return useQuery({
    queryKey: ['account'],
    queryFn: account,
    staleTime: 5 * 60_000,
    retry: (failures, error) => !(error instanceof Problem && error.status === 401) && failures < 2,
  }).data;
}

/** The place to come back to, as a path of the page without the prefix. */
export function placeNow(location: Location): string {
  const path = location.pathname.startsWith(basePath) ? location.pathname.slice(basePath.length) : '';
  return `/${path}${location.search}`;
}

/** Only places of this page: a login must never lead elsewhere. */
export function safePlace(place: string | null): string {
  return place && /^\/(?![/\\])/.test(place) && !place.startsWith('/login') ? place : '/';
}
