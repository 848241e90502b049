// Owns the walk with schedules: told in words before they are made, made, run now, paused, deleted. Must not
// wait for a tick.
import { accessible, expect, noSideScroll, OWNER, shot, test, type Page } from './walk';

const JOB_MS_MAX = 60_000;

const list = (page: Page) => page.getByRole('list', { name: 'Schedules' }).getByRole('listitem');
const ticks = (page: Page) => page.getByRole('group', { name: 'When' }).getByRole('status');
const make = (page: Page): Promise<void> =>
  page.getByRole('button', { name: 'Schedule', exact: true }).click();

test('a run is scheduled, made now, paused, resumed and deleted', async ({ page, watch }) => {
  await page.goto('m/lab/ui-story/schedule');
  await expect(page.getByText('Nothing is scheduled')).toBeVisible();
  await expect(ticks(page)).toContainText('Every day at 06:30');
  await expect(ticks(page)).toContainText('Next:');
  watch.expected.push(422);
  const cron = page.getByLabel('Cron expression');
  await cron.fill('61 * * * *');
  await expect(page.getByRole('alert')).toContainText('61');
  await cron.fill('30 6 * * mon-fri');
  await page.getByLabel('Time zone').fill('Europe/Zurich');
  await expect(ticks(page)).toContainText('At 06:30, Monday to Friday (Europe/Zurich)');
  await expect(ticks(page)).toContainText(/Next: \w{3}, .*06:30.* · /);
  await page.locator('[data-field="in_pause_ms"] input[type=number]').fill('0');
  await accessible(page);
  await shot(page, 'schedule-new');
  await make(page);
  const one = list(page).first();
  await expect(one).toContainText('At 06:30, Monday to Friday');
  await expect(one).toContainText('Europe/Zurich');
  await expect(one).toContainText('pause_ms: 0');
  await expect(one).toContainText('It has not come due yet.');
  await one.getByRole('button', { name: 'Run now' }).click();
  await expect(one).toContainText('Last time a job was made');
  await one.getByRole('button', { name: 'Pause' }).click();
  await expect(one).toContainText('Paused');
  await accessible(page);
  await shot(page, 'schedules');
  await one.getByRole('button', { name: 'Resume' }).click();
  await expect(one.getByText('On', { exact: true })).toBeVisible();
  await one.getByRole('link', { name: 'Look at it' }).click();
  await expect(page).toHaveURL(/\/runs\//);
  await expect(page.getByText('Once upon a time').first()).toBeVisible({ timeout: JOB_MS_MAX });

  await page.getByRole('navigation', { name: 'Installation' }).getByText('Schedules').click();
  await page.reload();
  const mine = list(page).filter({ hasText: 'lab/ui-story' });
  await expect(mine).toContainText('At 06:30, Monday to Friday');
  await mine.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Keep' }).click();
  await expect(mine).toHaveCount(1);
  await mine.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await expect(mine).toHaveCount(0);
});

test('a table and a training are scheduled, at even intervals, also on a phone', async ({
  page,
  playwright,
  baseURL,
}) => {
  const extraHTTPHeaders = { origin: new URL(baseURL ?? '').origin };
  const api = await playwright.request.newContext({ baseURL, storageState: OWNER, extraHTTPHeaders });
  await api.put('v1/datasets/ui-flowers?filename=t.csv', { data: Buffer.from('n\n1\n') });
  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto('m/lab/flowers/schedule');
  await page.getByRole('button', { name: 'A batch job' }).click();
  await page.getByLabel('Table', { exact: true }).selectOption('ui-flowers');
  await page.getByRole('button', { name: 'At even intervals' }).click();
  await page.getByLabel('The time between two').fill('36h');
  await expect(ticks(page)).toContainText('Every 36 hours');
  await noSideScroll(page);
  await make(page);
  await expect(list(page).first()).toContainText('datasets/ui-flowers');

  await page.getByRole('button', { name: 'A training' }).click();
  await page.getByLabel('Data', { exact: true }).selectOption('ui-flowers');
  await page.getByLabel('Make the new version live when it is ready').check();
  await page.getByLabel('Only if it reaches').fill('accuracy >= 0.9');
  await page.getByText('Seed and destination').click();
  await page.getByLabel('Seed', { exact: true }).fill('7');
  await page.getByText('More options').last().click();
  await page.getByLabel('Make up for it when no server ran at the time').uncheck();
  await expect(ticks(page)).toContainText('Every day at 06:30');
  await accessible(page);
  await make(page);
  await expect(list(page)).toHaveCount(2);
  await noSideScroll(page);
  await shot(page, 'schedules-phone');

  const made = (await (await api.get('v1/schedules?model=lab/flowers')).json()) as {
    results: { id: string; kind: string; catch_up: boolean; request: Record<string, unknown> }[];
  };
  const training = made.results.find((s) => s.kind === 'training');
  expect(training?.catch_up).toBe(false);
  expect(training?.request).toMatchObject({ promote: true, gates: ['accuracy >= 0.9'], seed: 7 });
  for (const { id } of made.results) await api.delete(`v1/schedules/${id}`);
  await api.dispose();
});

test('a picture in a schedule is kept on the server', async ({ page, playwright, baseURL }) => {
  const extraHTTPHeaders = { origin: new URL(baseURL ?? '').origin };
  const api = await playwright.request.newContext({ baseURL, storageState: OWNER, extraHTTPHeaders });
  await page.goto('m/lab/digits/schedule');
  const picture = Buffer.concat([
    Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADklEQVR4nGNgGAWDCQAAAQgAAcjJIpUAAAAASUVORK5CYII=',
      'base64',
    ),
  ]);
  await page
    .locator('[data-field] input[type=file]')
    .first()
    .setInputFiles({ name: 'eight.png', mimeType: 'image/png', buffer: picture });
  await page.getByRole('button', { name: 'Every hour' }).click();
  await expect(ticks(page)).toContainText('Every hour');
  await make(page);
  await expect(list(page).first()).toBeVisible();
  const made = (await (await api.get('v1/schedules?model=lab/digits')).json()) as {
    results: { id: string; request: { input: Record<string, unknown> } }[];
  };
  expect(Object.values(made.results[0]?.request.input ?? {})).toContainEqual(
    expect.stringMatching(/^onstage:\/\/files\//),
  );
  for (const { id } of made.results) await api.delete(`v1/schedules/${id}`);
  await api.dispose();
});
