// PostGraphile over the schema api of setup.sql: POST /graphql.
// Set PGHOST, PGDATABASE and so on for the database, and PORT for the HTTP port.
import { createServer } from 'node:http';
import build from 'graphile-build';
import postgraphile from 'postgraphile';

// PostGraphile runs each request in one transaction.  First, the database verifies
// the access token.  The result of use_access_token() holds until the transaction ends,
// and SET cannot forge it.  An invalid token ends the request with status 401.
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

// The caller: the access token, and the client's address for the limits, in the form
// that a proxy uses.
function pgSettings({ headers, socket }) {
  const addresses = [headers['x-forwarded-for'], socket.remoteAddress].filter(Boolean).join(', ');
  const accessToken = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  return { 'request.headers': JSON.stringify({ 'x-forwarded-for': addresses }), accessToken };
}

// Pass on only errors of anon_auth (AA...) and missing privileges (42501).  For all
// other errors, log only the code, because the text can contain input of the client.
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
  // A failed mutation rolls back to its savepoint.  A failed query inside a mutation
  // would roll back the whole transaction, including counted wrong passwords.
  skipPlugins: [build.MutationPayloadQueryPlugin],
  ignoreRBAC: false, // expose only objects on which the role has rights
  handleErrors,
  graphiql: false,
  disableQueryLog: true,
}));
server.listen(Number(process.env.PORT ?? 5678), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/graphql`);
});
