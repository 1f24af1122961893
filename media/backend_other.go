//go:build !linux

package media

// newBackend has no implementation here yet.
func newBackend() (backend, error) { return nil, ErrUnsupported }
