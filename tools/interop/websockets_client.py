"""Python's websockets as a client.

    websockets_client.py exchange URL               text, binary, 1 MiB, fragments, ping, close
    websockets_client.py await-close URL CODE REASON
    websockets_client.py deflate URL DEFLATE        exchange, compressed; DEFLATE: arguments of its
                                                    extension factory, as JSON
    websockets_client.py too-large URL BYTES [DEFLATE]   a message above that many is refused
    websockets_client.py outlive URL    one that pings lives longer than one that does nothing

Says "did CASE" for each case that went as it should. Status 0 if all did; else the reason is on
standard error.
"""

import asyncio
import json
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


def open_socket(url, extensions=None):
    return websockets.connect(
        url, compression=None, max_size=None, ping_interval=None, open_timeout=60, close_timeout=60,
        extensions=extensions)


async def expect_echo(socket, message):
    await socket.send(message)
    whole = message
    if isinstance(message, list):
        whole = type(message[0])().join(message)
    answer = await socket.recv()
    assert type(answer) is type(whole), f"sent {type(whole)}, received {type(answer)}"
    assert answer == whole, f"an echo of {len(answer)} differs"


async def exchange_on(socket):
    for name, message in (
        ("text", "h\u00e9llo"), ("binary", b"\0\xff\x80"),
        ("empty", ""), ("empty", b""),
        ("1 MiB", "m" * (1 << 20)), ("1 MiB", b"m" * (1 << 20)),
        ("fragments", ["a", "\u00e9", "", "b"]), ("fragments", [b"a", b"\xc3", b"", b"\xa9"]),
    ):
        await expect_echo(socket, message)
        print("did", name)
    pong = await socket.ping("are you there")
    await asyncio.wait_for(pong, 60)
    await expect_echo(socket, "after the ping")
    print("did ping")
    await socket.close(4001, "bye from the client")
    # The answer repeats the code; a reason need not come back.
    assert socket.close_code == 4001, socket.close_code
    print("did close")


async def exchange(url):
    async with open_socket(url) as socket:
        await exchange_on(socket)


async def deflate(url, arguments):
    extensions = [ClientPerMessageDeflateFactory(**json.loads(arguments))]
    async with open_socket(url, extensions) as socket:
        agreed = socket.response_headers.get("Sec-WebSocket-Extensions", "")
        print("extensions", agreed, flush=True)
        # Text that repeats itself, within a message and from one to the next.
        for i in range(20):
            text = ",".join(f'{{"id": {i * j % 97}}}' for j in range(50 * i))
            await expect_echo(socket, text.encode() if i % 2 else text)
        print("did repetition")
        await exchange_on(socket)


async def await_close(url, code, reason):
    async with open_socket(url) as socket:
        print("open", flush=True)
        try:
            message = await socket.recv()
        except websockets.ConnectionClosed:
            closed = (socket.close_code, socket.close_reason)
            assert closed == (int(code), reason), closed
        else:
            raise AssertionError(f"received {message!r}")


async def too_large(url, size, arguments=None):
    extensions = arguments and [ClientPerMessageDeflateFactory(**json.loads(arguments))]
    async with open_socket(url, extensions) as socket:
        await expect_echo(socket, bytes(int(size)))
        print("did a message at the limit")
        try:
            await socket.send(bytes(int(size) + 1))
            await socket.recv()
        except websockets.ConnectionClosed:
            pass
        await socket.wait_closed()
        assert socket.close_code == 1009, socket.close_code
        print("did 1009 above it")


async def outlive(url):
    async with open_socket(url) as idle, open_socket(url) as alive:
        async def ping():
            while True:
                await alive.ping()
                await asyncio.sleep(0.2)
        pings = asyncio.create_task(ping())
        await idle.wait_closed()
        assert idle.close_code == 1006, idle.close_code
        print("did an end without pings")
        await expect_echo(alive, "still here")
        pings.cancel()
        print("did a longer life with pings")


def main():
    run = {"exchange": exchange, "await-close": await_close, "deflate": deflate,
           "too-large": too_large, "outlive": outlive}[sys.argv[1]]
    asyncio.run(run(*sys.argv[2:]))


main()
