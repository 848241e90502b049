// Owns the walk over the first page, in light, dark and on a phone. Must not know models' insides.
import { accessible, expect, noSideScroll, shot, test } from './walk';

test('shows every model and leads to it', async ({ page }) => {
  await page.goto('');
  await expect(page).toHaveTitle('Models · Onstage');
  for (const name of ['digits', 'activity', 'activity-plan', 'heavy']) {
    await expect(page.locator(`.card[href$="/m/lab/${name}"]`)).toBeVisible();
  }
  await expect(page.locator('.card[href$="/m/lab/activity-plan"]')).toContainText('Takes a while');
  await expect(page.locator('.card[href$="/m/lab/activity"]')).toContainText('Answers at once');
  await accessible(page);
  await page.locator('.card[href$="/m/lab/activity"]').click();
  await expect(page).toHaveURL(/\/m\/lab\/activity$/);
});

test('says when there is nothing', async ({ page, watch }) => {
  watch.expected.push(404);
  for (const nowhere of ['runs/nosuchrun', 'm/lab/nobody', 'batches/nosuchbatch']) {
    await page.goto(nowhere);
    await expect(page.getByRole('alert')).toBeVisible();
    await expect(page.getByRole('link', { name: 'All models' })).toBeVisible();
  }
});

test.describe('in the dark', () => {
  test.use({ colorScheme: 'dark' });
  test('is readable', async ({ page }) => {
    await page.goto('');
    await expect(page.locator('.card').first()).toBeVisible();
    await accessible(page);
    await shot(page, 'gallery-dark');
  });
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 375, height: 780 }, hasTouch: true });
  test('fits', async ({ page }) => {
    await page.goto('');
    await expect(page.locator('.card').first()).toBeVisible();
    await noSideScroll(page);
    await shot(page, 'gallery-phone');
    for (const tab of ['', '/batch', '/runs', '/feedback', '/versions']) {
      await page.goto(`m/lab/digits${tab}`);
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await page.waitForLoadState('networkidle');
      await noSideScroll(page);
    }
    await page.goto('m/lab/activity');
    await page.getByRole('group', { name: 'Examples' }).getByRole('button').first().tap();
    await page.getByRole('button', { name: 'Run', exact: true }).tap();
    await expect(page.getByRole('article', { name: 'Result' })).toBeInViewport();
    await noSideScroll(page);
    await shot(page, 'activity-phone');
  });
});
