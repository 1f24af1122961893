//go:build !linux

package relay

import (
	"errors"
	"io"
)

// ServeFloor relays on Linux only: it measures that kernel.
func ServeFloor(io.Reader, io.Writer) error { return errors.ErrUnsupported }
