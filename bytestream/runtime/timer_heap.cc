#include "bytestream/runtime/timer_heap.h"

#include "bytestream/base/check.h"

namespace halfpipe {

bool TimerHeap::Before(const Node& a, const Node& b) {
  if (a.deadline_ != b.deadline_) return a.deadline_ < b.deadline_;
  return a.order_ < b.order_;
}

// Makes one of two trees a child of the other. Either may be null. The roots have no siblings.
TimerHeap::Node* TimerHeap::Meld(Node* a, Node* b) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  if (Before(*b, *a)) {
    Node* const swap = a;
    a = b;
    b = swap;
  }
  b->sibling_ = a->child_;
  if (a->child_ != nullptr) a->child_->previous_ = b;
  b->previous_ = a;
  a->child_ = b;
  return a;
}

// Melds a list of siblings into one tree: in pairs from left to right, then the pairs from right to
// left. Works on the list in place, so that a long one needs no stack.
TimerHeap::Node* TimerHeap::MeldChildren(Node* first) {
  Node* pairs = nullptr;  // linked through sibling_, the last pair first
  while (first != nullptr) {
    Node* const a = first;
    Node* const b = a->sibling_;
    first = b != nullptr ? b->sibling_ : nullptr;
    a->sibling_ = a->previous_ = nullptr;
    if (b != nullptr) b->sibling_ = b->previous_ = nullptr;
    Node* const tree = Meld(a, b);
    tree->sibling_ = pairs;
    pairs = tree;
  }
  Node* root = nullptr;
  while (pairs != nullptr) {
    Node* const next = pairs->sibling_;
    pairs->sibling_ = nullptr;
    root = Meld(root, pairs);
    pairs = next;
  }
  return root;
}

void TimerHeap::Insert(Node* node, Deadline deadline) {
  HALFPIPE_CHECK(!node->armed_);
  HALFPIPE_CHECK(!deadline.is_never());
  node->deadline_ = deadline;
  node->order_ = next_order_++;
  node->child_ = node->sibling_ = node->previous_ = nullptr;
  node->armed_ = true;
  root_ = Meld(root_, node);
  ++size_;
}

void TimerHeap::Remove(Node* node) {
  if (!node->armed_) return;
  if (node == root_) {
    root_ = MeldChildren(node->child_);
  } else {
    if (node->previous_->child_ == node) {
      node->previous_->child_ = node->sibling_;
    } else {
      node->previous_->sibling_ = node->sibling_;
    }
    if (node->sibling_ != nullptr) node->sibling_->previous_ = node->previous_;
    node->sibling_ = node->previous_ = nullptr;
    root_ = Meld(root_, MeldChildren(node->child_));
  }
  node->child_ = nullptr;
  node->armed_ = false;
  --size_;
}

}  // namespace halfpipe
