// Owns the two sessions the walks use, and the models they need beside the examples. Must not walk.
import { expect, test } from '@playwright/test';
import { KINDS, push, STORY } from './models';
import { GUEST, needed, OWNER, shot } from './walk';

test.setTimeout(300_000);

test('the owner comes in by the one-time link', async ({ page }) => {
  await page.goto(needed('ONSTAGE_LOGIN'));
  await expect(page.getByRole('heading', { name: 'Models' })).toBeVisible();
  await expect(page.locator('.card').first()).toBeVisible();
  await shot(page, 'gallery');
  await page.context().storageState({ path: OWNER });
});

test('a guest comes in by the password', async ({ page }) => {
  await page.goto('login');
  await page.getByLabel('Password').fill(needed('ONSTAGE_PASSWORD'));
  await page.getByRole('button', { name: 'Log in' }).click();
  await expect(page.getByRole('heading', { name: 'Models' })).toBeVisible();
  await page.context().storageState({ path: GUEST });
});

test('the small models are pushed', async ({ playwright, baseURL }) => {
  const api = await playwright.request.newContext({
    baseURL,
    storageState: OWNER,
    extraHTTPHeaders: { origin: new URL(baseURL ?? '').origin },
  });
  await push(api, 'ui-story', STORY.replace('VERSION', 'first'));
  await push(api, 'ui-kinds', KINDS);
  await api.dispose();
});
