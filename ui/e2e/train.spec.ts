// Owns the walk through a training: bring data, start, watch the lines, make live, retry, cancel. Must not know
// how a training is run.
import { readFileSync } from 'node:fs';
import { accessible, expect, noSideScroll, shot, test, type Page } from './walk';

const iris = readFileSync('../examples/flowers/iris.csv', 'utf8');
const TRAIN_MS_MAX = 100_000;

/** A dataset of this walk alone; the same bytes again are the same version. */
async function bring(page: Page): Promise<void> {
  await page.goto('m/lab/flowers/train');
  await expect(page.getByLabel('Epochs').first()).toBeVisible();
  const again = page.getByRole('button', { name: 'Upload a dataset' });
  const choose = page.getByLabel('Choose a file for a dataset');
  await expect(again.or(page.getByRole('group', { name: 'New data' }))).toBeVisible();
  if (await again.isVisible()) await again.click();
  await choose.setInputFiles({ name: 'UI walk.csv', mimeType: 'text/csv', buffer: Buffer.from(iris) });
  await expect(page.getByLabel('Name of the dataset')).toHaveValue('ui-walk');
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await expect(page.getByLabel('Data', { exact: true })).toHaveValue('ui-walk');
}

const start = (page: Page): Promise<void> => page.getByRole('button', { name: 'Train', exact: true }).click();

test('data comes in, a training is watched, and its version goes live', async ({ page }) => {
  await bring(page);
  await page.getByText('First rows').click();
  await expect(page.getByRole('region', { name: 'First rows' })).toContainText('petal_width');
  await accessible(page);
  // By chance, one training in a few does not reach the model's gate.
  await page.getByText('Seed and destination').click();
  await page.getByLabel('Seed', { exact: true }).fill('7');
  await shot(page, 'train-form');
  await start(page);
  await expect(page).toHaveURL(/\/trainings\//);
  const metrics = page.getByRole('region', { name: 'Metrics' });
  await expect(metrics.getByText('loss').first()).toBeVisible({ timeout: TRAIN_MS_MAX });
  await expect(metrics.locator('svg').first()).toBeVisible();
  const made = page.getByRole('region', { name: 'New version' });
  await expect(made).toBeVisible({ timeout: TRAIN_MS_MAX });
  await expect(made.getByText('Ready, not live').or(made.getByText('Live'))).toBeVisible({
    timeout: TRAIN_MS_MAX,
  });
  await expect(metrics.locator('figcaption')).toContainText(['accuracy', 'loss']);
  await accessible(page);
  await shot(page, 'training-done');
  await made.getByRole('button', { name: 'Make live' }).click();
  await expect(made.getByText('Live', { exact: true })).toBeVisible({ timeout: TRAIN_MS_MAX });
});

test('trainings are listed with what they measured, also on a phone', async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto('m/lab/flowers/train');
  const list = page.getByRole('region', { name: 'Trainings' }).last();
  await expect(list.getByRole('button', { name: 'accuracy' })).toBeVisible();
  await noSideScroll(page);
  await shot(page, 'train-phone');
  await list.locator('tbody a').first().click();
  await expect(page.getByRole('region', { name: 'New version' })).toBeVisible();
  await noSideScroll(page);
});

test('a training is canceled, and goes on from its checkpoint', async ({ page }) => {
  await bring(page);
  await page.getByLabel('Epochs').first().fill('100000');
  await start(page);
  const metrics = page.getByRole('region', { name: 'Metrics' });
  await expect(metrics).toBeVisible({ timeout: TRAIN_MS_MAX });
  await expect(page.getByText(/checkpoint \d+ is kept/).first()).toBeVisible({ timeout: TRAIN_MS_MAX });
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('This training was canceled.')).toBeVisible({ timeout: TRAIN_MS_MAX });
  const before = page.url();
  await page.getByRole('button', { name: 'Go on from the checkpoint' }).click();
  await expect(page).not.toHaveURL(before);
  await expect(page.getByText('Went on from')).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('This training was canceled.')).toBeVisible({ timeout: TRAIN_MS_MAX });
});

test('a gate that is none is refused in words', async ({ page, watch }) => {
  watch.expected.push(400, 422);
  await bring(page);
  await page.getByLabel('Make the new version live when it is ready').check();
  await page.getByLabel('Only if it reaches').fill('be good');
  await start(page);
  await expect(page.getByRole('alert').first()).toBeVisible();
  await expect(page).toHaveURL(/\/train$/);
});

test('a version gets a name, which moves to another and goes', async ({ page }) => {
  await page.goto('m/lab/flowers/versions');
  const first = page.getByRole('group', { name: 'Names of version 1', exact: true });
  const second = page.getByRole('group', { name: 'Names of version 2', exact: true });
  await first.getByRole('button', { name: 'Name it' }).click();
  await page.getByLabel('A name for version 1', { exact: true }).fill('staging');
  await first.getByRole('button', { name: 'Set' }).click();
  await expect(first.getByText('staging')).toBeVisible();
  await second.getByRole('button', { name: 'Name it' }).click();
  await page.getByLabel('A name for version 2', { exact: true }).fill('staging');
  await page.keyboard.press('Enter');
  await expect(second.getByText('staging')).toBeVisible();
  await expect(first.getByText('staging')).toBeHidden();
  await accessible(page);
  await second.getByRole('button', { name: 'Remove the name staging' }).click();
  await expect(second.getByText('staging')).toBeHidden();
});

test('versions say where they come from, and stand side by side', async ({ page }) => {
  await page.goto('m/lab/flowers/versions');
  const trained = page.locator('.version').filter({ hasText: 'Trained by' }).first();
  await expect(trained).toContainText('lab/flowers v');
  await expect(trained.getByRole('link', { name: /@v\d+/ })).toBeVisible();
  await expect(trained).toContainText('accuracy');
  const download = page.waitForEvent('download');
  await trained.getByRole('link', { name: /^Weights: / }).click();
  const weights = JSON.parse(readFileSync(await (await download).path(), 'utf8')) as unknown[];
  expect(weights).toHaveLength(3);
  await page.getByLabel('First version').selectOption({ label: 'v1' });
  await page.getByLabel('Second version').selectOption({ index: 0 });
  const both = page.getByRole('region', { name: 'Differences' });
  await expect(both.getByRole('row', { name: /^loss/ })).toContainText('–');
  await expect(both.getByRole('row', { name: /^Trained by/ })).toContainText('pushed');
  const examples = page.getByRole('region', { name: 'The examples', exact: true });
  await examples.getByRole('button', { name: 'Run the examples on both' }).click();
  const answers = examples.getByRole('row', { name: /^setosa/ });
  await expect(answers).toContainText(/setosa \(\d+(\.\d)?\s%\)/, { timeout: TRAIN_MS_MAX });
  await expect(examples.getByRole('columnheader')).toHaveText([/^v1$/, /^v\d+$/]);
  await accessible(page);
  await shot(page, 'versions-trained');
  await page.setViewportSize({ width: 390, height: 800 });
  await noSideScroll(page);
  await trained.getByRole('link', { name: 'Lines and log' }).click();
  await expect(page).toHaveURL(/\/trainings\//);
});
