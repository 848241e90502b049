// Owns the walk with choices, missing inputs and the number slider. Must not know how activities are chosen.
import { accessible, expect, result, run, shot, test } from './walk';

test('choices make a recommendation, a missing one is named at its place', async ({ page }) => {
  await page.goto('m/lab/activity');
  await page.getByText('female', { exact: true }).click();
  await run(page);
  const field = page.locator('[data-field="in_past_activity"]');
  await expect(field.getByRole('alert')).toHaveText('This is needed.');
  await expect(field.locator('select')).toBeFocused();
  await shot(page, 'activity-missing');
  await field.locator('select').selectOption('hiking');
  await run(page);
  await expect(result(page).locator('.bars li').first()).toBeVisible();
  await expect(field.getByRole('alert')).toHaveCount(0);
  await accessible(page);
  await shot(page, 'activity');
});

test('a bounded number has a slider and a box that agree', async ({ page }) => {
  await page.goto('m/lab/heavy');
  const box = page.getByRole('spinbutton');
  await expect(box).toHaveValue('1');
  await box.fill('250');
  await expect(page.getByRole('slider')).toHaveValue('250');
  await box.fill('5000');
  await run(page);
  await expect(page.getByText('At most 1000.')).toBeVisible();
  await box.fill('3');
  await run(page);
  await expect(result(page).locator('.out-number')).toBeVisible({ timeout: 90_000 });
  await shot(page, 'heavy');
});
