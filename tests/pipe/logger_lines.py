"""Lines as loggers print them.

Each says "video exported" or "server started", which are listed, and holds a person's name, which isn't.

`recorded`: printed by the logger itself, of the version named; else as its documentation or source has it. Names and
hosts are invented.
"""

# ruff: noqa: E501 - lines as they were printed

from __future__ import annotations

from typing import Final, NamedTuple

TRACE: Final = "5b8efff798038103d269b633813fc60c"
SPAN: Final = "eee19b7ec3c1b174"
AT: Final = 1_796_002_100 * 10**9
"""2026-11-30T01:28:20Z, near which all lines were printed."""


class Logged(NamedTuple):
    """A logger's line, and what is found in it.

    The level's number, the time in nanoseconds after `AT`, whether it has IDs.
    """

    logger: str
    line: str
    number: int
    after_ns: int | None
    ids: bool = False
    body: str = "video exported"


MS: Final = 10**6
S: Final = 10**9
IDS: Final = f'"traceId":"{TRACE}","spanId":"{SPAN}"'

JAVA: Final = [
    Logged(
        "Spring Boot 3.4, ECS, spring.io/blog/2024/08/23/structured-logging-in-spring-boot-3-4",
        '{"@timestamp":"2026-11-30T01:28:20.561295200Z","log.level":"INFO","process.pid":1,"process.thread.name":"main",'
        '"service.name":"video","log.logger":"com.kannelle.Video","message":"video exported","user":"Ada Byron",' + IDS + ',"ecs.version":"8.11"}',
        9, 561_295_200, ids=True,
    ),
    Logged(
        "Spring Boot 3.5, ECS nested",
        '{"@timestamp":"2026-11-30T01:28:20.5Z","log":{"level":"ERROR","logger":"com.kannelle.Video"},"process":{"pid":1,"thread":'
        '{"name":"Ada Byron"}},"message":"video exported","trace":{"id":"' + TRACE + '"},"span":{"id":"' + SPAN + '"},"ecs":{"version":"8.11"}}',
        17, 500 * MS, ids=True,
    ),
    Logged(
        "Spring Boot, text with Micrometer's correlation",
        f"2026-11-30T01:28:20.123Z  WARN 1 --- [video] [Ada Byron] [{TRACE}-{SPAN}] com.kannelle.Video       : video exported",
        13, 123 * MS, ids=True,
    ),
    Logged(
        "logstash-logback-encoder 8",
        '{"@timestamp":"2026-11-30T02:28:20.123456789+01:00","@version":"1","message":"video exported","logger_name":"com.kannelle.Video",'
        '"thread_name":"main","level":"WARN","level_value":30000,"user":"Ada Byron",' + IDS + "}",
        13, 123_456_789, ids=True,
    ),
    Logged(
        "Logback, default pattern",
        "01:28:20.123 [main] ERROR com.kannelle.Video -- video exported",
        17, None,
    ),
    Logged(
        "Log4j 2 JsonTemplateLayout, EcsLayout.json",
        '{"@timestamp":"2026-11-30T01:28:20.123Z","ecs.version":"1.2.0","log.level":"FATAL","message":"video exported",'
        '"process.thread.name":"main","log.logger":"com.kannelle.Video","labels":{"user":"Ada Byron"},"trace.id":"' + TRACE + '","span.id":"' + SPAN + '"}',
        21, 123 * MS, ids=True,
    ),
    Logged(
        "Log4j 2 JsonTemplateLayout, GelfLayout.json",
        '{"version":"1.1","host":"vm","short_message":"video exported","full_message":"Ada Byron","timestamp":1796002100.123,"level":3,'
        '"_logger":"com.kannelle.Video","_thread":"main"}',
        17, 123 * MS,
    ),
    Logged(
        "Log4j 2 JsonLayout",
        '{"instant":{"epochSecond":1796002100,"nanoOfSecond":123456000},"thread":"main","level":"WARN","loggerName":"com.kannelle.Video",'
        '"message":"video exported","endOfBatch":false,"contextMap":{"user":"Ada Byron",' + IDS + '},"threadId":1,"threadPriority":5}',
        13, 123_456_000, ids=True,
    ),
    Logged(
        "Quarkus, quarkus-logging-json",
        '{"timestamp":"2026-11-30T01:28:20.123456Z","sequence":81,"loggerClassName":"org.jboss.logging.Logger","loggerName":"com.kannelle.Video",'
        '"level":"INFO","message":"video exported","threadName":"main","threadId":1,"mdc":{' + IDS + ',"sampled":"true"},"ndc":"","hostName":"vm",'
        '"processName":"Ada Byron","processId":1}',
        9, 123_456_000, ids=True,
    ),
    Logged(
        "Micronaut 4, JSON by Logback with the tracing module's MDC",
        '{"timestamp":"1796002100123","level":"INFO","thread":"default-nioEventLoopGroup-1-2","mdc":{' + IDS + ',"user":"Ada Byron"},'
        '"logger":"com.kannelle.Video","message":"video exported","context":"default"}',
        9, 123 * MS, ids=True,
    ),
    Logged(
        "java.util.logging, second line",
        "SEVERE: video exported",
        17, None,
    ),
]  # fmt: skip

