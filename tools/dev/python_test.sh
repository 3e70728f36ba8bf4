#!/bin/bash
# Runs the Python unit tests $1, which stand beside what they test.
exec python3 -B "$1"
