"""The state file between the supervisor and the gateway's workers."""

import threading
from pathlib import Path

from server.state import EngineState, Phase, StackState, read_state, write_state


def test_what_is_written_is_read_and_carries_the_time_of_writing(tmp_path: Path):
    engine = EngineState(model="demo", phase=Phase.WARMING_UP, since=1.5, detail="첫 토큰", address="unix:/x.sock", pid=7)
    write_state(tmp_path / "state.json", StackState(engines={"demo": engine}, draining=True))
    state = read_state(tmp_path / "state.json")
    assert state is not None
    assert (state.engines["demo"], state.draining) == (engine, True)
    assert state.written > 0


def test_there_is_no_state_before_it_is_written_nor_from_half_a_file(tmp_path: Path):
    assert read_state(tmp_path / "state.json") is None
    (tmp_path / "state.json").write_text('{"engines": {"de')
    assert read_state(tmp_path / "state.json") is None


def test_a_reader_beside_a_writer_never_sees_half_a_file(tmp_path: Path):
    path = tmp_path / "state.json"
    engines = {f"m{i}": EngineState(model=f"m{i}", phase=Phase.READY, since=0.0, detail="x" * 200) for i in range(50)}
    write_state(path, StackState(engines=engines))
    writer = threading.Thread(target=lambda: [write_state(path, StackState(engines=engines)) for _ in range(200)])
    writer.start()
    seen = []
    while writer.is_alive():
        state = read_state(path)
        seen.append(state is not None and len(state.engines) == 50)
    writer.join()
    assert all(seen)


def test_nothing_stays_beside_the_file(tmp_path: Path):
    write_state(tmp_path / "state.json", StackState())
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]