DOTNET: Final = [
    Logged(
        ".NET 8 JsonConsole, with scopes",
        '{"Timestamp":"2026-11-30T01:28:20.123Z","EventId":0,"LogLevel":"Information","Category":"Kannelle.Video","Message":"Ada Byron is done",'
        '"State":{"Message":"Ada Byron is done","User":"Ada Byron","{OriginalFormat}":"video exported"},"Scopes":[{"Message":"SpanId:x",'
        '"SpanId":"' + SPAN + '","TraceId":"' + TRACE + '","ParentId":"0000000000000000"},{"Message":"Ada Byron"}]}',
        9, 123 * MS, ids=True,
    ),
    Logged(
        ".NET 8 SimpleConsole, SingleLine",
        "fail: Kannelle.Video[0] video exported",
        17, None,
    ),
    Logged(
        "Serilog 4 JsonFormatter",
        '{"Timestamp":"2026-11-30T02:28:20.1234567+01:00","Level":"Warning","MessageTemplate":"video exported","RenderedMessage":"Ada Byron",'
        '"TraceId":"' + TRACE + '","SpanId":"' + SPAN + '","Properties":{"User":"Ada Byron"}}',
        13, 123_456_700, ids=True,
    ),
    Logged(
        "Serilog CompactJsonFormatter (CLEF)",
        '{"@t":"2026-11-30T01:28:20.1234567Z","@mt":"video exported","@l":"Fatal","@tr":"' + TRACE + '","@sp":"' + SPAN + '","User":"Ada Byron"}',
        21, 123_456_700, ids=True,
    ),
    Logged(
        "Serilog RenderedCompactJsonFormatter",
        '{"@t":"2026-11-30T01:28:20.1234567Z","@m":"video exported","@i":"9b0d1e2f","@l":"Verbose","User":"Ada Byron"}',
        1, 123_456_700,
    ),
    Logged(
        "Serilog.Sinks.Console",
        "[01:28:20 INF] video exported",
        9, None,
    ),
    Logged(
        "NLog 5 JsonLayout",
        '{ "time": "2026-11-30 01:28:20.1234", "level": "Error", "logger": "Kannelle.Video", "message": "video exported", "user": "Ada Byron" }',
        17, 123_400_000,
    ),
]  # fmt: skip

