"""Python's websockets as an echo server. What it does with a connection is in README.md.

    websockets_server.py [DEFLATE]    DEFLATE: arguments of its extension factory, as JSON
"""

import asyncio
import json
import sys

import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

EXTENSIONS = None
if len(sys.argv) > 1:
    EXTENSIONS = [ServerPerMessageDeflateFactory(**json.loads(sys.argv[1]))]


def say(*words):
    print(*words, flush=True)


async def answer(socket, message):
    if message == "ping me":
        pong = await socket.ping("from the server")
        pong.add_done_callback(lambda _: say("pong from the server"))
    elif message == "close me":
        await socket.close(4002, "as asked")
    elif message == "cut it":
        await socket.send(["in ", "three ", "pieces"])
    else:
        await socket.send(message)


async def serve_connection(socket):
    say("connection", socket.path, socket.request_headers["Host"])
    if EXTENSIONS:
        say("extensions", socket.response_headers.get("Sec-WebSocket-Extensions", ""))
    try:
        async for message in socket:
            await answer(socket, message)
    except websockets.ConnectionClosed:
        pass
    await socket.wait_closed()
    say("closed", socket.close_code, socket.close_reason)


async def main():
    async with websockets.serve(
        serve_connection, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None,
        close_timeout=60, extensions=EXTENSIONS,
    ) as server:
        say("port", server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
