-- ---------------------------------------------------------------------------
-- What the pages say, and in which language
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_http.html_escape(text)
	RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(replace(replace(replace(replace($1, '&', '&amp;'), '<', '&lt;'),
		'>', '&gt;'), '"', '&quot;'), '''', '&#39;')
$$;
COMMENT ON FUNCTION anon_auth_http.html_escape(text) IS
'The text, written so that it is text in HTML, between tags as well as in a quoted attribute.';

-- In what follows {app} is the name of the site or, where that is not known,
-- the text is the one whose key ends in _without_app.
CREATE FUNCTION anon_auth_http.page_texts(locale text)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE locale WHEN 'en' THEN jsonb '{
		"page_title": "{title} – {app}",
		"page_title_without_app": "{title}",
		"page_title_error": "Error: {title}",
		"error_summary": "There is a problem",
		"list_separator": ", ",
		"sentence_separator": " ",
		"busy": "One moment …",
		"new_tab": "opens in a new tab",
		"sign_up_title": "Create your account",
		"sign_up_lead": "Keep what you have done as a guest in {app}.",
		"sign_up_lead_without_app": "Keep what you have done as a guest.",
		"sign_up_button": "Create account",
		"not_now": "Not now",
		"terms_sentence": "By creating an account, you agree to the {terms}.",
		"terms": "terms of service",
		"privacy_sentence": "How your data is handled is explained in the {privacy}.",
		"privacy": "privacy policy",
		"log_in_title": "Log in",
		"log_in_lead": "Welcome back. Log in to continue to {app}.",
		"log_in_lead_without_app": "Welcome back. Log in to continue.",
		"log_in_button": "Log in",
		"log_in_cancel": "Cancel",
		"notice_email": "There is already an account with this email address. Log in with its password.",
		"notice_phone_number": "There is already an account with this phone number. Log in with its password.",
		"notice_username": "There is already an account with this username. Log in with its password.",
		"notice_guest": "What you did as a guest will not be moved to that account.",
		"notice_merge": "What you did as a guest will be moved to that account.",
		"log_out_title": "Log out of {app}?",
		"log_out_title_without_app": "Log out?",
		"log_out_lead": "You can log in again at any time.",
		"log_out_button": "Log out",
		"log_out_cancel": "Stay logged in",
		"label_email": "Email address",
		"label_phone_number": "Phone number",
		"label_username": "Username",
		"label_login_id": "Email address, phone number or username",
		"label_new_password": "Choose a password",
		"label_password": "Password",
		"hint_phone_number": "With the country code, for example +44 20 7946 0958",
		"show_password": "Show password",
		"use_email": "Use email address instead",
		"use_phone_number": "Use phone number instead",
		"use_username": "Use username instead",
		"another_email": "Use another email address",
		"another_phone_number": "Use another phone number",
		"another_username": "Use another username",
		"email_required": "Enter your email address.",
		"email_invalid": "Enter a complete email address, such as name@example.com.",
		"email_taken": "There is already an account with this email address. Use another one.",
		"email_not_allowed": "This email address cannot be used here. Try another one.",
		"phone_number_required": "Enter your phone number.",
		"phone_number_invalid": "Enter a complete phone number, beginning with + and the country code.",
		"phone_number_taken": "There is already an account with this phone number. Use another one.",
		"phone_number_not_allowed": "This phone number cannot be used here. Try another one.",
		"username_required": "Enter a username.",
		"username_invalid": "This username has characters that cannot be used. Try another one.",
		"username_taken": "This username is taken. Try another one.",
		"username_not_allowed": "This username cannot be used here. Try another one.",
		"login_id_required": "Enter your email address, phone number or username.",
		"login_id_error": "This cannot be used here. Try another one.",
		"password_required": "Enter a password.",
		"password_wrong": "This password is not right. Check it and try again.",
		"password_missing": "The password still needs: {rules}.",
		"password_excluded_keyword": "The password contains a word that is not allowed. Choose another one.",
		"password_too_long": "The password is too long. Choose a shorter one.",
		"password_error": "This password cannot be used. Choose another one.",
		"rules": "The password needs",
		"rule_length": "at least {min_length} characters",
		"rule_uppercase": "a capital letter (A–Z)",
		"rule_lowercase": "a small letter (a–z)",
		"rule_alphabet": "a letter (A–Z)",
		"rule_digit": "a digit (0–9)",
		"rule_symbol": "a symbol (such as ! or ?)",
		"rule_met": "met",
		"rule_unmet": "not met yet",
		"rules_met": "{met} of {total} password requirements met",
		"form_wrong_credentials": "No account matches these details. Check them and try again.",
		"form_rate_limited": "That was one attempt too many. Wait a few minutes, then try again.",
		"form_disabled": "This account is disabled. Contact support if you think this is a mistake.",
		"form_failed": "That did not work. Try again in a moment.",
		"expired_title": "This page has expired",
		"expired_text": "Go back to where you came from and start again.",
		"done_title": "Your account is ready",
		"done_text": "There is nothing left to do here.",
		"cancelled_title": "Cancelled",
		"cancelled_text": "Nothing has been changed.",
		"logged_out_title": "You are logged out",
		"logged_out_text": "You can close this page.",
		"disabled_title": "This account is disabled",
		"disabled_text": "Contact support if you think this is a mistake.",
		"failed_title": "Something went wrong",
		"failed_text": "Go back and try again.",
		"rate_limited_title": "Too many attempts",
		"rate_limited_text": "Wait a few minutes, then try again.",
		"not_found_title": "Page not found",
		"not_found_text": "Nothing is at this address. Check the link.",
		"continue": "Continue to {app}",
		"continue_without_app": "Continue",
		"back": "Back to {app}",
		"back_without_app": "Back"
	}' WHEN 'de' THEN jsonb '{
		"page_title": "{title} – {app}",
		"page_title_without_app": "{title}",
		"page_title_error": "Fehler: {title}",
		"error_summary": "Bitte prüfen Sie Ihre Angaben",
		"list_separator": ", ",
		"sentence_separator": " ",
		"busy": "Einen Moment …",
		"new_tab": "öffnet einen neuen Tab",
		"sign_up_title": "Konto erstellen",
		"sign_up_lead": "Behalten Sie, was Sie als Gast in {app} gemacht haben.",
		"sign_up_lead_without_app": "Behalten Sie, was Sie als Gast gemacht haben.",
		"sign_up_button": "Konto erstellen",
		"not_now": "Nicht jetzt",
		"terms_sentence": "Mit dem Erstellen eines Kontos akzeptieren Sie die {terms}.",
		"terms": "Nutzungsbedingungen",
		"privacy_sentence": "Wie wir mit Ihren Daten umgehen, steht in der {privacy}.",
		"privacy": "Datenschutzerklärung",
		"log_in_title": "Anmelden",
		"log_in_lead": "Willkommen zurück. Melden Sie sich an, um mit {app} weiterzumachen.",
		"log_in_lead_without_app": "Willkommen zurück. Melden Sie sich an, um weiterzumachen.",
		"log_in_button": "Anmelden",
		"log_in_cancel": "Abbrechen",
		"notice_email": "Zu dieser E-Mail-Adresse gibt es bereits ein Konto. Melden Sie sich mit dessen Passwort an.",
		"notice_phone_number": "Zu dieser Telefonnummer gibt es bereits ein Konto. Melden Sie sich mit dessen Passwort an.",
		"notice_username": "Zu diesem Benutzernamen gibt es bereits ein Konto. Melden Sie sich mit dessen Passwort an.",
		"notice_guest": "Was Sie als Gast gemacht haben, wird nicht in dieses Konto übernommen.",
		"notice_merge": "Was Sie als Gast gemacht haben, wird in dieses Konto übernommen.",
		"log_out_title": "Von {app} abmelden?",
		"log_out_title_without_app": "Abmelden?",
		"log_out_lead": "Sie können sich jederzeit wieder anmelden.",
		"log_out_button": "Abmelden",
		"log_out_cancel": "Angemeldet bleiben",
		"label_email": "E-Mail-Adresse",
		"label_phone_number": "Telefonnummer",
		"label_username": "Benutzername",
		"label_login_id": "E-Mail-Adresse, Telefonnummer oder Benutzername",
		"label_new_password": "Passwort wählen",
		"label_password": "Passwort",
		"hint_phone_number": "Mit Ländervorwahl, zum Beispiel +49 30 23125 000",
		"show_password": "Passwort anzeigen",
		"use_email": "E-Mail-Adresse verwenden",
		"use_phone_number": "Telefonnummer verwenden",
		"use_username": "Benutzernamen verwenden",
		"another_email": "Andere E-Mail-Adresse verwenden",
		"another_phone_number": "Andere Telefonnummer verwenden",
		"another_username": "Anderen Benutzernamen verwenden",
		"email_required": "Geben Sie Ihre E-Mail-Adresse ein.",
		"email_invalid": "Geben Sie eine vollständige E-Mail-Adresse ein, etwa name@example.com.",
		"email_taken": "Zu dieser E-Mail-Adresse gibt es bereits ein Konto. Verwenden Sie eine andere.",
		"email_not_allowed": "Diese E-Mail-Adresse kann hier nicht verwendet werden. Versuchen Sie es mit einer anderen.",
		"phone_number_required": "Geben Sie Ihre Telefonnummer ein.",
		"phone_number_invalid": "Geben Sie eine vollständige Telefonnummer ein, beginnend mit + und der Ländervorwahl.",
		"phone_number_taken": "Zu dieser Telefonnummer gibt es bereits ein Konto. Verwenden Sie eine andere.",
		"phone_number_not_allowed": "Diese Telefonnummer kann hier nicht verwendet werden. Versuchen Sie es mit einer anderen.",
		"username_required": "Geben Sie einen Benutzernamen ein.",
		"username_invalid": "Dieser Benutzername enthält Zeichen, die nicht möglich sind. Versuchen Sie es mit einem anderen.",
		"username_taken": "Dieser Benutzername ist vergeben. Versuchen Sie es mit einem anderen.",
		"username_not_allowed": "Dieser Benutzername kann hier nicht verwendet werden. Versuchen Sie es mit einem anderen.",
		"login_id_required": "Geben Sie Ihre E-Mail-Adresse, Ihre Telefonnummer oder Ihren Benutzernamen ein.",
		"login_id_error": "Diese Angabe kann hier nicht verwendet werden. Versuchen Sie es mit einer anderen.",
		"password_required": "Geben Sie ein Passwort ein.",
		"password_wrong": "Das Passwort stimmt nicht. Prüfen Sie es und versuchen Sie es noch einmal.",
		"password_missing": "Das Passwort braucht noch: {rules}.",
		"password_excluded_keyword": "Das Passwort enthält ein Wort, das nicht erlaubt ist. Wählen Sie ein anderes.",
		"password_too_long": "Das Passwort ist zu lang. Wählen Sie ein kürzeres.",
		"password_error": "Dieses Passwort kann nicht verwendet werden. Wählen Sie ein anderes.",
		"rules": "Das Passwort braucht",
		"rule_length": "mindestens {min_length} Zeichen",
		"rule_uppercase": "einen Großbuchstaben (A–Z)",
		"rule_lowercase": "einen Kleinbuchstaben (a–z)",
		"rule_alphabet": "einen Buchstaben (A–Z)",
		"rule_digit": "eine Ziffer (0–9)",
		"rule_symbol": "ein Sonderzeichen (etwa ! oder ?)",
		"rule_met": "erfüllt",
		"rule_unmet": "noch nicht erfüllt",
		"rules_met": "{met} von {total} Anforderungen an das Passwort erfüllt",
		"form_wrong_credentials": "Zu diesen Angaben gibt es kein Konto. Prüfen Sie sie und versuchen Sie es noch einmal.",
		"form_rate_limited": "Das waren zu viele Versuche. Warten Sie ein paar Minuten und versuchen Sie es dann noch einmal.",
		"form_disabled": "Dieses Konto ist gesperrt. Wenden Sie sich an den Support, wenn das ein Irrtum ist.",
		"form_failed": "Das hat nicht geklappt. Versuchen Sie es gleich noch einmal.",
		"expired_title": "Diese Seite ist abgelaufen",
		"expired_text": "Gehen Sie dorthin zurück, woher Sie gekommen sind, und beginnen Sie von vorn.",
		"done_title": "Ihr Konto ist bereit",
		"done_text": "Hier ist nichts weiter zu tun.",
		"cancelled_title": "Abgebrochen",
		"cancelled_text": "Es wurde nichts geändert.",
		"logged_out_title": "Sie sind abgemeldet",
		"logged_out_text": "Sie können diese Seite schließen.",
		"disabled_title": "Dieses Konto ist gesperrt",
		"disabled_text": "Wenden Sie sich an den Support, wenn das ein Irrtum ist.",
		"failed_title": "Etwas ist schiefgegangen",
		"failed_text": "Gehen Sie zurück und versuchen Sie es noch einmal.",
		"rate_limited_title": "Zu viele Versuche",
		"rate_limited_text": "Warten Sie ein paar Minuten und versuchen Sie es dann noch einmal.",
		"not_found_title": "Seite nicht gefunden",
		"not_found_text": "Unter dieser Adresse gibt es nichts. Prüfen Sie den Link.",
		"continue": "Weiter zu {app}",
		"continue_without_app": "Weiter",
		"back": "Zurück zu {app}",
		"back_without_app": "Zurück"
	}' WHEN 'zh-Hant' THEN jsonb '{
		"page_title": "{title} – {app}",
		"page_title_without_app": "{title}",
		"page_title_error": "錯誤：{title}",
		"error_summary": "請檢查以下內容",
		"list_separator": "、",
		"sentence_separator": "",
		"busy": "請稍候⋯⋯",
		"new_tab": "在新分頁中開啟",
		"sign_up_title": "建立帳號",
		"sign_up_lead": "保留您以訪客身分在 {app} 留下的內容。",
		"sign_up_lead_without_app": "保留您以訪客身分留下的內容。",
		"sign_up_button": "建立帳號",
		"not_now": "稍後再說",
		"terms_sentence": "建立帳號即表示您同意{terms}。",
		"terms": "服務條款",
		"privacy_sentence": "我們如何處理您的資料，請參閱{privacy}。",
		"privacy": "隱私權政策",
		"log_in_title": "登入",
		"log_in_lead": "歡迎回來。登入後即可繼續使用 {app}。",
		"log_in_lead_without_app": "歡迎回來。登入後即可繼續。",
		"log_in_button": "登入",
		"log_in_cancel": "取消",
		"notice_email": "這個電子郵件地址已有帳號，請輸入該帳號的密碼登入。",
		"notice_phone_number": "這個電話號碼已有帳號，請輸入該帳號的密碼登入。",
		"notice_username": "這個使用者名稱已有帳號，請輸入該帳號的密碼登入。",
		"notice_guest": "您以訪客身分留下的內容不會移至該帳號。",
		"notice_merge": "您以訪客身分留下的內容會移至該帳號。",
		"log_out_title": "要登出 {app} 嗎？",
		"log_out_title_without_app": "要登出嗎？",
		"log_out_lead": "您隨時可以再次登入。",
		"log_out_button": "登出",
		"log_out_cancel": "保持登入",
		"label_email": "電子郵件地址",
		"label_phone_number": "電話號碼",
		"label_username": "使用者名稱",
		"label_login_id": "電子郵件地址、電話號碼或使用者名稱",
		"label_new_password": "設定密碼",
		"label_password": "密碼",
		"hint_phone_number": "請包含國碼，例如 +886 912 345 678",
		"show_password": "顯示密碼",
		"use_email": "改用電子郵件地址",
		"use_phone_number": "改用電話號碼",
		"use_username": "改用使用者名稱",
		"another_email": "使用其他電子郵件地址",
		"another_phone_number": "使用其他電話號碼",
		"another_username": "使用其他使用者名稱",
		"email_required": "請輸入電子郵件地址。",
		"email_invalid": "請輸入完整的電子郵件地址，例如 name@example.com。",
		"email_taken": "這個電子郵件地址已有帳號，請使用其他地址。",
		"email_not_allowed": "這個電子郵件地址無法在此使用，請改用其他地址。",
		"phone_number_required": "請輸入電話號碼。",
		"phone_number_invalid": "請輸入完整的電話號碼，以 + 和國碼開頭。",
		"phone_number_taken": "這個電話號碼已有帳號，請使用其他號碼。",
		"phone_number_not_allowed": "這個電話號碼無法在此使用，請改用其他號碼。",
		"username_required": "請輸入使用者名稱。",
		"username_invalid": "這個使用者名稱含有無法使用的字元，請改用其他名稱。",
		"username_taken": "這個使用者名稱已有人使用，請改用其他名稱。",
		"username_not_allowed": "這個使用者名稱無法在此使用，請改用其他名稱。",
		"login_id_required": "請輸入電子郵件地址、電話號碼或使用者名稱。",
		"login_id_error": "這項內容無法在此使用，請改用其他內容。",
		"password_required": "請輸入密碼。",
		"password_wrong": "密碼不正確，請檢查後再試一次。",
		"password_missing": "密碼還需要：{rules}。",
		"password_excluded_keyword": "密碼含有不允許使用的字詞，請改用其他密碼。",
		"password_too_long": "密碼太長，請縮短。",
		"password_error": "無法使用這個密碼，請改用其他密碼。",
		"rules": "密碼需要",
		"rule_length": "至少 {min_length} 個字元",
		"rule_uppercase": "一個大寫英文字母（A–Z）",
		"rule_lowercase": "一個小寫英文字母（a–z）",
		"rule_alphabet": "一個英文字母（A–Z）",
		"rule_digit": "一個數字（0–9）",
		"rule_symbol": "一個符號（例如 ! 或 ?）",
		"rule_met": "已符合",
		"rule_unmet": "尚未符合",
		"rules_met": "已符合 {total} 項密碼要求中的 {met} 項",
		"form_wrong_credentials": "找不到符合的帳號，請檢查輸入的內容後再試一次。",
		"form_rate_limited": "嘗試次數過多，請稍等幾分鐘後再試一次。",
		"form_disabled": "這個帳號已停用。如有疑問，請聯絡客服。",
		"form_failed": "操作未成功，請稍後再試一次。",
		"expired_title": "此頁面已過期",
		"expired_text": "請返回原來的地方，重新開始。",
		"done_title": "您的帳號已準備就緒",
		"done_text": "這裡沒有其他需要完成的步驟。",
		"cancelled_title": "已取消",
		"cancelled_text": "沒有任何變更。",
		"logged_out_title": "您已登出",
		"logged_out_text": "您可以關閉此頁面。",
		"disabled_title": "這個帳號已停用",
		"disabled_text": "如有疑問，請聯絡客服。",
		"failed_title": "發生問題",
		"failed_text": "請返回後再試一次。",
		"rate_limited_title": "嘗試次數過多",
		"rate_limited_text": "請稍等幾分鐘後再試一次。",
		"not_found_title": "找不到頁面",
		"not_found_text": "這個網址沒有內容，請檢查連結。",
		"continue": "繼續前往 {app}",
		"continue_without_app": "繼續",
		"back": "返回 {app}",
		"back_without_app": "返回"
	}' END
$$;
COMMENT ON FUNCTION anon_auth_http.page_texts(text) IS
'The built-in texts of the pages in one language (en, de, zh-Hant), as an object of plain text by key; NULL for another. What is in braces is filled in. settings.page_texts goes before them.';

-- The one of available that a language tag names (RFC 4647, section 3.4), or
-- that is a kind of what it names: pt-BR for pt.  Chinese without a script is
-- traditional where that is written.
CREATE FUNCTION anon_auth_http.page_locale_named(tag text, available text[])
	RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted text := lower(tag COLLATE "C");
	match text;
BEGIN
	WHILE wanted <> '' LOOP
		SELECT a INTO match FROM unnest(available) WITH ORDINALITY AS u (a, n)
			WHERE lower(a COLLATE "C") = wanted ORDER BY n LIMIT 1;
		EXIT WHEN FOUND;
		IF wanted ~ '^zh-(tw|hk|mo)$' THEN
			wanted := 'zh-hant';
		ELSE
			wanted := substring(wanted FROM '^(.*)-');
		END IF;
	END LOOP;
	IF match IS NULL AND lower(tag COLLATE "C") <> 'zh' THEN
		SELECT a INTO match FROM unnest(available) WITH ORDINALITY AS u (a, n)
			WHERE starts_with(lower(a COLLATE "C"), lower(tag COLLATE "C") || '-') ORDER BY n LIMIT 1;
	END IF;
	RETURN match;
END
$$;
COMMENT ON FUNCTION anon_auth_http.page_locale_named(text, text[]) IS
'The element of available that a language tag (BCP 47) names; NULL: none.';

CREATE FUNCTION anon_auth_http.page_locale(
	ui_locales text,
	accept_language text,
	available text[],
	default_locale text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted (tag, rank, q, n) AS (
		SELECT part, 1, 1.0, n
			FROM regexp_split_to_table(left(ui_locales, 1000), '\s+') WITH ORDINALITY AS u (part, n)
		UNION ALL
		SELECT btrim(split_part(part, ';', 1), E' \t'), 2,
			CASE WHEN part !~ ';' THEN 1.0
				 ELSE substring(part FROM ';\s*[qQ]\s*=\s*([01](?:\.[0-9]{0,3})?)\s*$')::numeric END, n
			FROM regexp_split_to_table(left(accept_language, 1000), ',') WITH ORDINALITY AS a (part, n)
	), tags AS (
		SELECT tag, row_number() OVER (ORDER BY rank, q DESC, n) AS place FROM wanted
			WHERE tag ~ '^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$' AND q > 0
	), named AS (
		SELECT anon_auth_http.page_locale_named(tag, available) AS locale, 1 AS rank, place FROM tags
		UNION ALL
		-- Better the language in another form than another language.
		SELECT a, 2, place FROM tags, unnest(available) AS u (a)
			WHERE split_part(lower(a COLLATE "C"), '-', 1) = split_part(lower(tag COLLATE "C"), '-', 1)
		UNION ALL
		SELECT anon_auth_http.page_locale_named(default_locale, available), 3, 0
	)
	SELECT coalesce((SELECT locale FROM named WHERE locale IS NOT NULL
						ORDER BY rank, place, locale LIMIT 1), 'en')
$$;
COMMENT ON FUNCTION anon_auth_http.page_locale(text, text, text[], text) IS
'The best of the available locales for ui_locales (OpenID Connect Core, section 3.1.2.1), then Accept-Language (RFC 9110, section 12.5.4), else the default, else en. What is malformed is passed over.';
