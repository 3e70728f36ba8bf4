#include "tools/wsecho/page.h"

namespace halfpipe::tools {

absl::string_view EchoPage() {
  static constexpr char kPage[] = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self' ws:">
<link rel="icon" href="data:,">
<title>WebSocket echo</title>
<style>
body { font: 16px sans-serif; margin: 2em auto; max-width: 40em; padding: 0 1em; }
form { display: flex; gap: .5em; margin: .5em 0; }
input { flex: 1; font: inherit; }
button { font: inherit; }
#log { border-top: 1px solid #999; list-style: none; overflow-wrap: anywhere; padding: .5em 0; }
#log li { white-space: pre-wrap; }
.received { color: #06c; }
</style>
</head>
<body>
<h1>WebSocket echo</h1>
<p>This page sends messages to the server it came from, which sends each one back.
The connection is <b id="state">opening</b>.</p>
<form id="text-form">
<input id="text" placeholder="a text" autocomplete="off" autofocus>
<button id="send-text">send text</button>
</form>
<form id="bytes-form">
<input id="bytes" placeholder="bytes in hexadecimal: 00 ff 7e" autocomplete="off">
<button id="send-bytes">send bytes</button>
</form>
<button id="close" type="button">close</button>
<ul id="log"></ul>
<script>
"use strict";
const element = id => document.getElementById(id);
const shownMax = 4096;
const log = (kind, text) => {
  const line = document.createElement("li");
  line.className = kind.split(" ")[0];
  line.textContent = kind + ": " +
      (text.length > shownMax ? text.slice(0, shownMax) + "... (" + text.length + ")" : text);
  element("log").append(line);
};
const hex = bytes => Array.from(bytes, b => b.toString(16).padStart(2, "0")).join(" ");
const socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/#.*/, ""));
socket.binaryType = "arraybuffer";
socket.onopen = () => { element("state").textContent = "open"; };
socket.onclose = event => {
  element("state").textContent = "closed (" + event.code + " " + event.reason + ")";
};
socket.onmessage = event => {
  if (typeof event.data === "string") {
    log("received text", event.data);
  } else {
    log("received bytes", hex(new Uint8Array(event.data)));
  }
};
element("text-form").onsubmit = event => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) return;
  const text = element("text").value;
  log("sent text", text);
  socket.send(text);
  element("text").value = "";
};
element("bytes-form").onsubmit = event => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) return;
  const digits = element("bytes").value.replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) {
    log("not sent", "two hexadecimal digits for each byte, please");
    return;
  }
  const bytes = Uint8Array.from(digits.match(/../g) || [], pair => parseInt(pair, 16));
  log("sent bytes", hex(bytes));
  socket.send(bytes);
  element("bytes").value = "";
};
element("close").onclick = () => socket.close(1000, "closed by hand");
</script>
</body>
</html>
)html";
  return absl::string_view(kPage, sizeof(kPage) - 1);
}

}  // namespace halfpipe::tools
