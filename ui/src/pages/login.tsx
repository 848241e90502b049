// Owns the login: a password, or what became of a one-time link. Must not know what lies behind it.
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useLocation, useSearchParams } from 'wouter';
import { login } from '../api/calls';
import { asProblem, type Problem } from '../api/problem';
import { safePlace } from '../app/session';
import { Notice, Said } from '../parts/bits';
import { useTitle } from '../parts/hooks';
import { Mark } from '../parts/icons';

export default function Login() {
  useTitle('Log in');
  const [params] = useSearchParams();
  const token = params.get('token');
  const next = safePlace(params.get('next'));
  const [expired, setExpired] = useState(params.has('expired'));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const tried = useRef(false);
  const field = useRef<HTMLInputElement>(null);
  const [, go] = useLocation();
  const queries = useQueryClient();

  const enter = (secret: { password: string } | { token: string }, refused: (p: Problem) => void): void => {
    setBusy(true);
    login(secret)
      .then(() => {
        queries.clear();
        go(next, { replace: true });
      })
      .catch((error: unknown) => refused(asProblem(error)))
      .finally(() => setBusy(false));
  };
  useEffect(() => {
    if (!token || tried.current) return;
    tried.current = true;
    login({ token })
      .then(() => {
        queries.clear();
        go(next, { replace: true });
      })
      .catch(() => setExpired(true));
  }, [token, next, go, queries]);

  return (
    <main className="login">
      <form
        onSubmit={(e) => {
          e.preventDefault();
          if (!password) return field.current?.focus();
          setProblem(null);
          enter({ password }, (refused) => {
            setProblem(refused);
            field.current?.select();
          });
        }}
      >
        <p className="brand">
          <Mark /> <span>Onstage</span>
        </p>
        <h1>Welcome</h1>
        {expired && (
          <Notice tone="warn" title="This login link has expired or was used already.">
            <p>
              Ask for a new one, or use the password. Whoever runs the server finds a fresh link in its
              output.
            </p>
          </Notice>
        )}
        {problem && (
          <Notice title={problem.status === 401 ? 'This password is not right.' : problem.message}>
            {problem.hint && (
              <p>
                <Said text={problem.hint} />
              </p>
            )}
          </Notice>
        )}
        <label htmlFor="password">Password</label>
        {/* The login page has one thing to do, so the focus starts there. */}
        <input
          id="password"
          ref={field}
          className="input"
          type="password"
          autoComplete="current-password"
          // eslint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
          value={password}
          onChange={(e) => setPassword(e.target.value)}
        />
        <button type="submit" className="button primary" disabled={busy}>
          {busy ? 'Logging in…' : 'Log in'}
        </button>
        <p className="fine">
          The password comes from the scientist who shares this page. Scientists open the link that{' '}
          <code>onstage serve</code> or <code>onstage dev</code> prints.
        </p>
      </form>
    </main>
  );
}
