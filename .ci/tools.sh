#!/usr/bin/env bash
# Builds the pinned linter through the Go module proxy into the cache
# directory (two minutes, the second time none) and prints where it is.
#   "$(.ci/tools.sh)/golangci-lint" run
set -euo pipefail

version=v2.15.0

bin="${CALLSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/callseal}/tools/golangci-lint-$version"
if [ ! -x "$bin/golangci-lint" ]; then
	mkdir -p "$bin"
	# Outside of the module, so that the linter's modules do not become ours.
	(cd "$bin" && GOBIN="$bin" GOFLAGS= CGO_ENABLED=0 go install -trimpath -ldflags="-s -w" \
		"github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version") >&2
fi
echo "$bin"
