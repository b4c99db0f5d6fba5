// The server's time.  The clock of a device can be wrong by hours, and DPoP proofs and
// the expiry of tokens need the time of the server.

export class Clock {
  #offset = 0;

  // Milliseconds that the server is ahead of this device.
  get offset() {
    return this.#offset;
  }

  set offset(offset) {
    this.#offset = Number.isFinite(offset) ? offset : 0;
  }

  // The server's time in milliseconds since 1970.
  now() {
    return Date.now() + this.#offset;
  }

  // Learns from a time that the server has just told, in milliseconds since 1970.
  // Returns whether the clock was wrong by more than a minute.
  learn(time) {
    if (!Number.isFinite(time)) {
      return false;
    }
    const former = this.#offset;

    this.#offset = time - Date.now();
    return Math.abs(this.#offset - former) > 60_000;
  }

  // Learns from the Date of a response.  Pages of other origins can read it only if the
  // server exposes it.
  learnFrom(response) {
    return this.learn(Date.parse(response.headers.get('Date') ?? ''));
  }
}
