-- ---------------------------------------------------------------------------
-- Style and script
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_http.color_contrast(color text, other text)
	RETURNS double precision
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH luminance (y) AS (
		SELECT sum(weight * CASE WHEN v <= 0.04045 THEN v / 12.92 ELSE ((v + 0.055) / 1.055) ^ 2.4 END)
			FROM unnest(ARRAY[color, other]) AS c (rgb),
				(VALUES (0, 0.2126::float8), (1, 0.7152), (2, 0.0722)) AS w (i, weight),
				LATERAL (SELECT get_byte(decode(substr(rgb, 2), 'hex'), i) / 255.0::float8) AS b (v)
			GROUP BY rgb
	)
	SELECT (max(y) + 0.05) / (min(y) + 0.05) FROM luminance
$$;
COMMENT ON FUNCTION anon_auth_http.color_contrast(text, text) IS
'The contrast ratio (WCAG 2.2) of two colours #rrggbb, from 1 to 21.';

CREATE FUNCTION anon_auth_http.color_readable(color text, background text, towards text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT mixed FROM generate_series(0, 20) AS s (step),
			LATERAL (SELECT '#' || string_agg(lpad(to_hex(
				(get_byte(decode(substr(color, 2), 'hex'), i) * (20 - step)
				 + get_byte(decode(substr(towards, 2), 'hex'), i) * step) / 20), 2, '0'), '' ORDER BY i)
					FROM generate_series(0, 2) AS g (i)) AS m (mixed)
		WHERE step = 20 OR anon_auth_http.color_contrast(mixed, background) >= 4.6
		ORDER BY step LIMIT 1
$$;
COMMENT ON FUNCTION anon_auth_http.color_readable(text, text, text) IS
'A colour #rrggbb, moved towards another as far as it must be to be readable on the background.';

CREATE FUNCTION anon_auth_http.page_style(brand_color text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($css$
:root{color-scheme:light dark;--page:#f2f3f6;--card:#fff;--text:#16181d;--muted:#565c68;--line:#dcdfe5;--field:#737986;--soft:#f0f2f6;--bad:#b3261e;--bad-soft:#fdf1f0;--good:#1a6f3d;--button:%1$s;--button-text:%2$s;--shade:%3$s;--accent:%4$s}
@media (prefers-color-scheme:dark){:root{--page:#0f1013;--card:#191b20;--text:#f1f2f4;--muted:#abb1bc;--line:#34383f;--field:#868d9a;--soft:#25282f;--bad:#ffb4ab;--bad-soft:#371e1c;--good:#7dd69d;--accent:%5$s}.logo{background:#fff;padding:.375rem .625rem;border-radius:.5rem}}
*,::before,::after{box-sizing:border-box}
html{font:100%%/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","PingFang TC","PingFang HK","Microsoft JhengHei","Noto Sans CJK TC",sans-serif;-webkit-text-size-adjust:100%%;text-size-adjust:100%%}
body{margin:0;min-height:100vh;min-height:100dvh;display:flex;background:var(--card);color:var(--text);line-break:strict;overflow-wrap:anywhere}
.page{width:100%%;max-width:28rem;margin:0 auto;padding:1.5rem 1.25rem 2rem}
.brand{min-height:3rem;margin:0 0 1.25rem;display:flex;align-items:center;font-weight:650;font-size:1.0625rem}
.logo{display:block;max-height:3rem;max-width:100%%;width:auto}
h1{margin:0;font-size:1.625rem;line-height:1.2;font-weight:700;letter-spacing:-.012em;text-wrap:balance}
:lang(zh) h1{letter-spacing:0}
p{margin:0}
.lead{margin-top:.5rem;color:var(--muted);font-size:1.0625rem}
.lead b{color:inherit;font-weight:600}
form,.actions{margin-top:1.5rem}
.box{margin-top:1.25rem;padding:.875rem 1rem;border-radius:.625rem;background:var(--soft);border-inline-start:.25rem solid var(--accent)}
.box p+p{margin-top:.375rem;color:var(--muted)}
.box.bad{background:var(--bad-soft);border-color:var(--bad)}
.box h2{margin:0;font-size:1rem;line-height:1.5;font-weight:650}
.box ul{margin:.25rem 0 0;padding:0;list-style:none}
.box li{margin-top:.25rem}
a{color:var(--accent);text-underline-offset:.18em;text-decoration-thickness:.07em}
a:hover{text-decoration-thickness:.14em}
.bad a,.error{color:var(--bad)}
.field{margin-top:1.25rem}
label{display:block;font-weight:600}
.hint{color:var(--muted);font-size:.9375rem}
.error{display:flex;gap:.5rem;margin-top:.125rem;font-size:.9375rem;font-weight:500}
.error svg{flex:none;width:1.125rem;height:1.125rem;margin-top:.125rem}
.control{position:relative;margin-top:.375rem}
input{display:block;width:100%%;min-height:3rem;padding:.625rem .875rem;border:1px solid var(--field);border-radius:.625rem;background:var(--card);color:inherit;font:inherit}
input[aria-invalid=true]{border-color:var(--bad);box-shadow:inset 0 0 0 1px var(--bad)}
input[readonly]{background:var(--soft);border-style:dashed;text-overflow:ellipsis}
input::-ms-reveal{display:none}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:.25rem}
input:focus-visible{outline-offset:1px;border-radius:.625rem}
.peek input{padding-inline-end:3.5rem}
.peek button{position:absolute;inset-block:0;inset-inline-end:0;width:3rem;display:grid;place-items:center;padding:0;border:0;border-radius:.625rem;background:none;color:var(--muted);cursor:pointer}
.peek button:focus-visible{outline-offset:-4px}
.peek button:hover{color:var(--text)}
.peek svg{width:1.5rem;height:1.5rem}
[aria-pressed=true] .stroke{display:none}
.links{display:flex;flex-wrap:wrap;gap:0 1.25rem;margin:0;padding:0;list-style:none;font-size:.9375rem}
.links a,.other{display:inline-flex;align-items:center;min-height:2.75rem}
.rules{margin-top:.625rem;font-size:.9375rem;color:var(--muted)}
.rules ul{margin:.125rem 0 0;padding:0;list-style:none}
.rules li{position:relative;margin-top:.25rem;padding-inline-start:1.625rem}
.rules li::before{content:"";position:absolute;inset-inline-start:.25rem;top:.3em;width:.8125rem;height:.8125rem;border:.125rem solid var(--field);border-radius:50%%}
.rules .met{color:var(--good)}
.rules .met::before{inset-inline-start:.4375rem;top:.1875em;width:.4375rem;height:.8125rem;border-color:currentColor;border-width:0 .125rem .125rem 0;border-radius:0;transform:rotate(42deg)}
.button{display:flex;align-items:center;justify-content:center;width:100%%;min-height:3rem;margin-top:1.5rem;padding:.625rem 1.25rem;border:1px solid var(--accent);border-radius:.625rem;background:var(--button);color:var(--button-text);font:inherit;font-weight:650;text-align:center;text-decoration:none;cursor:pointer;transition:box-shadow .12s}
.button:hover{box-shadow:inset 0 0 0 9rem var(--shade)}
.button:focus-visible{border-radius:.625rem}
.button[disabled]{cursor:progress;opacity:.75}
.center{margin-top:.5rem;text-align:center}
.legal{margin-top:1rem;color:var(--muted);font-size:.875rem}
.sr{position:absolute;width:1px;height:1px;margin:-1px;padding:0;overflow:hidden;clip-path:inset(50%%);white-space:nowrap}
[hidden]{display:none!important}
@media (min-width:34rem){body{background:var(--page)}.page{margin:auto;max-width:31rem;padding:2.5rem 1.25rem 4rem}.brand{justify-content:center;text-align:center}main{padding:2.25rem 2.25rem 1.75rem;border:1px solid var(--line);border-radius:1rem;background:var(--card);box-shadow:0 .5rem 2rem -1rem rgb(0 0 0/.18)}}
@media (prefers-reduced-motion:reduce){*{transition:none!important}}
@media (forced-colors:active){.box{border:1px solid}.button[disabled]{opacity:1}.rules .met::before{forced-color-adjust:none}}
$css$, button, CASE WHEN dark_text THEN '#000' ELSE '#fff' END,
		CASE WHEN dark_text THEN 'rgb(255 255 255/.25)' ELSE 'rgb(0 0 0/.16)' END,
		anon_auth_http.color_readable(button, '#f0f2f6', '#000000'),
		anon_auth_http.color_readable(button, '#25282f', '#ffffff'))
		FROM (SELECT lower(coalesce(substring(brand_color FROM '^#[0-9A-Fa-f]{6}$'), '#2456d3'))) AS b (button),
			LATERAL (SELECT anon_auth_http.color_contrast(button, '#000000')
							> anon_auth_http.color_contrast(button, '#ffffff')) AS t (dark_text)
$$;
COMMENT ON FUNCTION anon_auth_http.page_style(text) IS
'The style sheet of the pages in the colour of the brand, #rrggbb; NULL: a blue.';

-- Nothing needs it: it shows the password, ticks off the rules, and keeps a
-- form from being sent twice.
CREATE FUNCTION anon_auth_http.page_script()
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $js$
(function () {
	"use strict";
	var form = document.querySelector("form");
	if (!form) return;

	var submit = form.querySelector("[type=submit]");
	var label = submit.textContent;
	var timer;
	function ready() {
		clearTimeout(timer);
		submit.disabled = false;
		submit.textContent = label;
	}
	form.addEventListener("submit", function () {
		submit.disabled = true;
		submit.textContent = submit.dataset.busy;
		/* An application may have opened, and this page be left behind. */
		timer = setTimeout(ready, 15000);
	});
	window.addEventListener("pageshow", ready);

	var password = form.querySelector("[type=password]");
	if (!password) return;

	var peek = form.querySelector(".peek button");
	function show(shown) {
		password.type = shown ? "text" : "password";
		peek.setAttribute("aria-pressed", String(shown));
	}
	peek.hidden = false;
	peek.addEventListener("click", function () { show(password.type === "password"); });
	form.addEventListener("submit", function () { show(false); });

	var rules = form.querySelector(".rules");
	if (!rules) return;

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
			item.querySelector(".sr").textContent = " (" + rules.dataset[good ? "met" : "unmet"] + ")";
		});
		clearTimeout(speak);
		speak = setTimeout(function () {
			status.textContent = password.value === "" ? "" : rules.dataset.count
				.replace("{met}", met).replace("{total}", items.length);
		}, 800);
	}
	password.addEventListener("input", check);
	window.addEventListener("pageshow", check);
})();
$js$
$$;
COMMENT ON FUNCTION anon_auth_http.page_script() IS
'The script of the pages.';

