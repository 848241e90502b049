// Owns the walk through lists that are longer than a page: every one of them goes on to its end. Must not know
// what the rows mean.
import { push, STORY } from './models';
import { expect, GUEST, OWNER, shot, test, type Page } from './walk';
import type { APIRequestContext, Locator } from '@playwright/test';

const MANY = 53;
const JOB_MS_MAX = 60_000;

let api: APIRequestContext;
test.beforeAll(async ({ playwright, baseURL }) => {
  const extraHTTPHeaders = { origin: new URL(baseURL ?? '').origin };
  api = await playwright.request.newContext({ baseURL, storageState: OWNER, extraHTTPHeaders });
});
test.afterAll(() => api.dispose());

async function made<T>(path: string, data: unknown): Promise<T> {
  const answer = await api.post(path, { data });
  expect(answer.ok(), `${path}: ${answer.status()}`).toBe(true);
  return (await answer.json()) as T;
}
const ran = (model: string, input: object): Promise<{ id: string }> =>
  made(`v1/models/lab/${model}/predictions`, { input });
const bring = async (name: string, text: string): Promise<void> => {
  const answer = await api.put(`v1/datasets/${name}?filename=t.csv`, { data: Buffer.from(text) });
  expect(answer.ok()).toBe(true);
};

const more = (page: Page): Locator => page.getByRole('button', { name: 'Load more' });
/** To the end of the list. */
async function all(page: Page): Promise<void> {
  await expect(more(page)).toBeVisible();
  while ((await more(page).count()) > 0) {
    const before = await page.getByText(/loaded so far/).textContent();
    await more(page).click();
    await expect(page.getByText(before ?? '', { exact: true })).toHaveCount(0);
  }
}
/** The real server, asked for pages of two rows. */
const smallPages = (page: Page): Promise<unknown> =>
  page.route('**/v1/**', (route) =>
    route.continue({
      url: route
        .request()
        .url()
        .replace(/limit=\d+/, 'limit=2'),
    }),
  );

test('the history goes on to the first run', async ({ page }) => {
  await push(api, 'ui-many', STORY.replace('VERSION', 'many'));
  const first = await ran('ui-many', { words: 1, pause_ms: 0 });
  for (let i = 1; i < MANY; i += 1) await ran('ui-many', { words: 1, pause_ms: 0 });
  await page.goto('m/lab/ui-many/runs');
  await expect(page.locator('.rows-item')).toHaveCount(50);
  await expect(page.locator(`a[href$="/runs/${first.id}"]`)).toHaveCount(0);
  await more(page).scrollIntoViewIfNeeded();
  await shot(page, 'runs-more');
  await all(page);
  await expect(page.locator(`a[href$="/runs/${first.id}"]`)).toBeVisible();
  const places = await page
    .locator('.rows-item')
    .evaluateAll((rows) => rows.map((r) => r.getAttribute('href')));
  expect(new Set(places).size).toBe(places.length);
});

test('a dataset shows every version', async ({ page }) => {
  await api.delete('v1/datasets/ui-grown');
  for (let i = 0; i < MANY; i += 1) await bring('ui-grown', `n\n${i}\n`);
  await page.goto('datasets/ui-grown');
  await expect(page.locator('.version')).toHaveCount(50);
  await all(page);
  await expect(page.locator('.version')).toHaveCount(MANY);
  const oldest = page.locator('.version').last();
  const number = await oldest.locator('strong').textContent();
  await oldest.getByRole('button', { name: 'Show' }).click();
  await expect(page.getByRole('region', { name: `ui-grown@${number}`, exact: true })).toBeVisible();
});

