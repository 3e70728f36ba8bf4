#include "websocket/server_counters.h"

namespace halfpipe::websocket {

void ServerCounters::AddTo(ServerCounts* counts) const {
  counts->connections += connections.value();
  counts->open += open.value();
  counts->parked += parked.value();
  counts->kept_alive += kept_alive.value();
  counts->waiting += waiting.value();
  counts->at_work += at_work.value();
  counts->message_bytes += message_bytes.value();
  counts->accepted += accepted.value();
  counts->upgraded += upgraded.value();
  counts->plain_requests += plain_requests.value();
  counts->messages_received += messages_received.value();
  counts->bytes_received += bytes_received.value();
  counts->messages_sent += messages_sent.value();
  counts->bytes_sent += bytes_sent.value();
  counts->messages_skipped += messages_skipped.value();
  counts->slow_closed += slow_closed.value();
  counts->drained += drained.value();
  counts->aborted += aborted.value();
  counts->timed_out += timed_out.value();
  counts->accept_failures += accept_failures.value();
  for (size_t status = 0; status < refused.size(); ++status) {
    if (const uint64_t count = refused[status].value(); count > 0) {
      counts->refused[static_cast<int>(status)] += count;
    }
  }
}

}  // namespace halfpipe::websocket
