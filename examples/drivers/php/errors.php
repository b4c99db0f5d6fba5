<?php
// errors: the status and body for a database error.
const STATUSES = [
    '22023' => 400, 'AA016' => 400, // an argument is missing or malformed
    '22P02' => 400, '22021' => 400, // a value is no uuid, for example; text is not valid UTF-8
    '23503' => 401, // the user of the token was deleted or merged
    'AA003' => 401, 'AA004' => 401, 'AA005' => 401, 'AA006' => 401, 'AA012' => 401, 'AA013' => 401, 'AA014' => 401,
    'AA026' => 401, 'AA027' => 401, 'AA028' => 401, 'AA029' => 401, 'AA031' => 401,
    'AA022' => 401, // the user must log in again first
    '42501' => 403, // a row without a user, among others
    'AA007' => 403, 'AA015' => 403, 'AA024' => 403, // the user is disabled; sign-up is closed; the user is a guest
    'AA008' => 409, 'AA009' => 409, // the user is not a guest; the login ID is taken
    'AA023' => 409, 'AA030' => 409, // the last credential; sign up, or log in instead
    'AA010' => 422, 'AA011' => 422, 'AA032' => 422, // the login ID, password or profile is not allowed
    'AA018' => 429, 'AA019' => 429,
    '40001' => 503, '57014' => 503, // after three attempts; statement_timeout
    'AA025' => 503, // the worker has not fetched the provider's key yet
];

function error_answer(PDOException $error): array
{
    $sqlstate = $error->errorInfo[0];
    $status = STATUSES[$sqlstate] ?? 500;
    if ($status === 500) {
        error_log($sqlstate); // the message can contain a password
    }
    $detail = [];
    if (in_array($sqlstate, ['AA009', 'AA010', 'AA011', 'AA018', 'AA019', 'AA022', 'AA027', 'AA029', 'AA030', 'AA032'])) {
        preg_match('/^DETAIL:  (.*)$/m', $error->errorInfo[2], $match); // a line; another can have a HINT
        $detail = json_decode($match[1], true);
    }
    return [$status, ['error' => $sqlstate] + $detail];
}
// end
