#!/usr/bin/env bash
# Runs every fuzz target of the module for a while, one after the other; a
# finding fails.
#   .ci/fuzz.sh [TIME]     TIME as of go test -fuzztime; default 60s
set -euo pipefail
cd "$(dirname "$0")/.."

for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "== $package $target"
		# Shrinking an interesting input would eat the time.
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-60s}" -fuzzminimizetime 1s "$package"
	done
done