RUST: Final = [
    Logged(
        "tracing-subscriber 0.3, recorded",
        '{"timestamp":"2026-11-30T01:28:20.027373Z","level":"WARN","fields":{"message":"video exported","codec":"h264","user":"Ada Byron"},'
        '"target":"r","span":{"user":"Ada Byron","name":"export"},"spans":[{"user":"Ada Byron","name":"export"}]}',
        13, 27_373_000,
    ),
    Logged(
        "tracing-subscriber 0.3, flatten_event, recorded",
        '{"timestamp":"2026-11-30T01:28:20.027525Z","level":"WARN","message":"video exported","codec":"h264","user":"Ada Byron","target":"r",'
        '"span":{"user":"Ada Byron","name":"export"},"spans":[{"user":"Ada Byron","name":"export"}]}',
        13, 27_525_000,
    ),
    Logged(
        "tracing-subscriber 0.3, text, recorded",
        '2026-11-30T01:28:20.027593Z  WARN export{user="Ada Byron"}: r: video exported codec="h264" user="Ada Byron"',
        13, 27_593_000,
    ),
    Logged(
        "tracing-subscriber 0.3, text in colours, recorded",
        "\x1b[2m2026-11-30T01:28:20.027649Z\x1b[0m \x1b[33m WARN\x1b[0m \x1b[1mexport\x1b[0m\x1b[1m{\x1b[0m\x1b[3muser\x1b[0m\x1b[2m=\x1b[0m"
        '"Ada Byron"\x1b[1m}\x1b[0m\x1b[2m:\x1b[0m \x1b[2mr\x1b[0m\x1b[2m:\x1b[0m video exported \x1b[3mcodec\x1b[0m\x1b[2m=\x1b[0m"h264" '
        '\x1b[3muser\x1b[0m\x1b[2m=\x1b[0m"Ada Byron"',
        13, 27_649_000,
    ),
    Logged(
        "slog-json 2, recorded",
        '{"msg":"video exported","level":"ERRO","ts":"2026-11-30T01:28:20.027673705Z","user":"Ada Byron","codec":"h264"}',
        17, 27_673_705,
    ),
    Logged(
        "slog-bunyan 2, recorded",
        '{"msg":"video exported","v":0,"name":"slog-rs","level":50,"time":"2026-11-30T01:28:20.027705071Z","hostname":"vm","pid":18395,'
        '"user":"Ada Byron","codec":"h264"}',
        17, 27_705_071,
    ),
    Logged("env_logger 0.11", "[2026-11-30T01:28:20Z ERROR video::export] video exported", 17, 0),
]  # fmt: skip

