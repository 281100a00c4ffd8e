// What a service loads first, as OpenTelemetry's documentation has it. Where to send is the environment's.
"use strict";

const { GrpcInstrumentation } = require("@opentelemetry/instrumentation-grpc");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { PinoInstrumentation } = require("@opentelemetry/instrumentation-pino");
const { NodeSDK } = require("@opentelemetry/sdk-node");

const headers = ["authorization", "baggage", "cookie", "from", "tracestate", "user-agent", "x-forwarded-for", "x-user", "set-cookie", "x-owner"];
const both = { requestHeaders: headers, responseHeaders: headers };
const metadata = { requestMetadata: ["authorization", "x-user"], responseMetadata: ["x-owner"] };

const sdk = new NodeSDK({
  instrumentations: [
    new HttpInstrumentation({ headersToSpanAttributes: { client: both, server: both } }),
    new GrpcInstrumentation({ metadataToSpanAttributes: { client: metadata, server: metadata } }),
    new PinoInstrumentation(),
  ],
});
sdk.start();

module.exports = sdk;
