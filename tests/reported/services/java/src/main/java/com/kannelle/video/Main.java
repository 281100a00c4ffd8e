package com.kannelle.video;

import com.sun.net.httpserver.HttpServer;
import io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A normal service, set up by OpenTelemetry's agent alone: HTTP, JDBC and Kafka, errors as Java's programs wrap them, logs. */
public final class Main {
  private static final Logger LOG = LoggerFactory.getLogger(Main.class);
  private static final Tracer TRACER = GlobalOpenTelemetry.getTracer("com.kannelle.video", "1.4.2");

  /** An error of the program's own. */
  static final class NoSuchVideo extends RuntimeException {}

  private final Runnable initial;

  private Main() {
    LOG.info("server started");
    initial = () -> LOG.info("request completed");
  }

  public static void main(String[] arguments) throws Exception {
    new Main().initial.run();
    fail();
    overHttp();
    inSql();
    overKafka(arguments[0]);
    Thread.sleep(Duration.ofSeconds(4).toMillis()); // until the JVM has been measured
    LOG.info("server stopped");
    System.exit(0);
  }

  private static void fail() {
    for (Callable<?> work :
        List.<Callable<?>>of(
            () -> CompletableFuture.supplyAsync(() -> { throw new NoSuchVideo(); }).join(),
            () -> CompletableFuture.supplyAsync(() -> { throw new NoSuchVideo(); }).get(),
            () -> Integer.parseInt("x"),
            () -> List.of().iterator().next(),
            () -> new Object() { Object run() { throw new IllegalStateException(); } }.run(),
            () -> { throw new RuntimeException() {}; },
            () -> ((Object) "x").equals(null) ? "" : (Integer) (Object) "x",
            () -> new java.io.FileInputStream("/nowhere"),
            () -> java.net.InetAddress.getByName("nowhere.invalid"))) {
      Span span = TRACER.spanBuilder("video.export").startSpan();
      try (var scope = span.makeCurrent()) {
        work.call();
      } catch (Exception error) {
        span.recordException(error);
        span.setStatus(StatusCode.ERROR);
        LOG.error("video export failed", error);
      } finally {
        span.end();
      }
    }
  }

  private static void overHttp() throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.setExecutor(Executors.newFixedThreadPool(2));
    server.createContext("/v1/videos", exchange -> {
      LOG.info("request completed");
      exchange.sendResponseHeaders(exchange.getRequestMethod().equals("GET") ? 200 : 500, -1);
      exchange.close();
    });
    server.start();
    String base = "http://localhost:" + server.getAddress().getPort();
    HttpClient client = HttpClient.newHttpClient();
    for (HttpRequest.Builder request :
        List.of(
            HttpRequest.newBuilder(URI.create(base + "/v1/videos")).GET(),
            HttpRequest.newBuilder(URI.create(base + "/v1/videos")).POST(HttpRequest.BodyPublishers.ofString("{}")),
            HttpRequest.newBuilder(URI.create("http://localhost:1/")).GET())) {
      try {
        client.send(request.build(), HttpResponse.BodyHandlers.discarding());
      } catch (java.io.IOException refused) {
        LOG.warn("request failed");
      }
    }
    server.stop(0);
  }

  private static void inSql() throws SQLException {
    try (Connection connection = DriverManager.getConnection("jdbc:h2:mem:kannelle", "kannelle", "")) {
      connection.createStatement().execute("CREATE TABLE videos (id INT PRIMARY KEY, title VARCHAR(80))");
      try (var insert = connection.prepareStatement("INSERT INTO videos VALUES (?, ?)")) {
        insert.setInt(1, 7);
        insert.setString(2, "Harbour");
        insert.executeUpdate();
      }
      connection.createStatement().executeQuery("SELECT title FROM videos WHERE id = 7");
      connection.createStatement().executeQuery("SELECT title FROM nothing");
    } catch (SQLException expected) {
      LOG.warn("request failed");
    }
  }

  private static void overKafka(String brokers) {
    try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", brokers, "client.id", "video"), new StringSerializer(), new StringSerializer())) {
      producer.send(new ProducerRecord<>("video.exports.requested", "vid_5k2p", "{}"));
    }
    Map<String, Object> settings = Map.of("bootstrap.servers", brokers, "group.id", "video-exporter", "auto.offset.reset", "earliest");
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of("video.exports.requested"));
      for (int tries = 0, taken = 0; tries < 20 && taken == 0; tries++) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          LOG.info("video exported");
          taken++;
        }
      }
    }
  }
}
