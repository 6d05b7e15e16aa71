import pytest

from server.errors import ConfigError
from server.remote import Remote, Unreachable, address


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/score"])
def test_the_base_may_be_written_in_any_of_the_usual_ways(url):
    assert address(url, "/score") == "http://h:1/v1/score"


@pytest.mark.parametrize("url", ["ftp://h", "http://", "unix:///x", "h:1"])
def test_what_is_no_http_address_has_none(url):
    assert address(url, "/score") is None


def test_a_variable_that_is_not_set_is_said(monkeypatch):
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(ConfigError, match="some_setting names the variable A_KEY, which is not set: export it"):
        Remote("http://h", "A_KEY", "some_setting", 1.0)


async def test_what_is_closed_is_not_asked():
    server = Remote("http://h", None, "", 1.0)
    await server.open()
    await server.close()
    with pytest.raises(Unreachable, match="closed"):
        await server.post(b"{}")
