// Owns the walk without a mouse: from the gallery to a thumb. Must not know how things look.
import { expect, result, test, type Page } from './walk';

const TABS_MAX = 60;

/** Presses Tab until the focus is on something with this name, as a person would. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let i = 0; i < TABS_MAX; i += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      const label = e?.getAttribute('aria-label') ?? (e as HTMLInputElement | null)?.labels?.[0]?.textContent;
      return `${label ?? ''} ${e?.textContent ?? ''}`;
    });
    if (!name.test(at)) continue;
    const ring = await page.evaluate(() => {
      const e = document.activeElement as HTMLElement;
      const own = getComputedStyle(e).outlineStyle;
      const next = e.nextElementSibling ? getComputedStyle(e.nextElementSibling).outlineStyle : 'none';
      return own !== 'none' || next !== 'none';
    });
    expect(ring, `the focus on ${name} is visible`).toBe(true);
    return;
  }
  throw new Error(`no way to ${name} by Tab`);
}

test('everything can be reached and done by keyboard', async ({ page }) => {
  await page.goto('');
  await expect(page.locator('.card').first()).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await page.locator('.card[href$="/m/lab/activity"]').focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Run', exact: true })).toBeVisible();
  await page.locator('.brand').focus();
  await tabTo(page, /^\s*female/);
  await page.keyboard.press('Space');
  await page.keyboard.press('ArrowRight');
  await expect(page.getByRole('radio', { name: 'male', exact: true })).toBeChecked();
  await tabTo(page, /Past activity/);
  await page.keyboard.type('hik');
  await tabTo(page, /^\s*Run/);
  await page.keyboard.press('Enter');
  await expect(result(page)).toBeVisible();
  await tabTo(page, /Yes, good/);
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Comment')).toBeVisible();
  await tabTo(page, /Close/);
  await page.keyboard.press('Enter');
  await expect(page.getByText('Thank you, your feedback is kept.')).toBeVisible();
});
