// Owns the removal of what the walks brought. Must not walk.
import { expect, test } from '@playwright/test';
import { OWNER } from './walk';

test('the small models are gone', async ({ playwright, baseURL }) => {
  const api = await playwright.request.newContext({
    baseURL,
    storageState: OWNER,
    extraHTTPHeaders: { origin: new URL(baseURL ?? '').origin },
  });
  for (const name of ['ui-story', 'ui-kinds']) {
    const answer = await api.delete(`v1/models/lab/${name}`);
    expect([204, 404]).toContain(answer.status());
  }
  await api.dispose();
});
