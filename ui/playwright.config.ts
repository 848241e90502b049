// Owns how the walks through the page are run: real Chromium against a real server. Must not start a server.
import { defineConfig } from '@playwright/test';

const url = process.env.ONSTAGE_URL ?? 'http://127.0.0.1:8484';

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  // One server with shared state: walks go one after the other.
  workers: 1,
  // Walks run against the clock of a shared machine; one that passes only at its second try is reported as flaky.
  retries: 1,
  fullyParallel: false,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  use: {
    baseURL: url.endsWith('/') ? url : `${url}/`,
    viewport: { width: 1280, height: 860 },
    reducedMotion: 'reduce',
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  projects: [
    { name: 'setup', testMatch: /setup\.ts/, teardown: 'cleanup' },
    { name: 'cleanup', testMatch: /cleanup\.ts/ },
    { name: 'walk', testMatch: /.*\.spec\.ts/, dependencies: ['setup'] },
  ],
});
