// PostGraphile over the schema api of setup.sql: POST /graphql.
// PGHOST, PGDATABASE and so on say where the database is, PORT where this listens.
import { createServer } from 'node:http';
import build from 'graphile-build';
import postgraphile from 'postgraphile';

// A request is one transaction of PostGraphile's.  It begins by letting the database
// verify the access token: what use_access_token() has found holds until the
// transaction ends, and no SET can forge it.  A token that is not good ends the request.
const withAccessToken = {
  withPostGraphileContext: (connect) => ({ pgSettings, ...options }, run) => {
    const { accessToken, ...settings } = pgSettings;
    return connect({ ...options, pgSettings: settings }, async (context) => {
      if (accessToken) {
        const query = { text: 'SELECT anon_auth.use_access_token($1)', values: [accessToken] };
        await context.pgClient.query(query).catch((error) => {
          throw Object.assign(error, { statusCode: 401 });
        });
      }
      return run(context);
    });
  },
};

// Who asks: the token, and the address for the limits, as a proxy would tell it.
function pgSettings({ headers, socket }) {
  const addresses = [headers['x-forwarded-for'], socket.remoteAddress].filter(Boolean).join(', ');
  const accessToken = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  return { 'request.headers': JSON.stringify({ 'x-forwarded-for': addresses }), accessToken };
}

// What a client may know of an error: those of anon_auth (AA...), and that it may
// not do something (42501).  Of all others the log has the code alone, as their text
// can hold what the client has sent.
const handleErrors = (errors) => errors.map((error) => {
  const cause = error.originalError ?? error;
  const { message, locations, path } = error;
  if (error.expose || (locations && !error.originalError)) return { message, locations, path }; // a bad request
  if (/^(AA\d{3}|42501)$/.test(cause.code)) {
    return { message: cause.message, locations, path, extensions: { code: cause.code, detail: cause.detail } };
  }
  console.error(`error ${cause.code ?? cause.name} at ${path?.join('.')}`);
  return { message: 'internal error', locations, path };
});

const server = createServer(postgraphile.postgraphile({}, ['api'], {
  pluginHook: postgraphile.makePluginHook([withAccessToken]),
  pgSettings,
  // A mutation that fails goes back to its savepoint.  A failed query within one
  // would take the transaction with it, and what a wrong password has counted.
  skipPlugins: [build.MutationPayloadQueryPlugin],
  ignoreRBAC: false, // only what the role may do
  handleErrors,
  graphiql: false,
  disableQueryLog: true,
}));
server.listen(Number(process.env.PORT ?? 5678), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/graphql`);
});
