# Ruby pg: an HTTP server with a pool. Each request is one transaction.
require 'connection_pool'
require 'json'
require 'pg'
require 'webrick'

# pool: PGHOST, PGDATABASE and PGUSER name the database.
POOL = ConnectionPool.new(size: Integer(ENV.fetch('POOL_SIZE', 10)), timeout: 30) do
  PG.connect.tap do |db|
    types = PG::BasicTypeMapForResults.new(db) # without it, false is the string "f", which is true in Ruby
    types.add_coder(PG::TextDecoder::String.new(oid: 2950)) # uuid: a string, without a warning
    db.type_map_for_results = types
  end
end
# end

# transaction: runs the block for one user.
def transaction(address, token, attempts = 3)
  POOL.with do |db|
    db.reset if db.status == PG::CONNECTION_BAD # the pool keeps a connection that was lost
    db.transaction do # commits, also after a failed login; rolls back after an exception
      db.exec_params('SELECT anon_auth.use_client_address($1)', [address])
      db.exec_params('SELECT anon_auth.use_access_token($1)', [token]) if token
      yield db
    end
  end
rescue PG::TRSerializationFailure # 40001
  raise if (attempts -= 1).zero?
  retry
end
# end

# calls: a statement, and the members of the request that are its parameters.
CALLS = {
  'POST /guests' => ["SELECT * FROM anon_auth.authenticate_anonymously('app')"],
  'POST /challenge' => ['SELECT token FROM anon_auth.create_challenge()'],
  'POST /device' => ["SELECT * FROM anon_auth.authenticate_anonymously('app', jwt => $1)", 'jwt'],
  'POST /login' => ["SELECT * FROM anon_auth.authenticate('app', $1, $2)", 'login_id', 'password'],
  'POST /refresh' => ["SELECT * FROM anon_auth.refresh_session('app', $1)", 'refresh_token'],
  'POST /promote' => ["SELECT * FROM anon_auth.promote_anonymous_user('app', email => $1, password => $2, refresh_token => $3)",
                      'email', 'password', 'refresh_token'],
  'GET /notes' => ['SELECT user_id, body FROM notes'],
  'POST /notes' => ['INSERT INTO notes (body) VALUES ($1) RETURNING user_id, body', 'body']
}
# end

# errors: the status and body for a database error.
STATUSES = {
  '22023' => 400, 'AA016' => 400, # an argument is missing or malformed
  '22P02' => 400, '22021' => 400, # a value is no uuid, for example; text is not valid UTF-8
  '23503' => 401, # the user of the token was deleted or merged
  'AA003' => 401, 'AA004' => 401, 'AA005' => 401, 'AA006' => 401, 'AA012' => 401, 'AA013' => 401, 'AA014' => 401,
  'AA026' => 401, 'AA027' => 401, 'AA028' => 401, 'AA029' => 401, 'AA031' => 401,
  'AA022' => 401, # the user must log in again first
  '42501' => 403, # a row without a user, among others
  'AA007' => 403, 'AA015' => 403, 'AA024' => 403, # the user is disabled; sign-up is closed; the user is a guest
  'AA008' => 409, 'AA009' => 409, # the user is not a guest; the login ID is taken
  'AA023' => 409, 'AA030' => 409, # the last credential; sign up, or log in instead
  'AA010' => 422, 'AA011' => 422, 'AA032' => 422, # the login ID, password or profile is not allowed
  'AA018' => 429, 'AA019' => 429,
  '40001' => 503, '57014' => 503, # after three attempts; statement_timeout
  'AA025' => 503 # the worker has not fetched the provider's key yet
}.freeze

def error_answer(error)
  sqlstate = error.result&.error_field(PG::PG_DIAG_SQLSTATE) # a lost connection has no result
  status = STATUSES.fetch(sqlstate, 500)
  warn(sqlstate || error.class.name) if status == 500 # the message can contain a password
  json = %w[AA009 AA010 AA011 AA018 AA019 AA022 AA027 AA029 AA030 AA032].include?(sqlstate)
  detail = json ? JSON.parse(error.result.error_field(PG::PG_DIAG_MESSAGE_DETAIL)) : {}
  [status, { error: sqlstate, **detail }]
end
# end

def answer(request)
  route = "#{request.request_method} #{request.path}"
  statement, *names = CALLS[route]
  return [404, {}] unless statement

  given = JSON.parse(request.body || '{}')
  token = request['Authorization']&.delete_prefix('Bearer ')
  # Behind a proxy, use the address that the proxy states.
  rows = transaction(request.peeraddr.last, token) { |db| db.exec_params(statement, names.map { |name| given[name] }).to_a }
  return [200, rows] if route == 'GET /notes'

  rows.empty? ? [401, { error: 'wrong credentials' }] : [200, rows.first]
rescue JSON::ParserError, ArgumentError # no JSON; pg refuses text with a NUL
  [400, { error: 'invalid request' }]
rescue PG::Error => e
  error_answer(e)
end

server = WEBrick::HTTPServer.new(
  BindAddress: '127.0.0.1', Port: Integer(ENV.fetch('PORT', 8000)), AccessLog: [], Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN)
)
server.mount_proc('/') do |request, response|
  response.status, body = answer(request)
  response['Content-Type'] = 'application/json'
  response['Cache-Control'] = 'no-store'
  response['Retry-After'] = body['retry_after'] if response.status == 429
  response.body = JSON.generate(body)
end
trap('TERM') { server.shutdown }
server.start
