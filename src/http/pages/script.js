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
