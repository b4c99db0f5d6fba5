// Tests @supabase/postgrest-js with a PostgREST that exposes the schemas api
// and anon_auth. The SQL functions and a table with row-level security are used
// by a guest, and by the account that it becomes. Prints [{ name, actual,
// expected }].

import { PostgrestClient } from '@supabase/postgrest-js';

const [, , uri] = process.argv;
const results = [];

const check = (name, actual, expected) => results.push({ name, actual, expected });

const client = (token) =>
  new PostgrestClient(uri, { schema: 'api', headers: token ? { Authorization: `Bearer ${token}` } : {} });

async function call(name, parameters, token) {
  const { data, error } = await client(token).schema('anon_auth').rpc(name, parameters);

  if (error) {
    throw new Error(`${name}: ${error.code} ${error.message}`);
  }
  return data;
}

const guest = await call('authenticate_anonymously', { client_id: 'notebook' });

check('a guest can sign up', guest.token_type, 'Bearer');
check("uid() returns the guest's user id", await call('uid', {}, guest.access_token), guest.sub);
check('is_anonymous() is true for a guest', await call('is_anonymous', {}, guest.access_token), true);

const notes = client(guest.access_token).from('notes');
const inserted = await notes.insert({ body: 'From supabase' }).select('user_id,body').single();

check('a guest can insert a row', inserted.data, { user_id: guest.sub, body: 'From supabase' });
check(
  'a guest cannot insert a row for another user',
  (await notes.insert({ body: 'x', user_id: '00000000-0000-0000-0000-000000000000' })).error?.code,
  '42501',
);

const other = await call('authenticate_anonymously', { client_id: 'notebook' });

check('another guest does not see the row', (await client(other.access_token).from('notes').select()).data, []);
check('a request without a token is refused', (await client().from('notes').select()).status, 401);

const login = { client_id: 'notebook', password: 'correct horse' };
const [user] = await call('promote_anonymous_user', {
  ...login,
  email: 'dave@example.com',
  refresh_token: guest.refresh_token,
});

check('promotion keeps the user id', user.sub, guest.sub);
check(
  "the account can read the guest's row",
  (await client(user.access_token).from('notes').select('body')).data,
  [{ body: 'From supabase' }],
);
check('is_anonymous() is false for the account', await call('is_anonymous', {}, user.access_token), false);
check(
  'the token of the guest is refused after the promotion',
  (await client(guest.access_token).from('notes').select()).status,
  401,
);
check(
  'a wrong password returns no row',
  await call('authenticate', { ...login, login_id: 'dave@example.com', password: 'wrong horse' }),
  [],
);

const [again] = await call('authenticate', { ...login, login_id: 'Dave@Example.com' });

check('the right password logs in', again.sub, user.sub);
check(
  'userinfo() returns the e-mail address',
  (await call('userinfo', {}, again.access_token)).email,
  'dave@example.com',
);

const { error } = await client().schema('anon_auth').rpc('refresh_session', {
  client_id: 'notebook',
  refresh_token: guest.refresh_token,
});

check('an error has its SQLSTATE', error.code, 'AA006');
await call('revoke', { token: again.refresh_token });
check('a revoked session is refused', (await client(again.access_token).from('notes').select()).status, 401);
check(
  'a table of anon_auth cannot be read',
  (await client(user.access_token).schema('anon_auth').from('users').select()).error?.code,
  '42501',
);

process.stdout.write(JSON.stringify(results));
