#ifndef HALFPIPE_BYTESTREAM_RUNTIME_TIMER_HEAP_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_TIMER_HEAP_H_

#include <cstddef>
#include <cstdint>

#include "bytestream/base/deadline.h"

namespace halfpipe {

// Deadlines to wake up at, the earliest first: a pairing heap whose nodes live in the objects that
// wait, so that arming a timer never allocates. Pure: knows no clock and calls nobody.
//
// Insert is O(1), Remove and taking the earliest O(log n) amortized. Equal deadlines come out in
// the order they went in. A node may be in one heap at a time and must be removed before it is
// destroyed.
class TimerHeap {
 public:
  class Node {
   public:
    Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    bool armed() const { return armed_; }
    Deadline deadline() const { return deadline_; }

   private:
    friend class TimerHeap;

    Deadline deadline_ = Deadline::Never();
    uint64_t order_ = 0;
    Node* child_ = nullptr;     // the first of its children
    Node* sibling_ = nullptr;   // the next child of the same parent
    Node* previous_ = nullptr;  // the child before, or the parent of a first child
    bool armed_ = false;
  };

  TimerHeap() = default;
  TimerHeap(const TimerHeap&) = delete;
  TimerHeap& operator=(const TimerHeap&) = delete;

  bool empty() const { return root_ == nullptr; }
  size_t size() const { return size_; }

  // Arms `node`, which must not be armed, for `deadline`, which must not be Never().
  void Insert(Node* node, Deadline deadline);

  // Disarms `node`; nothing happens if it is not armed.
  void Remove(Node* node);

  // The earliest node, still armed; null if there is none.
  Node* Earliest() { return root_; }

 private:
  static bool Before(const Node& a, const Node& b);
  static Node* Meld(Node* a, Node* b);
  static Node* MeldChildren(Node* first);

  Node* root_ = nullptr;
  uint64_t next_order_ = 0;
  size_t size_ = 0;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_TIMER_HEAP_H_
