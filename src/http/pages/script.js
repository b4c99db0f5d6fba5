(function () {
	"use strict";

	/* Times are in UTC.  The browser knows the time zone and the variant of the language. */
	var language = document.documentElement.lang;
	var variant = navigator.languages.find(function (name) { return name.split("-")[0] === language.split("-")[0]; });
	document.querySelectorAll("time").forEach(function (time) {
		time.textContent = new Intl.DateTimeFormat(variant || language, { year: "numeric", month: "long", day: "numeric",
			hour: "numeric", minute: "2-digit", timeZoneName: "short" }).format(new Date(time.dateTime));
	});

	document.querySelectorAll("form").forEach(function (form) {
		var buttons = Array.from(form.querySelectorAll("[type=submit]"));
		var labels = buttons.map(function (button) { return button.textContent; });
		var timer;
		function ready() {
			clearTimeout(timer);
			buttons.forEach(function (button, i) {
				button.disabled = false;
				button.textContent = labels[i];
			});
		}
		form.addEventListener("submit", function (event) {
			var pressed = event.submitter || buttons[0];
			pressed.textContent = pressed.dataset.busy;
			/* The browser sends the name of the button only if it is enabled now. */
			setTimeout(function () { buttons.forEach(function (button) { button.disabled = true; }); });
			/* An application may have opened, and this page be left behind. */
			timer = setTimeout(ready, 15000);
		});
		window.addEventListener("pageshow", ready);
	});

	document.querySelectorAll(".peek").forEach(function (control) {
		var input = control.querySelector("input");
		var button = control.querySelector("button");
		function show(shown) {
			input.type = shown ? "text" : "password";
			button.setAttribute("aria-pressed", String(shown));
		}
		button.hidden = false;
		button.addEventListener("click", function () { show(input.type === "password"); });
		input.form.addEventListener("submit", function () { show(false); });
	});

	/* The controller of the request to an authenticator that waits. */
	var waiting;
	var minute = 60000;

	function decode(text) {
		return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), function (c) { return c.charCodeAt(0); });
	}
	function encode(buffer) {
		var binary = Array.from(new Uint8Array(buffer), function (byte) { return String.fromCharCode(byte); }).join("");
		return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
	}
	/* As parseCreationOptionsFromJSON(), parseRequestOptionsFromJSON() and toJSON(), which old browsers lack. */
	function parseOptions(json, name) {
		var options = JSON.parse(json);
		options.challenge = decode(options.challenge);
		(options.allowCredentials || []).concat(options.excludeCredentials || [])
			.forEach(function (known) { known.id = decode(known.id); });
		if (options.user) {
			options.user.id = decode(options.user.id);
			if (name) options.user.name = options.user.displayName = name;
		}
		return options;
	}
	function toText(credential) {
		var response = {};
		["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"].forEach(function (name) {
			if (credential.response[name]) response[name] = encode(credential.response[name]);
		});
		if (credential.response.getTransports) response.transports = credential.response.getTransports();
		return JSON.stringify({ id: credential.id, rawId: encode(credential.rawId), type: credential.type, response: response,
			authenticatorAttachment: credential.authenticatorAttachment || undefined,
			clientExtensionResults: credential.getClientExtensionResults() });
	}

	function rpId(options) { return options.rp ? options.rp.id : options.rpId; }

	function passkey(part) {
		var button = part.querySelector("button");
		var response = part.querySelector("input");
		var form = button.form;
		var made = Date.now();
		var busy = false;
		/* The address of this page does not lead to it: the server makes it from the form before it. */
		var isLast = false;
		/* The address leads elsewhere: the login has become too old for this page, or has ended. */
		var isClosed = false;
		function say(text) {
			var box = part.querySelector("[role=alert]");
			box.textContent = "";
			if (!text) return;
			box.appendChild(document.createElement("p")).className = "box bad";
			box.firstChild.textContent = text;
		}
		/* The server accepts the answer to a challenge for five minutes. */
		function renew(age) {
			if (Date.now() - made < age) return Promise.resolve();
			var redirected;
			return fetch(location.href, { cache: "no-store" }).then(function (answer) {
				redirected = answer.redirected;
				return answer.text();
			}).then(function (html) {
				var fresh = new DOMParser().parseFromString(html, "text/html")
					.querySelector(".passkey[data-method=" + part.dataset.method + "]");
				isLast = !fresh;
				isClosed = isLast && redirected;
				if (isLast) return;
				part.dataset.options = fresh.dataset.options;
				made = Date.now();
			}).catch(function () {});
		}
		function ask(mediation) {
			var name = form.elements[part.dataset.nameField];
			if (waiting) waiting.abort();
			waiting = new AbortController();
			return navigator.credentials[part.dataset.method]({ signal: waiting.signal, mediation: mediation,
				publicKey: parseOptions(part.dataset.options, name && name.value) }).then(function (credential) {
				response.value = toText(credential);
				form.requestSubmit(button);
			});
		}
		/* Offer passkeys in the autofill of the login ID, until the button is pressed. */
		function autofill() {
			if (!("autofills" in part.dataset) || busy || !PublicKeyCredential.isConditionalMediationAvailable) return;
			PublicKeyCredential.isConditionalMediationAvailable().then(function (available) {
				if (!available || busy) return;
				form.elements.login_id.autocomplete = "username webauthn";
				ask("conditional").catch(function () {});
			});
		}
		button.addEventListener("click", function (event) {
			event.preventDefault();
			if (busy) return;
			busy = true;
			say("");
			var creates = part.dataset.method === "create";
			/* A login can become too old at any time. */
			renew(creates ? 0 : 2 * minute).then(function () {
				/* Have the server answer the form, before the authenticator keeps a passkey in vain. */
				if (creates && (isClosed || (isLast && Date.now() - made > 4 * minute))) form.requestSubmit(button);
				else return ask();
			}).catch(function (error) {
				/* The user may have cancelled. */
				if (error.name === "InvalidStateError") say(part.dataset.exists);
				else if (error.name !== "NotAllowedError" && error.name !== "AbortError") say(part.dataset.failed);
			}).then(function () {
				busy = false;
				if (response.value === "") autofill();
			});
		});
		function wake() {
			if (!document.hidden && !busy && !isLast && Date.now() - made >= 4 * minute) renew(0).then(autofill);
		}
		setInterval(wake, minute);
		document.addEventListener("visibilitychange", wake);
		/* A response works once, and browsers keep the values of a form. */
		response.value = "";
		window.addEventListener("pageshow", function (event) {
			if (!event.persisted) return;
			response.value = "";
			autofill();
		});
		part.hidden = false;
		autofill();
		if (part.dataset.unknownId) signalUnknown(rpId(JSON.parse(part.dataset.options)), part.dataset.unknownId);
	}
	function signalUnknown(rp, id) {
		if (window.PublicKeyCredential && PublicKeyCredential.signalUnknownCredential)
			PublicKeyCredential.signalUnknownCredential({ rpId: rp, credentialId: id }).catch(function () {});
	}
	var forgotten = document.querySelector(".forgotten-passkey");
	if (forgotten) signalUnknown(forgotten.dataset.rpId, forgotten.dataset.unknownId);
	var accepted = document.querySelector(".accepted-passkeys");
	if (accepted && window.PublicKeyCredential && PublicKeyCredential.signalAllAcceptedCredentials)
		PublicKeyCredential.signalAllAcceptedCredentials(JSON.parse(accepted.dataset.accepted)).catch(function () {});
	if (window.PublicKeyCredential && HTMLFormElement.prototype.requestSubmit) {
		document.querySelectorAll(".passkey-way").forEach(function (way) { way.hidden = false; });
		document.querySelectorAll(".passkey").forEach(passkey);
		document.querySelectorAll(".passkey-unavailable").forEach(function (text) { text.remove(); });
	}

	var rules = document.querySelector(".rules");
	if (!rules) return;

	var password = rules.parentElement.querySelector("input");
	var status = rules.querySelector("[role=status]");
	var items = Array.from(rules.querySelectorAll("li"));
	var checks = {
		length: function (text, item) { return Array.from(text).length >= Number(item.dataset.min); },
		uppercase: function (text) { return /[A-Z]/.test(text); },
		lowercase: function (text) { return /[a-z]/.test(text); },
		alphabet: function (text) { return /[A-Za-z]/.test(text); },
		digit: function (text) { return /[0-9]/.test(text); },
		symbol: function (text) { return /[^A-Za-z0-9\p{C}]/u.test(text); }
	};
	var speak;
	function check() {
		var met = 0;
		items.forEach(function (item) {
			var good = checks[item.dataset.rule](password.value, item);
			met += good ? 1 : 0;
			item.classList.toggle("met", good);
			item.classList.remove("broken");
			item.querySelector(".sr").textContent = " (" + rules.dataset[good ? "met" : "unmet"] + ")";
		});
		clearTimeout(speak);
		speak = setTimeout(function () {
			status.textContent = password.value === "" ? "" : rules.dataset.count
				.replace("{met}", met).replace("{total}", items.length);
		}, 800);
	}
	password.addEventListener("input", check);
	/* Until the user types, the page marks the rules that the last password broke. */
	window.addEventListener("pageshow", function () { if (password.value !== "") check(); });
})();
