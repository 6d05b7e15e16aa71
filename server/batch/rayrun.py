"""The lines of a batch on a Ray cluster, by Ray Data LLM: one engine a replica, results back as they finish.

    this process                              the cluster
    which lines are left -> feed (on this machine: reads the file) -> engines (rayworker.stage) -> results

Nothing holds the file: the feeding task is a generator that Ray stops while the engines have enough, and results are kept as they
come. What is lost with this process is in flight only: the same command runs it again. A node that dies is Ray's to replace; its
lines go to other replicas.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import pickle
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import msgspec

from server.batch import rayworker
from server.batch.base import Answer, BadLine, Line, Result
from server.errors import EngineFailed, StartError, UsageError
from server.settings import ROOT

INSTALL = "`make install-ray`"
MISSING = f"--ray needs Ray, which is not installed: {INSTALL}, on each node of the cluster too"
CONNECT = 5.0  # seconds
BLOCK = 4096  # bytes after which a block goes on its way: few lines wait for each other
IN_FLIGHT = 512 * 2**20  # bytes of lines and results between the stages, in the cluster's object store
RESTARTS = 8  # of one replica; a line that ends each engine it comes to must not go on for ever
NODES = 120.0  # seconds for every node to run a small task


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that may run engines. `engine` is vLLM's distribution, "" where there is none."""

    address: str
    engine: str
    version: str
    cpus: int
    memory: int
    model: bool  # whether it sees the model's folder


@dataclass(frozen=True)
class Cluster:
    nodes: tuple[Node, ...]
    cpus: Mapping[str, float]  # by address, as Ray counts them
    gpus: float
    home: str  # Ray's id of this machine's node

    @property
    def kind(self) -> Literal["cuda", "cpu"]:
        return "cuda" if self.gpus >= 1 else "cpu"


@dataclass(frozen=True)
class Engines:
    """How a replica is made: the words of its command line (the model first), its environment, its task, what it takes."""

    argv: Sequence[str]
    env: Mapping[str, str]
    task: str
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    sequences: int = 256  # in flight at one replica

    @property
    def gpus(self) -> int:
        return self.tensor_parallel * self.pipeline_parallel


def connect(address: str, folder: str | None, *, memory: int | None = None) -> Cluster:
    """Join the cluster at `address`: `auto`, HOST:PORT, or `local`, which starts one on this machine.

    `folder`: where the model lies, which each node should see; None for a hub id. Raises StartError, UsageError.
    """
    ray = _ray()
    ready(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": memory}
    try:
        with _quiet():
            ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, AssertionError) as error:
        raise StartError(_refused(address, str(error))) from None
    return _cluster(ray, folder)


def ready(address: str) -> None:
    """Raise StartError, UsageError for what can be seen at once: Ray is not here, or nobody answers at `address`."""
    if find_spec("ray") is None:
        raise StartError(MISSING)
    if address not in ("auto", "local"):
        reached(address)


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise StartError(MISSING) from None


def reached(address: str) -> None:
    host, _, port = address.rpartition(":")
    if "://" in address:
        raise UsageError(
            f"--ray {address}: Ray's client cannot read this machine's files: run the command on a node of the cluster, with --ray auto"
        )
    if not host or not port.isdigit():
        raise UsageError(f"--ray {address}: write HOST:PORT as `ray start --head` prints it, auto, or local")
    try:
        socket.create_connection((host, int(port)), CONNECT).close()
    except (OSError, OverflowError) as error:
        raise StartError(
            f"no Ray cluster answers at {address} ({error}): check the address, or begin one with `ray start --head` or --ray local"
        ) from None


