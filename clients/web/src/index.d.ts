/** A browser client of anon_auth. README.md describes how to use it. */

export type AnonAuthErrorCode =
  /**
   * No response that the page can read: the device is offline, the server is down, the request timed out, or CORS or
   * the Content-Security-Policy forbids it. Nothing is lost: try again.
   */
  | 'network'
  /** The server, or what is behind it, does not work at the moment. See `retryAfter`. */
  | 'unavailable'
  /** Too many requests or attempts. See `retryAfter`. */
  | 'rate_limited'
  /** The server failed. Its log says why. */
  | 'server_error'
  /** Nobody is logged in. */
  | 'no_session'
  /** The session of an account has ended. Show the login. */
  | 'session_ended'
  /** This browser has no guest to promote or claim. */
  | 'no_guest'
  /** The guest became an account, or was merged into one. Show the login; do not start over by yourself. */
  | 'guest_removed'
  /** The server has deleted the guest. Ask before you start over. */
  | 'guest_unknown'
  /** The data of the site was cleared while the page was open. Ask before you start over. */
  | 'storage_cleared'
  /** The browser does not let the page store keys. */
  | 'storage_unavailable'
  /** The page was not loaded by https, or the browser is too old. */
  | 'unsupported'
  /** The user has cancelled on the page of the server, or in the browser's dialog, or has no passkey for this site. */
  | 'cancelled'
  /** The answer of a login that this browser has not started, or whose data is gone. */
  | 'unknown_redirect'
  /** The code, ID token or passkey response is wrong, expired or used, or the user is disabled. Try again. */
  | 'invalid_credentials'
  /** The code or ID token is right, but no account has the address or identity. Offer `signUp()` or `promote()`. */
  | 'no_account'
  /** An account has the address or identity already. Use `logIn()`. */
  | 'account_exists'
  /** The guest was not promoted, because an account has the address or identity. Log in, then `claimGuest()`. */
  | 'identity_exists'
  /** The server does not know the passkey, perhaps because it was removed. Offer another login. */
  | 'passkey_removed'
  /** This device has a passkey of the user already. Offer to log in with it. */
  | 'passkey_exists'
  /** The browser refuses passkeys on this page: its host does not fit `settings.passkey_rp_id`, or it is in a frame. */
  | 'passkey_unusable'
  /** The login is too old for this change: send the user to `reauthenticationUrl()`. */
  | 'login_required'
  /** The caller is a guest. */
  | 'account_required'
  /** The server refuses the DPoP proof, also with its time and nonce. */
  | 'dpop_rejected'
  /** `fetch()` was asked to send the token to an origin that is not in `origins`. */
  | 'origin_not_allowed'
  /** The client ID is unknown, or must not do this. */
  | 'invalid_client'
  /** An argument is wrong. `message` tells a developer which. */
  | 'invalid_request'
  /** The server refuses for another reason: see `serverCode`. */
  | 'refused';

export class AnonAuthError extends Error {
  constructor(code: AnonAuthErrorCode, message: string, details?: Partial<AnonAuthErrorDetails>);
  readonly name: 'AnonAuthError';
  readonly code: AnonAuthErrorCode;
  /** The HTTP status, if there was a response. */
  readonly status: number | undefined;
  /** The server's own code: `x_code` or `error` below /oauth2, `reason` below /api. */
  readonly serverCode: string | undefined;
  /** The SQLSTATE of anon_auth, such as AA031, if the response tells it. */
  readonly sqlState: string | undefined;
  /** Seconds to wait before the next attempt. */
  readonly retryAfter: number | undefined;
  /** The member `info` of errors below /api. */
  readonly detail: unknown;
}

export interface AnonAuthErrorDetails {
  status: number;
  serverCode: string;
  sqlState: string;
  retryAfter: number;
  detail: unknown;
  cause: unknown;
}

export interface User {
  /** The user id (`sub`). A promotion does not change it. */
  readonly id: string;
  readonly isGuest: boolean;
}

