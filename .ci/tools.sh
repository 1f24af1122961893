#!/usr/bin/env bash
# Builds the pinned lint tools through the Go module proxy into the user's
# cache directory and prints that directory. The second run takes no time.
#   PATH="$(.ci/tools.sh):$PATH"
set -euo pipefail

golangci=v2.15.0

bin="${CALLSEAL_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/callseal/tools}/$golangci"
if [ ! -x "$bin/golangci-lint" ]; then
	mkdir -p "$bin"
	(cd "$bin" && GOBIN="$bin" GOFLAGS= CGO_ENABLED=0 go install -trimpath -ldflags="-s -w" \
		"github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci") >&2
fi
echo "$bin"
