#include "http/core/head_serializer.h"

#include <cstring>

#include "http/core/grammar.h"

namespace halfpipe::http {

WriteStatus HeadSerializer::Refuse() {
  status_ = WriteStatus::kInvalid;
  return status_;
}

WriteStatus HeadSerializer::Append(const absl::string_view* parts, size_t count) {
  size_t line_size = 0;
  for (size_t i = 0; i < count; ++i) line_size += parts[i].size();
  size_needed_ += line_size;
  if (status_ != WriteStatus::kOk) return status_;
  if (line_size > out_.size() - size_) {
    status_ = WriteStatus::kNoSpace;
    return status_;
  }
  for (size_t i = 0; i < count; ++i) {
    if (parts[i].empty()) continue;  // memcpy takes no null pointer, even for nothing.
    std::memcpy(out_.data() + size_, parts[i].data(), parts[i].size());
    size_ += parts[i].size();
  }
  return status_;
}

WriteStatus HeadSerializer::WriteRequestLine(absl::string_view method, absl::string_view target) {
  if (!IsValidMethod(method) || !IsValidTarget(target)) return Refuse();
  const absl::string_view parts[] = {method, " ", target, " HTTP/1.1\r\n"};
  return Append(parts, 4);
}

WriteStatus HeadSerializer::WriteStatusLine(int status, absl::string_view reason) {
  if (!IsValidStatus(status) || !IsValidReason(reason)) return Refuse();
  const char code[3] = {static_cast<char>('0' + status / 100),
                        static_cast<char>('0' + status / 10 % 10),
                        static_cast<char>('0' + status % 10)};
  const absl::string_view parts[] = {"HTTP/1.1 ", absl::string_view(code, 3), " ", reason, "\r\n"};
  return Append(parts, 5);
}

WriteStatus HeadSerializer::WriteField(absl::string_view name, absl::string_view value) {
  if (!IsValidFieldName(name) || !IsValidFieldValue(value)) return Refuse();
  const absl::string_view trimmed = TrimOws(value);
  const absl::string_view parts[] = {name, trimmed.empty() ? ":" : ": ", trimmed, "\r\n"};
  return Append(parts, 4);
}

WriteStatus HeadSerializer::WriteEnd() {
  const absl::string_view parts[] = {"\r\n"};
  return Append(parts, 1);
}

}  // namespace halfpipe::http
