// The browser's side of passkeys (WebAuthn): options of the server in, responses out.
//
// The JSON forms are converted here, because browsers before 2025 have no
// parseRequestOptionsFromJSON() and toJSON().

import { base64url, bytesOf } from './encoding.js';
import { AnonAuthError } from './errors.js';

// A challenge lives five minutes.
const freshness = 240_000;
const checkInterval = 5_000;
const retryInterval = 30_000;
// Errors after which the same request may succeed.
const transient = ['network', 'unavailable', 'rate_limited', 'server_error'];
const members = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'];

export async function passkeySupport() {
  const credential = globalThis.PublicKeyCredential;
  const passkeys = credential !== undefined && globalThis.navigator?.credentials !== undefined;

  return {
    passkeys,
    autofill: passkeys && (await credential.isConditionalMediationAvailable?.().catch(() => false)) === true,
  };
}

const credentialsOf = (list) => list?.map((credential) => ({ ...credential, id: bytesOf(credential.id) }));

function jsonOf(credential) {
  const { id, rawId, type, response } = credential;
  const present = members.filter((name) => response[name]).map((name) => [name, base64url(response[name])]);

  return {
    id,
    rawId: base64url(rawId),
    type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { ...Object.fromEntries(present), transports: response.getTransports?.() },
  };
}

function codeOf(name) {
  switch (name) {
    case 'NotAllowedError':
      return 'cancelled';
    case 'InvalidStateError':
      return 'passkey_exists';
    case 'NotSupportedError':
      return 'unsupported';
    default:
      return 'passkey_unusable';
  }
}

const explanations = {
  cancelled: 'the user has cancelled, waited too long, or has no passkey for this site',
  passkey_exists: 'this device has a passkey of the user already',
  unsupported: 'the device cannot make a passkey that the server accepts',
  passkey_unusable: 'the browser refuses passkeys on this page: compare its host with settings.passkey_rp_id',
};

// Calls the browser, and returns its response as JSON.
async function ask(action) {
  if (!(await passkeySupport()).passkeys) {
    throw new AnonAuthError('unsupported', 'this browser has no passkeys');
  }
  try {
    return jsonOf(await action());
  } catch (error) {
    if (error?.name === 'AbortError') {
      throw error;
    }
    const code = codeOf(error?.name);

    throw new AnonAuthError(code, explanations[code], { cause: error });
  }
}

// Makes a passkey.  names replace those in the options, which the authenticator shows.
//
// It replaces a passkey of the same user in the same authenticator, unless the options exclude
// that one.  The options of a user who is logged in exclude all passkeys that the server knows.
export function createPasskey(options, names, signal) {
  return ask(() =>
    navigator.credentials.create({
      signal,
      publicKey: {
        ...options,
        challenge: bytesOf(options.challenge),
        user: { ...options.user, ...names, id: bytesOf(options.user.id) },
        excludeCredentials: credentialsOf(options.excludeCredentials),
      },
    }),
  );
}

function usePasskey(options, signal, mediation) {
  return ask(() =>
    navigator.credentials.get({
      signal,
      mediation,
      publicKey: {
        ...options,
        challenge: bytesOf(options.challenge),
        allowCredentials: credentialsOf(options.allowCredentials),
      },
    }),
  );
}

// Calls action often, and as soon as the page is shown or the device is online again: while the
// device sleeps, no timer runs.  Returns a function that ends it.
function repeat(action) {
  const timer = setInterval(action, checkInterval);
  const page = globalThis.document;

  page?.addEventListener('visibilitychange', action);
  globalThis.addEventListener?.('online', action);
  return () => {
    clearInterval(timer);
    page?.removeEventListener('visibilitychange', action);
    globalThis.removeEventListener?.('online', action);
  };
}

// Gets new options before those of madeAt expire, and gives them to done.  Nobody chooses a
// passkey on a hidden page.  Without network, or while the server does not work, the user can
// still choose, and this tries again.  Returns a function that ends it.
function renew(madeAt, getOptions, done, failed) {
  let isRenewing = false;
  let notBefore = 0;

  return repeat(async ({ type } = {}) => {
    const now = Date.now();
    const isFresh = now >= madeAt && now - madeAt < freshness;

    if (isFresh || isRenewing || globalThis.document?.hidden || (now < notBefore && type !== 'online')) {
      return;
    }
    isRenewing = true;
    try {
      done(await getOptions());
    } catch (error) {
      if (!transient.includes(error.code)) {
        failed(error);
      }
      notBefore = Date.now() + Math.max(retryInterval, 1000 * (error.retryAfter ?? 0));
    } finally {
      isRenewing = false;
    }
  });
}

// Offers passkeys in the autofill of a field.  Returns the response, or new options.
async function offer(options, madeAt, getOptions, signal) {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  let renewed;
  let refusal;
  const end = renew(
    madeAt,
    getOptions,
    (fresh) => {
      renewed = fresh;
      controller.abort();
    },
    (error) => {
      refusal = error;
      controller.abort();
    },
  );

  signal?.addEventListener('abort', stop);
  try {
    return { response: await usePasskey(options, controller.signal, 'conditional') };
  } catch (error) {
    if (error.name !== 'AbortError' || signal?.aborted || !(renewed || refusal)) {
      throw error;
    }
    if (refusal) {
      throw refusal;
    }
    return { renewed };
  } finally {
    end();
    signal?.removeEventListener('abort', stop);
  }
}

// Lets the user choose a passkey in the autofill of a field.  That may take hours, so the
// challenge is replaced before it expires.
async function choosePasskey(getOptions, signal) {
  let madeAt = Date.now();
  let options = await getOptions();

  for (;;) {
    const { response, renewed } = await offer(options, madeAt, getOptions, signal);

    if (response) {
      return { options, response };
    }
    options = renewed;
    madeAt = Date.now();
  }
}

// Returns the response of a passkey, with the options that it is for.
export async function getPasskey(getOptions, { autofill, signal }) {
  if (autofill) {
    return choosePasskey(getOptions, signal);
  }
  const options = await getOptions();

  return { options, response: await usePasskey(options, signal) };
}

// Whether an error says that the server has not stored a new passkey.  Without a response of the
// server itself, nobody knows.  A browser may send a request again if its connection breaks,
// although the server has received it: these codes may be the answer to a request whose first
// copy was accepted.
export function isRefused({ status, serverCode, code }) {
  const isDoubtful = ['passkey_exists', 'guest_removed', 'invalid_credentials', 'dpop_rejected'].includes(code);

  return status >= 400 && status < 500 && serverCode !== undefined && !isDoubtful;
}

// Tells the browser that the server does not know a passkey, so that it stops offering it.
export async function forgetPasskey(rpId, credentialId) {
  try {
    await globalThis.PublicKeyCredential.signalUnknownCredential?.({ rpId, credentialId });
  } catch {
    // The passkey is offered again, and refused again.
  }
}
