// Firefox, with the results of results.mjs: what web_client.mjs uses of browser.mjs.
//
// Playwright drives only its own build of Firefox, so this uses Puppeteer, which speaks
// WebDriver BiDi to any Firefox.

import puppeteer from 'puppeteer-core';

export * from './results.mjs';

const timeout = 1000 * Number(process.env.TIMEOUT ?? 60);
const problems = [];
const actions = new WeakMap();

const browser = await puppeteer.launch({
  browser: 'firefox',
  executablePath: process.env.FIREFOX,
  headless: true,
  timeout,
  // Firefox writes to the home directory.
  env: { ...process.env, HOME: process.env.PROFILE, XDG_CACHE_HOME: process.env.PROFILE },
});

export const product = 'Firefox';

export const close = () => browser.close();

// A new browser context for one person: without cookies and stored data.
export async function person() {
  const context = await browser.createBrowserContext();
  const wrapped = {
    async newPage() {
      const page = await context.newPage();

      page.setDefaultTimeout(timeout);
      page.on('pageerror', (error) => problems.push(`${page.url()}: ${error}`));
      page.on('console', (message) => {
        if (/Content.Security.Policy/i.test(message.text())) {
          problems.push(`${page.url()}: ${message.text()}`);
        }
      });
      for (const { action, value } of actions.get(wrapped)) {
        await page.evaluateOnNewDocument(action, value);
      }
      return page;
    },
    close: () => context.close(),
  };

  actions.set(wrapped, [{ action: reportViolations }]);
  return wrapped;
}

// Calls a function in each page of a context before the scripts of the page.
export async function before(context, action, value) {
  actions.get(context).push({ action, value });
}

function reportViolations() {
  addEventListener('securitypolicyviolation', (event) =>
    console.error(`Content-Security-Policy: ${event.violatedDirective} ${event.blockedURI}`),
  );
}

export const complaints = () => problems.join('\n');
