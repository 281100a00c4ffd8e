// A normal service, instrumented by `--require @opentelemetry/auto-instrumentations-node/register`: HTTP by express, gRPC, Kafka, a
// database and a cache that aren't there, errors as Node's programs throw them, logs by pino, a metric.
"use strict";

const dns = require("node:dns/promises");
const fs = require("node:fs/promises");
const grpc = require("@grpc/grpc-js");
const { metrics, trace, SpanStatusCode } = require("@opentelemetry/api");
const express = require("express");
const Redis = require("ioredis");
const { Kafka, logLevel } = require("kafkajs");
const { Client } = require("pg");
const pino = require("pino");

const log = pino({ level: "info" }, pino.destination("/dev/null"));
const tracer = trace.getTracer("@kannelle/video", "1.4.2");

class NoSuchVideo extends Error {
  constructor() {
    super("no such video");
    this.name = "NoSuchVideo";
  }
}

async function fail() {
  const works = [
    () => JSON.parse("{"),
    () => { throw new NoSuchVideo(); },
    () => undefined.title,
    () => fs.readFile("/nowhere"),
    () => dns.lookup("nowhere.invalid"),
    () => Promise.any([Promise.reject(new Error("x"))]),
    () => fetch("http://localhost:1/"),
    () => AbortSignal.abort().throwIfAborted(),
    () => { throw Object.assign(new Error("x"), { code: "ERR_HTTP_HEADERS_SENT" }); },
  ];
  for (const work of works) {
    await tracer.startActiveSpan("video.export", async (span) => {
      try {
        await work();
      } catch (error) {
        span.recordException(error);
        span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
        span.setAttribute("error.type", error.code === undefined ? error.constructor.name : String(error.code));
        log.error(error, "video export failed");
      }
      span.end();
    });
  }
}

async function overHttp() {
  const app = express();
  app.get("/v1/videos/:video_id", (request, response) => {
    log.info("request completed");
    response.json({});
  });
  app.post("/v1/exports", () => { throw new NoSuchVideo(); });
  app.use((error, request, response, next) => response.status(500).end());
  const server = await new Promise((done) => { const one = app.listen(0, "127.0.0.1", () => done(one)); });
  const base = `http://localhost:${server.address().port}`;
  for (const [method, url] of [["GET", `${base}/v1/videos/vid_5k2p`], ["POST", `${base}/v1/exports`], ["GET", `${base}/nothing`], ["GET", "http://localhost:1/"]]) {
    await fetch(url, { method }).catch(() => log.warn("request failed"));
  }
  server.closeAllConnections();
  server.close();
}

const GREET = {
  Greet: {
    path: "/kannelle.video.v1.VideoService/Greet", requestStream: false, responseStream: false,
    requestSerialize: Buffer.from, requestDeserialize: String, responseSerialize: Buffer.from, responseDeserialize: String,
  },
};

async function overGrpc() {
  const server = new grpc.Server();
  server.addService(GREET, { Greet: (call, done) => (call.request === "fail" ? done({ code: grpc.status.NOT_FOUND }) : done(null, "hello")) });
  const port = await new Promise((done, failed) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => (error ? failed(error) : done(bound)));
  });
  const client = new (grpc.makeGenericClientConstructor(GREET, "VideoService"))(`localhost:${port}`, grpc.credentials.createInsecure());
  for (const request of ["hello", "fail"]) {
    await new Promise((done) => client.Greet(request, done));
  }
  client.close();
  server.forceShutdown();
}

async function overKafka(broker) {
  const kafka = new Kafka({ clientId: "video", brokers: [broker], logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: "video.exports.requested", messages: [{ key: "vid_5k2p", value: "{}" }] });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: "video-exporter" });
  await consumer.connect();
  await consumer.subscribe({ topic: "video.exports.requested", fromBeginning: true });
  await new Promise((done) => { consumer.run({ eachMessage: async () => { log.info("video exported"); setTimeout(done, 100); } }); });
  await consumer.disconnect();
}

async function inDatabases() {
  const client = new Client({ connectionString: "postgresql://kannelle@localhost:1/kannelle" });
  await client.connect().catch(() => log.warn("request failed"));
  const cache = new Redis({ host: "localhost", port: 1, lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: () => null });
  cache.on("error", () => {});
  await cache.get("vid_5k2p").catch(() => log.warn("request failed"));
  cache.disconnect();
}

async function main() {
  log.info("server started");
  metrics.getMeter("@kannelle/video").createCounter("videos.exported", { unit: "{video}" }).add(1, { "kannelle.video.codec": "h264" });
  await fail();
  await overHttp();
  await overGrpc();
  await overKafka(process.argv[2]);
  await inDatabases();
  process.kill(process.pid, "SIGTERM"); // upon which the SDK sends what is left
}

main();