PYTHON: Final = [
    Logged(
        "loguru 0.7 serialize, recorded",
        '{"text": "2026-11-30 01:28:40.120 | WARNING  | __main__:<module>:3 - video exported\\n", "record": {"elapsed": {"repr": "0:00:00.098735",'
        ' "seconds": 0.098735}, "exception": null, "extra": {"user": "Ada Byron"}, "file": {"name": "p.py", "path": "/app/p.py"}, "function":'
        ' "<module>", "level": {"icon": "⚠️", "name": "WARNING", "no": 30}, "line": 3, "message": "video exported", "module": "p", "name":'
        ' "__main__", "process": {"id": 19336, "name": "MainProcess"}, "thread": {"id": 140294689172352, "name": "MainThread"}, "time":'
        ' {"repr": "2026-11-30 01:28:40.120500+00:00", "timestamp": 1796002120.1205}}}',
        13, 20 * S + 120_500_000,
    ),
    Logged("loguru 0.7, recorded", "2026-11-30 01:28:40.171 | WARNING  | __main__:<module>:4 - video exported", 13, 20 * S + 171 * MS),
    Logged(
        "loguru 0.7 in colours, recorded",
        "\x1b[32m2026-11-30 01:28:40.203\x1b[0m | \x1b[31m\x1b[1mERROR   \x1b[0m | \x1b[36m__main__\x1b[0m:\x1b[36m<module>\x1b[0m:\x1b[36m5\x1b[0m"
        " - \x1b[31m\x1b[1mvideo exported\x1b[0m",
        17, 20 * S + 203 * MS,
    ),
    Logged(
        "structlog 25 JSONRenderer, recorded",
        '{"codec": "h264", "user": "Ada Byron", "event": "video exported", "level": "warning", "timestamp": "2026-11-30T01:28:40.203683Z"}',
        13, 20 * S + 203_683_000,
    ),
    Logged(
        "structlog 25 LogfmtRenderer, recorded",
        'codec=h264 user="Ada Byron" event="video exported" level=warning timestamp=2026-11-30T01:28:40.222582Z',
        13, 20 * S + 222_582_000,
    ),
    Logged(
        "structlog 25 ConsoleRenderer in colours, recorded",
        "\x1b[2m2026-11-30T01:28:40.222774Z\x1b[0m [\x1b[33m\x1b[1mwarning  \x1b[0m] \x1b[1mvideo exported                \x1b[0m "
        "\x1b[36mcodec\x1b[0m=\x1b[35mh264\x1b[0m \x1b[36muser\x1b[0m=\x1b[35m'Ada Byron'\x1b[0m",
        13, 20 * S + 222_774_000,
    ),
    Logged(
        "python-json-logger 4, recorded",
        '{"asctime": "2026-11-30 01:28:40,255", "levelname": "WARNING", "name": "root", "message": "video exported", "codec": "h264", "user": "Ada Byron"}',
        13, 20 * S + 255 * MS,
    ),
    Logged(
        "ecs-logging 2, recorded",
        '{"@timestamp":"2026-11-30T01:28:40.256Z","log.level":"warning","message":"video exported","codec":"h264","ecs.version":"1.6.0","log":'
        '{"logger":"Ada Byron","origin":{"file":{"line":15,"name":"p.py"},"function":"<module>"},"original":"video exported"},"process":{"name":'
        '"MainProcess","pid":19336,"thread":{"id":140294689172352,"name":"MainThread"}}}',
        13, 20 * S + 256 * MS,
    ),
    Logged(
        "opentelemetry-instrumentation-logging 0.5, its keys by python-json-logger",
        '{"message": "video exported", "levelname": "INFO", "otelTraceID": "' + TRACE + '", "otelSpanID": "' + SPAN + '", "otelServiceName": "Ada"}',
        9, None, ids=True,
    ),
    Logged("logging.basicConfig, recorded", "WARNING:root:video exported", 13, None),
    Logged("logging, time - name - level - text, recorded", "2026-11-30 01:28:40,256 - root - WARNING - video exported", 13, 20 * S + 256 * MS),
    Logged("logging, time level name text, recorded", "2026-11-30 01:28:40,256 WARNING root video exported", 13, 20 * S + 256 * MS),
    Logged("logging as Django's guide has it, recorded", "2026-11-30 01:28:40,256 WARNING  [root] video exported", 13, 20 * S + 256 * MS),
    Logged("Celery, recorded", "[2026-11-30 01:28:40,256: WARNING/MainProcess] video exported", 13, 20 * S + 256 * MS),
    Logged("Flask", "[2026-11-30 01:28:40,256] INFO in export: video exported", 9, 20 * S + 256 * MS),
    Logged("Gunicorn", "[2026-11-30 01:28:40 +0000] [7] [INFO] video exported", 9, 20 * S),
    Logged("Uvicorn", "INFO:     video exported", 9, None),
    Logged(
        "AWS Lambda Powertools 3",
        '{"level":"INFO","location":"handler:12","message":"video exported","timestamp":"2026-11-30 01:28:20,123+0000","service":"video",'
        '"user":"Ada Byron","xray_trace_id":"1-5b8efff7-98038103d269b633813fc60c","span_id":"' + SPAN + '"}',
        9, 123 * MS, ids=True,
    ),
]  # fmt: skip

