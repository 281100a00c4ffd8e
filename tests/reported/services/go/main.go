// A normal service: it serves and calls HTTP and gRPC, asks a database, sends and receives through Kafka, fails now and then, logs and measures.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/XSAM/otelsql"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kotel"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/log/global"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const scope = "kannelle.example/video/render"

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	if len(os.Args) > 1 {
		broker()
		return
	}
	ctx := context.Background()
	described := must(resource.New(ctx, resource.WithService(), resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithHostID(),
		resource.WithOS(), resource.WithProcess(), resource.WithContainer()))
	spans := trace.NewTracerProvider(trace.WithBatcher(must(otlptracegrpc.New(ctx))), trace.WithResource(described))
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(must(otlploggrpc.New(ctx)))), sdklog.WithResource(described))
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(must(otlpmetricgrpc.New(ctx)))), metric.WithResource(described))
	otel.SetTracerProvider(spans)
	otel.SetMeterProvider(meters)
	global.SetLoggerProvider(logs)
	if err := runtime.Start(); err != nil {
		panic(err)
	}

	fails(ctx)
	overHTTP(ctx)
	overGRPC(ctx)
	overKafka(ctx)
	inSQL(ctx)
	(&Server{}).logs(ctx)

	for _, end := range []func(context.Context) error{spans.Shutdown, logs.Shutdown, meters.Shutdown} {
		if err := end(ctx); err != nil {
			panic(err)
		}
	}
}

// broker stands in for Kafka where services of other languages are recorded: it says where it listens, and ends with its standard input.
func broker() {
	brokers := must(kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "video.exports.requested")))
	defer brokers.Close()
	fmt.Println(brokers.ListenAddrs()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// Server is what methods of a type are named for.
type Server struct{}

func (s *Server) logs(ctx context.Context) {
	logger := slog.New(otelslog.NewHandler(scope, otelslog.WithSource(true), otelslog.WithVersion("v1.4.2")))
	logger.InfoContext(ctx, "video exported", "kannelle.video.codec", "h264")
	func() { logger.ErrorContext(ctx, "video export failed", "error", errors.New("disk full")) }()
}

type generic[T any] struct{ of T }

func (g *generic[T]) Error() string { return "generic" }

// fails makes errors as Go's programs wrap them, each recorded as OpenTelemetry does.
func fails(ctx context.Context) {
	_, dialled := net.Dial("tcp", "127.0.0.1:1")
	_, resolved := net.LookupHost("nowhere.invalid")
	_, opened := os.Open("/nowhere")
	_, parsed := strconv.Atoi("x")
	tracer := otel.Tracer(scope)
	for _, err := range []error{
		errors.New("disk full"), fmt.Errorf("export: %w", io.EOF), fmt.Errorf("%w, %w", io.EOF, io.ErrClosedPipe), errors.Join(io.EOF, io.EOF),
		dialled, resolved, opened, parsed, context.DeadlineExceeded, &generic[int]{}, &generic[map[string]*Server]{}, sql.ErrNoRows,
		http.ErrServerClosed,
	} {
		_, span := tracer.Start(ctx, "video.export")
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		span.SetAttributes(semconv.ErrorType(err))
		span.End()
	}
	_, span := tracer.Start(ctx, "video.render")
	defer span.End()
	defer func() { _ = recover() }()
	func() {
		_, inner := tracer.Start(ctx, "video.transcode")
		defer inner.End()
		var nothing *Server
		fmt.Sprint(*nothing)
	}()
}

func overHTTP(ctx context.Context) {
	served := http.NewServeMux()
	served.HandleFunc("GET /v1/videos/{video_id}", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("{}")) })
	served.HandleFunc("POST /v1/exports", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{Handler: otelhttp.NewHandler(served, "video")}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	client := http.Client{Transport: otelhttp.NewTransport(&http.Transport{})}
	base := "http://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	for _, call := range [][2]string{{"GET", base + "/v1/videos/vid_5k2p"}, {"POST", base + "/v1/exports"}, {"GET", base + "/nothing"}, {"GET", "http://localhost:1/"}} {
		answer, err := client.Do(must(http.NewRequestWithContext(ctx, call[0], call[1], nil)))
		if err == nil {
			_ = answer.Body.Close()
		}
	}
}

func overGRPC(ctx context.Context) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler()))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	address := "localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	channel := must(grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(otelgrpc.NewClientHandler())))
	defer channel.Close()
	client := grpc_health_v1.NewHealthClient(channel)
	_, _ = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	_, _ = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "nothing"})
}

func overKafka(ctx context.Context) {
	brokers := must(kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "video.exports.requested")))
	defer brokers.Close()
	traced := kotel.NewKotel(kotel.WithTracer(kotel.NewTracer(kotel.ConsumerGroup("video-exporter"), kotel.ClientID("video"))), kotel.WithMeter(kotel.NewMeter()))
	client := must(kgo.NewClient(kgo.SeedBrokers(brokers.ListenAddrs()...), kgo.WithHooks(traced.Hooks()...), kgo.ConsumeTopics("video.exports.requested"),
		kgo.ConsumerGroup("video-exporter"), kgo.ClientID("video")))
	defer client.Close()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "video.exports.requested", Key: []byte("vid_5k2p"), Value: []byte("{}")}).FirstErr(); err != nil {
		panic(err)
	}
	waiting, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tracer := kotel.NewTracer(kotel.ConsumerGroup("video-exporter"))
	client.PollFetches(waiting).EachRecord(func(record *kgo.Record) {
		_, span := tracer.WithProcessSpan(record)
		span.End()
	})
}

// nothing is a database that has no rows: what is reported is the instrumentation's, whatever stands behind it.
type nothing struct{}

func (nothing) Open(string) (driver.Conn, error)           { return nothing{}, nil }
func (nothing) Prepare(string) (driver.Stmt, error)        { return nothing{}, nil }
func (nothing) Close() error                               { return nil }
func (nothing) Begin() (driver.Tx, error)                  { return nothing{}, nil }
func (nothing) Commit() error                              { return nil }
func (nothing) Rollback() error                            { return nil }
func (nothing) NumInput() int                              { return -1 }
func (nothing) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (nothing) Query([]driver.Value) (driver.Rows, error) {
	return nil, errors.New("relation does not exist")
}

func inSQL(ctx context.Context) {
	sql.Register("nothing", nothing{})
	name := must(otelsql.Register("nothing", otelsql.WithAttributes(semconv.DBSystemNamePostgreSQL, semconv.DBNamespace("kannelle")), otelsql.WithSQLCommenter(false)))
	database := must(sql.Open(name, "videos"))
	defer database.Close()
	registered := must(otelsql.RegisterDBStatsMetrics(database, otelsql.WithAttributes(attribute.String("db.system.name", "postgresql"))))
	_ = registered
	_, _ = database.ExecContext(ctx, "UPDATE videos SET title = $1 WHERE id = $2", "Ada", 7)
	_, _ = database.QueryContext(ctx, "SELECT title FROM videos WHERE id = $1", 7)
}
