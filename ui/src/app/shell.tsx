// Owns the frame around every page: the name, the way home, who one is, the way out. Must not know pages.
import { useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { logout } from '../api/calls';
import { Mark } from '../parts/icons';
import { toastError } from '../parts/toasts';
import { useAccount } from './session';

export function Shell({ children }: { children: ReactNode }) {
  const account = useAccount();
  const queries = useQueryClient();
  const [place, go] = useLocation();
  const leave = (): void => {
    logout()
      .then(() => {
        go('/login');
        queries.clear();
      })
      .catch(toastError);
  };
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="top">
        <Link href="/" className="brand">
          <Mark /> <span>Onstage</span>
        </Link>
        {account?.role === 'owner' && <OwnersWay place={place} />}
        {account && (
          <div className="who">
            <span className="fine">{account.role === 'owner' ? 'Owner' : 'Guest'}</span>
            <button type="button" className="link" onClick={leave}>
              Log out
            </button>
          </div>
        )}
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

const OWNERS_PAGES = [
  { path: '/', label: 'Models', holds: /^\/(m\/|runs\/|batches\/|trainings\/|$)/ },
  { path: '/datasets', label: 'Datasets', holds: /^\/datasets/ },
  { path: '/schedules', label: 'Schedules', holds: /^\/schedules/ },
  { path: '/usage', label: 'Usage', holds: /^\/usage/ },
];

function OwnersWay({ place }: { place: string }) {
  return (
    <nav className="owners-way" aria-label="Installation">
      {OWNERS_PAGES.map(({ path, label, holds }) => (
        <Link key={path} href={path} aria-current={currentOf(place, path, holds)}>
          {label}
        </Link>
      ))}
    </nav>
  );
}

const currentOf = (place: string, path: string, holds: RegExp): 'page' | 'true' | undefined =>
  place === path ? 'page' : holds.test(place) ? 'true' : undefined;
