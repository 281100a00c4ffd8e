// A service as its developers write it, careless with personal data. It calls itself over HTTP and gRPC, fails in all the ways there
// are, logs and measures. What it plants is in planted.json.
"use strict";

const sdk = require("./otel");
const { promisify } = require("node:util");
const http = require("node:http");
const grpc = require("@grpc/grpc-js");
const pino = require("pino");
const { context, createTraceState, metrics, propagation, trace, SpanKind, SpanStatusCode } = require("@opentelemetry/api");
const { logs, SeverityNumber } = require("@opentelemetry/api-logs");
const planted = require("../planted.json");

const P = planted.personal;
const ME = { "user.id": planted.may_pass.user_id, "user.email": planted.may_pass.work_email };
const TEXT = `${P.name} <${P.email}>, ${P.phone}, ${P.street}, from ${P.address} with ${P.token}: ${P.title}, ${P.card}`;
const quote = encodeURIComponent;

const PERSONAL = {
  "user.name": P.name,
  "enduser.id": P.email,
  "client.address": P.address,
  "network.peer.address": P.address6,
  "url.full": `https://kannelle.example/${P.email}?token=${P.token}`,
  "user_agent.original": P.agent,
  "db.query.text": `SELECT * FROM users WHERE email = '${P.email}'`,
  "session.id": P.token,
  "host.name": P.host,
  "geo.location.lat": Number(P.place.split(",")[0]),
  // Under keys that may pass, values that may not.
  "service.version": P.email,
  "code.function.name": P.phone,
  "error.type": P.email,
  "http.route": `/people/${P.email}`,
  "rpc.method": P.address,
  "db.operation.name": [P.email, P.phone],
  "deployment.id": Buffer.from(P.email).toString("base64"),
  "k8s.node.name": Buffer.from(P.email).toString("hex"),
  "service.offset": Number(P.phone),
  "thread.id": Number(P.card.replaceAll(" ", "")),
  // And keys that nobody knows.
  customer: P.name,
  [P.email]: true,
};

const tracer = trace.getTracer("video", "1.4.2");
const log = pino({ name: "video", level: "debug" });

class NoSuchPerson extends Error {
  name = "NoSuchPerson";
}

function errors() {
  const odd = new TypeError(TEXT);
  odd.code = P.email;
  return [
    new NoSuchPerson(TEXT),
    new Error("not found", { cause: new Error(TEXT) }),
    new AggregateError([new Error(P.email), new Error(P.phone)], P.title),
    odd,
    TEXT,
    { name: P.name, message: P.email, stack: TEXT },
  ];
}

function spans() {
  const traceState = createTraceState(`acme=${quote(P.email)}`);
  const where = { traceId: "1".padStart(32, "0"), spanId: "2".padStart(16, "0"), traceFlags: 1, traceState };
  const link = { context: where, attributes: PERSONAL };
  tracer.startActiveSpan("export video", { links: [link], attributes: { ...PERSONAL, ...ME } }, (span) => {
    span.setAttribute("kannelle.video.id", "vid_e2e1");
    span.addEvent(`opened by ${P.name}`, PERSONAL);
    span.addEvent("opened", { ...ME, ...PERSONAL });
    span.setStatus({ code: SpanStatusCode.ERROR, message: TEXT });
    span.end();
  });
  for (const kind of ["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]) {
    tracer.startSpan(`${kind} for ${TEXT}`, { kind: SpanKind[kind] }).end();
  }
  for (const error of errors()) {
    const span = tracer.startSpan("fails");
    span.recordException(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: String(error.message ?? error) });
    span.end();
  }
}

function say() {
  log.info({ ...ME, "kannelle.video.id": "vid_e2e1" }, "video exported");
  log.info(PERSONAL, "video exported");
  log.info("%s signed in from %s", P.name, P.address);
  log.warn(`signed in: ${TEXT}`);
  log.child({ who: P.name, nested: { mails: [P.email, { phone: P.phone }] } }).error("request failed");
  for (const error of errors()) {
    log.error(error);
    log.error({ err: error }, "request failed");
    log.error({ error: String(error.stack ?? error) }, `request failed: ${error}`);
  }
  const logger = logs.getLogger("video.events");
  const nested = { who: { name: P.name, mails: [P.email, { phone: P.phone }] } };
  for (const body of [TEXT, { ...PERSONAL, ...nested }, [P.name, [P.email]], Buffer.from(TEXT), undefined]) {
    const attributes = { ...PERSONAL, ...nested, ...ME };
    logger.emit({ severityNumber: SeverityNumber.INFO, severityText: P.name, body, attributes });
  }
  logger.emit({ eventName: `signed in: ${P.email}`, body: "sign-in succeeded", exception: new NoSuchPerson(TEXT) });
}

