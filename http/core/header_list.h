#ifndef HALFPIPE_HTTP_CORE_HEADER_LIST_H_
#define HALFPIPE_HTTP_CORE_HEADER_LIST_H_

// The fields of one head, in the order they came.

#include <cstddef>
#include <iterator>
#include <optional>

#include "absl/strings/string_view.h"

namespace halfpipe::http {

// One field line: views of its name and of its value without the white space round it.
struct Field {
  absl::string_view name;
  absl::string_view value;
};

// Takes the next member off a comma-separated list (RFC 9110 section 5.6.1): returns it without the
// white space round it, and leaves in *rest what follows its comma. Empty members are skipped, so
// an empty result means that the list is at its end. A comma inside a quoted string does not
// separate; a quoted string that never ends takes in the rest of the value. A list is walked in one
// pass; *bytes_examined, if it is not null, grows by how many bytes were looked at, for tests of that.
absl::string_view NextListMember(absl::string_view* rest, size_t* bytes_examined = nullptr);

// An ordered view of field lines that stay where they were received. It owns nothing and keeps no
// index: each lookup walks the bytes, which Limits bounds. So a list costs no memory however many
// fields a peer sends, and copying one together with the text it points to is copying a string.
//
//   for (absl::string_view member : head.fields.Members("Sec-WebSocket-Protocol")) { ... }
//
// Names are compared without regard to case (RFC 9110 section 5.1). Every view that is handed out
// points into the section and lives as long as that does.
class HeaderList {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Field;
    using difference_type = std::ptrdiff_t;
    using pointer = const Field*;
    using reference = const Field&;

    Iterator() = default;
    explicit Iterator(absl::string_view rest) : rest_(rest) { Take(); }

    const Field& operator*() const { return field_; }
    const Field* operator->() const { return &field_; }
    Iterator& operator++() {
      Take();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      Take();
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }
    friend bool operator!=(const Iterator& a, const Iterator& b) { return !(a == b); }

   private:
    void Take();

    absl::string_view rest_;
    Field field_;
    const char* at_ = nullptr;  // Where the field's line begins; null at the end.
  };

  // All members of all fields with one name, as if they were one list.
  class MemberRange {
   public:
    struct Sentinel {};
    class Iterator {
     public:
      Iterator(HeaderList::Iterator field, absl::string_view name) : field_(field), name_(name) {
        EnterField();
      }
      absl::string_view operator*() const { return member_; }
      Iterator& operator++() {
        Take();
        return *this;
      }
      friend bool operator==(const Iterator& i, Sentinel) { return i.member_.empty(); }
      friend bool operator!=(const Iterator& i, Sentinel s) { return !(i == s); }

     private:
      void EnterField();
      void Take();

      HeaderList::Iterator field_;
      absl::string_view name_;
      absl::string_view rest_;
      absl::string_view member_;
    };

    MemberRange(HeaderList::Iterator first, absl::string_view name) : first_(first), name_(name) {}
    Iterator begin() const { return Iterator(first_, name_); }
    Sentinel end() const { return Sentinel(); }

   private:
    HeaderList::Iterator first_;
    absl::string_view name_;
  };

  HeaderList() = default;

  // `section` is zero or more field lines, each with its CRLF and each accepted by ParseFieldLine
  // (head_parser.h). With other text the fields are meaningless, but nothing outside it is read.
  explicit HeaderList(absl::string_view section) : section_(section) {}

  Iterator begin() const { return Iterator(section_); }
  Iterator end() const { return Iterator(); }
  bool empty() const { return section_.empty(); }

  // The field lines as they were received.
  absl::string_view section() const { return section_; }

  // The value of the first field called `name`, possibly empty; nullopt if there is none.
  [[nodiscard]] std::optional<absl::string_view> Find(absl::string_view name) const;

  // The value of the field called `name` if there is exactly one; nullopt if there is none or there
  // are several.
  [[nodiscard]] std::optional<absl::string_view> FindOnly(absl::string_view name) const;

  // How many fields are called `name`.
  [[nodiscard]] size_t Count(absl::string_view name) const;
  [[nodiscard]] bool Has(absl::string_view name) const { return Find(name).has_value(); }

  // `name` must outlive the range.
  [[nodiscard]] MemberRange Members(absl::string_view name) const {
    return MemberRange(begin(), name);
  }

  // Whether `token` is a member, compared whole and without regard to case, of the fields `name`.
  [[nodiscard]] bool HasToken(absl::string_view name, absl::string_view token) const;

 private:
  absl::string_view section_;
};

}  // namespace halfpipe::http

#endif  // HALFPIPE_HTTP_CORE_HEADER_LIST_H_
