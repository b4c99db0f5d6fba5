// A guest notebook.  @authgear/web handles the session, and PostgREST the notes.
// Neither knows about the other.

import authgear, { Page, SessionState } from '@authgear/web';
import { byId, Notes, on, run, state, tell } from './notebook.js';

// With a cookie, the browser stores the session, and the server can end it at
// once.  With a refresh token, the page stores it.  A real site uses one of them.
const withCookie = new URLSearchParams(location.search).get('session') === 'cookie';
const home = new URL(withCookie ? './?session=cookie' : './', location.href).href;

// ---------------------------------------------------------------------------
// Session
// ---------------------------------------------------------------------------

async function begin() {
  await authgear.configure({
    endpoint: location.origin,
    clientID: withCookie ? 'notebook-cookie' : 'notebook',
    sessionType: withCookie ? 'cookie' : 'refresh_token',
  });
  await finish();
  await show();
}

// Handles the redirect from the sign-up or login page.  The query contains the
// result.  sessionStorage records which of the two pages it was.
async function finish() {
  const query = new URLSearchParams(location.search);

  if (!query.has('code') && !query.has('error')) {
    return;
  }
  try {
    if (sessionStorage.getItem('begun') === 'login') {
      await authgear.finishAuthentication();
    } else {
      await authgear.finishPromoteAnonymousUser();
    }
  } catch (error) {
    tell(error);
  } finally {
    // A code works once: reloading the page must not send it again.
    history.replaceState(null, '', home);
  }
}

async function show(known) {
  const user = known ?? (await currentUser());

  if (user === null) {
    state.state = 'out';
    return;
  }
  byId('who').textContent = user.isAnonymous ? 'Guest' : (user.email ?? user.preferredUsername ?? user.phoneNumber);
  byId('sub').textContent = user.sub;
  await notes.show();
  state.state = user.isAnonymous ? 'guest' : 'account';
}

// Returns null if nobody is logged in.  A page cannot read the session cookie, so
// it must ask the server.
async function currentUser() {
  const before = authgear.sessionState;

  if (before === SessionState.NoSession && !withCookie) {
    return null;
  }
  try {
    return await authgear.fetchUserInfo();
  } catch (error) {
    if (error.error !== 'invalid_grant') {
      throw error;
    }
    if (before === SessionState.Authenticated) {
      tell(new Error('Your session has ended.'));
    }
    return null;
  }
}

// ---------------------------------------------------------------------------
// Notes
// ---------------------------------------------------------------------------

// authgear.fetch() adds the access token, or lets the browser send the cookie.  To send the
// cookie to another origin, add credentials: 'include'.
const notes = new Notes(async (address, options) => {
  const response = await authgear.fetch(address, options);

  if (response.status === 401) {
    if ((await currentUser()) === null) {
      state.state = 'out';
    }
    throw new Error('Your session has ended.');
  }
  return response;
});

// ---------------------------------------------------------------------------
// Buttons
// ---------------------------------------------------------------------------

on(byId('guest'), 'click', async () => {
  const { userInfo } = await authgear.authenticateAnonymously();

  await show(userInfo);
});

on(byId('login'), 'click', () => {
  sessionStorage.setItem('begun', 'login');
  return authgear.startAuthentication({ redirectURI: home });
});

on(byId('account'), 'click', () => authgear.open(Page.Settings, { openInSameTab: true }));

on(byId('promote'), 'click', () => {
  sessionStorage.setItem('begun', 'promotion');
  return authgear.startPromoteAnonymousUser({ redirectURI: home });
});

// Nobody can log in to a guest without a device key again, so ask first.
on(byId('logout'), 'click', async () => {
  if (state.state === 'guest' && !confirm('You are a guest. If you log out, your notes are lost: nobody can log in as this guest again. Log out?')) {
    return;
  }
  await authgear.logout({ redirectURI: home });
  await show();
});

byId(withCookie ? 'use-cookie' : 'use-token').setAttribute('aria-current', 'true');

// The browser's back button can restore an old state of the page.
addEventListener('pageshow', ({ persisted }) => persisted && run(() => show()));
run(begin);
