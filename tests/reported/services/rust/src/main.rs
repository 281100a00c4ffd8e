//! A normal service: spans and logs by `tracing`, errors of Rust's own types, what the resource detectors find, a metric.

use std::any::type_name_of_val;
use std::error::Error;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{global, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_resource_detectors::{
    ContainerResourceDetector, HostResourceDetector, K8sResourceDetector, OsResourceDetector, ProcessResourceDetector,
    ServiceInstanceIdResourceDetector,
};
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::Resource;
use tracing::{error, info, instrument};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

mod export {
    use super::*;

    /// Fail, and say of what type the error was.
    #[instrument(name = "video.export", skip_all, fields(error.type = tracing::field::Empty, exception.type = tracing::field::Empty))]
    pub async fn run<E: Error + 'static>(error: E) {
        let span = tracing::Span::current();
        span.record("error.type", type_name_of_val(&error));
        span.record("exception.type", type_name_of_val(&error));
        error!(error = &error as &dyn Error, "video export failed");
    }
}

struct Encoder;

impl Encoder {
    #[instrument(name = "video.transcode", skip_all, fields(code.function.name = type_name_of_val(&Self::start), code.namespace = module_path!()))]
    fn start(&self) {
        let here = || info!(kannelle.video.codec = "h264", "video exported");
        info!(code.function.name = type_name_of_val(&here), "request completed");
        here();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let resource = Resource::builder()
        .with_detectors(&[
            Box::new(OsResourceDetector), Box::new(ProcessResourceDetector), Box::new(HostResourceDetector::default()),
            Box::new(K8sResourceDetector), Box::new(ContainerResourceDetector), Box::new(ServiceInstanceIdResourceDetector),
        ])
        .build();
    let spans = SdkTracerProvider::builder()
        .with_batch_exporter(SpanExporter::builder().with_tonic().build()?)
        .with_resource(resource.clone())
        .build();
    let logs = SdkLoggerProvider::builder()
        .with_batch_exporter(LogExporter::builder().with_tonic().build()?)
        .with_resource(resource.clone())
        .build();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(MetricExporter::builder().with_tonic().build()?)
        .with_resource(resource)
        .build();
    global::set_meter_provider(meters.clone());
    let ours = tracing_subscriber::filter::Targets::new().with_target("video", tracing::Level::TRACE);
    tracing_subscriber::registry()
        .with(ours)
        .with(tracing_opentelemetry::layer().with_tracer(spans.tracer("video")))
        .with(OpenTelemetryTracingBridge::new(&logs))
        .init();

    export::run("x".parse::<i32>().unwrap_err()).await;
    export::run(std::fs::File::open("/nowhere").unwrap_err()).await;
    export::run(String::from_utf8(vec![0xff]).unwrap_err()).await;
    export::run(tokio::time::timeout(std::time::Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err()).await;
    export::run(tokio::spawn(async { panic!() }).await.unwrap_err()).await;
    let boxed: Box<dyn Error + Send + Sync> = "disk full".into();
    info!(error.type = type_name_of_val(&boxed), "request failed");
    Encoder.start();
    global::meter("video").u64_counter("videos.exported").with_unit("{video}").build().add(1, &[KeyValue::new("kannelle.video.codec", "h264")]);

    tokio::task::spawn_blocking(move || -> Result<(), opentelemetry_sdk::error::OTelSdkError> {
        spans.shutdown()?;
        logs.shutdown()?;
        meters.shutdown()
    })
    .await??;
    Ok(())
}
