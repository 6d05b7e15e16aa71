"""Health, readiness, metrics, routes, the state file."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from server.state import EngineState, Phase, StackState, write_state
from tests.scripted import Reply, Request, Scripted, event, sse
from tests.server.gateway.conftest import Gateways, Running

PATH = "/v1/chat/completions"
ASK = {"model": "m", "messages": []}
OURS = {"models": [{"name": "m", "path": "/nowhere"}]}


def told(path: Path, phase: Phase, engine: Scripted | None = None, draining: bool = False, **more: object) -> None:
    """Write the state file as the supervisor does."""
    state = EngineState("m", phase, time.time() - 12, address=engine.url if engine else "", **more)  # type: ignore[arg-type]
    write_state(path, StackState({"m": state}, draining))


async def until(running: Running, ready: bool) -> None:
    while running.app.catalogue.engines["m"].ready is not ready:
        await asyncio.sleep(0.005)


async def test_health_is_about_the_process(gateway: Gateways) -> None:
    async with gateway(**OURS) as running, running.http() as http:
        assert (await http.get("/health")).json() == {"status": "ok"}
        assert (await http.head("/health")).status_code == 200


async def test_without_a_state_file_the_engine_is_not_ready(gateway: Gateways) -> None:
    async with gateway(**OURS) as running, running.http() as http:
        ready = await http.get("/ready")
        answer = await http.post(PATH, json=ASK)
    assert (ready.status_code, ready.json()["models"][0]["phase"]) == (503, "resolving")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_loading_is_told_with_its_seconds(tmp_path: Path, gateway: Gateways) -> None:
    state = tmp_path / "state.json"
    told(state, Phase.LOADING, detail="reading weights")
    async with gateway(state=state, **OURS) as running, running.http() as http:
        ready = await http.get("/ready")
        answer = await http.post(PATH, json=ASK)
    assert ready.json()["models"][0]["detail"] == "reading weights"
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "engine_unavailable")
    assert error["message"] == "model 'm' is loading (12 s): reading weights: try again, or watch GET /ready"


async def test_a_failed_engine_tells_the_cause(tmp_path: Path, gateway: Gateways) -> None:
    state = tmp_path / "state.json"
    told(state, Phase.FAILED, detail="out of memory: lower gpu_memory_utilization")
    async with gateway(state=state, **OURS) as running, running.http() as http:
        answer = await http.post(PATH, json=ASK)
    assert answer.json()["error"]["message"] == "model 'm' failed to start: out of memory: lower gpu_memory_utilization"
    assert answer.json()["error"]["code"] == "engine_failed"


async def test_the_state_file_is_followed(tmp_path: Path, engine: Scripted, gateway: Gateways) -> None:
    state = tmp_path / "state.json"
    async with gateway(state=state, **OURS) as running, running.http() as http:
        told(state, Phase.READY, engine, max_model_len=512, last_token=time.time())
        await until(running, ready=True)
        ready = await http.get("/ready")
        answer = await http.post(PATH, json=ASK)
        card = (await http.get("/v1/models/m")).json()
        told(state, Phase.RESTARTING, engine)
        await until(running, ready=False)
        again = await http.post(PATH, json=ASK)
    assert (ready.status_code, ready.json()["ready"], answer.status_code) == (200, True, 200)
    assert ready.json()["models"][0]["last_token"] < 5
    assert card["max_model_len"] == 512
    assert again.status_code == 503


async def test_our_engines_are_asked_for_the_usage_of_streams(tmp_path: Path, engine: Scripted, gateway: Gateways) -> None:
    state = tmp_path / "state.json"
    told(state, Phase.READY, engine)
    engine.script = sse(["a"])
    async with gateway(state=state, **OURS) as running, running.http() as http:
        plain = await http.post(PATH, content=b' {"model":"m", "stream":true, "big": 1.10}')
        null = await http.post(PATH, json={**ASK, "stream": True, "stream_options": None})
        asked = await http.post(PATH, json={**ASK, "stream": True, "stream_options": {"include_usage": True}})
        metrics = (await http.get("/metrics")).text
    assert engine.requests[0].body == b' {"stream_options":{"include_usage":true},"model":"m", "stream":true, "big": 1.10}'
    assert b"usage" not in plain.content + null.content
    assert b'"usage"' in asked.content
    assert 'sllm_tokens_total{kind="completion",model="m"} 9.0' in metrics


async def test_draining_by_the_state_file(tmp_path: Path, engine: Scripted, gateway: Gateways) -> None:
    state = tmp_path / "state.json"
    told(state, Phase.READY, engine, draining=True)
    async with gateway(state=state, **OURS) as running, running.http() as http:
        ready = await http.get("/ready")
        answer = await http.post(PATH, json=ASK)
    assert (ready.status_code, ready.json()["draining"]) == (503, True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
    assert answer.headers["connection"] == "close"


async def test_an_upstream_that_is_not_there_is_not_ready(gateway: Gateways) -> None:
    async with Scripted() as gone:
        url = gone.url
    async with gateway(url) as running, running.http() as http:
        while (ready := await http.get("/ready")).status_code == 200:
            await asyncio.sleep(0.01)
    assert url in ready.json()["models"][0]["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("GET", PATH, "POST"), ("DELETE", "/v1/models", "GET, HEAD"), ("PUT", "/ready", "GET, HEAD")]
)
async def test_a_wrong_method_names_the_right_one(method: str, path: str, allow: str, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert answer.json()["error"]["code"] == "method_not_allowed"


async def test_options_lists_the_methods(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.options(PATH)
    assert (answer.status_code, answer.headers["allow"]) == (204, "POST, OPTIONS")


async def test_an_unknown_route_names_a_near_one(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post("/chat/completions", json=ASK)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert "did you mean /v1/chat/completions?" in answer.json()["error"]["message"]
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel")])
async def test_stored_responses_are_honestly_absent(method: str, path: str, engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.request(method, f"/v1/responses/resp_1{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "response_not_found")
    assert "not stored" in answer.json()["error"]["message"]


async def test_the_docs_show_the_inference_routes(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        document = (await http.get("/openapi.json")).json()
        page = await http.get("/docs")
    assert page.status_code == 200
    assert document["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["example"]["model"] == "m"


async def test_metrics_of_requests_and_tokens(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        await http.post(PATH, json=ASK)
        await http.post(PATH, json={**ASK, "model": "made-up"})
        text = (await http.get("/metrics")).text
    assert f'sllm_requests_total{{model="m",route="{PATH}",status="200"}} 1.0' in text
    assert f'sllm_requests_total{{model="unknown",route="{PATH}",status="404"}} 1.0' in text
    assert 'sllm_tokens_total{kind="prompt",model="m"} 5.0' in text
    assert f'sllm_time_to_first_byte_seconds_count{{model="m",route="{PATH}"}} 1.0' in text
    assert "sllm_requests_in_flight 0.0" in text
    assert "made-up" not in text


ENGINE_METRICS = b"""# HELP vllm:num_requests_running Running.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
# HELP vllm:ttft_seconds TTFT.
# TYPE vllm:ttft_seconds histogram
vllm:ttft_seconds_bucket{le="+Inf"} 3.0
vllm:ttft_seconds_sum 0.5
# HELP python_info Python.
# TYPE python_info gauge
python_info{version="3"} 1.0
"""


async def test_the_engines_metrics_carry_their_model(gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(ENGINE_METRICS), ENGINE_METRICS)
        )

    async with Scripted(script) as one, Scripted(script) as two:
        models = [{"name": "a", "upstreams": [one.url]}, {"name": "b", "upstreams": [one.url, two.url]}]
        async with gateway(models=models) as running, running.http() as http:
            text = (await http.get("/metrics")).text
    assert text.count("# TYPE vllm:num_requests_running gauge") == 1
    assert 'vllm:num_requests_running{model="a",engine="0",model_name="m"} 2.0' in text
    assert f'vllm:ttft_seconds_sum{{model="b",upstream="{two.url}"}} 0.5' in text
    assert 'vllm:ttft_seconds_bucket{model="a",le="+Inf"} 3.0' in text
    assert "python_info{model=" not in text


async def test_one_line_a_request(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        answer = await http.post(PATH, json=ASK)
        await http.post(PATH, content=b"{")
        first, second = running.log
    assert first["id"] == answer.headers["x-request-id"]
    assert {k: first[k] for k in ("method", "path", "model", "status", "prompt_tokens", "completion_tokens", "client")} == {
        "method": "POST",
        "path": PATH,
        "model": "m",
        "status": 200,
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "client": "127.0.0.1",
    }
    assert first["ms"] >= first["first_ms"] >= 0
    assert first["time"].endswith("Z")
    assert (second["status"], second["error"]) == (400, "invalid_json")


async def test_other_routes_are_logged_too_but_not_what_machines_poll(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running, running.http() as http:
        for path in ("/health", "/ready", "/metrics", "/v1/models", "/nope"):
            answer = await http.get(path)
        lines = running.log
    assert [(line["path"], line["status"]) for line in lines] == [("/v1/models", 200), ("/nope", 404)]
    assert lines[1]["id"] == answer.headers["x-request-id"]


async def test_many_streams_at_once_lose_nothing(gateway: Gateways) -> None:
    count, length = 200, 60
    async with Scripted(sse([str(i) for i in range(length)])) as engine, gateway(engine) as running:
        body = b'{"model":"m","stream":true}'

        async def one() -> bytes:
            ask = b"POST %b HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body)
            return b"".join((await running.exchange(ask)).split(b"\r\n\r\n", 1)[1:])

        answers = await asyncio.gather(*(one() for _ in range(count)))
    for answer in answers:
        places = [answer.find(event(str(i))) for i in range(length)]
        assert -1 not in places
        assert places == sorted(places)


async def test_sigterm_drains(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = sse(["a", "b"], gate=gate)
    body = b'{"model":"m","stream":true}'
    async with gateway(engine) as running, running.http() as http:
        reader, writer = await running.raw(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body))
        await reader.readuntil(b"\n\n")
        await http.get("/health")
        running.server.handle_exit(15, None)
        refused = await http.post(PATH, json=ASK)
        ready = await http.get("/ready")
        gate.set()
        rest = await reader.read()
        writer.close()
        await running.task
    assert (refused.status_code, refused.headers["connection"]) == (503, "close")
    assert "retry-after" in refused.headers
    assert ready.status_code == 503
    assert b"data: [DONE]\n\n" in rest


async def test_a_connection_that_was_accepted_is_told_why_before_the_process_ends(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        reader, writer = await running.raw()
        await asyncio.sleep(0.05)
        running.server.handle_exit(15, None)
        await asyncio.sleep(0.3)
        writer.write(b"POST %b HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}" % PATH.encode())
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await asyncio.wait_for(running.task, 10)
        with pytest.raises(ConnectionRefusedError):
            await running.raw()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"shutting down" in answer


async def test_a_connection_that_says_nothing_does_not_hold_up_the_end(engine: Scripted, gateway: Gateways) -> None:
    async with gateway(engine) as running:
        reader, writer = await running.raw()
        await asyncio.sleep(0.05)
        running.server.handle_exit(15, None)
        await asyncio.wait_for(running.task, 10)
        assert await reader.read() == b""
        writer.close()


async def test_the_drain_ends_at_its_timeout(engine: Scripted, gateway: Gateways) -> None:
    engine.script = sse(["a", "b"], gate=asyncio.Event())
    body = b'{"model":"m","stream":true}'
    async with gateway(engine, gateway={"drain_timeout": "200ms"}) as running:
        reader, writer = await running.raw(b"POST %b HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body))
        await reader.readuntil(b"\n\n")
        running.server.handle_exit(15, None)
        await asyncio.wait_for(running.task, 10)
        rest = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert b"the server is shutting down" in rest
