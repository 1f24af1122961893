//go:build amd64 || arm64

package prefetch

import "unsafe"

// Lines begins to load so many cache lines of 64 bytes, one at least, from p on. It waits for nothing, and no address is
// wrong.
//
//go:noescape
func Lines(p unsafe.Pointer, lines int)
