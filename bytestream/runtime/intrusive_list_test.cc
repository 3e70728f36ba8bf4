#include "bytestream/runtime/intrusive_list.h"

#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace halfpipe {
namespace {

struct Item {
  explicit Item(char name) : name(name) {}
  char name;
  ListLink link;
};
using List = IntrusiveList<Item, &Item::link>;

std::string Names(List* list) {
  std::string names;
  for (Item* it = list->Front(); it != nullptr; it = list->Next(it)) names += it->name;
  return names;
}

TEST(IntrusiveListTest, FirstInFirstOut) {
  List list;
  Item a('a'), b('b'), c('c');
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.Front(), nullptr);
  EXPECT_EQ(list.PopFront(), nullptr);
  list.PushBack(&a);
  list.PushBack(&b);
  list.PushFront(&c);
  EXPECT_EQ(Names(&list), "cab");
  EXPECT_EQ(list.PopFront(), &c);
  EXPECT_EQ(list.PopFront(), &a);
  EXPECT_EQ(list.PopFront(), &b);
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(a.link.linked());
}

TEST(IntrusiveListTest, AnElementMovesWithinAListAndBetweenLists) {
  List list;
  List other;
  Item a('a'), b('b'), c('c');
  for (Item* item : {&a, &b, &c}) list.PushBack(item);
  list.PushBack(&a);
  EXPECT_EQ(Names(&list), "bca");
  list.PushFront(&c);
  EXPECT_EQ(Names(&list), "cba");
  list.PushFront(&c);
  list.PushBack(&a);
  EXPECT_EQ(Names(&list), "cba");
  other.PushBack(&b);
  EXPECT_EQ(Names(&list), "ca");
  EXPECT_EQ(Names(&other), "b");
}

TEST(IntrusiveListTest, AnElementLeavesFromEveryPlaceAndWhenDestroyed) {
  for (int leaving = 0; leaving < 3; ++leaving) {
    List list;
    std::unique_ptr<Item> items[] = {std::make_unique<Item>('a'), std::make_unique<Item>('b'),
                                     std::make_unique<Item>('c')};
    for (const auto& item : items) list.PushBack(item.get());
    items[leaving] = nullptr;
    std::string expected = "abc";
    expected.erase(leaving, 1);
    EXPECT_EQ(Names(&list), expected);
  }
}

TEST(IntrusiveListTest, AListThatGoesLetsItsElementsGo) {
  Item a('a'), b('b');
  {
    List list;
    list.PushBack(&a);
    list.PushBack(&b);
  }
  EXPECT_FALSE(a.link.linked());
  EXPECT_FALSE(b.link.linked());
  a.link.Unlink();
  EXPECT_FALSE(a.link.linked());
}

// Under AddressSanitizer a touch of the element would show.
TEST(IntrusiveListTest, ForgetTouchesNoElement) {
  List list;
  alignas(Item) unsigned char storage[sizeof(Item)];
  list.PushBack(new (storage) Item('a'));
  for (unsigned char& byte : storage) byte = 0xff;
  list.Forget();
  EXPECT_TRUE(list.empty());
  for (unsigned char byte : storage) EXPECT_EQ(byte, 0xff);
}

}  // namespace
}  // namespace halfpipe