def _refused(address: str, said: str) -> str:
    if "ersion mismatch" in said:
        return f"the cluster at {address} runs another version of Ray or Python: {INSTALL} on each node ({_first(said)})"
    if address == "auto" or "Could not find any running Ray instance" in said:
        return "no Ray cluster runs on this machine: join one with `ray start --address=HOST:PORT`, or use --ray local"
    if "node" in said and "address" in said:
        return f"this machine is no node of the cluster at {address}: join it with `ray start --address={address}` ({_first(said)})"
    return f"the Ray cluster at {address} does not take this command: {_first(said)}"


def _first(text: str) -> str:
    """The first sentence of what Ray said, on one line."""
    return " ".join(text.split()).split(". ")[0][:300]


def _cluster(ray: Any, folder: str | None) -> Cluster:
    """What the nodes are and have. Each is asked by a small task."""
    affinity = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    ray.cloudpickle.register_pickle_by_value(rayworker)
    alive = [node for node in ray.nodes() if node["Alive"]]
    look = ray.remote(rayworker.look)
    asked = {}
    for node in alive:
        there = affinity(node_id=node["NodeID"], soft=False)
        asked[node["NodeID"]] = look.options(num_cpus=0, scheduling_strategy=there).remote(folder)
    ready, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=NODES)
    nodes, cpus = [], {}
    for node in alive:
        if asked[node["NodeID"]] not in ready:
            raise StartError(f"node {node['NodeManagerAddress']} does not run tasks: look at `ray status`, or take it out with `ray stop`")
        said = ray.get(asked[node["NodeID"]])
        name = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
        nodes.append(Node(address=name, **said))
        cpus[name] = node["Resources"].get("CPU", 0.0)
    gpus = ray.cluster_resources().get("GPU", 0.0)
    return Cluster(tuple(nodes), cpus, gpus, ray.get_runtime_context().get_node_id())


def close() -> None:
    """Leave the cluster; one that was started here ends."""
    ray = _ray()
    if ray.is_initialized():
        ray.shutdown()


