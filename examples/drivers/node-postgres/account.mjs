// "An account screen" of docs/guide.md. Each part of the screen is one call, in a transaction
// for the user of the access token (use_access_token()).

// A function and the members of the request that are its arguments. One that is missing is NULL.
const call = (sql, ...names) => async (db, given) =>
  (await db.query(`SELECT ${sql} AS result`, names.map((name) => given[name] ?? null))).rows[0];

// account: false is a wrong password or code, or something that the account does not have.
export const accountCalls = {
  'GET /account': call('anon_auth.userinfo()'),
  'POST /account/profile': call('anon_auth.update_profile($1)', 'attributes'),
  'POST /account/password': call('anon_auth.change_password($1, $2)', 'new_password', 'old_password'),
  'POST /account/login_id_code': call('anon_auth.request_login_id_code($1, $2, ui_locales => $3)', 'type', 'value', 'ui_locales'),
  'POST /account/login_ids': call('anon_auth.add_login_id($1, $2, $3)', 'type', 'value', 'code'),
  'DELETE /account/login_ids': call('anon_auth.remove_login_id($1, $2)', 'type', 'value'),
  'GET /account/sessions': call(`(SELECT coalesce(json_agg(s), '[]') FROM anon_auth.list_sessions() AS s)`),
  'DELETE /account/sessions': call('anon_auth.end_session($1)', 'session_id'),
  'DELETE /account/other_sessions': call('anon_auth.end_other_sessions()'),
  'GET /account/export': call('anon_auth.export_account()'),
  'DELETE /account': call('anon_auth.delete_account()'),
  'POST /account/keep': call('anon_auth.cancel_account_deletion()'),
};
// end
