// Uses every type of the package: tsc --strict must accept it.

import { AnonAuth, AnonAuthError, IndexedDBStore, MemoryStore } from 'anon-auth';
import type { AnonAuthErrorCode, Credential, Guest, MovedRows, NewPasskey, Options, Redirect, Store, User } from 'anon-auth';

const options: Options = {
  issuer: 'https://auth.example.com',
  clientId: 'notebook',
  origins: ['https://api.example.com'] as const,
  dpop: true,
  timeout: 10_000,
  passkeySignals: false,
  store: new IndexedDBStore('mine'),
  fetch: globalThis.fetch,
};
const auth = new AnonAuth(options);
const inMemory: Store = new MemoryStore();
const redirectUri = 'https://app.example.com/';

export async function start(): Promise<User | null> {
  const redirect: Redirect | null = await auth.finishRedirect();

  if (redirect?.kind === 'promotion') {
    console.log(redirect.user.id.length);
  }
  auth.addEventListener('change', (event) => console.log(event.type));
  return redirect?.user ?? (await auth.user());
}

export async function guest(): Promise<void> {
  const user: User = await auth.continueAsGuest({ startOver: false });
  const known: Guest | null = await auth.guest();
  const name: string = user.isGuest ? 'Guest' : user.id;

  if (known?.state === 'removed') {
    const tables: MovedRows[] = await auth.claimGuest({ dryRun: true });

    console.log(
      name,
      tables.reduce((sum, { rows }) => sum + rows, 0),
      known.id?.length ?? 0,
    );
  }
  await auth.forgetGuest();
}

export async function pages(): Promise<string[]> {
  return [
    await auth.loginUrl({ redirectUri, signUp: true, uiLocales: 'de en' }),
    await auth.promotionUrl({ redirectUri }),
    await auth.reauthenticationUrl({ redirectUri }),
    await auth.settingsUrl({ path: '/settings/profile' }),
  ];
}

export async function credentials(idToken: string): Promise<User[]> {
  const expiry: Date = await auth.requestCode({ loginId: 'ada@example.com', promotion: true, uiLocales: 'en' });
  const { nonce, hashedNonce } = await auth.createNonce();
  const credential: Credential = { idToken, nonce };

  console.log(expiry.getTime(), hashedNonce.length);
  return [
    await auth.promote({ loginId: 'ada@example.com', code: '123456' }),
    await auth.logIn(credential),
    await auth.signUp({ code: 'LONG' }),
  ];
}

export async function passkeys(signal: AbortSignal): Promise<string> {
  const { passkeys: hasPasskeys, autofill } = await auth.passkeySupport();
  const names: NewPasskey = { loginId: 'ada@example.com', displayName: 'Ada', signal };
  const response: Credential = { passkey: { id: 'x' } };
  const user: User = hasPasskeys ? await auth.logInWithPasskey({ autofill, signal }) : await auth.logIn(response);

  await auth.signUpWithPasskey(names);
  await auth.promoteWithPasskey();
  return user.id + (await auth.addPasskey({ name: 'My laptop' }));
}

export async function access(): Promise<unknown> {
  const { fetch } = auth;
  const response: Response = await fetch(new URL('https://api.example.com/notes'), { method: 'POST', body: '{}' });
  const { sub, email } = await auth.userInfo();
  const token: string = await auth.accessToken();
  const sessions: unknown = await auth.account('list_sessions', {});

  await auth.logOut({ forgetGuest: true });
  auth.close();
  return [response.status, sub.length, email, token, sessions, await inMemory.read('key')];
}

export function explain(error: unknown): string {
  if (!(error instanceof AnonAuthError)) {
    throw error;
  }
  const code: AnonAuthErrorCode = error.code;
  const wait: number = error.retryAfter ?? 0;

  return `${code} ${error.sqlState ?? ''} ${error.status ?? 0} ${error.serverCode ?? ''} ${wait} ${String(error.detail)} ${String(error.cause)}`;
}

// What must not compile.

// @ts-expect-error: the client ID is missing
export const incomplete = new AnonAuth({ issuer: 'https://auth.example.com' });

// @ts-expect-error: there is no such code
export const unknownCode: AnonAuthErrorCode = 'no_such_code';

// @ts-expect-error: a code or an ID token, not both
export const both: Credential = { code: '123456', idToken: 'x' };

export async function readOnly(): Promise<void> {
  const user = await auth.user();

  // @ts-expect-error: nobody may be logged in
  console.log(user.id);
}
