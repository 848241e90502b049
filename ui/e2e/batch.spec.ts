// Owns the walk with a table: map, start, watch, download, failed rows, retry. Must not know digits.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { accessible, expect, shot, test } from './walk';

const heldOut = readFileSync('../examples/digits/heldout.csv', 'utf8').trimEnd();
const BAD_ROWS = ['"[1,2,3]",5', '"not numbers",6'];

test('a table goes through, failed rows are named and can be retried', async ({ page }) => {
  await page.goto('m/lab/digits/batch');
  await page.getByLabel('Choose a table').setInputFiles({
    name: 'held-out.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(`${heldOut}\n${BAD_ROWS.join('\n')}\n`),
  });
  await expect(
    page.getByRole('region', { name: 'First rows' }).getByRole('button', { name: 'pixels' }),
  ).toBeVisible();
  await expect(page.getByLabel(/^Pixels/)).toHaveValue('pixels');
  await page.getByLabel(/Compare with/).selectOption('digit');
  await accessible(page);
  await shot(page, 'batch-map');
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page).toHaveURL(/\/batches\//);
  const figures = page.locator('.figures');
  await expect(figures).toBeVisible({ timeout: 110_000 });
  await expect(figures).toContainText('502');
  await expect(figures).toContainText(/Accuracy\s*9\d(\.\d)?\s%/);
  const failed = page.getByRole('region', { name: 'Rows that failed', exact: true });
  await expect(failed.locator('tbody tr')).toHaveCount(2);
  await expect(failed).toContainText('501');
  const answers = page.getByRole('region', { name: 'Answers', exact: true });
  await expect(answers.locator('tbody tr').nth(1)).toContainText('%');
  await expect(answers.getByText('50 loaded so far')).toBeVisible();
  await answers.getByRole('button', { name: 'Load more' }).click();
  await expect(answers.getByText('100 loaded so far')).toBeVisible();
  await accessible(page);
  await shot(page, 'batch-done');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download the result' }).click();
  const file = await download;
  expect(file.suggestedFilename()).toMatch(/held-out.*\.csv$/);
  const text = readFileSync(await file.path(), 'utf8');
  expect(text.split('\n')[0]).toMatch(/pixels.*digit/);
  expect(text.trimEnd().split('\n')).toHaveLength(503);
  const before = page.url();
  await page.getByRole('button', { name: 'Retry the failed rows' }).click();
  await expect(page).not.toHaveURL(before);
  await expect(page.locator('.figures')).toContainText('2', { timeout: 90_000 });
});

test('a table that names pictures goes with their archive', async ({ page }) => {
  await page.goto('m/lab/digits/batch');
  await page.getByLabel('Choose a table').setInputFiles({
    name: 'pictures.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from('image,digit\n3.png,3\n7.png,7\nmissing.png,1\n'),
  });
  await expect(page.getByText('Add the files that Image names.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Start' })).toBeDisabled();
  const choose = page.getByLabel('Choose the archive');
  await choose.setInputFiles({ name: '3.png', mimeType: 'image/png', buffer: Buffer.from('x') });
  await expect(page.getByText(/is not a ZIP or TAR archive/)).toBeVisible();
  const archive = execFileSync('tar', ['-C', '../examples/digits/examples', '-cf', '-', '3.png', '7.png']);
  await choose.setInputFiles({ name: 'pictures.tar', mimeType: 'application/x-tar', buffer: archive });
  await page.getByLabel(/Compare with/).selectOption('digit');
  await expect(page.getByRole('button', { name: 'Start' })).toBeEnabled();
  await accessible(page);
  await shot(page, 'batch-files');
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page).toHaveURL(/\/batches\//);
  const figures = page.locator('.figures');
  await expect(figures).toContainText(/Accuracy\s*100\s%/, { timeout: 110_000 });
  await expect(page.getByText(/`?missing.png`? is not among the job.s files/)).toBeVisible();
});

test('past batch jobs are listed', async ({ page }) => {
  await page.goto('m/lab/digits/batch');
  const past = page.getByRole('region', { name: 'Batch jobs' });
  await expect(past.locator('.rows-item').first()).toBeVisible();
  await past.locator('.rows-item').last().click();
  await expect(page).toHaveURL(/\/batches\//);
});

test('a file that is no table is refused with a reason', async ({ page, watch }) => {
  watch.expected.push(400, 415, 422);
  await page.goto('m/lab/digits/batch');
  await page.getByLabel('Choose a table').setInputFiles({
    name: 'sheet.xlsx',
    mimeType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    buffer: Buffer.from('PK'),
  });
  await expect(page.getByText(/is a workbook\. Save its sheet as CSV/)).toBeVisible();
  await page.getByLabel('Choose a table').setInputFiles({
    name: 'empty.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(''),
  });
  await expect(page.getByRole('alert')).toBeVisible();
});

test('a table to start from has the right columns', async ({ page }) => {
  await page.goto('m/lab/activity/batch');
  const start = page.getByRole('button', { name: 'A table to start from' });
  await expect(start).toBeVisible();
  await accessible(page);
  await shot(page, 'batch-empty');
  const download = page.waitForEvent('download');
  await start.click();
  const text = readFileSync(await (await download).path(), 'utf8');
  expect(text.split('\n')[0]).toBe('gender,past_activity');
  expect(text).toContain('female,shopping');
});

test('a table of which no row can be answered says so', async ({ page }) => {
  await page.goto('m/lab/digits/batch');
  await page.getByLabel('Choose a table').setInputFiles({
    name: 'short.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(`pixels,digit\n${BAD_ROWS.join('\n')}\n`),
  });
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page.getByText('No row could be answered.')).toBeVisible({ timeout: 90_000 });
  await expect(page.getByText('All rows failed')).toBeVisible();
  await accessible(page);
  await shot(page, 'batch-failed');
});
