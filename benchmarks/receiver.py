"""A receiver of webhooks that costs little: one thread, epoll, the same answer to everything.

`/0` in the path is answered at once, `/50` after 50 milliseconds, `/never` never. Started as a program it prints its
port.
"""

import heapq
import selectors
import socket
import time

from benchmarks.stage import ADDRESS

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


def serve() -> None:
    """Answers until it is killed."""
    listener = socket.create_server((ADDRESS, 0), backlog=1024)
    listener.settimeout(0)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    rests: dict[socket.socket, bytes] = {}
    later: list[tuple[float, int, socket.socket]] = []
    number = 0
    while True:
        pause = max(later[0][0] - time.monotonic(), 0) if later else None
        for key, _ in selector.select(pause):
            connection = key.fileobj
            if connection is listener:
                connection, _ = listener.accept()
                connection.settimeout(0)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                rests[connection] = b""
                continue
            try:
                data = connection.recv(65536)
            except OSError:
                data = b""
            if not data:
                selector.unregister(connection)
                rests.pop(connection, None)
                connection.close()
                continue
            data = rests[connection] + data
            head = data.find(HEAD_END)
            if head < 0 or len(data) < head + len(HEAD_END) + _length(data[:head]):
                rests[connection] = data
                continue
            rests[connection] = b""
            path = data[: data.index(b"\r")]
            if b"/never" in path:
                continue
            if b"/50" in path:
                number += 1
                heapq.heappush(later, (time.monotonic() + 0.05, number, connection))
            else:
                _answer(connection)
        now = time.monotonic()
        while later and later[0][0] <= now:
            _answer(heapq.heappop(later)[2])


def _length(head: bytes) -> int:
    lower = head.lower()
    place = lower.find(LENGTH)
    return int(lower[place + len(LENGTH) :].split(b"\r", 1)[0]) if place >= 0 else 0


def _answer(connection: socket.socket) -> None:
    try:
        connection.send(ANSWER)
    except OSError:
        return  # it was closed meanwhile


if __name__ == "__main__":
    serve()
