// Owns what every walk through the page shares: sessions, and that nothing leaks, breaks or calls elsewhere.
// Must not know any single page.
import { AxeBuilder } from '@axe-core/playwright';
import { test as base, expect, type Page } from '@playwright/test';

export { expect } from '@playwright/test';
export type { Page } from '@playwright/test';

export const OWNER = 'test-results/owner.json';
export const GUEST = 'test-results/guest.json';
export const NOBODY = { cookies: [], origins: [] };

export function needed(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}: the walks need a real server`);
  return value;
}

/** Where the server keeps bytes, when pages send there themselves. */
export const STORAGE = process.env.ONSTAGE_STORAGE;

interface Watch {
  /** Statuses the walk provokes on purpose; Chromium logs each refused request as an error. */
  expected: number[];
  bad: string[];
}

export const test = base.extend<{ watch: Watch }>({
  storageState: OWNER,
  watch: [
    async ({ page, baseURL }, use) => {
      const watch: Watch = { expected: [], bad: [] };
      const own = [new URL(baseURL ?? '').origin];
      if (STORAGE) own.push(new URL(STORAGE).origin);
      page.on('request', (request) => {
        const url = request.url();
        if (!/^(data|blob):/.test(url) && !own.includes(new URL(url).origin))
          watch.bad.push(`request to ${url}`);
      });
      page.on('pageerror', (error) => watch.bad.push(`page error: ${error.message}`));
      page.on('console', (message) => {
        const text = message.text();
        if (message.type() !== 'error') return;
        const status = Number(/status of (\d+)/.exec(text)?.[1] ?? 0);
        if (!watch.expected.includes(status)) watch.bad.push(`console: ${text}`);
      });
      await page.exposeFunction('noteViolation', (text: string) => watch.bad.push(`policy: ${text}`));
      await page.addInitScript(() => {
        document.addEventListener('securitypolicyviolation', (e) => {
          const note = (window as unknown as { noteViolation: (text: string) => void }).noteViolation;
          note(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`);
        });
      });
      await use(watch);
      expect(watch.bad, 'no console error, policy violation or foreign request').toEqual([]);
    },
    { auto: true },
  ],
});

export const shot = (page: Page, name: string): Promise<Buffer> =>
  page.screenshot({ path: `screenshots/${name}.png`, animations: 'disabled' });

/** WCAG A and AA, colour contrast included. */
export async function accessible(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'])
    .analyze();
  const said = found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
  expect(said, 'accessible').toEqual([]);
}

export const run = (page: Page): Promise<void> =>
  page.getByRole('button', { name: 'Run', exact: true }).click();
export const result = (page: Page) => page.getByRole('article', { name: 'Result' });

export async function noSideScroll(page: Page): Promise<void> {
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(over, 'nothing sticks out at the side').toBeLessThanOrEqual(0);
}
