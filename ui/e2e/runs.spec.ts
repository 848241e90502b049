// Owns the walk through history: list, filter, permalink, rerun; and through versions. Must not know models.
import { push, STORY } from './models';
import { accessible, expect, noSideScroll, result, run, shot, test } from './walk';

test('runs are listed, filtered, opened and run again', async ({ page }) => {
  await page.goto('m/lab/activity');
  await page.getByText('other', { exact: true }).click();
  await page.locator('[data-field="in_past_activity"] select').selectOption('museum');
  await run(page);
  await expect(result(page)).toBeVisible();
  await page.getByRole('link', { name: 'Runs' }).click();
  const first = page.locator('.rows-item').first();
  await expect(first).toContainText('museum');
  await expect(first.locator('.rows-output')).toHaveText(/^\w+ \(\d+\.\d\s%\)$/);
  await accessible(page);
  await shot(page, 'runs');
  await page.getByRole('button', { name: 'Canceled' }).click();
  await expect(page.getByText('None of this kind')).toBeVisible();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.locator('.rows-item').first().click();
  await expect(page.getByRole('heading', { name: /^Run / })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Input' })).toContainText('museum');
  await expect(result(page).locator('.bars li').first()).toBeVisible();
  await accessible(page);
  await shot(page, 'run');
  await page.getByRole('link', { name: 'Run again with changes' }).click();
  await expect(page.locator('[data-field="in_past_activity"] select')).toHaveValue(/\d/);
  await expect(page.getByRole('radio', { name: 'other' })).toBeChecked();
  await run(page);
  await expect(result(page)).toBeVisible();
});

test('a log is kept with its run', async ({ page }) => {
  await page.goto('m/lab/ui-kinds');
  await page.getByLabel('Kind').selectOption('text');
  await page.getByRole('switch').check({ force: true });
  await run(page);
  await page.getByRole('link', { name: 'Open this run' }).click();
  await page.locator('details.logs > summary').click();
  await expect(page.getByText('a line for the log').last()).toBeVisible();
});

test('versions can be made live and rolled back', async ({ page, playwright, baseURL }) => {
  const api = await playwright.request.newContext({
    baseURL,
    storageState: await page.context().storageState(),
    extraHTTPHeaders: { origin: new URL(baseURL ?? '').origin },
  });
  const model = (await (await api.get('v1/models/lab/ui-story')).json()) as { live_version_number: number };
  const first = model.live_version_number;
  const second = await push(api, 'ui-story', STORY.replace('VERSION', `again-${Date.now()}`));
  await api.dispose();
  await page.goto('m/lab/ui-story/versions');
  const live = page.locator('.version-live');
  await expect(live).toContainText(`v${second}`);
  await shot(page, 'versions');
  await page.getByRole('button', { name: 'Roll back to the previous one' }).click();
  await expect(live).toContainText(`v${first}`);
  const newest = page.locator('.version', { hasText: `v${second}` });
  await newest.getByRole('button', { name: 'Make live' }).click();
  await expect(live).toContainText(`v${second}`);

  await page.getByLabel('First version').selectOption({ label: `v${first}` });
  await page.getByLabel('Second version').selectOption({ label: `v${second} (live)` });
  const both = page.getByRole('region', { name: 'The same input for both' });
  // As many as it takes to the word by which the versions differ.
  await both.locator('[data-field="in_words"] input[type=number]').fill('19');
  await both.locator('[data-field="in_pause_ms"] input[type=number]').fill('0');
  await both.getByRole('button', { name: 'Run on both' }).click();
  await expect(both.getByRole('region', { name: `Answer of v${first}` })).toContainText('answered first');
  await expect(both.getByRole('region', { name: `Answer of v${second}` })).toContainText('answered again-');
  await accessible(page);
  await both.scrollIntoViewIfNeeded();
  await shot(page, 'versions-both');
  await page.setViewportSize({ width: 390, height: 800 });
  await noSideScroll(page);
});
