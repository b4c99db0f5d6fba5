// Base64url, SHA-256 and random text.

const encoder = new TextEncoder();

export function base64url(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('');

  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));

export const encodeBytes = (text) => encoder.encode(text);

export const encodeJson = (value) => base64url(encoder.encode(JSON.stringify(value)));

// The SHA-256 of a text, in base64url.
export const digest = async (text) => base64url(await crypto.subtle.digest('SHA-256', encoder.encode(text)));

export const randomText = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

// Returns the payload of a JWT, without verifying it: the page shows it, and the
// server decides.  Returns an empty object for anything else.
export function claimsOf(token) {
  try {
    return JSON.parse(new TextDecoder().decode(bytesOf(token.split('.')[1]))) ?? {};
  } catch {
    return {};
  }
}