NODE: Final = [
    Logged(
        "pino 10, recorded",
        '{"level":40,"time":1796002121259,"pid":19371,"hostname":"vm","codec":"h264","user":"Ada Byron","msg":"video exported"}',
        13, 21 * S + 259 * MS,
    ),
    Logged(
        "pino 10, labels and ISO times, recorded",
        '{"level":"fatal","time":"2026-11-30T01:28:41.303Z","pid":19371,"hostname":"Ada Byron","codec":"h264","msg":"video exported"}',
        21, 21 * S + 303 * MS,
    ),
    Logged(
        "Bunyan 1.8, recorded",
        '{"name":"video","hostname":"vm","pid":19371,"level":50,"codec":"h264","user":"Ada Byron","msg":"video exported","time":"2026-11-30T01:28:41.435Z","v":0}',
        17, 21 * S + 435 * MS,
    ),
    Logged(
        "winston 3 json, recorded",
        '{"codec":"h264","level":"verbose","message":"video exported","timestamp":"2026-11-30T01:28:41.821Z","user":"Ada Byron"}',
        1, 21 * S + 821 * MS,
    ),
    Logged(
        "winston 3 json in colours, recorded",
        '{"codec":"h264","level":"\\u001b[36mverbose\\u001b[39m","message":"video exported","timestamp":"2026-11-30T01:28:41.858Z","user":"Ada Byron"}',
        1, 21 * S + 858 * MS,
    ),
    Logged("winston 3 simple, recorded", 'verbose: video exported {"codec":"h264","user":"Ada Byron"}', 1, None),
    Logged("winston 3 simple in colours, recorded", '\x1b[36mverbose\x1b[39m: video exported {"codec":"h264","user":"Ada Byron"}', 1, None),
    Logged(
        "winston 3 logstash, recorded",
        '{"@fields":{"codec":"h264","level":"verbose","user":"Ada Byron"},"@message":"video exported"}',
        1, None,
    ),
    Logged(
        "AWS Lambda, JSON log format",
        '{"timestamp":"2026-11-30T01:28:20.123Z","level":"WARN","requestId":"79b4f56e-95b1-4643-9700-2807f4e68189","message":"video exported","user":"Ada Byron"}',
        13, 123 * MS,
    ),
]  # fmt: skip

GO: Final = [
    Logged(
        "zap 1.27 production, recorded",
        '{"level":"info","ts":1796002098.5,"caller":"g/main.go:19","msg":"video exported","codec":"h264","user":"Ada Byron"}',
        9, -1_500 * MS,
    ),
    Logged(
        "zap 1.27, DPanic, recorded",
        '{"level":"dpanic","ts":1796002098.5,"caller":"g/main.go:20","msg":"server started","user":"Ada Byron","stacktrace":"main.main\\n\\t/app/main.go:20"}',
        18, -1_500 * MS, body="server started",
    ),
    Logged(
        "zap 1.27, Panic, recorded",
        '{"level":"panic","ts":1796002098.5,"caller":"g/main.go:23","msg":"server started","stacktrace":"main.main.func1\\n\\t/app/Ada.go:23"}',
        19, -1_500 * MS, body="server started",
    ),
    Logged(
        "zap 1.27 development, recorded",
        '2026-11-30T01:28:18.986Z\tWARN\tg/main.go:22\tvideo exported\t{"codec": "h264", "user": "Ada Byron"}',
        13, -1_014 * MS,
    ),
    Logged(
        "zerolog 1.34, recorded",
        '{"level":"error","codec":"h264","user":"Ada Byron","time":"2026-11-30T01:28:18Z","message":"video exported"}',
        17, -2 * S,
    ),
    Logged(
        "zerolog 1.34 ConsoleWriter, recorded",
        "\x1b[90m1:28AM\x1b[0m \x1b[33mWRN\x1b[0m \x1b[1mvideo exported\x1b[0m \x1b[36mcodec=\x1b[0mh264",
        13, None,
    ),
    Logged(
        "logrus 1.9 JSONFormatter, recorded",
        '{"codec":"h264","level":"warning","msg":"video exported","time":"2026-11-30T01:28:18Z","user":"Ada Byron"}',
        13, -2 * S,
    ),
    Logged(
        "logrus 1.9 TextFormatter, recorded",
        'time="2026-11-30T01:28:18Z" level=warning msg="video exported" codec=h264 user="Ada Byron"',
        13, -2 * S,
    ),
    Logged("logrus 1.9 on a terminal", 'WARN[0000] video exported                                user="Ada Byron"', 13, None),
    Logged(
        "log/slog JSONHandler, recorded",
        '{"time":"2026-11-30T01:28:18.987130254Z","level":"ERROR","msg":"video exported","codec":"h264","user":"Ada Byron"}',
        17, -1_012_869_746,
    ),
    Logged(
        "log/slog JSONHandler, a level of one's own, recorded",
        '{"time":"2026-11-30T01:28:18.987140729Z","level":"INFO+2","msg":"video exported","codec":"h264"}',
        11, -1_012_859_271,
    ),
    Logged(
        "log/slog TextHandler, recorded",
        'time=2026-11-30T01:28:18.987Z level=ERROR msg="video exported" codec=h264 user="Ada Byron"',
        17, -1_013 * MS,
    ),
    Logged("log/slog default, recorded", '2026/11/30 01:28:18 WARN video exported codec=h264 user="Ada Byron"', 13, -2 * S),
    Logged("log, recorded", "2026/11/30 01:28:18 video exported", 0, -2 * S),
    Logged("klog 2, recorded", "W1130 01:28:18.987174   18783 main.go:43] video exported", 13, -1_012_826_000),
    Logged("klog 2 InfoS, recorded", 'I1130 01:28:18.987184   18783 main.go:44] "video exported" codec="h264" user="Ada Byron"', 9, -1_012_816_000),
]  # fmt: skip

