import pytest

from benchmarks.busygpu import check
from benchmarks.errors import BenchError

FREE = "0, GPU-aa11, 4, 143771, 0\n"
FULL = "0, GPU-aa11, 90112, 143771, 3\n1, GPU-bb22, 4, 143771, 0\n"
WORKS = "0, GPU-aa11, 12, 143771, 97\n"


def test_a_free_gpu_and_none_at_all_pass():
    assert check(anyway=False, listing=FREE, environ={}) is None
    assert check(anyway=False, listing="", environ={}) is None


@pytest.mark.parametrize(("listing", "said"), [(FULL, "88.0 of 140 GiB in use"), (WORKS, "97 % at work")])
def test_a_busy_gpu_is_refused_with_what_to_do(listing, said):
    with pytest.raises(BenchError, match=rf"GPU 0 is busy \(.*{said}.*--anyway"):
        check(anyway=False, listing=listing, environ={})


def test_with_anyway_it_is_noted():
    assert "GPU 0 is busy" in (check(anyway=True, listing=FULL, environ={}) or "")


@pytest.mark.parametrize("devices", ["1", "GPU-bb"])
def test_only_visible_gpus_count(devices):
    assert check(anyway=False, listing=FULL, environ={"CUDA_VISIBLE_DEVICES": devices}) is None


def test_a_driver_that_says_not_available_is_no_error():
    assert check(anyway=False, listing="0, GPU-aa11, [N/A], [N/A], [N/A]\n", environ={}) is None
