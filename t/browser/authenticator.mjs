// A virtual authenticator of Chromium's DevTools protocol.

export class Authenticator {
  // It acts at once, like a user who confirms everything, unless acts is false.
  static async add(page, { acts = true, ...options } = {}) {
    const self = new Authenticator();

    self.cdp = await page.context().newCDPSession(page);
    await self.cdp.send('WebAuthn.enable');
    const { authenticatorId } = await self.cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: acts,
        ...options,
      },
    });

    self.authenticatorId = authenticatorId;
    return self;
  }

  send(method, parameters = {}) {
    return this.cdp.send(`WebAuthn.${method}`, { authenticatorId: this.authenticatorId, ...parameters });
  }

  act(enabled) {
    return this.send('setAutomaticPresenceSimulation', { enabled });
  }

  verify(isUserVerified) {
    return this.send('setUserVerified', { isUserVerified });
  }

  async credentials() {
    return (await this.send('getCredentials')).credentials;
  }

  // Change what the authenticator keeps about its only passkey, for example its signCount.
  async change(changes) {
    const [credential] = await this.credentials();

    await this.send('removeCredential', { credentialId: credential.credentialId });
    await this.send('addCredential', { credential: { ...credential, ...changes } });
  }
}
