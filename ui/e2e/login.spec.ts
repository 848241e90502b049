// Owns the walk through the login. Must not know what lies behind it.
import { expect, GUEST, needed, NOBODY, shot, test, accessible } from './walk';

test.describe('without a session', () => {
  test.use({ storageState: NOBODY });

  test('a deep link leads to the login and back', async ({ page, watch }) => {
    watch.expected.push(401);
    await page.goto('m/lab/digits/runs');
    await expect(page.getByRole('heading', { name: 'Welcome' })).toBeVisible();
    await expect(page).toHaveTitle(/Log in/);
    await accessible(page);
    await page.getByLabel('Password').fill('certainly wrong');
    await page.keyboard.press('Enter');
    await expect(page.getByText('This password is not right.')).toBeVisible();
    await shot(page, 'login');
    await page.getByLabel('Password').fill(needed('ONSTAGE_PASSWORD'));
    await page.getByRole('button', { name: 'Log in' }).click();
    await expect(page).toHaveURL(/\/m\/lab\/digits\/runs$/);
    await expect(page.getByRole('link', { name: 'Runs' })).toHaveAttribute('aria-current', 'page');
  });

  test('a used link says so', async ({ page, watch }) => {
    watch.expected.push(401);
    await page.goto(needed('ONSTAGE_LOGIN'));
    await expect(page.getByText('This login link has expired or was used already.')).toBeVisible();
  });
});

test.describe('a guest', () => {
  test.use({ storageState: NOBODY });

  test('can leave, and is out then', async ({ page, watch }) => {
    watch.expected.push(401);
    await page.goto('login');
    await page.getByLabel('Password').fill(needed('ONSTAGE_PASSWORD'));
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Log out' }).click();
    await expect(page.getByRole('heading', { name: 'Welcome' })).toBeVisible();
    await page.goto('');
    await expect(page.getByRole('heading', { name: 'Welcome' })).toBeVisible();
  });
});

test.describe('a guest who stays', () => {
  test.use({ storageState: GUEST });

  test('sees no versions', async ({ page }) => {
    await page.goto('m/lab/digits');
    await expect(page.getByRole('link', { name: 'Feedback' })).toBeVisible();
    await expect(page.getByText('Guest')).toBeVisible();
    await expect(page.getByRole('link', { name: 'Versions' })).toHaveCount(0);
  });
});
