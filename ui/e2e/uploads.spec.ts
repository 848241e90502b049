// Owns the walk with a large upload: through a lost connection, a stop and a reload, with no part sent twice.
// Must not know what the file is for.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accessible, expect, shot, STORAGE, test, type Page } from './walk';

const PART_BYTES = 16 * 1024 * 1024;
const LINE = '0123456789,abcdefghijklmnopqrstuvwxyz,0123456789\n';
const PARTS = 5;
const SENT_MS_MAX = 60_000;

let folder = '';
let file = '';
let digest = '';
test.beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onstage-upload-'));
  file = join(folder, 'UI large.csv');
  const text = LINE.repeat(Math.ceil((PART_BYTES * (PARTS - 1) + 1) / LINE.length));
  writeFileSync(file, text);
  digest = createHash('sha256').update(text).digest('hex');
});
test.afterAll(() => rmSync(folder, { recursive: true }));

/** Every part that the server has taken, in order. */
function taken(page: Page): number[] {
  const parts: number[] = [];
  page.on('response', (answer) => {
    const part = /\/parts\/(\d+)(\?|$)/.exec(answer.url())?.[1];
    if (part && answer.ok()) parts.push(Number(part));
  });
  return parts;
}

/** The storages that have taken parts past the server, in order. */
function takenElsewhere(page: Page): string[] {
  const hosts: string[] = [];
  page.on('response', (answer) => {
    const url = new URL(answer.url());
    if (answer.request().method() === 'PUT' && url.searchParams.has('X-Amz-Signature') && answer.ok())
      hosts.push(url.host);
  });
  return hosts;
}

async function send(page: Page, name: string): Promise<void> {
  await page.goto('datasets');
  await page.getByLabel('Choose a file for a dataset').setInputFiles(file);
  await page.getByLabel('Name of the dataset').fill(name);
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
}

async function arrived(page: Page, name: string): Promise<void> {
  await expect(page).toHaveURL(new RegExp(`/datasets/${name}$`), { timeout: SENT_MS_MAX });
  const kept = await page.request.get(`v1/datasets/${name}/versions/newest`);
  const { checksums } = (await kept.json()) as { checksums: { sha256: string } };
  expect(checksums.sha256).toBe(digest);
  await page.getByRole('button', { name: 'Delete the dataset' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the dataset' }).click();
  await expect(page).toHaveURL(/\/datasets$/);
}

test('a lost connection is waited for, and no part goes twice', async ({ page, watch, context }) => {
  // Chromium tells of every request that found no network, without a status.
  watch.expected.push(0, 404);
  const parts = taken(page);
  let cuts = 0;
  await page.route(/\/parts\/3/, async (route) => {
    cuts += 1;
    if (cuts > 1) return route.continue();
    await context.setOffline(true);
    await route.abort('connectionreset');
  });
  await send(page, 'ui-cut');
  await expect(page.getByText(/The connection is lost at \d+ %\. It goes on by itself/)).toBeVisible({
    timeout: SENT_MS_MAX,
  });
  expect(parts).toEqual([1, 2]);
  await accessible(page);
  await shot(page, 'upload-cut');
  await context.setOffline(false);
  await arrived(page, 'ui-cut');
  expect(parts).toEqual([1, 2, 3, 4, 5]);
});

test('what was stopped goes on, also after a reload', async ({ page, watch }) => {
  watch.expected.push(0, 404);
  const parts = taken(page);
  let held = true;
  await page.route(/\/parts\/[34]/, (route) => (held ? undefined : route.continue()));
  await send(page, 'ui-stopped');
  await expect.poll(() => parts, { timeout: SENT_MS_MAX }).toEqual([1, 2]);
  await page.getByRole('button', { name: 'Stop' }).click();
  await expect(page.getByText('It was stopped. Upload goes on where it was.')).toBeVisible();
  await page.reload();
  held = false;
  await send(page, 'ui-stopped');
  await arrived(page, 'ui-stopped');
  expect(parts).toEqual([1, 2, 3, 4, 5]);
});

test('a large input of a form goes in parts too', async ({ page }) => {
  const parts = taken(page);
  const elsewhere = takenElsewhere(page);
  await page.goto('m/lab/ui-kinds');
  await page.getByText('More options').click();
  await page.locator('[data-field="in_table"] input[type=file]').first().setInputFiles(file);
  await expect(page.locator('[data-field="in_table"]')).toContainText('UI large.csv', {
    timeout: SENT_MS_MAX,
  });
  expect(parts).toEqual([1, 2, 3, 4, 5]); // In a bucket, every one of them went there by itself.
  expect(elsewhere).toHaveLength(STORAGE ? PARTS : 0);
});