export interface Guest {
  /** The user id, or null before the server has answered for the first time. */
  readonly id: string | null;
  /**
   * `new`: the key is stored, and the server has not answered yet. `known`: the key logs in.
   * `removed`: the guest became an account or was merged. `unknown`: the server has deleted the guest.
   */
  readonly state: 'new' | 'known' | 'removed' | 'unknown';
}

/** Where the keys and tokens are kept. Records contain CryptoKey objects. */
export interface Store {
  read(key: string): Promise<unknown>;
  write(key: string, record: unknown): Promise<void>;
  /** Calls the action while no other action with the same key runs, in no other tab either. */
  exclusive<T>(key: string, action: () => Promise<T>): Promise<T>;
}

/** IndexedDB and Web Locks: the default. */
export class IndexedDBStore implements Store {
  constructor(name?: string);
  read(key: string): Promise<unknown>;
  write(key: string, record: unknown): Promise<void>;
  exclusive<T>(key: string, action: () => Promise<T>): Promise<T>;
}

/** Ends with the page. A guest in it cannot come back. */
export class MemoryStore implements Store {
  read(key: string): Promise<unknown>;
  write(key: string, record: unknown): Promise<void>;
  exclusive<T>(key: string, action: () => Promise<T>): Promise<T>;
  clear(): void;
}

export interface Options {
  /** The issuer in `anon_auth.settings`: an origin, such as https://auth.example.com. */
  issuer: string;
  /** A client of type `spa`. */
  clientId: string;
  /** Further origins to which `fetch()` may send the token. The issuer is always one. */
  origins?: readonly string[];
  /** Whether a proof of a key is sent for each token (RFC 9449). Default: true. */
  dpop?: boolean;
  /** Milliseconds after which a request to the issuer, except by `fetch()`, counts as lost. Default: 30000. */
  timeout?: number;
  /**
   * Whether authenticators are told to forget passkeys that the server does not know. Set it to false if several
   * systems have the same RP ID. Default: true.
   */
  passkeySignals?: boolean;
  /** Default: a new IndexedDBStore. */
  store?: Store;
  /** Default: the fetch of the page. */
  fetch?: typeof globalThis.fetch;
}

export interface PageOptions {
  /** One of the client's `redirect_uris`, byte for byte. */
  redirectUri: string;
  /** Languages of the page, such as `de en`. */
  uiLocales?: string;
}

export interface Redirect {
  readonly kind: 'login' | 'promotion' | 'reauthentication';
  readonly user: User;
}

/** A code from a message, an ID token of another provider, or a response for a passkey as JSON. */
export type Credential =
  | { loginId?: string; code: string; idToken?: undefined; nonce?: undefined; passkey?: undefined }
  | { idToken: string; nonce?: string; loginId?: undefined; code?: undefined; passkey?: undefined }
  | { loginId?: string; passkey: object; code?: undefined; idToken?: undefined; nonce?: undefined };

export interface NewPasskey {
  /** The login ID of the account. None is needed. */
  loginId?: string;
  /** What the authenticator shows beside it. Default: the login ID, or a name that the server makes. */
  displayName?: string;
  signal?: AbortSignal;
}

export interface MovedRows {
  /** The qualified name. Null: tables that users cannot read, together. */
  readonly table: string | null;
  readonly rows: number;
}

/** Dispatches `change` when somebody else is logged in, in this tab or another one. */
export class AnonAuth extends EventTarget {
  constructor(options: Options);

  /** Who is logged in, from the browser's storage: sends no request. */
  user(): Promise<User | null>;
  /** The guest whose key this browser has, whoever is logged in. Sends no request. */
  guest(): Promise<Guest | null>;
  /** The claims of the user, from the server. */
  userInfo(): Promise<{ sub: string; [claim: string]: unknown }>;

