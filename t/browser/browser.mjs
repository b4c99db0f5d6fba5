// Chromium, with the results of results.mjs.

import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

export * from './results.mjs';

const timeout = 1000 * Number(process.env.TIMEOUT ?? 60);
const problems = [];

// ---------------------------------------------------------------------------
// The browser
// ---------------------------------------------------------------------------

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  timeout,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});

export const close = () => browser.close();

// A new browser context for one person: without cookies and stored data.
export async function person(options = {}) {
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, ...options });

  context.setDefaultTimeout(timeout);
  context.on('page', watch);
  return context;
}

function watch(page) {
  page.on('pageerror', (error) => problems.push(`${page.url()}: ${error}`));
  page.on('console', (message) => {
    if (/Content.Security.Policy|Refused to/i.test(message.text())) {
      problems.push(`${page.url()}: ${message.text()}`);
    }
  });
}

// Problems that the pages reported: policy violations and exceptions.
export const complaints = () => problems.join('\n');

// ---------------------------------------------------------------------------
// Pictures
// ---------------------------------------------------------------------------

const directory = process.env.PG_TEST_SCREENSHOTS;
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

export async function screenshots(page, name) {
  if (!directory) {
    return;
  }
  await mkdir(directory, { recursive: true });
  const before = page.viewportSize();

  for (const [size, viewport] of Object.entries(sizes)) {
    for (const colorScheme of ['light', 'dark']) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${directory}/${name}-${size}-${colorScheme}.png`, fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(before);
}

// ---------------------------------------------------------------------------
// What differs between browsers
// ---------------------------------------------------------------------------

export const product = 'Chromium';

// Calls a function in each page of a context before the scripts of the page.
export const before = (context, action, value) => context.addInitScript(action, value);
