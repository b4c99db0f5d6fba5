// A network that fails: an HTTP server in front of another one.  It counts requests, and
// loses requests or responses when a test says so.

import http from 'node:http';

export class UnreliableNetwork {
  #upstream;
  #server;
  #rules = [];
  #isDown = false;
  requests = [];

  constructor(upstream) {
    this.#upstream = upstream;
    this.#server = http.createServer((request, response) => this.#handle(request, response));
  }

  async listen(port) {
    await new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  // The server carries out the next count requests to the path, and their responses are lost.
  loseResponses(path, count) {
    this.#rules = [...this.#rules, { path, count }];
  }

  down() {
    this.#isDown = true;
  }

  up() {
    this.#isDown = false;
    this.#rules = [];
  }

  // The requests to a path since the last call with this path.
  take(path) {
    const taken = this.requests.filter((request) => request.path === path);

    this.requests = this.requests.filter((request) => request.path !== path);
    return taken;
  }

  #handle(request, response) {
    const path = request.url.split('?')[0];

    if (this.#isDown) {
      request.socket.destroy();
      return;
    }
    this.requests.push({ path, method: request.method, headers: request.headers });
    const rule = this.#rules.find((each) => each.path === path && each.count > 0);

    if (rule !== undefined && request.method !== 'OPTIONS') {
      rule.count--;
    }
    const onward = http.request(
      new URL(request.url, this.#upstream),
      { method: request.method, headers: request.headers },
      (answer) => {
        if (rule !== undefined && request.method !== 'OPTIONS') {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        // A browser sends a request again by itself if a connection that it has used before
        // is closed.
        response.writeHead(answer.statusCode, { ...answer.headers, connection: 'close' });
        answer.pipe(response);
      },
    );

    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  }
}
