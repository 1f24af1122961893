//go:build !amd64 && !arm64

package prefetch

import "unsafe"

// Lines knows no instruction for it on this processor.
func Lines(unsafe.Pointer, int) {}
