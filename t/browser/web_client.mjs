// Drives a browser for 120_web_client.pl and 121_web_client_firefox.pl, and prints each
// result as a line of JSON.

import * as accounts from './client_accounts.mjs';
import * as dpop from './client_dpop.mjs';
import { elsewhere, fetching, otherOrigin, wrongClock } from './client_fetch.mjs';
import * as guests from './client_guests.mjs';
import { passkeys } from './client_passkeys.mjs';
import { close, complaints, done, is, network, product, test } from './client_person.mjs';

const tests = {
  ...guests,
  ...accounts,
  fetching,
  ...dpop,
  slow: () => wrongClock(-1, 'web'),
  fast: () => wrongClock(1, 'bound'),
  slowBound: () => wrongClock(-1, 'bound'),
  otherOrigin: () => otherOrigin(0, 'web'),
  otherClock: () => otherOrigin(1, 'web'),
  otherClockBound: () => otherOrigin(-1, 'bound'),
  // Firefox has no virtual authenticator that tests can drive.
  ...(product === 'Chromium' ? { passkeys } : {}),
};

for (const [name, action] of Object.entries(tests)) {
  if (!process.env.ONLY || process.env.ONLY.split(',').includes(name)) {
    await test(name, action);
    network.up();
  }
}
is('no page violates its Content-Security-Policy, and no script fails', complaints(), '');
await close();
network.close();
elsewhere.close();
done();
