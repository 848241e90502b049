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
  const [, go] = useLocation();
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
