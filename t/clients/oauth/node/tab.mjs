// A page of another origin than the site's, with @authgear/web in it.

import { person } from './browser.mjs';
import { driver, origin, passwordOf } from './test.mjs';

const packages = { 0: 'web-0', 2: 'web-2', 2.15: 'web-2-15', 6: 'web' };

export class Tab {
  constructor(page, version, sessionType, clientID) {
    Object.assign(this, { page, version, sessionType, clientID, redirectURI: `${driver}/${clientID}` });
  }

  static async open(version, sessionType, clientID) {
    const page = await (await person()).newPage();
    const tab = new Tab(page, version, sessionType, clientID);

    await page.goto(tab.redirectURI);
    await tab.configure();
    return tab;
  }

  // Loads and configures the SDK, as an application does when its page is loaded.
  async configure() {
    await this.page.addScriptTag({
      url: `/node_modules/@authgear/${packages[this.version]}/dist/authgear-web.iife.js`,
    });
    await this.page.evaluate((options) => authgear.default.configure(options), {
      endpoint: origin,
      clientID: this.clientID,
      sessionType: this.sessionType,
    });
  }

  async reload() {
    await this.page.reload();
    await this.configure();
  }

  // Calls a method. Returns its value or {error: {name, error, message}}.
  call(method, ...parameters) {
    return this.page.evaluate(
      async ([name, values]) => {
        const sdk = authgear.default;
        // 0.22 says "authorization" for "authentication".
        const old = name.replace('Authentication', 'Authorization');

        try {
          return (await (sdk[name] ?? sdk[old]).call(sdk, ...values)) ?? null;
        } catch (error) {
          return { error: { name: error.name, error: error.error, message: String(error.message) } };
        }
      },
      [method, parameters],
    );
  }

  get(property) {
    return this.page.evaluate((name) => authgear.default[name], property);
  }

  async start(method, url, options = {}, ...first) {
    const arrived = this.page.waitForURL(url);
    const result = await Promise.race([
      arrived,
      this.call(method, ...first, { redirectURI: this.redirectURI, ...options }).catch(() => undefined),
    ]);

    if (result?.error) {
      throw new Error(`${method}: ${JSON.stringify(result.error)}`);
    }
    await arrived;
  }

  async submit(loginId) {
    const field = this.page.locator('input[name="login_id"]');

    // An id_token_hint names the account.
    if ((await field.count()) > 0 && (await field.isEditable())) {
      await field.fill(loginId);
    }
    await this.page.fill('input[name="password"]', passwordOf(loginId));
    await Promise.all([
      this.page.waitForResponse((response) => response.request().method() === 'POST'),
      this.page.click('form button:not([type="button"])'),
    ]);
    await this.page.waitForLoadState();
  }

  async finish(method) {
    await this.page.waitForURL((url) => url.href.startsWith(this.redirectURI));
    await this.configure();
    return this.call(method);
  }

  async logIn(loginId) {
    await this.start('startAuthentication', '**/flows/login?**');
    await this.submit(loginId);
    return this.finish('finishAuthentication');
  }

  close() {
    return this.page.context().close();
  }
}
