"""What a run on a Ray cluster decides before Ray does anything: addresses, how many replicas fit, which lines go out."""

import pickle
import socket
from dataclasses import replace

import pytest

from server.batch import rayrun, rayworker
from server.batch.base import Answer, Line
from server.batch.rayrun import Cluster, Engines, Node
from server.errors import StartError, UsageError

NODE = Node(address="a:1", engine="vllm", version="0.33.0", cpus=8, memory=2**34, model=True)
ENGINES = Engines(argv=["/models/chat"], env={}, task="generate")


def cluster(*nodes, cpus=8.0, gpus=0.0):
    return Cluster(nodes, {node.address: cpus for node in nodes}, gpus, "home")


def named(name, **more):
    return replace(NODE, address=name, **more)


def test_without_gpus_each_node_gets_one_replica_with_all_its_cores():
    assert rayrun.replicas(cluster(named("a"), named("b")), ENGINES, "auto") == (2, {"CPU": 8.0})


def test_with_gpus_there_are_as_many_replicas_as_fit():
    engines = replace(ENGINES, tensor_parallel=2)
    assert rayrun.replicas(cluster(named("a"), named("b"), gpus=8.0), engines, "auto") == (4, {"CPU": 1.0, "GPU": 1.0})


def test_a_number_of_replicas_that_does_not_fit_says_how_many_do():
    with pytest.raises(UsageError, match=r"--ray-replicas 3: the cluster has room for 2 .*write 2 or less"):
        rayrun.replicas(cluster(named("a"), named("b")), ENGINES, 3)


def test_a_replica_that_needs_more_gpus_than_there_are_is_refused():
    with pytest.raises(StartError, match="takes 4 GPUs and the cluster has 2"):
        rayrun.replicas(cluster(NODE, gpus=2.0), replace(ENGINES, tensor_parallel=4), "auto")


def test_a_node_that_does_not_see_the_model_is_named():
    with pytest.raises(StartError, match="node b does not see the model's folder /models/chat"):
        rayrun.replicas(cluster(named("a"), named("b", model=False)), ENGINES, "auto")


def test_a_cluster_without_vllm_says_what_to_type():
    with pytest.raises(StartError, match="make install-ray"):
        rayrun.replicas(cluster(named("a", engine="")), ENGINES, "auto")


def test_a_head_without_cores_gets_no_replica():
    found = Cluster((named("head"), named("b")), {"head": 0.0, "b": 8.0}, 0.0, "home")
    assert rayrun.replicas(found, ENGINES, "auto")[0] == 1


@pytest.mark.parametrize("address", ["nowhere", "host:", ":1", "host:port"])
def test_an_address_that_is_none_says_how_to_write_one(address):
    with pytest.raises(UsageError, match="write HOST:PORT"):
        rayrun.reached(address)


def test_rays_client_is_refused_with_what_to_do():
    with pytest.raises(UsageError, match="on a node of the cluster, with --ray auto"):
        rayrun.reached("ray://host:10001")


def test_an_address_where_nobody_answers_is_one_sentence():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(StartError, match=f"no Ray cluster answers at {address}"):
        rayrun.reached(address)


def test_the_feed_gives_the_lines_that_are_left_a_few_at_a_time():
    lines = [Line(number, f"id-{number}", "/v1/completions", "m", b"{}") for number in range(1, 21)]
    skipped = bytearray(3)
    for number in (1, 8, 20):
        skipped[number // 8] |= 1 << number % 8

    packs = [pack["number"] for pack in rayworker.feed({}, pickle.dumps(lines), bytes(skipped), "/")]

    assert packs == [[2, 3, 4, 5, 6, 7, 9, 10], [11, 12, 13, 14, 15, 16, 17, 18], [19]]


@pytest.mark.parametrize(
    ("usage", "prompt", "output"),
    [('{"prompt_tokens":3,"completion_tokens":5}', 3, 5), ('{"input_tokens":3,"output_tokens":5}', 3, 5), ("null", 0, 0)],
)
def test_tokens_of_an_answer_are_counted_for_every_endpoint(usage, prompt, output):
    body = f'{{"id":"x","usage":{usage}}}'.encode()
    row = {"number": 4, "custom_id": "c", "url": "/v1/responses", "model": "m", "status": 200, "request_id": "r", "answer": body}
    assert rayrun.result(row).answer == Answer(200, "r", body, prompt_tokens=prompt, completion_tokens=output)
