"""Hears words in sound that comes over TCP, and answers with a JSON object for each word.

    python examples/network.py localhost 7000
    arecord -f S16_LE -r 16000 -c 1 -t raw | nc localhost 7000

The sound is 16-bit, little-endian, one channel, at the model's rate. Port 0 takes any free port. Whoever
can reach the port can send sound: leave it at localhost, or in a network that you trust.
"""

import socket
import sys

from kws_device import InputError, JsonLines, RawStream, Session, Spotter


def serve(host: str, port: int) -> None:
    """Serve one sender after the other, until Ctrl-C."""
    spotter = Spotter.load()
    with socket.create_server((host, port)) as server:
        print(f"listening on port {server.getsockname()[1]}", flush=True)
        while True:
            connection, (sender, *_) = server.accept()
            try:
                with connection, connection.makefile("rb") as sound, connection.makefile("w") as answers:
                    Session(lambda: spotter, JsonLines(answers)).run([RawStream(sound, sender)])
            except (InputError, OSError) as error:
                print(f"{sender}: {error}", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].isdigit():
        sys.exit("usage: network.py HOST PORT")
    try:
        serve(sys.argv[1], int(sys.argv[2]))
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
