// A library that is not marked as pure.