function measure() {
  const meter = metrics.getMeter("video", "1.4.2");
  meter.createObservableGauge("queue.length", { unit: P.email }).addCallback((result) => result.observe(7, PERSONAL));
  const counter = meter.createCounter("videos.exported", { unit: "{video}", description: `Ask ${P.name}` });
  counter.add(3, { ...PERSONAL, ...ME, "kannelle.video.codec": "h264" });
  const duration = meter.createHistogram("video.export.duration", { unit: "s", description: TEXT });
  duration.record(1.25, { "enduser.id": P.email, "kannelle.video.codec": "h264" });
}

const HEADERS = {
  "User-Agent": P.agent,
  Authorization: `Bearer ${P.token}`,
  Cookie: `session=${P.token}; who=${quote(P.name)}`,
  "X-Forwarded-For": P.address,
  From: P.email,
  "X-User": P.name,
  tracestate: `acme=${quote(P.email)}`,
};

function get(url, method) {
  return new Promise((resolve) => {
    const request = http.request(url, { method, headers: HEADERS }, (response) => response.resume().on("end", resolve));
    request.on("error", resolve).end(method === "POST" ? TEXT : undefined);
  });
}

async function overHttp() {
  const server = http.createServer((request, response) => {
    // What a framework's instrumentation does.
    trace.getActiveSpan().updateName(`${request.method} /people/:who`).setAttribute("http.route", "/people/:who");
    log.info(ME, "request completed");
    response.writeHead(request.method === "POST" ? 500 : 200, { "X-Owner": P.name, "Set-Cookie": `session=${P.token}` }).end(P.name);
  });
  await promisify(server.listen.bind(server))(0, "127.0.0.1");
  const root = `http://127.0.0.1:${server.address().port}`;
  await get(`${root}/people/${P.email}?token=${P.token}&q=${quote(P.title)}`, "GET");
  await get(`${root}/people/${quote(P.name)}/${P.phone}`, "POST");
  await get(`http://127.0.0.1:1/${P.email}`, "GET");
  await promisify(server.close.bind(server))();
}

const bytes = { requestSerialize: (x) => x, requestDeserialize: (x) => x, responseSerialize: (x) => x, responseDeserialize: (x) => x };
const SERVICE = { greet: { path: "/acme.video.v1.VideoService/Greet", requestStream: false, responseStream: false, ...bytes } };

function greet(call, answer) {
  const trailer = new grpc.Metadata();
  trailer.set("x-owner", P.email);
  call.sendMetadata(trailer);
  if (call.request.equals(Buffer.from("refuse"))) answer({ code: grpc.status.NOT_FOUND, details: TEXT, metadata: trailer });
  else if (call.request.equals(Buffer.from("break"))) throw new NoSuchPerson(TEXT);
  else answer(null, Buffer.from(P.name), trailer);
}

async function overGrpc() {
  const server = new grpc.Server();
  server.addService(SERVICE, { greet });
  const port = await promisify(server.bindAsync.bind(server))("127.0.0.1:0", grpc.ServerCredentials.createInsecure());
  const Client = grpc.makeGenericClientConstructor(SERVICE, "VideoService");
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { "grpc.primary_user_agent": P.agent });
  const metadata = new grpc.Metadata();
  metadata.set("x-user", P.email);
  metadata.set("authorization", P.token);
  for (const request of ["", "refuse", "break"]) {
    const options = { deadline: Date.now() + 5000 };
    await new Promise((resolve) => client.greet(Buffer.from(request), metadata, options, resolve));
  }
  client.close();
  server.forceShutdown();
}

async function main() {
  spans();
  say();
  measure();
  const baggage = propagation.createBaggage({ who: { value: P.name }, mail: { value: P.email } });
  await context.with(propagation.setBaggage(context.active(), baggage), async () => {
    await overHttp();
    await overGrpc();
  });
  await sdk.shutdown();
}

main();
