// The one class of errors, and how a response of the server becomes one.

// Codes of responses that an application handles in another way than the rest.  The
// names are those of "x_code" and "error" below /oauth2, and of "reason" below /api.
const codes = {
  x_rate_limited: 'rate_limited',
  RateLimited: 'rate_limited',
  AccountLockout: 'rate_limited',
  temporarily_unavailable: 'unavailable',
  ServiceUnavailable: 'unavailable',
  server_error: 'server_error',
  UnexpectedError: 'server_error',
  invalid_client: 'invalid_client',
  unauthorized_client: 'invalid_client',
  removed_device_key: 'guest_removed',
  RemovedDeviceKey: 'guest_removed',
  unknown_device_key: 'guest_unknown',
  UnknownDeviceKey: 'guest_unknown',
  no_account: 'no_account',
  account_exists: 'account_exists',
  identity_exists: 'identity_exists',
  invalid_grant: 'invalid_credentials',
  unknown_credential: 'passkey_removed',
  credential_exists: 'passkey_exists',
  challenge: 'invalid_credentials',
  invalid_dpop_proof: 'dpop_rejected',
  InvalidDPoPProof: 'dpop_rejected',
  use_dpop_nonce: 'dpop_rejected',
  UseDPoPNonce: 'dpop_rejected',
  ReauthenticationRequired: 'login_required',
  AccountRequired: 'account_required',
  invalid_request: 'invalid_request',
  ValidationFailed: 'invalid_request',
  InvalidLoginID: 'invalid_request',
};

// The SQLSTATEs of anon_auth that a response names in its own words.
const sqlStates = {
  invalid_client: 'AA001',
  unauthorized_client: 'AA002',
  unknown_device_key: 'AA004',
  UnknownDeviceKey: 'AA004',
  identity_exists: 'AA009',
  IdentityExists: 'AA009',
  InvalidLoginID: 'AA010',
  PasswordPolicyViolated: 'AA011',
  x_rate_limited: 'AA018',
  RateLimited: 'AA018',
  AccountLockout: 'AA019',
  HookDisallowed: 'AA020',
  MergeRefused: 'AA021',
  ReauthenticationRequired: 'AA022',
  LastCredential: 'AA023',
  AccountRequired: 'AA024',
  invalid_dpop_proof: 'AA026',
  InvalidDPoPProof: 'AA026',
  use_dpop_nonce: 'AA027',
  UseDPoPNonce: 'AA027',
  unknown_credential: 'AA029',
  credential_exists: 'AA029',
  challenge: 'AA029',
  InvalidPasskey: 'AA029',
  no_account: 'AA030',
  account_exists: 'AA030',
  removed_device_key: 'AA031',
  RemovedDeviceKey: 'AA031',
  InvalidProfile: 'AA032',
};

export class AnonAuthError extends Error {
  constructor(code, message, { status, serverCode, sqlState, retryAfter, detail, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'AnonAuthError';
    this.code = code;
    this.status = status;
    this.serverCode = serverCode;
    this.sqlState = sqlState;
    this.retryAfter = retryAfter;
    this.detail = detail;
  }
}

// Returns the seconds of Retry-After, or undefined.
function retryAfter(response) {
  const value = response.headers.get('Retry-After') ?? '';

  return /^[0-9]{1,9}$/.test(value) ? Number(value) : undefined;
}

function codeOfStatus(status) {
  if (status === 429) {
    return 'rate_limited';
  }
  if (status >= 500) {
    return status === 500 ? 'server_error' : 'unavailable';
  }
  return 'refused';
}

// Returns the JSON of a response, or undefined if it is an error without JSON.
export function parse(text, response) {
  try {
    return JSON.parse(text);
  } catch {
    if (response.ok) {
      throw new AnonAuthError('server_error', 'the response is not JSON', { status: response.status });
    }
    return undefined;
  }
}

// Makes the error of a response that is not 2xx.  body is its JSON, or undefined.
export function errorOf(response, body) {
  const error = body?.error;
  const isApi = typeof error === 'object' && error !== null;
  const serverCode = isApi ? error.reason : (body?.x_code ?? error);
  // Below /api, the reason of a refused passkey is in the details.
  const name = serverCode === 'InvalidPasskey' ? error.info?.reason : serverCode;
  const message = (isApi ? error.message : (body?.x_detail ?? body?.error_description)) ?? `status ${response.status}`;

  return new AnonAuthError(codes[name] ?? codeOfStatus(response.status), message, {
    status: response.status,
    serverCode,
    sqlState: sqlStates[serverCode],
    retryAfter: retryAfter(response),
    detail: isApi ? error.info : undefined,
  });
}

// Calls a function that uses the network.  fetch() rejects with a TypeError if there is
// no response, and with a TimeoutError if it takes too long.
export async function withNetwork(action) {
  try {
    return await action();
  } catch (error) {
    if (error instanceof TypeError || error?.name === 'TimeoutError') {
      throw new AnonAuthError('network', 'the server cannot be reached', { cause: error });
    }
    throw error;
  }
}
