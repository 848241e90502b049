// Owns the walk through datasets: bring one in, look at it, a second version, download, delete. Must not know
// who trains with them.
import { readFileSync } from 'node:fs';
import { accessible, expect, GUEST, noSideScroll, shot, test, type Page } from './walk';

const FIRST = 'city,people,founded\nLima,10.5,1535-01-18\nOslo,,1040-01-01\n';
const SECOND = 'city,people\nLima,11\nBern,0.4\nOslo,7\n';

const file = (text: string) => ({ name: 'UI cities.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
const send = async (page: Page, text: string): Promise<void> => {
  await page.getByLabel('Choose a file for a dataset').setInputFiles(file(text));
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
};

test('a dataset comes in, gets a second version, and goes', async ({ page, watch }) => {
  await page.goto('');
  await page.getByRole('navigation', { name: 'Installation' }).getByText('Datasets').click();
  await expect(page.getByRole('heading', { name: 'Datasets' })).toBeVisible();
  await page.getByLabel('Choose a file for a dataset').setInputFiles(file(FIRST));
  const name = page.getByLabel('Name of the dataset');
  await expect(name).toHaveValue('ui-cities');
  await name.fill('Ui Cities');
  await expect(page.getByRole('button', { name: 'Upload', exact: true })).toBeDisabled();
  await name.fill('ui-cities');
  await accessible(page);
  await name.press('Enter');
  await expect(page).toHaveURL(/\/datasets\/ui-cities$/);
  const rows = page.getByRole('region', { name: 'First rows' });
  await expect(rows).toContainText('Lima');
  await expect(rows.getByRole('button', { name: /^people number 1 missing/ })).toBeVisible();
  await expect(rows.getByRole('button', { name: /^founded date/ })).toBeVisible();
  await expect(page.getByText('2 rows.')).toBeVisible();

  await page.getByRole('button', { name: 'Add a version' }).click();
  await send(page, SECOND);
  await expect(rows).toContainText('Bern');
  await expect(page.getByRole('region', { name: 'ui-cities@v2' })).toBeVisible();
  await page.getByRole('button', { name: 'Show' }).click();
  await expect(page.getByRole('region', { name: 'ui-cities@v1' })).toBeVisible();
  await expect(rows).not.toContainText('Bern');
  await accessible(page);
  await shot(page, 'dataset');
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download' }).click();
  expect(readFileSync(await (await download).path(), 'utf8')).toBe(FIRST);

  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  const question = page.getByRole('dialog', { name: 'Delete ui-cities@v1?' });
  await question.getByRole('button', { name: 'Keep' }).click();
  await expect(question).toBeHidden();
  await expect(page.getByRole('region', { name: 'ui-cities@v1' })).toBeVisible();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await question.getByRole('button', { name: 'Delete' }).click();
  await expect(page.getByRole('region', { name: 'ui-cities@v2' })).toBeVisible();
  await expect(page.getByText('1 version', { exact: true })).toBeVisible();
  // The page asks whether anything is left.
  watch.expected.push(404);
  await page.getByRole('button', { name: 'Delete the dataset' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the dataset' }).click();
  await expect(page).toHaveURL(/\/datasets$/);
  await expect(page.getByText('ui-cities is deleted.')).toBeVisible();
  await expect(page.locator('.rows').getByText('ui-cities')).toHaveCount(0);
});

test('datasets fit a phone, and what is not there is told', async ({ page, watch }) => {
  watch.expected.push(404);
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto('datasets');
  await expect(page.getByRole('button', { name: /Drop a file here/ })).toBeVisible();
  await noSideScroll(page);
  await shot(page, 'datasets-phone');
  await page.goto('datasets/never-there');
  await expect(page.getByText('There is nothing here')).toBeVisible();
});

test.describe('a guest', () => {
  test.use({ storageState: GUEST });
  test('is not led to datasets or usage', async ({ page }) => {
    await page.goto('');
    await expect(page.getByRole('heading', { name: 'Models' })).toBeVisible();
    await expect(page.getByText('Guest')).toBeVisible();
    await expect(page.getByRole('navigation', { name: 'Installation' })).toHaveCount(0);
  });
});
