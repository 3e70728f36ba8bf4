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
    // `calls_back`: it is the base of a CallbackNode.
    explicit Node(bool calls_back = false) : calls_back_(calls_back) {}
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    bool armed() const { return armed_; }
    bool calls_back() const { return calls_back_; }
    Deadline deadline() const { return deadline_; }
    // Grows with each Insert(), by which equal deadlines are told apart.
    uint64_t order() const { return order_; }

    // Disarms the node of a heap that nobody will look at again, whose other nodes may have gone.
    void Forget() { armed_ = false; }

   private:
    friend class TimerHeap;

    Deadline deadline_ = Deadline::Never();
    uint64_t order_ = 0;
    Node* child_ = nullptr;     // the first of its children
    Node* sibling_ = nullptr;   // the next child of the same parent
    Node* previous_ = nullptr;  // the child before, or the parent of a first child
    bool armed_ = false;
    const bool calls_back_;
  };

  // A node that has a function for its deadline, where others have a waiter around them. Who takes
  // it out of the heap calls it.
  struct CallbackNode : Node {
    explicit CallbackNode(void (*fire_function)(CallbackNode*))
        : Node(/*calls_back=*/true), fire(fire_function) {}

    void (*const fire)(CallbackNode*);
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

  // The order() of the node that is inserted next.
  uint64_t next_order() const { return next_order_; }

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
