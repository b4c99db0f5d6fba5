// The guest notebook with a key.  The module anon-auth (clients/web) keeps a key in the
// browser that no script can copy.  With it, a guest comes back after the session has
// ended.

import { AnonAuth } from 'anon-auth';
import { byId, Notes, on, run, state, tell } from './notebook.js';

const auth = new AnonAuth({ issuer: location.origin, clientId: 'notebook-key' });
const redirectUri = new URL('./key.html', location.href).href;

// ---------------------------------------------------------------------------
// Session
// ---------------------------------------------------------------------------

async function begin() {
  // The page may be the answer of the sign-up or login page.
  const redirect = await auth.finishRedirect().catch(tell);

  await show();
  if (redirect && (await auth.guest())) {
    await offerNotes().catch((error) => tell(explain(error)));
  }
}

async function show() {
  const user = await auth.user();

  if (user === null) {
    state.state = 'out';
    return;
  }
  try {
    byId('who').textContent = user.isGuest ? 'Guest' : await nameOfAccount();
    byId('sub').textContent = user.id;
    await notes.show();
    state.state = user.isGuest ? 'guest' : 'account';
  } catch (error) {
    if ((await auth.user()) !== null) {
      throw error;
    }
    // The session has ended, and the error says why.
    state.state = 'out';
    tell(explain(error));
  }
}

async function nameOfAccount() {
  const { email, preferred_username, phone_number } = await auth.userInfo();

  return email ?? preferred_username ?? phone_number;
}

// A guest has logged in to an account, and still has notes.
async function offerNotes() {
  const tables = await auth.claimGuest({ dryRun: true });
  const count = tables.reduce((sum, { rows }) => sum + rows, 0);

  if (count === 0 || confirm(`You have ${count} notes from before you logged in. Move them to this account?`)) {
    await auth.claimGuest();
    await notes.show();
  }
}

// ---------------------------------------------------------------------------
// Notes and buttons
// ---------------------------------------------------------------------------

const explanations = {
  network: 'The notebook cannot be reached. Nothing is lost: try again in a moment.',
  session_ended: 'Your session has ended.',
  guest_removed: 'You have an account. Log in to see your notes.',
  guest_unknown: 'This guest and its notes have been deleted.',
  storage_cleared: 'The data of this site was cleared, and with it your key. If you have an account, log in.',
  storage_unavailable: 'This browser does not let the page keep a key. Try another window.',
};

const explain = (error) => (explanations[error.code] ? new Error(explanations[error.code], { cause: error }) : error);

const notes = new Notes(async (address, options) => {
  try {
    return await auth.fetch(address, options);
  } catch (error) {
    throw explain(error);
  }
});

on(byId('guest'), 'click', async () => {
  try {
    await auth.continueAsGuest();
  } catch (error) {
    const isGone = ['guest_removed', 'guest_unknown', 'storage_cleared'].includes(error.code);

    if (!isGone || !confirm(`${explanations[error.code]} Start again as another guest?`)) {
      throw explain(error);
    }
    await auth.continueAsGuest({ startOver: true });
  }
});

on(byId('login'), 'click', async () => location.assign(await auth.loginUrl({ redirectUri })));
on(byId('promote'), 'click', async () => location.assign(await auth.promotionUrl({ redirectUri })));
on(byId('account'), 'click', async () => location.assign(await auth.settingsUrl()));

// The key stays: "Continue as guest" leads back to the same notes.
on(byId('logout'), 'click', () => auth.logOut());

byId('use-key').setAttribute('aria-current', 'true');

// In this tab or another one.
auth.addEventListener('change', () => run(show));
addEventListener('pageshow', ({ persisted }) => persisted && run(show));
run(begin);