test('models, datasets and versions go on', async ({ page }) => {
  for (const n of [1, 2, 3]) await bring(`ui-list-${n}`, 'n\n1\n');
  for (const n of [1, 2]) await push(api, 'ui-many', STORY.replace('VERSION', `many ${n}`));
  await smallPages(page);
  await page.goto('');
  await expect(page.locator('.card:not(.card-empty)')).toHaveCount(2);
  await all(page);
  await expect(page.getByRole('link', { name: /ui-many/ })).toBeVisible();
  await page.goto('datasets');
  await all(page);
  await expect(page.getByRole('link', { name: /ui-list-3/ })).toBeVisible();
  await page.goto('m/lab/ui-many/versions');
  await expect(page.locator('.version')).toHaveCount(2);
  await all(page);
  await expect(page.locator('.version').last()).toContainText('v1');
  await page.goto('m/lab/flowers/train');
  const choices = page.getByLabel('Data', { exact: true }).locator('option');
  await expect(choices.filter({ hasText: 'ui-list-3' })).toHaveCount(1);
});

test('jobs and the rows that failed go on', async ({ page }) => {
  const rows = ['kind', ...Array.from({ length: 5 }, () => 'refuse')].join('\n');
  const table = 'onstage://datasets/ui-refused';
  await bring('ui-refused', rows);
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1) {
    ids.push((await made<{ id: string }>('v1/models/lab/ui-kinds/batches', { table })).id);
  }
  await smallPages(page);
  await page.goto('m/lab/ui-kinds/batch');
  await all(page);
  await expect(page.locator(`a[href$="/batches/${ids[0]}"]`)).toBeVisible();
  await page.goto(`batches/${ids[0]}`);
  await expect(page.getByRole('button', { name: 'Retry the failed rows' })).toBeVisible({
    timeout: JOB_MS_MAX,
  });
  await all(page);
  await expect(page.getByRole('region', { name: 'Rows that failed' }).locator('tbody tr')).toHaveCount(5);
});

test('trainings go on', async ({ page }) => {
  await bring('ui-list-1', 'n\n1\n');
  const { results } = (await (await api.get('v1/models/lab/flowers/versions')).json()) as {
    results: { id: string; state: string }[];
  };
  const trainer = results.find((v) => v.state === 'ready')?.id;
  let first = '';
  for (let i = 0; i < 3; i += 1) {
    const path = `v1/models/lab/flowers/versions/${trainer}/trainings`;
    const { id } = await made<{ id: string }>(path, { input: { data: 'ui-list-1' } });
    await api.post(`v1/trainings/${id}/cancel`);
    first ||= id;
  }
  await smallPages(page);
  await page.goto('m/lab/flowers/train');
  await all(page);
  await expect(page.locator(`a[href$="/trainings/${first}"]`)).toBeVisible();
});

test('feedback goes on, and the praise says of what', async ({ page }) => {
  for (let i = 0; i < 3; i += 1) {
    const { id } = await ran('ui-many', { words: 1, pause_ms: 0 });
    await made(`v1/predictions/${id}/feedback`, { rating: 1, comment: `said ${i}` });
  }
  await smallPages(page);
  await page.goto('m/lab/ui-many/feedback');
  await expect(page.getByText('The newest feedback, on 2 runs')).toBeVisible();
  await expect(page.getByRole('cell', { name: 'said 0' })).toHaveCount(0);
  await all(page);
  await expect(page.getByText(/^Feedback on \d+ runs/)).toBeVisible();
  await expect(page.getByRole('cell', { name: 'said 0' }).first()).toBeVisible();
});

test.describe('a guest', () => {
  test.use({ storageState: GUEST });
  test('finds own words behind newer runs', async ({ page, playwright, baseURL }) => {
    const extraHTTPHeaders = { origin: new URL(baseURL ?? '').origin };
    const own = await playwright.request.newContext({ baseURL, storageState: GUEST, extraHTTPHeaders });
    const ids: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const input = { words: 1, pause_ms: 0 };
      const answer = await own.post('v1/models/lab/ui-many/predictions', { data: { input } });
      ids.push(((await answer.json()) as { id: string }).id);
    }
    await own.post(`v1/predictions/${ids[0]}/feedback`, { data: { rating: -1, comment: 'mine, and old' } });
    await own.dispose();
    await smallPages(page);
    await page.goto('m/lab/ui-many/feedback');
    await expect(page.getByText('Nothing was said about your newest runs')).toBeVisible();
    await more(page).click();
    await expect(page.getByRole('cell', { name: 'mine, and old' }).first()).toBeVisible();
  });
});
