// Owns the walk over every kind of answer, streamed text and failures. Must not know real models.
import { accessible, expect, GUEST, result, run, shot, test, type Page } from './walk';

async function answer(page: Page, kind: string): Promise<void> {
  await page.goto('m/lab/ui-kinds');
  await page.getByLabel('Kind').selectOption(kind);
  await run(page);
  await expect(result(page)).toBeVisible();
}

test('text comes word by word', async ({ page }) => {
  await page.goto('m/lab/ui-story');
  await run(page);
  const coming = page.locator('.caret');
  await expect(coming).toContainText('Once upon');
  await expect(coming).not.toContainText('answered');
  await shot(page, 'story-streaming');
  await expect(result(page)).toContainText('people came and asked');
  await expect(page.locator('.caret')).toHaveCount(0);
});

test('a stream can be stopped', async ({ page }) => {
  await page.goto('m/lab/ui-story');
  await page.getByLabel('Words', { exact: true }).fill('60');
  await page.getByLabel('Pause ms', { exact: true }).fill('1000');
  await run(page);
  await expect(page.locator('.caret')).toContainText('Once');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('This run was canceled.')).toBeVisible();
});

test('a number is big', async ({ page }) => {
  await answer(page, 'number');
  await expect(result(page).locator('.out-number')).toHaveText('42.5');
});

test('rows are a grid that sorts', async ({ page }) => {
  await answer(page, 'rows');
  const cells = result(page).locator('tbody tr td:first-child');
  await expect(cells).toHaveText(['Lima', 'Oslo', 'Bern']);
  await result(page).getByRole('button', { name: 'city' }).click();
  await expect(cells).toHaveText(['Bern', 'Lima', 'Oslo']);
});

test('a plot is drawn without generated code', async ({ page }) => {
  await answer(page, 'plot');
  await expect(result(page).locator('.plot svg path').first()).toBeVisible();
  const download = page.waitForEvent('download');
  await result(page).getByRole('button', { name: 'Picture (SVG)' }).click();
  expect((await download).suggestedFilename()).toMatch(/\.svg$/);
  await shot(page, 'plot');
});

test('anything else is a tree', async ({ page }) => {
  await answer(page, 'tree');
  await expect(result(page).getByText('leaf')).toBeVisible();
});

test('groups, lists and pasted tables are inputs', async ({ page, context, baseURL }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], {
    origin: new URL(baseURL ?? '').origin,
  });
  await page.goto('m/lab/ui-kinds');
  await page.getByLabel('Kind').selectOption('record');
  await page.getByText('More options').click();
  await page.getByRole('button', { name: 'Fill this in' }).click();
  await page.getByLabel('Name').fill('Lisbon');
  await page.getByRole('button', { name: 'Add one' }).click();
  await page.locator('[data-field="in_tags_0"] input').fill('sunny');
  const zone = page.getByRole('group', { name: /Table: file/ });
  await zone.evaluate((element) => {
    const data = new DataTransfer();
    data.setData('text/plain', 'a\tb\n1\t2\n3\t4\n');
    element.dispatchEvent(
      new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
    );
  });
  await expect(zone.getByText(/^pasted\.csv/)).toBeVisible();
  await expect(zone.getByText('2 rows, 2 columns')).toBeVisible();
  await accessible(page);
  await shot(page, 'kinds-form');
  await run(page);
  await expect(result(page).locator('.out-record')).toContainText('Lisbon');
  await expect(result(page).locator('.out-record')).toContainText('sunny');
  await expect(result(page).locator('.out-record')).toContainText('2');
});

test('a refusal is told in its author’s words, a crash with a code; the owner sees the traceback', async ({
  page,
}) => {
  await answer(page, 'refuse');
  await expect(result(page)).toContainText('The note is not to my taste');
  await expect(result(page).getByText('Was this right?')).toHaveCount(0);
  await answer(page, 'crash');
  await expect(result(page)).toContainText('People who see this get the code');
  await expect(
    result(page)
      .getByText(/RuntimeError: the curtain fell/)
      .first(),
  ).toBeVisible();
  await expect(result(page).locator('.command')).toContainText('onstage run');
  await shot(page, 'crash');
});

test.describe('a guest', () => {
  test.use({ storageState: GUEST });
  test('gets an apology with a code, and can say what they wanted', async ({ page }) => {
    await answer(page, 'crash');
    await expect(result(page)).toContainText('The author can find out why with the code');
    await expect(result(page)).not.toContainText('RuntimeError');
    await result(page).getByRole('button', { name: 'Tell the author about it' }).click();
    await expect(result(page).getByRole('button', { name: 'Send' })).toBeDisabled();
    await page.getByLabel('What did you want to do?').fill('to see the play');
    await accessible(page);
    await shot(page, 'crash-guest');
    await result(page).getByRole('button', { name: 'Send' }).click();
    await expect(page.getByText('Thank you, your feedback is kept.')).toBeVisible();
  });
});
