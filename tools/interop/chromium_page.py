"""Drives wsecho's page in a Chromium without a window, as a person would.

    chromium_page.py CHROMIUM URL PROFILE_DIRECTORY

Types a text and bytes into the page and presses its buttons, through the browser's DevTools pipe
(standard library only). Then runs a script of its own there. Says "did CASE" for each case that went
as it should; status 0 if all did, the page having shown that each message came back with its type.
"""

import json
import os
import subprocess
import sys
import threading
import time

BOUND_SECONDS = 100

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-extensions", "--no-default-browser-check", "--remote-debugging-pipe",
]

# Resolves when `condition` holds, which is looked at whenever the page changes.
WHEN = """
new Promise(resolve => {
  const look = () => { if (%s) { observer.disconnect(); resolve(true); } };
  const observer = new MutationObserver(look);
  observer.observe(document, {subtree: true, childList: true, characterData: true});
  look();
})
"""


# Resolves with the cases that it has done; rejects where an answer is not what was sent.
EXCHANGE = """
(async () => {
  const once = (socket, name) =>
      new Promise(resolve => socket.addEventListener(name, resolve, {once: true}));
  const open = async () => {
    const socket = new WebSocket(location.href.replace('http:', 'ws:'));
    socket.binaryType = 'arraybuffer';
    await Promise.race([once(socket, 'open'), once(socket, 'close')]);
    return socket;
  };
  const bytesOf = message => typeof message === 'string' ? new TextEncoder().encode(message)
                                                         : new Uint8Array(message);
  const echo = async (socket, message) => {
    const answer = once(socket, 'message');
    socket.send(message);
    const {data} = await answer;
    const [sent, received] = [bytesOf(message), bytesOf(data)];
    if ((typeof data === 'string') !== (typeof message === 'string') ||
        sent.length !== received.length || sent.some((byte, i) => byte !== received[i])) {
      throw new Error(`an echo of ${received.length} bytes differs`);
    }
  };
  const cases = [];
  const socket = await open();
  for (let i = 0; i < 20; i++) {
    const text = Array.from({length: 50 * i}, (_, j) => `{"id": ${i * j % 97}}`).join();
    await echo(socket, i % 2 ? new TextEncoder().encode(text) : text);
  }
  cases.push('repetition');
  await echo(socket, '');
  await echo(socket, new Uint8Array(0));
  cases.push('empty');
  await echo(socket, 'm'.repeat(1 << 20));
  await echo(socket, new Uint8Array(1 << 20).fill(255));
  cases.push('1 MiB');
  let closed = once(socket, 'close');
  socket.close(4001, 'bye from the client');
  if ((await closed).code !== 4001) throw new Error('the answer to a Close has another code');
  cases.push('close with code');
  const other = await open();
  closed = once(other, 'close');
  other.send(new Uint8Array((16 << 20) + 1));
  if ((await closed).code !== 1009) throw new Error('no 1009');
  cases.push('1009 above 16 MiB');
  return cases;
})()
"""


class Browser:
    """The browser's end of the pipe: JSON texts, a NUL behind each."""

    def __init__(self, program, profile):
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()

        def place_pipes():
            # Out of the way first: either may be the number that the other has to become.
            low = [os.dup(to_browser), os.dup(from_browser)]
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(low)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, "--user-data-dir=" + profile, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=sys.stderr, close_fds=False, preexec_fn=place_pipes)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._last_id = 0

    def call(self, method, session=None, **params):
        """One DevTools command and its result."""
        self._last_id += 1
        command = {"id": self._last_id, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        text = json.dumps(command).encode() + b"\0"
        while text:
            text = text[os.write(self._commands, text):]
        while True:
            message = self._receive()
            if message.get("id") != self._last_id:
                continue
            if "error" in message:
                raise RuntimeError(f"{method}: {message['error']}")
            return message["result"]

    def _receive(self):
        while b"\0" not in self._buffer:
            piece = os.read(self._answers, 65536)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._buffer += piece
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)

    def end(self):
        """Asks the browser to end, and makes it."""
        try:
            self.call("Browser.close")
        except (OSError, RuntimeError):
            pass
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self):
        self._process.kill()


class Page:
    """One page of the browser."""

    def __init__(self, browser, url):
        self._browser = browser
        target = browser.call("Target.createTarget", url=url)["targetId"]
        self._session = browser.call(
            "Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def run(self, script):
        """Runs a script, waits for its promise, returns its value."""
        result = self._browser.call(
            "Runtime.evaluate", self._session, expression=script, awaitPromise=True,
            returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, condition):
        self.run(WHEN % condition)

    def wait_for_line(self, line):
        lines = "[...document.querySelectorAll('#log > *')].map(e => e.textContent)"
        self.wait_for(f"{lines}.includes({json.dumps(line)})")

    def type_and_send(self, field, text):
        self.run(f"document.getElementById('{field}').value = {json.dumps(text)};"
                 f"document.getElementById('send-{field}').click();")


def try_page(browser, url):
    page = Page(browser, url)
    # The new page may still be the empty one that it begins as.
    end = time.monotonic() + BOUND_SECONDS
    while not page.run("location.protocol === 'http:' && document.readyState === 'complete'"):
        if time.monotonic() > end:
            raise RuntimeError("the page does not load")
    page.wait_for("document.getElementById('state').textContent === 'open'")
    print("extensions", page.run("socket.extensions"))
    text = "h\u00e9llo \u4e16\u754c from a browser"
    page.type_and_send("text", text)
    page.wait_for_line("sent text: " + text)
    page.wait_for_line("received text: " + text)
    page.type_and_send("bytes", "00 ff 7E80")
    page.wait_for_line("sent bytes: 00 ff 7e 80")
    page.wait_for_line("received bytes: 00 ff 7e 80")
    page.run("document.getElementById('close').click()")
    page.wait_for("document.getElementById('state').textContent.startsWith('closed (1000')")
    print(page.run("navigator.userAgent"))
    for case in ["the page", "text", "binary", *page.run(EXCHANGE)]:
        print("did", case)


def main():
    program, url, profile = sys.argv[1:]
    browser = Browser(program, profile)
    watchdog = threading.Timer(BOUND_SECONDS, browser.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        try_page(browser, url)
    finally:
        watchdog.cancel()
        browser.end()


main()
