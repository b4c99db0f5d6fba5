// Actions of a user on the example's page and on the sign-up page.

import { origin } from './browser.mjs';

export const password = 'correct horse';

// Opens the notebook, and waits until it shows whether somebody is logged in.
export async function openNotebook(context, sessionType) {
  const page = await context.newPage();
  const path = { cookie: '?session=cookie', key: 'key.html' }[sessionType] ?? '';

  await page.goto(`${origin}/app/${path}`);
  await settled(page);
  return page;
}

export const state = (page) => page.getAttribute('body', 'data-state');

export async function settled(page) {
  await page.waitForSelector('body:not([data-state="loading"])[data-state]');
  return state(page);
}

export const becomes = (page, wanted) => page.waitForSelector(`body[data-state="${wanted}"]`);

export const who = (page) => page.textContent('#who');

export const sub = (page) => page.textContent('#sub');

export const notes = (page) => page.locator('#notes li span').allTextContents();

export const error = async (page) => {
  await page.waitForSelector('#error:not([hidden])');
  return page.textContent('#error');
};

export async function continueAsGuest(page) {
  await page.click('#guest');
  await becomes(page, 'guest');
}

export async function addNote(page, text) {
  const count = await page.locator('#notes li').count();

  await page.fill('#body', text);
  await page.click('#add button');
  await page.locator('#notes li').nth(count).waitFor();
}

export async function reload(page) {
  await page.reload();
  return settled(page);
}

export async function startPromotion(page) {
  await page.click('#promote');
  await page.waitForURL('**/flows/promote_user?**');
  await page.waitForSelector('#login_id');
}

export async function startLogin(page) {
  await page.click('#login');
  await page.waitForURL('**/flows/login?**');
  await page.waitForSelector('#login_id');
}

export const submitButton = (page) =>
  page.locator('form:has(input[name="password"])').locator('button:not([type="button"]), input[type="submit"]').first();

// Submits the form without the browser's validation, so that the server must
// validate. A form may have no field for a login ID, or one that cannot be edited.
export async function submit(page, loginId, newPassword) {
  const field = page.locator('#login_id');

  if ((await field.count()) > 0 && (await field.isEditable())) {
    await field.fill(loginId);
  }
  await page.fill('input[name="password"]', newPassword);
  await page.locator('form:has(input[name="password"])').evaluate((form) => (form.noValidate = true));
  await submitButton(page).click();
}

// Submits the form, and waits for the page that shows it again.
export async function submitInVain(page, loginId, newPassword) {
  await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST'),
    submit(page, loginId, newPassword),
  ]);
  await page.waitForLoadState('load');
  await page.waitForSelector('input[name="password"]');
}

export async function promote(page, loginId) {
  await submit(page, loginId, password);
  await page.waitForURL('**/app/**');
  await settled(page);
}

export const isInvalid = async (page, name) =>
  (await page.getAttribute(`#${name}`, 'aria-invalid')) === 'true';

// The text that a screen reader reads for a field.
export const description = (page, name) =>
  page.locator(`#${name}`).evaluate((input) =>
    (input.getAttribute('aria-describedby') ?? '')
      .split(' ')
      .map((id) => document.getElementById(id)?.textContent.trim() ?? '')
      .join(' ')
      .trim(),
  );