OTHERS: Final = [
    Logged(
        "Google Cloud structured logging",
        '{"severity":"ERROR","message":"video exported","time":"2026-11-30T01:28:20.123Z","logging.googleapis.com/trace":'
        '"projects/kannelle/traces/' + TRACE + '","logging.googleapis.com/spanId":"' + SPAN + '","logging.googleapis.com/labels":{"user":"Ada Byron"}}',
        17, 123 * MS, ids=True,
    ),
    Logged(
        "Google Cloud structured logging, time in two numbers",
        '{"severity":"CRITICAL","message":"video exported","timestamp":{"seconds":1796002100,"nanos":5},"user":"Ada Byron"}',
        21, 5,
    ),
    Logged(
        "semantic_logger 4 (Ruby)",
        '{"host":"vm","application":"Ada Byron","environment":"production","timestamp":"2026-11-30T01:28:20.123456Z","level":"warn","level_index":3,'
        '"pid":1,"thread":"main","name":"Video","message":"video exported","named_tags":{"trace_id":"' + TRACE + '","span_id":"' + SPAN + '"}}',
        13, 123_456_000, ids=True,
    ),
    Logged(
        "logstash-logger (Ruby)",
        '{"message":"video exported","@timestamp":"2026-11-30T02:28:20.123+01:00","@version":"1","severity":"WARN","host":"Ada Byron"}',
        13, 123 * MS,
    ),
    Logged(
        "lograge (Ruby), with a message",
        'method=GET path=/ada-byron format=html controller=VideosController action=show status=200 duration=5.48 level=info message="video exported"',
        9, None,
    ),
    Logged("Logger (Ruby)", "W, [2026-11-30T01:28:20.123456 #1]  WARN -- : video exported", 13, 123_456_000),
    Logged(
        "Monolog 3 JsonFormatter",
        '{"message":"video exported","context":{"user":"Ada Byron"},"level":400,"level_name":"ERROR","channel":"app",'
        '"datetime":"2026-11-30T01:28:20.123456+00:00","extra":{}}',
        17, 123_456_000,
    ),
    Logged("Monolog 3 LineFormatter", '[2026-11-30T01:28:20.123456+00:00] app.ERROR: video exported {"user":"Ada Byron"} []', 17, 123_456_000),
    Logged(
        "logger_json 7 (Elixir), Basic",
        '{"message":"video exported","time":"2026-11-30T01:28:20.123Z","metadata":{"user":"Ada Byron","trace_id":"' + TRACE + '","span_id":"' + SPAN + '"},"severity":"notice"}',
        10, 123 * MS, ids=True,
    ),
    Logged("Logger (Elixir)", "01:28:20.123 [error] video exported", 17, None),
    Logged(
        "journalctl -o json",
        '{"__REALTIME_TIMESTAMP":"1796002100123456","PRIORITY":"3","MESSAGE":"video exported","_SYSTEMD_UNIT":"ada-byron.service","_PID":"1"}',
        17, 123_456_000,
    ),
    Logged(
        "nginx, log_format json with a message",
        '{"time_iso8601":"2026-11-30T01:28:20+00:00","remote_addr":"203.0.113.7","request":"GET /ada HTTP/1.1","status":"200","level":"info","message":"video exported"}',
        9, 0,
    ),
    Logged("nginx error log", "2026/11/30 01:28:20 [error] 12#12: *1 video exported", 17, 0),
    Logged(
        "OpenTelemetry Collector (zap)",
        '2026-11-30T01:28:20.123Z\tinfo\tservice@v0.140.0/service.go:188\tvideo exported\t{"resource": {"user": "Ada Byron"}}',
        9, 123 * MS,
    ),
    Logged(
        "Docker json-file around pino",
        '{"log":"{\\"level\\":50,\\"msg\\":\\"video exported\\",\\"user\\":\\"Ada Byron\\"}\\n","stream":"stdout","time":"2026-11-30T01:28:20.123456789Z"}',
        17, 123_456_789,
    ),
    Logged("Docker json-file around text", '{"log":"video exported\\n","stream":"stderr","time":"2026-11-30T01:28:20.5Z"}', 0, 500 * MS),
    Logged("containerd and CRI-O around text", "2026-11-30T01:28:20.123456789Z stderr F ERROR video exported", 17, 123_456_789),
    Logged(
        "containerd and CRI-O around JSON",
        '2026-11-30T01:28:20.123456789Z stdout F {"level":"crit","msg":"video exported","user":"Ada Byron"}',
        21, 123_456_789,
    ),
    Logged(
        "Heroku's logfmt",
        f'ts=1796002100123 lvl=x level=emerg msg="video exported" trace_id={TRACE} span_id={SPAN} user="Ada Byron"',
        21, 123 * MS, ids=True,
    ),
]  # fmt: skip

