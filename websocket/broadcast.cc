#include "websocket/broadcast.h"

#include <atomic>
#include <cerrno>
#include <new>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "bytestream/base/errno_status.h"
#include "bytestream/runtime/intrusive_list.h"

namespace halfpipe::websocket {

// A member of a part. Belongs to its connection.
class BroadcastMember final : public Membership {
 public:
  BroadcastMember(BroadcastPart* part, Connection* connection);
  ~BroadcastMember() override;

  Connection& connection() { return *connection_; }
  ListLink link;

 private:
  BroadcastPart* const part_;
  Connection* const connection_;
};

// The members of one thread. Held by the Broadcast, by each member, and by messages that are on their
// way from other threads.
class BroadcastPart {
 public:
  // A share in it.
  class Ref {
   public:
    explicit Ref(BroadcastPart* part) : part_(part) {
      part_->references_.fetch_add(1, std::memory_order_relaxed);
    }
    Ref(const Ref& other) : Ref(other.part_) {}
    Ref& operator=(const Ref&) = delete;
    ~Ref() { part_->Unref(); }
    BroadcastPart* operator->() const { return part_; }

   private:
    BroadcastPart* const part_;
  };

  // Drops the reference that it was made with.
  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // On the members' thread.
  void Deliver(const EncodedMessageRef& message, ConnectionId except, SlowPolicy policy) {
    for (BroadcastMember* it = members_.Front(); it != nullptr;) {
      Connection& connection = it->connection();
      // One that is too slow leaves in between.
      it = members_.Next(it);
      if (!(connection.id() == except)) {
        static_cast<void>(connection.Enqueue(message, policy));
      }
    }
  }

  // By any thread.
  size_t member_count() const { return member_count_.load(std::memory_order_relaxed); }

 private:
  friend class BroadcastMember;

  std::atomic<uint32_t> references_ = 1;
  std::atomic<size_t> member_count_ = 0;
  IntrusiveList<BroadcastMember, &BroadcastMember::link> members_;
};

BroadcastMember::BroadcastMember(BroadcastPart* part, Connection* connection)
    : Membership(part), part_(part), connection_(connection) {
  part_->references_.fetch_add(1, std::memory_order_relaxed);
  part_->members_.PushBack(this);
  part_->member_count_.fetch_add(1, std::memory_order_relaxed);
}

BroadcastMember::~BroadcastMember() {
  link.Unlink();
  part_->member_count_.fetch_sub(1, std::memory_order_relaxed);
  part_->Unref();
}

Broadcast::~Broadcast() {
  for (const Place& place : places_) place.part->Unref();
}

BroadcastPart* Broadcast::FindPart(const ThreadLink::Ref& link, bool make) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Place& place : places_) {
    if (place.link == link) return place.part;
  }
  if (!make) return nullptr;
  places_.push_back({link, new BroadcastPart});
  return places_.back().part;
}

bool Broadcast::Join(Connection& connection) {
  BroadcastPart* const part = FindPart(connection.link(), /*make=*/true);
  if (connection.FindMembership(part) != nullptr) return false;
  auto* const member = new (std::nothrow) BroadcastMember(part, &connection);
  if (member == nullptr) return false;
  if (connection.Join(member)) return true;
  delete member;
  return false;
}

bool Broadcast::Leave(Connection& connection) {
  BroadcastPart* const part = FindPart(connection.link(), /*make=*/false);
  Membership* const member = part != nullptr ? connection.FindMembership(part) : nullptr;
  delete member;
  return member != nullptr;
}

absl::Status Broadcast::Send(MessageType type, absl::string_view payload, ConnectionId except) {
  absl::StatusOr<EncodedMessageRef> message = EncodedMessage::Make(type, payload);
  if (!message.ok()) return message.status();
  return Send(*message, except);
}

absl::Status Broadcast::Send(const EncodedMessageRef& message, ConnectionId except) {
  struct Way {
    ThreadLink::Ref link;
    BroadcastPart::Ref part;
  };
  absl::InlinedVector<Way, 8> ways;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const Place& place : places_) {
      if (place.part->member_count() == 0) continue;
      ways.push_back({place.link, BroadcastPart::Ref(place.part)});
    }
  }
  absl::Status result;
  for (const Way& way : ways) {
    if (way.link.is_here()) {
      way.part->Deliver(message, except, policy_);
      continue;
    }
    const int error = way.link.Post([part = way.part, message, except, policy = policy_](
                                        ServerThread&) { part->Deliver(message, except, policy); });
    if (error == ENOMEM) result = ErrnoStatus(error, "too much waits at a thread");
  }
  return result;
}

size_t Broadcast::member_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  size_t count = 0;
  for (const Place& place : places_) count += place.part->member_count();
  return count;
}

}  // namespace halfpipe::websocket
