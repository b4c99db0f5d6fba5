// The opinion of @simplewebauthn/server on responses for passkeys. Standard input is an array of
// {options, response, origin, userVerification} and, for a login, {credential}; the output
// is an array of {verified, publicKey, counter} or {error}.
import {verifyAuthenticationResponse, verifyRegistrationResponse} from '@simplewebauthn/server';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);

const bytes = text => new Uint8Array(Buffer.from(text, 'base64url'));

async function opinion({options, response, origin, userVerification, credential}) {
	const expected = {
		response, expectedChallenge: options.challenge, expectedOrigin: origin,
		requireUserVerification: userVerification === true
	};

	if (!credential) {
		const {verified, registrationInfo} = await verifyRegistrationResponse({...expected, expectedRPID: options.rp.id, supportedAlgorithmIDs: [-8, -7, -257]});
		return {verified, publicKey: verified ? Buffer.from(registrationInfo.credential.publicKey).toString('base64url') : null, counter: registrationInfo?.credential.counter};
	}
	const {verified, authenticationInfo} = await verifyAuthenticationResponse({
		...expected, expectedRPID: options.rpId, credential: {...credential, publicKey: bytes(credential.publicKey)}
	});
	return {verified, counter: authenticationInfo.newCounter};
}

const results = [];
for (const task of JSON.parse(Buffer.concat(chunks))) {
	try {
		results.push(await opinion(task));
	} catch (error) {
		results.push({error: error.message});
	}
}
process.stdout.write(JSON.stringify(results));
