// Owns the walk to usage and cost. Must not know how they are measured.
import { accessible, expect, noSideScroll, shot, test } from './walk';

// Sums are written some seconds after the work.
const WRITTEN_MS_MAX = 100_000;

test('the owner sees what this month cost, by day and by model', async ({ page, baseURL }) => {
  const answer = await page.request.post('v1/models/lab/activity/predictions', {
    data: { input: { gender: 'female', past_activity: 'hiking' } },
    headers: { origin: new URL(baseURL ?? '').origin },
  });
  expect(answer.ok()).toBe(true);
  await page.goto('usage');
  const table = page.getByRole('region', { name: 'Usage by model and kind' });
  await expect(async () => {
    await page.reload();
    await expect(table.getByRole('link', { name: 'lab/activity' }).first()).toBeVisible({ timeout: 3_000 });
  }).toPass({ timeout: WRITTEN_MS_MAX });
  await expect(table).toContainText('USD');
  await expect(page.getByRole('region', { name: 'By day' }).locator('svg')).toBeVisible();
  await expect(page.getByText(/Source: /)).toBeVisible();
  await expect(page.getByText('[money] month')).toBeVisible();
  await accessible(page);
  await shot(page, 'usage');
  await page.setViewportSize({ width: 390, height: 800 });
  await page.reload();
  await expect(table).toBeVisible();
  await noSideScroll(page);
});

test('a month in which nothing ran says so', async ({ page }) => {
  await page.goto('usage');
  for (let back = 0; back < 11; back += 1) await page.getByRole('button', { name: 'Earlier' }).click();
  await expect(page.getByText(/^Nothing was computed in /)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Earlier' })).toBeDisabled();
});
