// Owns the walk with a background model: progress, leaving, coming back, cancel, a table. Must not know plans.
import { accessible, expect, result, run, shot, test } from './walk';

test('a plan shows how far it is and ends in a table', async ({ page }) => {
  await page.goto('m/lab/activity-plan');
  await expect(page.getByText('Runs in the background.')).toBeVisible();
  await page.getByLabel('End', { exact: true }).fill('2026-05-28');
  await page.getByText('More options').click();
  await page.getByRole('spinbutton').fill('200');
  await run(page);
  const waiting = page.getByRole('region', { name: 'Progress' });
  await expect(waiting).toBeVisible();
  await expect(waiting.getByText(/of 28/)).toBeVisible({ timeout: 90_000 });
  await expect(waiting.getByText('Computing')).toBeVisible();
  await expect(waiting.getByText(/You may leave this page/)).toBeVisible();
  await shot(page, 'plan-running');
  const grid = result(page).getByRole('region', { name: /csv/ });
  await expect(grid.getByRole('button', { name: 'activity' })).toBeVisible({ timeout: 90_000 });
  await grid.getByRole('button', { name: 'fit' }).click();
  await expect(grid.getByRole('columnheader', { name: 'fit' })).toHaveAttribute(
    'aria-sort',
    /ascending|descending/,
  );
  const download = page.waitForEvent('download');
  await result(page).getByRole('link', { name: 'Download' }).click();
  expect((await download).suggestedFilename()).toMatch(/\.csv$/);
  await accessible(page);
  await shot(page, 'plan');
});

test('one may leave and come back, and cancel', async ({ page }) => {
  await page.goto('m/lab/activity-plan');
  await page.getByLabel('End', { exact: true }).fill('2027-12-31');
  await page.getByText('More options').click();
  await page.getByRole('spinbutton').fill('200');
  await run(page);
  await expect(page.getByRole('region', { name: 'Progress' }).getByText(/of 610/)).toBeVisible({
    timeout: 90_000,
  });
  await page.goto('m/lab/activity-plan/runs');
  await page.locator('.rows-item').first().click();
  await expect(page).toHaveURL(/\/runs\/[a-z0-9_-]+$/);
  await expect(page.getByRole('region', { name: 'Progress' }).getByText(/of 610/)).toBeVisible();
  await page.reload();
  await expect(page.getByRole('region', { name: 'Progress' }).getByText(/of 610/)).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('This run was canceled.')).toBeVisible();
});

test('a wrong order of days is told in the author’s words', async ({ page }) => {
  await page.goto('m/lab/activity-plan');
  await page.getByLabel('End', { exact: true }).fill('2026-04-01');
  await run(page);
  await expect(result(page)).toContainText('The last day is before the first', { timeout: 90_000 });
});
