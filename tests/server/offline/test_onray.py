"""`sllm batch --ray`: what is refused before a cluster is asked."""

import pytest

from server.errors import UsageError
from server.offline import onray
from server.offline.options import Options, replicas
from server.settings import parse


def test_a_configuration_with_guards_is_refused_with_what_to_type():
    settings = parse({"guards": [{"kind": "length", "name": "no-names", "max_tokens": 5}]}, where="test")
    with pytest.raises(UsageError, match=r"--ray runs no guards, .*no-names.*leave out --ray"):
        onray.refuse(settings, "local")


def test_a_configuration_without_guards_is_taken():
    pytest.importorskip("ray")
    onray.refuse(parse({}, where="test"), "local")


@pytest.mark.parametrize(("said", "meant"), [("auto", "auto"), ("3", 3)])
def test_replicas_are_a_number_or_auto(said, meant):
    assert replicas(said) == meant


@pytest.mark.parametrize("said", ["0", "-1", "many"])
def test_other_replicas_are_refused(said):
    with pytest.raises(UsageError, match="write a number from 1 up, or auto"):
        replicas(said)


def test_replicas_without_a_cluster_are_refused(tmp_path):
    with pytest.raises(UsageError, match="--ray-replicas is for --ray"):
        Options(tmp_path / "in", tmp_path / "out", model="m", ray_replicas=2).validate()
