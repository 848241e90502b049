// Owns the removal of what the walks brought. Must not walk.
import { expect, test } from '@playwright/test';
import { OWNER } from './walk';

test('what the walks brought is gone', async ({ playwright, baseURL }) => {
  const api = await playwright.request.newContext({
    baseURL,
    storageState: OWNER,
    extraHTTPHeaders: { origin: new URL(baseURL ?? '').origin },
  });
  const models = ['ui-story', 'ui-kinds', 'ui-many'].map((name) => `v1/models/lab/${name}`);
  const datasets = ['ui-grown', 'ui-refused', 'ui-list-1', 'ui-list-2', 'ui-list-3'].map(
    (name) => `v1/datasets/${name}`,
  );
  for (const path of [...models, ...datasets]) {
    const answer = await api.delete(path);
    // What a job refers to stays: 409.
    expect([204, 404, 409], path).toContain(answer.status());
  }
  await api.dispose();
});
