// JDBC: an HTTP server with a pool (HikariCP). Each request is one transaction.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import javax.sql.DataSource;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.postgresql.util.PSQLException;

public final class Server {
    record Call(String sql, String... parameters) {}

    record Answer(int status, Object body) {}

    // calls: each with the names of its parameters in the body of the request
    static final Map<String, Call> CALLS = Map.of(
        "POST /guests", new Call("SELECT * FROM anon_auth.authenticate_anonymously('app')"),
        "POST /challenge", new Call("SELECT token FROM anon_auth.create_challenge()"),
        "POST /device", new Call("SELECT * FROM anon_auth.authenticate_anonymously('app', jwt => ?)", "jwt"),
        "POST /login", new Call("SELECT * FROM anon_auth.authenticate('app', ?, ?)", "login_id", "password"),
        "POST /refresh", new Call("SELECT * FROM anon_auth.refresh_session('app', ?)", "refresh_token"),
        "POST /promote", new Call("SELECT * FROM anon_auth.promote_anonymous_user('app', email => ?,"
            + " password => ?, refresh_token => ?)", "email", "password", "refresh_token"),
        "GET /notes", new Call("SELECT user_id, body FROM notes"),
        "POST /notes", new Call("INSERT INTO notes (body) VALUES (?) RETURNING user_id, body", "body"));
    // end

    // errors: the HTTP status for a SQLSTATE
    static int status(String state) {
        return switch (state) {
            case "22023", "AA016" -> 400; // an argument is missing or malformed
            case "22P02", "22021" -> 400; // a value is no uuid, for example; a text has a NUL
            case "23503" -> 401; // the user of the token was deleted or merged
            case "AA003", "AA004", "AA005", "AA006", "AA012", "AA013", "AA014", "AA026", "AA027", "AA028", "AA029", "AA031" -> 401;
            case "AA022" -> 401; // the user must log in again first
            case "42501" -> 403; // a row without a user, among others
            case "AA007", "AA015", "AA024" -> 403; // the user is disabled; sign-up is closed; a guest
            case "AA008", "AA009" -> 409; // the user is not a guest; the login ID is taken
            case "AA023", "AA030" -> 409; // the last credential; sign up, or log in instead
            case "AA010", "AA011", "AA032" -> 422; // the login ID, password or profile is not allowed
            case "AA018", "AA019" -> 429;
            case "40001", "57014" -> 503; // after three attempts; statement_timeout
            case "AA025" -> 503; // the worker has not fetched the provider's key yet
            default -> 500;
        };
    }

    static Answer errorAnswer(SQLException error) {
        String state = String.valueOf(error.getSQLState());
        JSONObject body = new JSONObject();
        if (error instanceof PSQLException failure
                && List.of("AA009", "AA010", "AA011", "AA018", "AA019", "AA022", "AA027", "AA029", "AA030", "AA032").contains(state)) {
            body = new JSONObject(failure.getServerErrorMessage().getDetail());
        }
        int status = status(state);
        if (status == 500) {
            System.err.println("SQLSTATE " + state); // the message can contain a password
        }
        return new Answer(status, body.put("error", state));
    }
    // end

    final DataSource pool;

    Server(String url) {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(url);
        config.setAutoCommit(false); // a transaction begins with the first statement
        config.setInitializationFailTimeout(-1);
        pool = new HikariDataSource(config);
    }

    static void execute(Connection db, String sql, String value) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(sql)) {
            statement.setString(1, value);
            statement.execute();
        }
    }

    static JSONArray rows(Connection db, Call call, JSONObject arguments) throws SQLException {
        try (PreparedStatement statement = db.prepareStatement(call.sql())) {
            for (int i = 0; i < call.parameters().length; i++) {
                statement.setString(i + 1, arguments.optString(call.parameters()[i], null));
            }
            JSONArray rows = new JSONArray();
            ResultSet result = statement.executeQuery();
            while (result.next()) {
                JSONObject row = new JSONObject();
                for (int i = 1; i <= result.getMetaData().getColumnCount(); i++) {
                    row.put(result.getMetaData().getColumnLabel(i), result.getObject(i));
                }
                rows.put(row);
            }
            return rows;
        }
    }

    // transaction: runs a call for one user.
    JSONArray run(String address, String token, Call call, JSONObject arguments, int attempts) throws SQLException {
        try (Connection db = pool.getConnection()) {
            try {
                execute(db, "SELECT anon_auth.use_client_address(?::inet)", address);
                if (token != null) {
                    execute(db, "SELECT anon_auth.use_access_token(?)", token);
                }
                JSONArray rows = rows(db, call, arguments);
                db.commit(); // also after a failed login
                return rows;
            } catch (SQLException error) {
                db.rollback();
                if (!"40001".equals(error.getSQLState()) || attempts == 1) {
                    throw error;
                }
            }
        }
        return run(address, token, call, arguments, attempts - 1);
    }
    // end

    Answer answer(HttpExchange exchange) throws IOException {
        String route = exchange.getRequestMethod() + " " + exchange.getRequestURI();
        Call call = CALLS.get(route);
        if (call == null) {
            return new Answer(404, new JSONObject());
        }
        String text = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        String header = exchange.getRequestHeaders().getFirst("Authorization");
        String token = header == null ? null : header.replaceFirst("^Bearer ", "");
        // Behind a proxy, use the address that the proxy states.
        String address = exchange.getRemoteAddress().getAddress().getHostAddress();
        try {
            JSONArray rows = run(address, token, call, new JSONObject(text.isEmpty() ? "{}" : text), 3);
            if (route.equals("GET /notes")) {
                return new Answer(200, rows);
            }
            return rows.isEmpty()
                ? new Answer(401, new JSONObject(Map.of("error", "wrong credentials")))
                : new Answer(200, rows.get(0));
        } catch (SQLException error) {
            return errorAnswer(error);
        } catch (JSONException error) {
            return new Answer(400, new JSONObject(Map.of("error", "invalid JSON")));
        }
    }

    void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            Answer answer = answer(exchange);
            byte[] content = answer.body().toString().getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.getResponseHeaders().set("Cache-Control", "no-store");
            if (answer.body() instanceof JSONObject body && body.has("retry_after")) {
                exchange.getResponseHeaders().set("Retry-After", body.get("retry_after").toString());
            }
            exchange.sendResponseHeaders(answer.status(), content.length);
            exchange.getResponseBody().write(content);
        }
    }

    public static void main(String[] arguments) throws IOException {
        // such as jdbc:postgresql://127.0.0.1/mydatabase?user=app_role
        Server server = new Server(System.getenv("DATABASE"));
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8000"));
        HttpServer http = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        http.createContext("/", server::handle);
        http.setExecutor(Executors.newCachedThreadPool());
        http.start();
    }
}
