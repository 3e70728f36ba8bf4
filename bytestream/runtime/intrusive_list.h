#ifndef HALFPIPE_BYTESTREAM_RUNTIME_INTRUSIVE_LIST_H_
#define HALFPIPE_BYTESTREAM_RUNTIME_INTRUSIVE_LIST_H_

namespace halfpipe {

// A place in a doubly linked ring. Lives inside the object that is listed, so that listing never
// allocates. Leaves its list by itself when destroyed.
class ListLink {
 public:
  ListLink() = default;
  ~ListLink() {
    if (linked()) Unlink();
  }
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;

  bool linked() const { return next_ != this; }

  void Unlink() {
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = this;
  }

  // Leaves its list without touching the neighbours, which may be gone: nobody may use that list
  // any more.
  void Forget() { next_ = previous_ = this; }

 private:
  template <typename T, ListLink T::*kLink>
  friend class IntrusiveList;

  void InsertBefore(ListLink* other, void* owner) {
    if (other == this) return;
    if (linked()) Unlink();
    owner_ = owner;
    previous_ = other->previous_;
    next_ = other;
    previous_->next_ = this;
    other->previous_ = this;
  }

  ListLink* next_ = this;
  ListLink* previous_ = this;
  void* owner_ = nullptr;  // the T that this link is a member of, while it is listed
};

// A first-in, first-out list of T linked through its member `kLink`. Owns nothing. An element may
// leave at any time by kLink.Unlink().
template <typename T, ListLink T::*kLink>
class IntrusiveList {
 public:
  IntrusiveList() = default;

  // Elements still listed are let go, not destroyed.
  ~IntrusiveList() {
    while (head_.linked()) head_.next_->Unlink();
  }

  bool empty() const { return !head_.linked(); }

  // Becomes empty without touching the elements, which may be gone: they are never to be used, not
  // even destroyed.
  void Forget() { head_.next_ = head_.previous_ = &head_; }

  // Moves `element` here, wherever it was listed through kLink before.
  void PushBack(T* element) { (element->*kLink).InsertBefore(&head_, element); }
  void PushFront(T* element) { (element->*kLink).InsertBefore(head_.next_, element); }

  // The first element, which stays; null if there is none.
  T* Front() { return empty() ? nullptr : Owner(head_.next_); }

  // The element behind `element`, which is in this list; null at the end.
  T* Next(T* element) {
    ListLink* const next = (element->*kLink).next_;
    return next == &head_ ? nullptr : Owner(next);
  }

  // Takes the first element off; null if there is none.
  T* PopFront() {
    T* const element = Front();
    if (element != nullptr) (element->*kLink).Unlink();
    return element;
  }

 private:
  static T* Owner(ListLink* link) { return static_cast<T*>(link->owner_); }

  ListLink head_;
};

}  // namespace halfpipe

#endif  // HALFPIPE_BYTESTREAM_RUNTIME_INTRUSIVE_LIST_H_
