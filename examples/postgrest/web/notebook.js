// What the variants of the notebook share: the page, and the notes in PostgREST.

export const byId = (id) => document.getElementById(id);
export const state = document.body.dataset;

// ---------------------------------------------------------------------------
// Actions
// ---------------------------------------------------------------------------

export function tell(error) {
  byId('error').textContent = error?.error_description ?? error?.message ?? String(error);
  byId('error').hidden = false;
}

// Shows errors.  Does not start an action while it is still running.
export function on(element, event, action) {
  let running = false;

  element.addEventListener(event, async (details) => {
    details.preventDefault();
    if (running) {
      return;
    }
    running = true;
    byId('error').hidden = true;
    try {
      await action();
    } catch (error) {
      tell(error);
    } finally {
      running = false;
    }
  });
}

// For what happens without a click.  An error says nothing about the session: the server
// may be down.  Do not offer to begin another one.
export const run = (action) =>
  action().catch((error) => {
    state.state = 'unreachable';
    tell(error);
  });

on(byId('again'), 'click', () => location.reload());

// ---------------------------------------------------------------------------
// Notes
// ---------------------------------------------------------------------------

export class Notes {
  #fetch;

  // fetch sends a request as the user.
  constructor(fetch) {
    this.#fetch = fetch;
    on(byId('add'), 'submit', async () => {
      await this.#rest('notes', { method: 'POST', body: JSON.stringify({ body: byId('body').value }) });
      byId('add').reset();
      await this.show();
    });
  }

  async show() {
    const response = await this.#rest('notes?select=id,body&order=id.desc');
    const notes = await response.json();

    byId('notes').replaceChildren(...notes.map((note) => this.#item(note)));
    byId('empty').hidden = notes.length > 0;
  }

  async #rest(path, options = {}) {
    const response = await this.#fetch(new URL(`/rest/${path}`, location.href).href, {
      ...options,
      headers: { 'Content-Type': 'application/json' },
    });

    if (!response.ok) {
      throw new Error((await response.json()).message);
    }
    return response;
  }

  #item({ id, body }) {
    const item = document.createElement('li');
    const text = document.createElement('span');
    const button = document.createElement('button');

    text.textContent = body;
    button.textContent = 'Delete';
    button.setAttribute('aria-label', `Delete ${body}`);
    on(button, 'click', async () => {
      await this.#rest(`notes?id=eq.${id}`, { method: 'DELETE' });
      await this.show();
    });
    item.append(text, button);
    return item;
  }
}
