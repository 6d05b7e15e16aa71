"""A supervisor over fake engines, in a process of its own: python -m tests.server.supervised SETTINGS.json [FAULT...]"""

import sys
from pathlib import Path

from server.settings import Settings

WORKER = """
import argparse, ctypes, signal, socket, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
parser = argparse.ArgumentParser()
for name in ("fd", "settings", "state"):
    parser.add_argument("--" + name)
options = parser.parse_args()
listener = socket.socket(fileno=int(options.fd))
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.2), sys.exit(0)))
while True:
    client, _ = listener.accept()
    client.sendall(open(options.state, "rb").read())
    client.close()
"""


def main(path: str, faults: list[str]) -> int:
    import asyncio

    from server.errors import SLLMError
    from server.supervisor import Supervisor
    from tests.server.engine.conftest import CPU, fake

    settings = Settings.model_validate_json(Path(path).read_text())

    async def run() -> int:
        supervisor = Supervisor(
            settings, lambda: print("READY", flush=True), look=lambda _: CPU, build=fake(*faults), program=(sys.executable, "-c", WORKER)
        )
        return await supervisor.run()

    try:
        return asyncio.run(run())
    except SLLMError as error:
        print(error.message, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