  /**
   * Logs in the guest of this browser, or makes one. Returns the user who is logged in, if there is one.
   * Never replaces a guest that is gone, except with `startOver`: only if the user wants to start again.
   */
  continueAsGuest(options?: { startOver?: boolean }): Promise<User>;
  /** Deletes the key of a guest who is not logged in. Nobody can log in to this guest again. */
  forgetGuest(): Promise<void>;
  /**
   * Moves what the guest of this browser owns to the account that is logged in. Then the key is deleted, also if the
   * guest is gone (`guest_unknown`, `guest_removed`).
   */
  claimGuest(options?: { dryRun?: boolean }): Promise<MovedRows[]>;

  /** The address of the login page; with `signUp`, of the page that makes an account. */
  loginUrl(options: PageOptions & { signUp?: boolean }): Promise<string>;
  /** The address of the page that turns the guest into an account. */
  promotionUrl(options: PageOptions): Promise<string>;
  /** The address of the page on which the user logs in again, before a sensitive change. */
  reauthenticationUrl(options: PageOptions): Promise<string>;
  /** Finishes what one of the three has begun. Returns null if the address is not an answer. */
  finishRedirect(address?: string): Promise<Redirect | null>;
  /** The address of a settings page, which opens in the session of this client. Works once, for five minutes. */
  settingsUrl(options?: { path?: string }): Promise<string>;

  /** Sends a code to an address. With `promotion`, only this guest can use it. Returns when it expires. */
  requestCode(options: { loginId: string; promotion?: boolean; uiLocales?: string }): Promise<Date>;
  /** A nonce for an ID token: give `hashedNonce` to the provider's SDK, and `nonce` to the methods below. */
  createNonce(): Promise<{ nonce: string; hashedNonce: string }>;
  logIn(credential: Credential): Promise<User>;
  /** Makes an account that was never a guest. */
  signUp(credential: Credential): Promise<User>;
  /** Turns the guest into an account with the same user id. */
  promote(credential: Credential): Promise<User>;

  /** Whether the browser has passkeys, and offers them in the autofill of a field. */
  passkeySupport(): Promise<{ passkeys: boolean; autofill: boolean }>;
  /**
   * Logs in with a passkey that the user chooses. With `autofill`, the browser offers passkeys in fields with
   * `autocomplete="username webauthn"`, until the user chooses one or the signal aborts: then an `AbortError` is thrown.
   */
  logInWithPasskey(options?: { autofill?: boolean; signal?: AbortSignal }): Promise<User>;
  /** Makes an account with a new passkey. */
  signUpWithPasskey(options?: NewPasskey): Promise<User>;
  /**
   * Turns the guest into an account with a new passkey, and the same user id. Throws `passkey_exists` on a device that
   * has a passkey of the guest: use `promote()`, which keeps it.
   */
  promoteWithPasskey(options?: NewPasskey): Promise<User>;
  /** Adds a passkey of the user who is logged in, also of a guest, and returns its id. */
  addPasskey(options?: { name?: string; signal?: AbortSignal }): Promise<string>;

  /** A valid access token, refreshed if necessary. With `token_type` DPoP it is of no use without `fetch()`. */
  accessToken(): Promise<string>;
  /**
   * As the browser's fetch, with the access token. After a 401 it refreshes and sends the request once more.
   * Follows no redirects.
   */
  fetch: (input: RequestInfo | URL, init?: RequestInit) => Promise<Response>;
  /** Calls a function below /api/account, such as `list_sessions`. */
  account(name: string, values?: Record<string, unknown>): Promise<unknown>;

  /**
   * Ends the session. The key of a guest stays, so that the guest can come back, except with `forgetGuest`. A key that
   * an account has kept is deleted. The browser forgets all this before the server is asked, and `user()` returns null
   * at once; the promise waits until the server has answered, or the timeout is over.
   */
  logOut(options?: { forgetGuest?: boolean }): Promise<void>;
  /** Stops listening to other tabs. */
  close(): void;

  addEventListener(type: 'change', listener: (event: Event) => void, options?: boolean | AddEventListenerOptions): void;
  removeEventListener(type: 'change', listener: (event: Event) => void, options?: boolean | EventListenerOptions): void;
}
