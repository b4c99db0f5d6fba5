<?php
// PHP PDO: the script of an HTTP server. Each request is one transaction.
require __DIR__ . '/errors.php';

// connection: PGHOST, PGPORT, PGDATABASE and PGUSER name the database. The connection outlives the request.
function connection(): PDO
{
    return new PDO('pgsql:', getenv('PGUSER'), getenv('PGPASSWORD') ?: null, [
        PDO::ATTR_PERSISTENT => true,
        PDO::ATTR_EMULATE_PREPARES => false, // true puts the values into the statement
        PDO::PGSQL_ATTR_DISABLE_PREPARES => true, // for PgBouncer
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC,
    ]);
}
// end

// transaction: runs $work for one user.
function transaction(string $address, ?string $token, callable $work, int $attempts = 3): array
{
    $db = connection();
    $db->beginTransaction();
    try {
        $db->prepare('SELECT anon_auth.use_client_address(?)')->execute([$address]);
        if ($token !== null) {
            $db->prepare('SELECT anon_auth.use_access_token(?)')->execute([$token]);
        }
        $rows = $work($db);
        $db->commit(); // also after a failed login
        return $rows;
    } catch (Throwable $error) {
        try {
            $db->rollBack();
        } catch (PDOException) {
            // The connection was lost. PDO opens another for the next request.
        }
        if (!$error instanceof PDOException || $error->errorInfo[0] !== '40001' || $attempts === 1) {
            throw $error;
        }
    }
    return transaction($address, $token, $work, $attempts - 1);
}
// end

// calls: a statement, and the members of the request that are its parameters.
const CALLS = [
    'POST /guests' => ["SELECT * FROM anon_auth.authenticate_anonymously('app')"],
    'POST /challenge' => ['SELECT token FROM anon_auth.create_challenge()'],
    'POST /device' => ["SELECT * FROM anon_auth.authenticate_anonymously('app', jwt => ?)", 'jwt'],
    'POST /login' => ["SELECT * FROM anon_auth.authenticate('app', ?, ?)", 'login_id', 'password'],
    'POST /refresh' => ["SELECT * FROM anon_auth.refresh_session('app', ?)", 'refresh_token'],
    'POST /promote' => ["SELECT * FROM anon_auth.promote_anonymous_user('app', email => ?, password => ?, refresh_token => ?)",
        'email', 'password', 'refresh_token'],
    'GET /notes' => ['SELECT user_id, body FROM notes'],
    'POST /notes' => ['INSERT INTO notes (body) VALUES (?) RETURNING user_id, body', 'body'],
];
// end

function answer(string $route, string $content): array
{
    if (!isset(CALLS[$route])) {
        return [404, (object) []];
    }
    $names = CALLS[$route];
    $statement = array_shift($names);
    $given = json_decode($content ?: '{}', true);
    $values = array_map(fn ($name) => $given[$name] ?? null, $names);
    // PDO cuts a string at a NUL.
    if (!is_array($given) || array_filter($values, fn ($value) => $value !== null && (!is_string($value) || str_contains($value, "\0")))) {
        return [400, ['error' => 'invalid request']];
    }
    $token = isset($_SERVER['HTTP_AUTHORIZATION']) ? preg_replace('/^Bearer /', '', $_SERVER['HTTP_AUTHORIZATION']) : null;
    try {
        // Behind a proxy, use the address that the proxy states.
        $rows = transaction($_SERVER['REMOTE_ADDR'], $token, function (PDO $db) use ($statement, $values) {
            $prepared = $db->prepare($statement);
            $prepared->execute($values);
            return $prepared->fetchAll();
        });
    } catch (PDOException $error) {
        return error_answer($error);
    }
    if ($route === 'GET /notes') {
        return [200, $rows];
    }
    return $rows ? [200, $rows[0]] : [401, ['error' => 'wrong credentials']];
}

[$status, $body] = answer($_SERVER['REQUEST_METHOD'] . ' ' . parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), file_get_contents('php://input'));
http_response_code($status);
header('Content-Type: application/json');
header('Cache-Control: no-store');
if ($status === 429) {
    header('Retry-After: ' . $body['retry_after']);
}
echo json_encode($body);
