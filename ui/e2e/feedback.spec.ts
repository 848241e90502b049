// Owns the walk with feedback: a guest gives it, the owner reads it and takes it along. Must not know models.
import { readFileSync } from 'node:fs';
import { accessible, expect, GUEST, result, run, shot, test } from './walk';

// The same in both walks, also when a worker is started anew between them.
const COMMENT = `the picture was clear, ${process.ppid}`;

test.describe('a guest', () => {
  test.use({ storageState: GUEST });
  test('says what was wrong', async ({ page }) => {
    await page.goto('m/lab/digits');
    await page.getByRole('group', { name: 'Examples' }).getByRole('button', { name: /a 4/ }).click();
    await run(page);
    await result(page).getByRole('button', { name: 'No, not good' }).click();
    await page.getByRole('button', { name: 'wrong digit' }).click();
    await page.getByLabel('Comment').fill(COMMENT);
    await page.getByLabel('What would have been right?').fill('9');
    await accessible(page);
    await shot(page, 'feedback-give');
    await page.getByRole('button', { name: 'Send' }).click();
    await expect(page.getByText('Thank you, your feedback is kept.')).toBeVisible();
    await page.getByRole('link', { name: 'Feedback' }).click();
    await expect(page.getByRole('region', { name: 'Feedback' }).last()).toContainText(COMMENT);
    await expect(page.getByRole('link', { name: 'Download CSV' })).toHaveCount(0);
  });
});

test('the owner reads it and downloads it', async ({ page }) => {
  await page.goto('m/lab/digits/feedback');
  const row = page.locator('tr', { hasText: COMMENT });
  await expect(row).toContainText('wrong digit');
  await expect(row).toContainText('9');
  await expect(row.getByRole('img', { name: 'not good' })).toBeVisible();
  await accessible(page);
  await shot(page, 'feedback');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download CSV' }).click();
  const text = readFileSync(await (await download).path(), 'utf8');
  expect(text).toContain(COMMENT);
  await row.getByRole('link').click();
  await expect(page.getByText('Thank you, your feedback is kept.')).toBeVisible();
});