SHAPES: Final = [
    Logged("byte order mark", '\ufeff{"level":"ERR","msg":"video exported"}', 17, None),
    Logged("byte order mark before a text", "\ufeffvideo exported", 0, None),
    Logged("carriage return", '{"level":"Crit","msg":"video exported"}\r', 21, None),
    Logged("a line end in the text", '{"level":"notice","msg":"video exported\\r\\n"}', 10, None),
    Logged("numbers that JSON doesn't have", '{"level":"alert","msg":"video exported","ratio":NaN,"more":[Infinity,-Infinity]}', 19, None),
    Logged("a level with spaces", '{"level":"WARN ","msg":"video exported"}', 13, None),
    Logged("epoch in seconds", '{"ts":1796002100,"msg":"video exported"}', 0, 0),
    Logged("epoch in milliseconds", '{"ts":1796002100001,"msg":"video exported"}', 0, MS),
    Logged("epoch in microseconds", '{"ts":1796002100000001,"msg":"video exported"}', 0, 1000),
    Logged("epoch in nanoseconds", '{"ts":1796002100000000001,"msg":"video exported"}', 0, 1),
    Logged("epoch with a fraction, as text", '{"ts":"1796002100.25","msg":"video exported"}', 0, 250 * MS),
    Logged("a time with UTC behind it", '{"time":"2026-11-30 01:28:20.5 UTC","msg":"video exported"}', 0, 500 * MS),
    Logged("keys twice, as zerolog writes them", '{"level":"info","level":"error","msg":"Ada Byron","msg":"video exported"}', 17, None),
    Logged("colours between letters", "\x1b[1mvideo\x1b[0m exported", 0, None),
    Logged("a link, as terminals have it", "\x1b]8;;https://ada.example/\x1b\\video exported\x1b]8;;\x1b\\", 0, None),
]  # fmt: skip

LINES: Final = [*JAVA, *DOTNET, *RUST, *PYTHON, *NODE, *GO, *OTHERS, *SHAPES]
