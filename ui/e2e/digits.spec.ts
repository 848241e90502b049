// Owns the walk with pictures: example, drawing, drop. Must not know how digits are read.
import { readFileSync } from 'node:fs';
import { accessible, expect, result, run, shot, test, type Page } from './walk';

const bars = (page: Page) => result(page).locator('.bars li');

async function drawOne(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Draw' }).click();
  const pad = page.getByRole('img', { name: /Drawing pad/ });
  const box = await pad.boundingBox();
  if (!box) throw new Error('no drawing pad');
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.15);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.85, { steps: 12 });
  await page.mouse.up();
  await page.getByRole('button', { name: 'Use drawing' }).click();
  await expect(page.getByText('drawing.png')).toBeVisible();
}

test('an example fills the form and is answered with bars', async ({ page }) => {
  await page.goto('m/lab/digits');
  await page.getByRole('group', { name: 'Examples' }).getByRole('button', { name: /a 3/ }).click();
  await expect(page.getByRole('img', { name: /Input/ })).toBeVisible();
  await run(page);
  await expect(bars(page)).toHaveCount(10);
  await expect(bars(page).first().locator('.bars-label')).toHaveText('3');
  await expect(bars(page).first().locator('.bars-value')).toHaveText(/^\d\d\.\d\s%$/);
  await expect(result(page)).toContainText(/Took .*version \d/);
  await accessible(page);
  // The one that people see first: it is copied to the documentation.
  await page.setViewportSize({ width: 1280, height: 1040 });
  await page.evaluate(() => scrollTo(0, 0));
  await shot(page, 'digits');
});

test('a drawing is read', async ({ page }) => {
  await page.goto('m/lab/digits');
  await drawOne(page);
  await run(page);
  await expect(bars(page)).toHaveCount(10);
  await expect(bars(page).first().locator('.bars-label')).toHaveText('1');
  await shot(page, 'digits-drawn');
});

test('a dropped picture is read, another kind of file is refused', async ({ page }) => {
  const picture = readFileSync('../examples/digits/examples/7.png').toString('base64');
  await page.goto('m/lab/digits');
  const zone = page.getByRole('group', { name: /Image: file/ });
  await expect(zone).toBeVisible();
  const drop = (name: string, type: string, base64: string): Promise<void> =>
    zone.evaluate(
      (element, [n, t, b]) => {
        const bytes = Uint8Array.from(atob(b ?? ''), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], n ?? '', { type: t }));
        element.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
      },
      [name, type, base64],
    );
  await drop('notes.pdf', 'application/pdf', 'AAAA');
  await expect(page.getByText('notes.pdf is not of kind image.')).toBeVisible();
  await drop('7.png', 'image/png', picture);
  await expect(zone.getByText(/^7\.png, /)).toBeVisible();
  await run(page);
  await expect(bars(page).first().locator('.bars-label')).toHaveText('7');
  await zone.getByRole('button', { name: 'Remove' }).click();
  await expect(zone.getByText(/^7\.png, /)).toHaveCount(0);
});

test('what the author refuses is told in the author’s words', async ({ page }) => {
  await page.goto('m/lab/digits');
  await run(page);
  await expect(result(page)).toContainText('Give an image or 64 pixels');
});

test.describe('in the dark', () => {
  test.use({ colorScheme: 'dark' });
  test('is as clear', async ({ page }) => {
    await page.goto('m/lab/digits');
    await page.getByRole('group', { name: 'Examples' }).getByRole('button', { name: /a 7/ }).click();
    await run(page);
    await expect(bars(page)).toHaveCount(10);
    await accessible(page);
    await shot(page, 'digits-dark');
  });
});
