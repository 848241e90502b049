// Owns the start of the page: styles, the query cache, the way to the login. Must not know pages.
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { setLostSession } from './api/http';
import { Problem } from './api/problem';
import { App } from './app/app';
import { at } from './app/base';
import { placeNow } from './app/session';
import './style/fonts.css';
import './style/tokens.css';
import './style/base.css';
import './style/parts.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) =>
        failures < 2 && !(error instanceof Problem && error.status >= 400 && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
});

setLostSession(() => {
  const here = placeNow(location);
  if (here.startsWith('/login')) return;
  queries.clear();
  history.pushState(null, '', `${at('login')}?next=${encodeURIComponent(here)}`);
});

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </StrictMode>,
  );
}