def replicas(cluster: Cluster, engines: Engines, wanted: int | Literal["auto"]) -> tuple[int, dict[str, float]]:
    """How many replicas there can be and what one takes. Raises StartError, UsageError where the cluster has too little."""
    runs = [node for node in cluster.nodes if cluster.cpus[node.address] >= 1 and (node.engine or cluster.kind == "cuda")]
    if not runs or not any(node.engine for node in cluster.nodes):
        raise StartError(f"no node of the cluster has vLLM and a free core: {INSTALL} on each, and start Ray from that environment")
    if cluster.kind == "cuda":
        most, takes = int(cluster.gpus // engines.gpus), {"CPU": 1.0, "GPU": 1.0}
        if not most:
            raise StartError(f"one replica takes {engines.gpus} GPUs and the cluster has {cluster.gpus:g}: lower `tensor-parallel-size`")
    else:
        cores = min(cluster.cpus[node.address] for node in runs)
        most, takes = sum(int(cluster.cpus[node.address] // cores) for node in runs), {"CPU": float(int(cores))}
    if wanted != "auto" and wanted > most:
        each = f"{engines.gpus} of {cluster.gpus:g} GPUs" if cluster.kind == "cuda" else f"{takes['CPU']:g} cores"
        raise UsageError(f"--ray-replicas {wanted}: the cluster has room for {most} (each takes {each}): write {most} or less")
    for node in runs:
        if not node.model:
            raise StartError(f"node {node.address} does not see the model's folder {engines.argv[0]}: put it there, or name a hub id")
        if not node.engine:
            raise StartError(f"node {node.address} has no vLLM: {INSTALL} there, and start Ray from that environment")
    return (most if wanted == "auto" else wanted), takes


def run(
    cluster: Cluster, engines: Engines, count: int, takes: Mapping[str, float], source: Iterable[Line | BadLine], skipped: bytes
) -> Iterator[Result]:
    """Run the lines of `source` (which is pickled) that are not `skipped`, each once, in the order in which they end.

    Raises EngineFailed.
    """
    ray = _ray()
    with _quiet():
        data, llm = importlib.import_module("ray.data"), importlib.import_module("ray.data.llm")
    affinity = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    for name in ("ray", "ray.data", "ray.llm"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.target_max_block_size = BLOCK
    context.execution_options.resource_limits = context.execution_options.resource_limits.copy(object_store_memory=IN_FLIGHT)
    here = affinity(node_id=cluster.home, soft=False)
    feeding = {"source": pickle.dumps(source), "skipped": skipped, "root": str(ROOT)}
    with _quiet():
        rows = data.from_items([{"start": 0}], override_num_blocks=1).map_batches(
            rayworker.feed, fn_kwargs=feeding, batch_size=1, num_cpus=0, scheduling_strategy=here
        )
        processor = llm.build_processor(_config(llm, engines, count, takes), postprocess=rayworker.result, **_light())
    engine = processor.get_stage_by_name("vLLMEngineStage")
    kwargs = {**engine.map_batches_kwargs, "max_restarts": RESTARTS, "max_task_retries": RESTARTS}
    # A copy, since an assignment would work the placement out a second time, and wrongly.
    processor.stages["vLLMEngineStage"] = engine.model_copy(update={"fn": rayworker.stage(), "map_batches_kwargs": kwargs})
    try:
        for batch in processor(rows).iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from map(result, batch.to_pylist())
    except (ray.exceptions.RayError, ray.exceptions.UserCodeException) as error:
        raise EngineFailed(_cause(error)) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on stdout and stderr meanwhile: what libraries say when they are imported, in C too."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, copy in enumerate(kept, 1):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def _light() -> dict[str, Any]:
    return {"preprocess_map_kwargs": {"num_cpus": 0}, "postprocess_map_kwargs": {"num_cpus": 0}}


def _config(llm: Any, engines: Engines, count: int, takes: Mapping[str, float]) -> Any:
    """The processor: our own stage prepares the text, so Ray's for templates and tokens are off."""
    kwargs: dict[str, Any] = {rayworker.ARGV: list(engines.argv)}
    if engines.gpus > 1:  # Ray's stage places a worker for each
        kwargs |= {"tensor_parallel_size": engines.tensor_parallel, "pipeline_parallel_size": engines.pipeline_parallel}
    return llm.vLLMEngineProcessorConfig(
        model_source=engines.argv[0],
        engine_kwargs=kwargs,
        task_type="generate" if engines.task == "generate" else "embed",
        concurrency=(count, count),
        batch_size=rayworker.PACK,
        max_concurrent_batches=max(8, 2 * engines.sequences // rayworker.PACK),
        accelerator_type=None,
        placement_group_config={"bundles": [dict(takes)] * engines.gpus},
        chat_template_stage=False,
        tokenize_stage=False,
        detokenize_stage=False,
        log_engine_metrics=False,
        runtime_env={"env_vars": dict(engines.env)},
    )


def result(row: Mapping[str, Any]) -> Result:
    line = Line(row["number"], row["custom_id"], row["url"], row["model"], b"")
    used = _usage(row["answer"])
    answer = Answer(
        row["status"],
        row["request_id"],
        row["answer"],
        prompt_tokens=used.get("prompt_tokens") or used.get("input_tokens") or 0,
        completion_tokens=used.get("completion_tokens") or used.get("output_tokens") or 0,
    )
    return Result(line, answer)


class _Used(msgspec.Struct):
    usage: dict[str, Any] | None = None


def _usage(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=_Used).usage or {}
    except msgspec.DecodeError:
        return {}


def _cause(error: BaseException) -> str:
    """Why the cluster gave up, in one sentence: what the engine's own errors are known to mean, else the last line of the trace."""
    from server.engine.diagnose import explain

    text = str(error)
    found = explain(text, None)
    if found.row:
        return f"the engine on the cluster: {found.sentence}"
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return f"the cluster gave the batch up: {said[-1][:300] if said else type(error).__name__}; `ray logs` on the node has more"
